//! Encryption and logins on the real servers: who is let in, who is refused, and with what words.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use evp::backends::kafka::{KafkaDoctor, KafkaLog, KafkaLogOptions};
use evp::backends::redis::{RedisDoctor, RedisState};
use evp::backends::s3::S3Doctor;
use evp::backends::s3::stand_in::StandIn;
use evp::model::{Headers, Record, RecordBatch, Timestamp, Topic};
use evp::ports::{Clock, Doctor, EventLog, Kind, State, SystemClock};
use evp::settings::{
    Kafka, KafkaTls, Redis, S3, Sasl, SaslMechanism, Secret, Security, Settings, Span,
};

use crate::servers::{MINIO_PASSWORD, MINIO_USER, Running, free_port, installed, minio_with};

/// No test may print it, and no answer.
const PASSWORD: &str = "hunter2-hunter2";

/// A certificate for `localhost` and who signs it, all PEM.
struct Certificates {
    authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
    /// Key and certificate in one file, as Kafka wants them.
    both: PathBuf,
}

fn openssl(arguments: &[&str], folder: &Path) {
    let made = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn certificates(folder: &Path) -> Certificates {
    let new = ["req", "-newkey", "rsa:2048", "-nodes", "-subj"];
    let with = |more: &[&'static str]| [&new[..], more].concat();
    openssl(
        &with(&[
            "/CN=evp test authority",
            "-x509",
            "-days",
            "2",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
        ]),
        folder,
    );
    openssl(&with(&["/CN=localhost", "-keyout", "server.key", "-out", "server.csr"]), folder);
    fs::write(folder.join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    let sign = "x509 -req -days 2 -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial \
                -extfile names -out server.pem";
    openssl(&sign.split_whitespace().collect::<Vec<_>>(), folder);
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    fs::write(folder.join("both.pem"), read("server.key") + &read("server.pem")).unwrap();
    Certificates {
        authority: folder.join("ca.pem"),
        certificate: folder.join("server.pem"),
        key: folder.join("server.key"),
        both: folder.join("both.pem"),
    }
}

/// A broker that takes a name and a password through TLS at one port, and certificates of its
/// authority at another.
struct SecureKafka {
    _running: Running,
    named: u16,
    mutual: u16,
}

fn secure_kafka(folder: &Path, certificates: &Certificates) -> SecureKafka {
    let (plain, named, mutual, controller) = (free_port(), free_port(), free_port(), free_port());
    let data = folder.join("kafka");
    fs::create_dir_all(&data).unwrap();
    let properties = data.join("server.properties");
    let text = format!(
        "process.roles=broker,controller\nnode.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         listeners=PLAINTEXT://127.0.0.1:{plain},NAMED://127.0.0.1:{named},\
         MUTUAL://127.0.0.1:{mutual},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{plain},NAMED://localhost:{named},\
         MUTUAL://localhost:{mutual}\n\
         controller.listener.names=CONTROLLER\ninter.broker.listener.name=PLAINTEXT\n\
         listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,NAMED:SASL_SSL,\
         MUTUAL:SSL\n\
         ssl.keystore.type=PEM\nssl.keystore.location={both}\nssl.truststore.type=PEM\n\
         ssl.truststore.location={authority}\nlistener.name.mutual.ssl.client.auth=required\n\
         sasl.enabled.mechanisms=SCRAM-SHA-512\n\
         listener.name.named.scram-sha-512.sasl.jaas.config=\
         org.apache.kafka.common.security.scram.ScramLoginModule required;\n\
         log.dirs={log}\nauto.create.topics.enable=false\noffsets.topic.replication.factor=1\n\
         group.initial.rebalance.delay.ms=0\n",
        both = certificates.both.display(),
        authority = certificates.authority.display(),
        log = data.join("data").display(),
    );
    fs::write(&properties, text).unwrap();
    let java = move |memory: &str| {
        let mut command = Command::new("java");
        command.arg(memory).arg("-cp").arg(format!("{}/*", installed("kafka/libs").display()));
        command
    };
    let formatted = java("-Xmx128m")
        .args(["kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c"])
        .arg(&properties)
        .args(["--add-scram", &format!("SCRAM-SHA-512=[name=evp,password={PASSWORD}]")])
        .output()
        .unwrap();
    assert!(formatted.status.success(), "{}", String::from_utf8_lossy(&formatted.stderr));
    let running = Running::start("kafka", plain, folder, move || {
        let mut command = java("-Xmx512m");
        command.arg("kafka.Kafka").arg(&properties);
        command
    });
    SecureKafka { _running: running, named, mutual }
}

/// One record there, or the words of the refusal.
async fn send(settings: &Kafka) -> Result<(), String> {
    let topic = Topic::from("raw-events");
    let options = KafkaLogOptions { settings: settings.clone(), topics: vec![topic.clone()] };
    let log = Arc::new(KafkaLog::open(options).map_err(|error| error.chain())?);
    let record = Record {
        key: "k".into(),
        value: "v".into(),
        timestamp: Timestamp::from_millis_clamped(0),
        headers: Headers::new(),
    };
    let sent = log.append(&topic, RecordBatch::of(&record)).await;
    log.close();
    sent.map(drop).map_err(|error| {
        assert_eq!(error.kind(), Kind::Unavailable, "{}", error.chain());
        error.chain()
    })
}

async fn advice(settings: &Kafka) -> String {
    let settings = Settings { kafka: settings.clone(), ..Settings::default() };
    let diagnosis = KafkaDoctor::new(&settings).unwrap().examine(SystemClock.now()).await;
    assert!(!diagnosis.reachable, "{diagnosis:?}");
    let seen = &diagnosis.symptoms[0];
    assert!(!format!("{diagnosis:?}").contains(PASSWORD));
    format!("{} | {}", seen.what, seen.advice)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_takes_who_proves_a_password_or_a_certificate_and_says_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = certificates(folder.path());
    let broker = secure_kafka(folder.path(), &certificates);
    let named = Kafka {
        brokers: vec![format!("localhost:{}", broker.named)],
        security: Security::SaslSsl,
        tls: KafkaTls { ca_file: Some(certificates.authority.clone()), ..KafkaTls::default() },
        sasl: Sasl {
            mechanism: SaslMechanism::ScramSha512,
            username: "evp".to_owned(),
            password: Some(Secret::from(PASSWORD)),
        },
        partitions: 1,
        ..Kafka::default()
    };
    assert_eq!(send(&named).await, Ok(()), "SASL_SSL");
    let tls = KafkaTls {
        cert_file: Some(certificates.certificate.clone()),
        key_file: Some(certificates.key.clone()),
        ..named.tls.clone()
    };
    let brokers = vec![format!("localhost:{}", broker.mutual)];
    let mutual = Kafka { brokers, security: Security::Ssl, tls, ..named.clone() };
    assert_eq!(send(&mutual).await, Ok(()), "SSL");

    let mut wrong = named.clone();
    wrong.sasl.password = Some(Secret::from("not-hunter2"));
    let said = send(&wrong).await.unwrap_err();
    assert!(said.to_lowercase().contains("authentication"), "{said}");
    assert!(!said.contains("not-hunter2"), "{said}");
    let said = advice(&wrong).await;
    assert!(said.contains("kafka.sasl.password"), "{said}");

    let mut elsewhere = named.clone();
    elsewhere.brokers = vec![format!("127.0.0.1:{}", broker.named)];
    let said = send(&elsewhere).await.unwrap_err();
    assert!(said.contains("certificate verify failed"), "another name: {said}");
    assert!(advice(&elsewhere).await.contains("kafka.brokers to the names"), "{said}");

    let mut unknown = named.clone();
    unknown.tls.ca_file = None;
    let said = send(&unknown).await.unwrap_err();
    assert!(said.to_lowercase().contains("certificate"), "nobody's authority: {said}");

    let mut nobody = mutual;
    nobody.tls.cert_file = None;
    nobody.tls.key_file = None;
    assert!(send(&nobody).await.is_err(), "without a certificate");
}

fn redis(folder: &Path, certificates: &Certificates) -> Running {
    let data = folder.join("redis");
    fs::create_dir_all(&data).unwrap();
    let port = free_port();
    let pem =
        [&certificates.certificate, &certificates.key, &certificates.authority].map(Clone::clone);
    Running::start("redis", port, folder, move || {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--port", "0", "--appendonly", "yes"]);
        command.args(["--tls-port", &port.to_string(), "--tls-auth-clients", "no"]);
        for (name, file) in
            ["--tls-cert-file", "--tls-key-file", "--tls-ca-cert-file"].iter().zip(&pem)
        {
            command.arg(name).arg(file);
        }
        command.args(["--requirepass", PASSWORD]);
        command.args(["--user", "evp", "on", &format!(">{PASSWORD}-2"), "~*", "&*", "+@all"]);
        command.arg("--dir").arg(&data);
        command
    })
}

#[tokio::test]
async fn redis_takes_a_password_through_tls_and_a_user_of_its_acl() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = certificates(folder.path());
    let server = redis(folder.path(), &certificates);
    let good = Redis {
        addr: format!("localhost:{}", server.port),
        tls: true,
        tls_ca: Some(certificates.authority.clone()),
        password: Some(Secret::from(PASSWORD)),
        connect_timeout: Span(Duration::from_secs(2)),
        ..Redis::default()
    };
    let asks = async |settings: &Redis| {
        let state = RedisState::open(settings, Arc::new(SystemClock)).unwrap();
        state.rules().await.map(drop).map_err(|error| {
            assert_eq!(error.kind(), Kind::Unavailable, "{}", error.chain());
            error.chain()
        })
    };
    assert_eq!(asks(&good).await, Ok(()));
    let named = Redis {
        username: Some("evp".to_owned()),
        password: Some(Secret::from(&format!("{PASSWORD}-2")[..])),
        ..good.clone()
    };
    assert_eq!(asks(&named).await, Ok(()));
    let diagnosis = RedisDoctor::new(&named).unwrap().examine(SystemClock.now()).await;
    assert!(diagnosis.reachable && diagnosis.symptoms.is_empty(), "{diagnosis:?}");

    let wrong = Redis { password: Some(Secret::from("not-hunter2")), ..good.clone() };
    for (settings, word) in [
        (&wrong, "redis.password"),
        (&Redis { password: None, ..good.clone() }, "redis.password"),
        (&Redis { tls_ca: None, ..good.clone() }, "redis.tls_ca"),
        (&Redis { addr: format!("127.0.0.1:{}", server.port), ..good.clone() }, "redis.tls_ca"),
        (&Redis { tls: false, ..good.clone() }, "REDIS_ADDR"),
    ] {
        let said = asks(settings).await.unwrap_err();
        let diagnosis = RedisDoctor::new(settings).unwrap().examine(SystemClock.now()).await;
        assert!(!diagnosis.reachable, "{said}");
        assert!(diagnosis.symptoms[0].advice.contains(word), "{said}: {diagnosis:?}");
        assert!(!format!("{said}{diagnosis:?}").contains("hunter2"), "{said} {diagnosis:?}");
    }
}

/// A name of a host that nobody has is reached by way of a proxy, which is the stand-in itself: the
/// bucket stands in the name that it is asked for.
#[test]
fn s3_is_asked_by_the_name_of_the_bucket_where_it_shall() {
    let stand_in = StandIn::start(false).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let evp = |path_style: &str| {
        Command::new(env!("CARGO_BIN_EXE_evp"))
            .env_clear()
            .env("HOME", folder.path())
            .env("HTTP_PROXY", stand_in.endpoint())
            .env("http_proxy", stand_in.endpoint())
            .current_dir(folder.path())
            .args(["archive", "ls", "--profile", "cluster"])
            .args(["--set", "s3.endpoint=http://store.test", "--set", "s3.access_key=name"])
            .args(["--set", &format!("s3.path_style={path_style}"), "--set", "s3.retries=0"])
            .env("EVP__S3__SECRET_KEY", PASSWORD)
            .output()
            .unwrap()
    };
    for (path_style, wanted) in
        [("false", "http://event-archive.store.test"), ("true", "http://store.test/event-archive")]
    {
        let output = evp(path_style);
        let asked = stand_in.requests();
        assert!(asked.iter().any(|line| line.contains(wanted)), "{asked:?} {output:?}");
        assert!(!String::from_utf8_lossy(&output.stderr).contains(PASSWORD), "{output:?}");
    }
}

/// rust-s3 takes no authority of its own: the machine's are believed, and who is not among them is
/// told what to do.
#[test]
fn s3_is_reached_over_tls_by_the_authorities_of_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = certificates(folder.path());
    let served = folder.path().join("served");
    fs::create_dir_all(&served).unwrap();
    fs::copy(&certificates.certificate, served.join("public.crt")).unwrap();
    fs::copy(&certificates.key, served.join("private.key")).unwrap();
    let server = minio_with(folder.path(), &["--certs-dir", served.to_str().unwrap()]);
    let evp = |command: &[&str], authority: &Path| {
        Command::new(env!("CARGO_BIN_EXE_evp"))
            .env_clear()
            .env("HOME", folder.path())
            .env("SSL_CERT_FILE", authority)
            .env("EVP__S3__SECRET_KEY", MINIO_PASSWORD)
            .current_dir(folder.path())
            .args(command)
            .args(["--profile", "cluster", "--set", &format!("s3.access_key={MINIO_USER}")])
            .args(["--set", &format!("s3.endpoint=https://localhost:{}", server.port)])
            .args(["--set", "s3.retries=0"])
            .output()
            .unwrap()
    };
    let ls = evp(&["archive", "ls"], &certificates.authority);
    assert!(ls.status.success(), "{ls:?}");
    // A certificate, and no authority that signed the server's.
    let strange = evp(&["archive", "ls"], &certificates.certificate);
    let said = String::from_utf8_lossy(&strange.stderr).into_owned();
    assert!(!strange.status.success() && said.contains("certificate"), "{said}");
    let advice = |authority: &Path| {
        String::from_utf8_lossy(&evp(&["doctor"], authority).stdout).contains("SSL_CERT_FILE")
    };
    assert!(advice(&certificates.certificate) && !advice(&certificates.authority));
}

#[tokio::test]
async fn a_key_of_s3_is_named_by_no_answer() {
    let stand_in = StandIn::start(false).unwrap();
    let settings = S3 {
        endpoint: Some(stand_in.endpoint()),
        access_key: Some("name".to_owned()),
        secret_key: Some(PASSWORD.into()),
        ..S3::default()
    };
    let diagnosis = S3Doctor::new(&settings).unwrap().examine(SystemClock.now()).await;
    assert!(diagnosis.reachable, "{diagnosis:?}");
    assert!(!format!("{diagnosis:?}{settings:?}").contains(PASSWORD));
}
