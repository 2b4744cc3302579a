//! What values may not be together, although each can be read alone.

use std::net::SocketAddr;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::{ByteSize, LogBackend, Settings};

/// Every fault: the key to blame and what is wrong with it.
pub(super) fn validate(settings: &Settings) -> Vec<(&'static str, String)> {
    let mut faults = Vec::new();
    amounts(settings, &mut faults);
    bounds(settings, &mut faults);
    sizes(settings, &mut faults);
    object_store(settings, &mut faults);
    names(settings, &mut faults);
    listeners(settings, &mut faults);
    promise(settings, &mut faults);
    let level = &settings.telemetry.log_level;
    if let Err(error) = EnvFilter::try_new(level) {
        faults.push(("telemetry.log_level", format!("{level:?} is no filter: {error}")));
    }
    faults
}

/// What a record has beside the client's bytes at most: key, headers, and what the processor adds.
const RECORD_ROOM: ByteSize = ByteSize(64 << 10);

type Faults = Vec<(&'static str, String)>;

/// Properties of librdkafka that the promise stands on: with others an event is acknowledged that no
/// replica has, is committed before its effect, or is waited for in vain.
const PROMISED: [&str; 7] = [
    "acks",
    "request.required.acks",
    "enable.idempotence",
    "delivery.report.only.error",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "auto.offset.reset",
];

fn promise(settings: &Settings, faults: &mut Faults) {
    for property in &settings.kafka.properties {
        let name = property.split_once('=').map_or("", |(name, _)| name.trim());
        if PROMISED.contains(&name) {
            let what = format!("{property:?} is not to be set: that no event is lost stands on it");
            faults.push(("kafka.properties", what));
        }
    }
}

fn amounts(settings: &Settings, faults: &mut Faults) {
    let positive: [(&'static str, u128); 23] = [
        ("http.max_connections", settings.http.max_connections as u128),
        ("http.max_header_bytes", settings.http.max_header_bytes.0.into()),
        ("http.max_body_bytes", settings.http.max_body_bytes.0.into()),
        ("http.max_decoded_ratio", settings.http.max_decoded_ratio.into()),
        ("http.header_timeout", settings.http.header_timeout.0.as_nanos()),
        ("http.body_timeout", settings.http.body_timeout.0.as_nanos()),
        ("http.write_timeout", settings.http.write_timeout.0.as_nanos()),
        ("http.idle_timeout", settings.http.idle_timeout.0.as_nanos()),
        ("query.max_rows", settings.query.max_rows.into()),
        ("query.timeout", settings.query.timeout.0.as_nanos()),
        ("collector.max_event_bytes", settings.collector.max_event_bytes.0.into()),
        ("collector.max_batch_events", settings.collector.max_batch_events as u128),
        ("collector.max_json_depth", settings.collector.max_json_depth as u128),
        ("collector.ack_timeout", settings.collector.ack_timeout.0.as_nanos()),
        ("log.max_queue_bytes", settings.log.max_queue_bytes.0.into()),
        ("log.retention_check", settings.log.retention_check.0.as_nanos()),
        ("processor.batch_size", settings.processor.batch_size as u128),
        ("processor.rules_refresh", settings.processor.rules_refresh.0.as_nanos()),
        ("archive.flush_bytes", settings.archive.flush_bytes.0.into()),
        ("archive.flush_interval", settings.archive.flush_interval.0.as_nanos()),
        ("s3.timeout", settings.s3.timeout.0.as_nanos()),
        ("s3.max_object_bytes", settings.s3.max_object_bytes.0.into()),
        ("worker.batch_size", settings.worker.batch_size as u128),
    ];
    for (key, value) in positive {
        if value == 0 {
            faults.push((key, "must be more than nothing".to_owned()));
        }
    }
}

fn bounds(settings: &Settings, faults: &mut Faults) {
    for (key, count) in
        [("processor.count", settings.processor.count), ("worker.count", settings.worker.count)]
    {
        if !(1..=64).contains(&count) {
            faults.push((key, "must be from 1 to 64".to_owned()));
        }
    }
    if !(1..=1024).contains(&settings.log.partitions) {
        faults.push(("log.partitions", "must be from 1 to 1024".to_owned()));
    }
    if !(1..=22).contains(&settings.archive.compression_level) {
        faults.push(("archive.compression_level", "must be from 1 to 22".to_owned()));
    }
    let rate = settings.collector.rate_limit_rps;
    if !rate.is_finite() || rate < 0.0 {
        faults.push(("collector.rate_limit_rps", "must be 0 or more".to_owned()));
    }
    if rate > 0.0 && settings.collector.rate_limit_burst == 0 {
        let text = "must be 1 or more where collector.rate_limit_rps is on".to_owned();
        faults.push(("collector.rate_limit_burst", text));
    }
    if settings.collector.max_json_depth > 128 {
        faults.push(("collector.max_json_depth", "must be at most 128".to_owned()));
    }
    // Meanwhile a role asks its log nothing, and partitions that are to go wait for it.
    if settings.processor.linger.0 > Duration::from_secs(1) {
        faults.push(("processor.linger", "must be at most 1s".to_owned()));
    }
    if settings.retry.max_delay < settings.retry.initial_delay {
        let initial = settings.retry.initial_delay;
        faults.push(("retry.max_delay", format!("is below retry.initial_delay, {initial}")));
    }
}

fn sizes(settings: &Settings, faults: &mut Faults) {
    let event = settings.collector.max_event_bytes;
    let body = settings.http.max_body_bytes;
    if event > body {
        let text = format!("{event} is above http.max_body_bytes, {body}");
        faults.push(("collector.max_event_bytes", text));
    }
    // What is on its way to the brokers has headers too.
    let room = ByteSize(event.0.saturating_add(RECORD_ROOM.0));
    if settings.backend.log == LogBackend::Kafka && settings.kafka.max_record_bytes < room {
        let text = format!("must be at least {room}, collector.max_event_bytes and {RECORD_ROOM}");
        faults.push(("kafka.max_record_bytes", text));
    }
    // A batch is one frame of the log, and each hop adds headers to what the client sent.
    let frame = ByteSize(body.0.saturating_mul(2));
    if settings.log.max_queue_bytes < frame {
        let text = format!("must be at least {frame}, twice http.max_body_bytes");
        faults.push(("log.max_queue_bytes", text));
    }
    let smallest = ByteSize(64 << 10);
    if settings.log.segment_bytes < smallest {
        faults.push(("log.segment_bytes", format!("must be at least {smallest}")));
    }
    if settings.collector.max_in_flight_bytes < body {
        let text = format!("must be at least http.max_body_bytes, {body}");
        faults.push(("collector.max_in_flight_bytes", text));
    }
}

fn object_store(settings: &Settings, faults: &mut Faults) {
    let s3 = &settings.s3;
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
    if !(3..=63).contains(&s3.bucket.len()) || !s3.bucket.chars().all(legal) {
        let text = "must be 3 to 63 lower-case letters, digits, '.' or '-'".to_owned();
        faults.push(("s3.bucket", text));
    }
    let is_used = settings.backend.objects == super::ObjectBackend::S3;
    if is_used && s3.access_key.is_some() != s3.secret_key.is_some() {
        let (set, missing) = match s3.access_key {
            Some(_) => ("s3.access_key", "s3.secret_key"),
            None => ("s3.secret_key", "s3.access_key"),
        };
        faults.push((set, format!("is of no use without {missing}")));
    }
}

fn names(settings: &Settings, faults: &mut Faults) {
    let topics = &settings.topics;
    let named = [
        ("topics.raw", topics.raw.as_str()),
        ("topics.processed", topics.processed.as_str()),
        ("topics.decisions", topics.decisions.as_str()),
        ("topics.retry", topics.retry.as_str()),
        ("topics.processed_dlq", topics.processed_dlq.as_str()),
        ("topics.raw_dlq", topics.raw_dlq.as_str()),
    ];
    check_names(&named, faults);
    let groups = &settings.groups;
    let named = [
        ("groups.archiver", groups.archiver.as_str()),
        ("groups.processor", groups.processor.as_str()),
        ("groups.worker", groups.worker.as_str()),
        ("groups.retrier", groups.retrier.as_str()),
    ];
    check_names(&named, faults);
}

/// Kafka's rules for names, which are also safe as names of folders; no two alike.
fn check_names(named: &[(&'static str, &str)], faults: &mut Faults) {
    for (at, (key, name)) in named.iter().enumerate() {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let dots = matches!(*name, "." | "..");
        if name.is_empty() || name.len() > 249 || dots || !name.chars().all(legal) {
            let text = "must be 1 to 249 letters, digits, '.', '_' or '-'".to_owned();
            faults.push((key, text));
        } else if let Some((other, _)) = named[..at].iter().find(|(_, taken)| taken == name) {
            faults.push((key, format!("has the name of {other}, {name:?}")));
        }
    }
}

fn listeners(settings: &Settings, faults: &mut Faults) {
    let named = [
        ("http.listen", Some(settings.http.listen)),
        ("query.listen", settings.query.listen),
        ("admin.listen", settings.admin.listen),
    ];
    for (at, (key, address)) in named.iter().enumerate() {
        let Some(address) = address else { continue };
        let clash = |other: &SocketAddr| {
            other.port() == address.port()
                && address.port() != 0
                && (other.ip() == address.ip()
                    || other.ip().is_unspecified()
                    || address.ip().is_unspecified())
        };
        for (other, taken) in &named[..at] {
            if taken.is_some_and(|taken| clash(&taken)) {
                faults.push((key, format!("{address} is taken by {other}")));
            }
        }
    }
}
