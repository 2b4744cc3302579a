//! Settings to librdkafka's own.

use std::path::Path;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

use crate::ports::{Error, Kind, Result};
use crate::settings::{GroupProtocol, Kafka, Span, is_secret_property};

/// What every client has.
fn common(settings: &Kafka) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", settings.brokers.join(","))
        .set("client.id", &settings.client_id)
        .set("socket.keepalive.enable", "true")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        .set("topic.metadata.refresh.interval.ms", "60000")
        .set("security.protocol", settings.security.as_str())
        .set_log_level(RDKafkaLogLevel::Warning);
    if settings.security.is_encrypted() {
        let tls = &settings.tls;
        // A librdkafka that brings its own OpenSSL knows no place of this machine: it looks for one.
        config.set("ssl.ca.location", tls.ca_file.as_deref().map_or("probe".into(), lossy));
        for (name, file) in
            [("ssl.certificate.location", &tls.cert_file), ("ssl.key.location", &tls.key_file)]
        {
            if let Some(file) = file {
                config.set(name, lossy(file));
            }
        }
        if let Some(password) = &tls.key_password {
            config.set("ssl.key.password", password.expose());
        }
        let verify = if tls.verify_host { "https" } else { "none" };
        config.set("ssl.endpoint.identification.algorithm", verify);
    }
    if settings.security.is_named() {
        config
            .set("sasl.mechanism", settings.sasl.mechanism.as_str())
            .set("sasl.username", &settings.sasl.username)
            .set("sasl.password", settings.sasl.password.as_ref().map_or("", |p| p.expose()));
    }
    config
}

fn lossy(path: &Path) -> std::borrow::Cow<'_, str> {
    path.to_string_lossy()
}

/// The operator's own, above everything else but what the settings refuse.
fn finished(mut config: ClientConfig, settings: &Kafka) -> ClientConfig {
    for property in &settings.properties {
        if let Some((name, value)) = property.split_once('=') {
            config.set(name.trim(), value.trim());
        }
    }
    config
}

fn millis(span: Span) -> String {
    span.0.as_millis().max(1).to_string()
}

/// A producer: acknowledged by all in-sync replicas, without duplicates or gaps of its own.
pub(super) fn producer(settings: &Kafka) -> ClientConfig {
    let mut config = common(settings);
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", settings.linger.0.as_millis().to_string())
        .set("message.timeout.ms", millis(settings.message_timeout))
        .set("compression.codec", settings.compression.as_str())
        .set("queue.buffering.max.messages", settings.max_queue_records.to_string())
        .set("queue.buffering.max.kbytes", kib(settings.max_queue_bytes.0))
        .set("message.max.bytes", settings.max_record_bytes.0.to_string())
        // Java's partitioner: other producers of the same keys meet ours in the same partitions.
        .set("partitioner", "murmur2_random");
    finished(config, settings)
}

fn kib(bytes: u64) -> String {
    (bytes >> 10).max(1).to_string()
}

/// What every consumer has.
fn reading(settings: &Kafka) -> ClientConfig {
    let mut config = common(settings);
    config
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // librdkafka's default skips everything that was there before the first join.
        .set("auto.offset.reset", "earliest")
        .set("allow.auto.create.topics", "false")
        .set("isolation.level", "read_committed")
        .set("fetch.wait.max.ms", millis(settings.fetch_wait))
        // The default of 1 s stalls a reader each time its queue was full.
        .set("fetch.queue.backoff.ms", "10")
        .set("queued.min.messages", "20000")
        .set("queued.max.messages.kbytes", kib(settings.fetch_ahead_bytes.0))
        .set("fetch.max.bytes", fetch_bytes(settings.fetch_ahead_bytes.0).to_string());
    config
}

/// Bytes of one answer of a broker. The room for what is read ahead is looked at before a fetch and
/// not after it: by librdkafka's default an answer may have 50 MB, and compressed ones grow by three
/// to four times when they are unpacked. After an outage that was most of a role's memory.
fn fetch_bytes(ahead: u64) -> u64 {
    // librdkafka refuses less than the largest message that it takes, 1 MB.
    (ahead / 4).clamp(1 << 20, 50 << 20)
}

