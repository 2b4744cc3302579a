//! `evp doctor` on the real servers: each finding, and the exit code of the command.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use evp::backends::kafka::KafkaDoctor;
use evp::backends::postgres::{PostgresDoctor, PostgresMigrations};
use evp::backends::redis::RedisDoctor;
use evp::backends::s3::S3Doctor;
use evp::model::Timestamp;
use evp::ports::{Clock, Diagnosis, Doctor, Migrations, Severity, SystemClock};
use evp::settings::{Postgres, Redis, S3, Secret, Settings};

use crate::servers::{self, MINIO_PASSWORD, MINIO_USER, Running};

fn codes(diagnosis: &Diagnosis) -> Vec<&str> {
    diagnosis.symptoms.iter().map(|symptom| symptom.code.as_str()).collect()
}

fn evp(folder: &Path, servers: [&Running; 4], arguments: &[&str]) -> Output {
    let [kafka, redis, postgres, minio] = servers;
    Command::new(env!("CARGO_BIN_EXE_evp"))
        .env_clear()
        .env("HOME", folder)
        .current_dir(folder)
        .env("EVP_PROFILE", "cluster")
        .env("KAFKA_BROKERS", format!("127.0.0.1:{}", kafka.port))
        .env("EVP__KAFKA__REPLICATION", "1")
        .env("EVP__KAFKA__MIN_IN_SYNC", "1")
        .env("REDIS_ADDR", format!("127.0.0.1:{}", redis.port))
        .env("DB_URL", url(postgres))
        .env("MINIO_ENDPOINT", format!("127.0.0.1:{}", minio.port))
        .env("MINIO_ACCESS_KEY", MINIO_USER)
        .env("MINIO_SECRET_KEY", MINIO_PASSWORD)
        .args(arguments)
        .output()
        .unwrap()
}

fn url(postgres: &Running) -> String {
    format!("postgres://postgres:password@127.0.0.1:{}/analytics?sslmode=disable", postgres.port)
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}", text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_command_ends_with_0_on_fresh_servers_10_with_a_warning_and_69_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| {
        let place = folder.path().join(name);
        std::fs::create_dir(&place).unwrap();
        place
    };
    let (kafka, redis) = (servers::kafka(&place("k")), servers::redis(&place("r"), true));
    let (postgres, mut minio) = (servers::postgres(&place("p")), servers::minio(&place("m")));
    let doctor =
        |minio: &Running| evp(folder.path(), [&kafka, &redis, &postgres, minio], &["doctor"]);
    // MinIO's port answers a moment before it does.
    let mut fresh = doctor(&minio);
    for _ in 0..50 {
        if fresh.status.code() != Some(69) {
            break;
        }
        fresh = doctor(&minio);
    }
    let text = said(&fresh);
    assert_eq!(fresh.status.code(), Some(0), "{text}");
    assert_eq!(text.matches("made on first use").count(), 1, "one line: {text}");
    assert!(text.contains("a worker makes them before its first batch"), "{text}");
    for version in ["7.0", "15.", "MinIO"] {
        assert!(text.contains(version), "{version}: {text}");
    }
    assert!(!text.contains("password@") && !text.contains(MINIO_PASSWORD), "{text}");

    let servers = [&kafka, &redis, &postgres, &minio];
    let made = evp(folder.path(), servers, &["topics", "ensure"]);
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    let warned = doctor(&minio);
    let text = said(&warned);
    assert_eq!(warned.status.code(), Some(10), "{text}");
    assert_eq!(text.matches("one copy").count(), 1, "{text}");

    minio.stop();
    let gone = doctor(&minio);
    assert_eq!(gone.status.code(), Some(69), "{}", said(&gone));
    assert!(said(&gone).contains("MINIO_ENDPOINT"), "{}", said(&gone));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_broker_cannot_hold_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let server = servers::kafka(folder.path());
    let mut settings = Settings::default();
    settings.kafka.brokers = vec![format!("127.0.0.1:{}", server.port)];
    settings.kafka.replication = 3;
    let seen = KafkaDoctor::new(&settings).unwrap().examine(SystemClock.now()).await;
    assert_eq!(codes(&seen), ["too_few_brokers", "topic_missing"]);
    settings.kafka.replication = 1;
    settings.kafka.create_topics = false;
    let seen = KafkaDoctor::new(&settings).unwrap().examine(SystemClock.now()).await;
    assert_eq!(codes(&seen), ["topic_missing"]);
    assert_eq!(seen.symptoms[0].severity, Severity::Error);
    assert_eq!(seen.version, None, "its protocol tells none");
}

