//! What values may not be together, although each can be read alone.

use std::net::SocketAddr;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::masked;
use super::{ByteSize, LogBackend, Settings, Span, StoreBackend};

/// Every fault: the key to blame and what is wrong with it.
pub(super) fn validate(settings: &Settings) -> Vec<(&'static str, String)> {
    let mut faults = Vec::new();
    amounts(settings, &mut faults);
    bounds(settings, &mut faults);
    sizes(settings, &mut faults);
    object_store(settings, &mut faults);
    names(settings, &mut faults);
    listeners(settings, &mut faults);
    properties(settings, &mut faults);
    addresses(settings, &mut faults);
    log_level(settings, &mut faults);
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

fn properties(settings: &Settings, faults: &mut Faults) {
    for (at, property) in settings.kafka.properties.iter().enumerate() {
        let Some((name, _)) = property.split_once('=') else {
            // Not the property itself: it may be the rest of a password with a comma in it.
            let what = format!("number {} of the list is not name=value", at + 1);
            faults.push(("kafka.properties", what));
            continue;
        };
        let name = name.trim();
        if PROMISED.contains(&name) {
            let what = format!("{property:?} is not to be set: that no event is lost stands on it");
            faults.push(("kafka.properties", what));
        }
    }
}

/// Addresses are shown in messages, so a secret has a setting of its own.
fn addresses(settings: &Settings, faults: &mut Faults) {
    if masked::has_password(&settings.redis.addr) {
        let text = "has a password in it; it belongs into redis.password (EVP__REDIS__PASSWORD)";
        faults.push(("redis.addr", text.to_owned()));
    }
    let endpoint = settings.s3.endpoint.as_deref().unwrap_or_default();
    if masked::user_info(endpoint).is_some() || masked::has_password(endpoint) {
        let text = "has a login in it; it belongs into s3.access_key (MINIO_ACCESS_KEY) and \
                    s3.secret_key (MINIO_SECRET_KEY)";
        faults.push(("s3.endpoint", text.to_owned()));
    }
    let url = settings.postgres.url.as_ref().map(|url| postgres_fault(url.expose()));
    if settings.backend.store == StoreBackend::Postgres
        && let Some(text) = url.flatten()
    {
        faults.push(("postgres.url", text.to_owned()));
    }
}

/// What is certainly wrong with a URL of Postgres, read as its client reads it; of the URL nothing
/// is repeated.
fn postgres_fault(url: &str) -> Option<&'static str> {
    let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
    let Some(rest) = rest else {
        let is_words = url.contains('=') && !url.contains("://");
        return (!is_words).then_some("does not begin with postgres:// (its value is not shown)");
    };
    let rest = rest.split_once('@').map_or(rest, |(_, rest)| rest);
    let hosts = rest.split(['/', '?']).next().unwrap_or_default();
    let is_port = |host: &str| {
        // Behind the bracket of an IPv6 address, which has colons of its own.
        let name = host.rsplit_once(']').map_or(host, |(_, rest)| rest);
        let port = name.split_once(':').map_or("", |(_, port)| port);
        port.is_empty() || port.parse::<u16>().is_ok()
    };
    let text = "its port is no number; in a name and a password @ : / and ? are written %40 %3A %2F \
                %3F (its value is not shown)";
    (!hosts.split(',').all(is_port)).then_some(text)
}

fn log_level(settings: &Settings, faults: &mut Faults) {
    let level = &settings.telemetry.log_level;
    let in_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let word = level.trim();
    // A filter of one word that is no level would show what a module of that name logs, and
    // nothing else.
    if word.chars().all(in_word) && word.parse::<LevelFilter>().is_err() {
        let text = "is none of error, warn, info, debug, trace, off, nor a filter like";
        faults.push(("telemetry.log_level", format!("{level:?} {text} evp::roles=debug,info")));
    } else if let Err(error) = EnvFilter::try_new(level) {
        faults.push(("telemetry.log_level", format!("{level:?} is no filter: {error}")));
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

/// More than any machine serves; what counts them takes no number at will.
const MAX_CONNECTIONS: usize = 10_000_000;

fn bounds(settings: &Settings, faults: &mut Faults) {
    for (key, count, most) in [
        ("http.max_connections", settings.http.max_connections, MAX_CONNECTIONS),
        ("http.threads", settings.http.threads, 1024),
        ("postgres.max_connections", settings.postgres.max_connections, 10_000),
    ] {
        if count > most {
            faults.push((key, format!("must be at most {most}")));
        }
    }
    rate(settings, faults);
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

fn rate(settings: &Settings, faults: &mut Faults) {
    let (rate, burst) = (settings.collector.rate_limit_rps, settings.collector.rate_limit_burst);
    if rate == 0.0 {
        return;
    }
    // The time between two requests is counted in nanoseconds.
    if !(1e-6..=1e9).contains(&rate) {
        let text = "must be 0, or from 0.000001 to 1000000000".to_owned();
        faults.push(("collector.rate_limit_rps", text));
    } else if burst == 0 {
        let text = "must be 1 or more where collector.rate_limit_rps is on".to_owned();
        faults.push(("collector.rate_limit_burst", text));
    } else if f64::from(burst) / rate > Span::MAX.0.as_secs_f64() {
        let text = format!("takes longer than {} at collector.rate_limit_rps", Span::MAX);
        faults.push(("collector.rate_limit_burst", text));
    }
}

fn sizes(settings: &Settings, faults: &mut Faults) {
    if settings.data_dir.as_os_str().is_empty() {
        faults.push(("data_dir", "must be the name of a directory".to_owned()));
    }
    let (low, high) = (settings.spill.low, settings.spill.high);
    if low > high {
        faults.push(("spill.low", format!("{low} is above spill.high, {high}")));
    }
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