/// A member of a group.
pub(super) fn member(settings: &Kafka, group: &str, number: u64) -> ClientConfig {
    let mut config = reading(settings);
    config
        .set("group.id", group)
        // Partitions added in mid-run are found within this time.
        .set("topic.metadata.refresh.interval.ms", "10000")
        .set("max.poll.interval.ms", "300000");
    match settings.group_protocol {
        GroupProtocol::Classic => {
            let session = settings.session_timeout;
            config
                .set("session.timeout.ms", millis(session))
                .set("heartbeat.interval.ms", millis(Span(session.0 / 3)))
                .set("partition.assignment.strategy", settings.assignor.as_str());
        }
        GroupProtocol::Consumer => {
            // Time-outs are the broker's here.
            config.set("group.protocol", "consumer");
        }
    }
    if let Some(instance) = &settings.instance_id {
        // A process may be in a group more than once; its members need names of their own.
        let name = if number == 0 { instance.clone() } else { format!("{instance}-{number}") };
        config.set("group.instance.id", name);
    }
    finished(config, settings)
}

/// A reader outside any group. librdkafka wants a group's name all the same; it is never joined.
pub(super) fn reader(settings: &Kafka) -> ClientConfig {
    let mut config = reading(settings);
    config
        .set("group.id", format!("{}-reader", settings.client_id))
        .set("session.timeout.ms", millis(settings.session_timeout))
        .set("enable.partition.eof", "true")
        .set("queued.max.messages.kbytes", "4096");
    finished(config, settings)
}

/// A client that asks and neither reads nor writes.
pub(super) fn asking(settings: &Kafka) -> ClientConfig {
    let mut config = common(settings);
    config
        .set("allow.auto.create.topics", "false")
        // Never joined with, but librdkafka compares it with a poll interval of the operator's.
        .set("session.timeout.ms", millis(settings.session_timeout));
    finished(config, settings)
}

/// Whether librdkafka takes these settings.
pub(super) fn check(settings: &Kafka) -> Result<()> {
    // Not the property itself: what is broken here may be a part of a secret.
    if settings.properties.iter().any(|property| !property.contains('=')) {
        return Err(Error::new(Kind::Data, "kafka.properties: one is not name=value"));
    }
    let all = [producer(settings), member(settings, "evp", 0), reader(settings), asking(settings)];
    for config in all {
        config.create_native_config().map_err(|error| {
            Error::new(Kind::Data, "librdkafka refuses the settings of kafka")
                .with_source(without_secret(error))
        })?;
    }
    Ok(())
}

/// The wrapper's error repeats the value that was refused, which may be a secret.
fn without_secret(error: KafkaError) -> KafkaError {
    match error {
        KafkaError::ClientConfig(result, what, name, _) if is_secret_property(&name) => {
            KafkaError::ClientConfig(result, what, name, "***".to_owned())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Assignor, Sasl, SaslMechanism, Secret, Security};

    #[test]
    fn a_property_is_a_name_and_a_value() {
        let says = |property: &str| {
            check(&Kafka { properties: vec![property.to_owned()], ..Kafka::default() })
        };
        assert_eq!(says("socket.timeout.ms").unwrap_err().kind(), Kind::Data);
        says("socket.timeout.ms=10000").unwrap();
    }

    #[test]
    fn the_promise_stands_in_the_settings_and_librdkafka_takes_them() {
        let settings = Kafka {
            security: Security::SaslSsl,
            sasl: Sasl {
                mechanism: SaslMechanism::ScramSha256,
                username: "u".to_owned(),
                password: Some(Secret::from("hunter2")),
            },
            assignor: Assignor::CooperativeSticky,
            instance_id: Some("evp-1".to_owned()),
            properties: vec!["socket.timeout.ms=10000".to_owned()],
            ..Kafka::default()
        };
        check(&settings).unwrap();
        let producer = producer(&settings);
        for (name, value) in [("enable.idempotence", "true"), ("acks", "all"), ("linger.ms", "5")] {
            assert_eq!(producer.get(name), Some(value), "{name}");
        }
        assert_eq!(producer.get("socket.timeout.ms"), Some("10000"));
        let member = member(&settings, "g", 1);
        for (name, value) in [
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "earliest"),
            ("group.instance.id", "evp-1-1"),
        ] {
            assert_eq!(member.get(name), Some(value), "{name}");
        }
        assert!(!format!("{producer:?}").contains("hunter2"), "{producer:?}");
    }

    #[test]
    fn what_librdkafka_does_not_know_is_refused_at_start() {
        let with =
            |property: &str| Kafka { properties: vec![property.to_owned()], ..Kafka::default() };
        assert!(check(&with("no.such.thing=1")).is_err());
        assert!(check(&with("nonsense")).is_err());
        for secret in ["hunter2", "my.password=hunter2", "sasl.jaas.config=hunter2"] {
            let said = check(&with(secret)).unwrap_err().chain();
            assert!(!said.contains("hunter2"), "{said}");
        }
        check(&with("socket.nagle.disable=true")).unwrap();
        // Shorter than librdkafka's own session time-out, longer than ours.
        check(&with("max.poll.interval.ms=20000")).unwrap();
    }
}