#[tokio::test]
async fn a_redis_that_forgets_or_evicts_or_is_a_cluster_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let examine = async |arguments: &'static [&'static str], append_only: bool, ahead_ms: i64| {
        let folder = tempfile::tempdir_in(folder.path()).unwrap();
        let server = servers::redis_with(folder.path(), append_only, arguments);
        let addr = format!("127.0.0.1:{}", server.port);
        let settings = Redis { addr, ..Redis::default() };
        let now = SystemClock.now().as_millis() - ahead_ms;
        let now = Timestamp::from_millis_clamped(now);
        RedisDoctor::new(&settings).unwrap().examine(now).await
    };
    let good = examine(&[], true, 0).await;
    assert!(codes(&good).is_empty(), "{good:?}");
    let bad = examine(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"], false, 0);
    assert_eq!(codes(&bad.await), ["evicts_marks", "forgets_on_restart"]);
    let cluster = examine(&["--cluster-enabled", "yes"], true, 0).await;
    assert!(cluster.reachable, "it answered: {cluster:?}");
    assert_eq!(codes(&cluster), ["unusable"]);
    assert_eq!(codes(&examine(&[], true, 60_000).await), ["clock_skew"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_is_not_durable_or_not_ours_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let server = servers::postgres(folder.path());
    let now = SystemClock.now();
    let settings = Postgres { url: Some(Secret::from(&url(&server)[..])), ..Postgres::default() };
    let examine =
        async |settings: &Postgres, now| PostgresDoctor::new(settings).unwrap().examine(now).await;
    let seen = examine(&settings, now).await;
    assert_eq!(codes(&seen), ["not_migrated"]);
    assert_eq!(seen.symptoms[0].severity, Severity::Note);
    let by_hand = Postgres { create_tables: false, ..settings.clone() };
    assert_eq!(examine(&by_hand, now).await.symptoms[0].severity, Severity::Error);
    PostgresMigrations::open(&settings, Arc::new(SystemClock)).unwrap().up().await.unwrap();
    let ago = Timestamp::from_millis_clamped(now.as_millis() - 60_000);
    assert_eq!(codes(&examine(&settings, ago).await), ["clock_skew"]);
    let sql = |line: &str| {
        let done = Command::new("psql").arg(url(&server)).args(["-qc", line]).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    for name in ["fsync", "full_page_writes", "synchronous_commit"] {
        sql(&format!("ALTER SYSTEM SET {name} = off"));
    }
    sql("SELECT pg_reload_conf()");
    sql("INSERT INTO evp_migrations VALUES (99, 'newer', now())");
    let greedy = Postgres { max_connections: 40, ..settings.clone() };
    let wanted =
        ["not_durable", "not_durable", "commits_before_durable", "few_connections", "newer_tables"];
    let mut seen = examine(&greedy, now).await;
    for _ in 0..50 {
        if codes(&seen) == wanted {
            break;
        }
        // The servers' processes read their settings anew in their own time.
        tokio::time::sleep(Duration::from_millis(100)).await;
        seen = examine(&greedy, SystemClock.now()).await;
    }
    assert_eq!(codes(&seen), wanted, "{seen:?}");
    let wrong = url(&server).replace("password@", "hunter2@");
    let wrong = Postgres { url: Some(Secret::from(&wrong[..])), ..settings };
    let seen = examine(&wrong, SystemClock.now()).await;
    assert!(!seen.reachable && seen.symptoms[0].advice.contains("postgres.password"), "{seen:?}");
    assert!(!format!("{seen:?}").contains("hunter2"), "{seen:?}");
}

#[tokio::test]
async fn a_store_whose_clock_differs_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let server = servers::minio(folder.path());
    let settings = S3 {
        endpoint: Some(format!("127.0.0.1:{}", server.port)),
        access_key: Some(MINIO_USER.to_owned()),
        secret_key: Some(MINIO_PASSWORD.into()),
        ..S3::default()
    };
    let doctor = S3Doctor::new(&settings).unwrap();
    let ago = Timestamp::from_millis_clamped(SystemClock.now().as_millis() - 60_000);
    let mut seen = doctor.examine(ago).await;
    for _ in 0..50 {
        if seen.reachable {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        seen = doctor.examine(ago).await;
    }
    assert_eq!(codes(&seen), ["clock_skew"], "{seen:?}");
}
