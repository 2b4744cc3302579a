//! Settings: layered, validated once, frozen; every value knows where it came from.
//!
//! This file holds the sections; defaults stand beside each field. Each role and backend receives
//! its own section, never the whole.

mod environment;
pub mod loader;
mod postgres;
mod profiles;
mod readers;
mod redis;
mod secret;
pub mod seed_variables;
mod units;
mod validate;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use environment::Environment;
pub use postgres::Postgres;
pub use redis::Redis;
pub use secret::Secret;
pub use units::{ByteSize, Span};

use crate::model::{GroupId, Topic};

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Directory of the embedded log, stores, archive and sockets.
    pub data_dir: PathBuf,
    /// Listener and limits of the collector's port.
    pub http: Http,
    /// Listener of metrics, health and admin calls.
    pub admin: Admin,
    /// Listener of the query role.
    pub query: Query,
    /// What the collector accepts and when it answers.
    pub collector: Collector,
    /// Names of topics.
    pub topics: Topics,
    /// Names of consumer groups.
    pub groups: Groups,
    /// The embedded log.
    pub log: Log,
    /// Rules, rate and marks.
    pub processor: Processor,
    /// The archive.
    pub archive: Archive,
    /// Batches into the store.
    pub worker: Worker,
    /// Attempts of events that fail alone.
    pub retry: Retry,
    /// Redis.
    pub redis: Redis,
    /// Postgres.
    pub postgres: Postgres,
    /// Logs of the process itself.
    pub telemetry: Telemetry,
    /// Draining at the end.
    pub shutdown: Shutdown,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("evp-data"),
            http: Http::default(),
            admin: Admin::default(),
            query: Query::default(),
            collector: Collector::default(),
            topics: Topics::default(),
            groups: Groups::default(),
            log: Log::default(),
            processor: Processor::default(),
            archive: Archive::default(),
            worker: Worker::default(),
            retry: Retry::default(),
            redis: Redis::default(),
            postgres: Postgres::default(),
            telemetry: Telemetry::default(),
            shutdown: Shutdown::default(),
        }
    }
}

/// Listener and limits of the collector's port.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Address of the collector; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Threads that accept and answer, each with its own listener; 0 is one a core.
    pub threads: usize,
    /// Time for all request headers to arrive.
    pub header_timeout: Span,
    /// Time for a whole body to arrive.
    pub body_timeout: Span,
    /// Time for an answer to be taken by the client.
    pub write_timeout: Span,
    /// Time an idle keep-alive connection stays open.
    pub idle_timeout: Span,
    /// Open connections at once; further ones wait in the kernel's queue.
    pub max_connections: usize,
    /// Bytes of all request headers together.
    pub max_header_bytes: ByteSize,
    /// Bytes of a body as sent, and again once decoded.
    pub max_body_bytes: ByteSize,
    /// How many times larger a decoded body may be than the encoded one.
    pub max_decoded_ratio: u32,
    /// Peers whose `X-Forwarded-For` and `X-Real-IP` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether `GET /metrics` without a query may answer Prometheus text on a public listener.
    pub public_metrics: bool,
    /// Whether the query routes are mounted on the collector's port; always so in `evp serve`.
    pub mount_query: bool,
    /// Bodies of `/health` and of errors as another system gave them.
    pub compat: Compat,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            threads: 0,
            header_timeout: Span::from_secs(10),
            body_timeout: Span::from_secs(30),
            write_timeout: Span::from_secs(30),
            idle_timeout: Span::from_secs(120),
            max_connections: 10_000,
            max_header_bytes: ByteSize(32 << 10),
            max_body_bytes: ByteSize(10 << 20),
            max_decoded_ratio: 100,
            trusted_proxies: [IpNet::from(std::net::IpAddr::from([127, 0, 0, 1])), loopback_v6()]
                .to_vec(),
            public_metrics: false,
            mount_query: false,
            compat: Compat::Native,
        }
    }
}

fn loopback_v6() -> IpNet {
    IpNet::from(std::net::IpAddr::V6(std::net::Ipv6Addr::LOCALHOST))
}

/// Whose bodies `/health`, `/ready` and plain errors have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compat {
    /// Ours: JSON everywhere.
    Native,
    /// Seed 000: `/health` is text `OK`.
    #[serde(rename = "seed-000")]
    Seed000,
    /// Seed 001: `/health` is text `OK`, errors are plain lines.
    #[serde(rename = "seed-001")]
    Seed001,
    /// Seed 003: `/health` is `{"status":"ok"}`.
    #[serde(rename = "seed-003")]
    Seed003,
}

/// Listener of metrics, health and admin calls.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Address; where unset, 127.0.0.1 and the role's own port (9600 collector and embedded, 9601
    /// query, 9602 processor, 9603 archiver, 9604 worker, 9605 retrier).
    pub listen: Option<SocketAddr>,
}

/// Listener of the query role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Query {
    /// Address of the query role; unset in `evp serve`, where the collector's port has the routes.
    pub listen: Option<SocketAddr>,
    /// Longest range that statistics answer for.
    pub max_range: Span,
    /// Most rows or groups in one answer.
    pub max_rows: u64,
    /// Distinct users counted exactly up to here, estimated past it.
    pub exact_uniques: u64,
    /// Time for one query.
    pub timeout: Span,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            listen: None,
            max_range: Span::from_secs(20 * 366 * 24 * 3600),
            max_rows: 1000,
            exact_uniques: 1_000_000,
            timeout: Span::from_secs(10),
        }
    }
}

/// When a 2xx is given (design, rule 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DurabilityMode {
    /// Broker's report or synced log.
    Durable,
    /// Broker's report only.
    Replicated,
    /// Before anything is durable: fast, may lose; says so at start.
    Memory,
}

/// What the collector accepts and when it answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Collector {
    /// When a 2xx is given.
    pub durability: DurabilityMode,
    /// Bytes of one event.
    pub max_event_bytes: ByteSize,
    /// Events of one batch.
    pub max_batch_events: usize,
    /// Levels of JSON.
    pub max_json_depth: usize,
    /// Bytes of requests being answered, all together; past it 503.
    pub max_in_flight_bytes: ByteSize,
    /// Time an append may take before the answer is 503.
    pub ack_timeout: Span,
    /// Requests a second, all routes together; 0 is off.
    pub rate_limit_rps: f64,
    /// Requests at once above the rate.
    pub rate_limit_burst: u32,
    /// Whether `timestamp` on `/api/v1/*` must not be in the future nor older than `window`.
    pub v1_window: bool,
    /// How old a `timestamp` on `/api/v1/*` may be.
    pub window: Span,
    /// Whether each named route takes only its own seed's list of channels.
    pub strict_channels: bool,
}

impl Default for Collector {
    fn default() -> Self {
        Self {
            durability: DurabilityMode::Durable,
            max_event_bytes: ByteSize(768 << 10),
            max_batch_events: 1000,
            max_json_depth: 64,
            max_in_flight_bytes: ByteSize(256 << 20),
            ack_timeout: Span::from_secs(10),
            rate_limit_rps: 0.0,
            rate_limit_burst: 100,
            v1_window: true,
            window: Span::from_secs(30 * 24 * 3600),
            strict_channels: false,
        }
    }
}

/// Names of topics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Topics {
    /// What the collector accepts.
    pub raw: Topic,
    /// What the processor passes on.
    pub processed: Topic,
    /// What the processor does not pass on.
    pub decisions: Topic,
    /// Events that failed alone in the worker and wait.
    pub retry: Topic,
    /// Events that failed for good in the worker.
    pub processed_dlq: Topic,
    /// Events that failed for good in the processor.
    pub raw_dlq: Topic,
}

impl Default for Topics {
    fn default() -> Self {
        Self {
            raw: "raw-events".into(),
            processed: "processed-events".into(),
            decisions: "decisions".into(),
            retry: "processed-events.retry".into(),
            processed_dlq: "processed-events.dlq".into(),
            raw_dlq: "raw-events.dlq".into(),
        }
    }
}

impl Topics {
    /// Every topic.
    #[must_use]
    pub fn all(&self) -> [&Topic; 6] {
        [
            &self.raw,
            &self.processed,
            &self.decisions,
            &self.retry,
            &self.processed_dlq,
            &self.raw_dlq,
        ]
    }
}

/// Names of consumer groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Groups {
    /// Reads raw events and decisions into the archive.
    pub archiver: GroupId,
    /// Reads raw events.
    pub processor: GroupId,
    /// Reads processed events, decisions and dead letters into the store.
    pub worker: GroupId,
    /// Reads the retry topic.
    pub retrier: GroupId,
}

impl Default for Groups {
    fn default() -> Self {
        Self {
            archiver: "archiver-group".into(),
            processor: "processor-group".into(),
            worker: "worker-group".into(),
            retrier: "retrier-group".into(),
        }
    }
}

/// The embedded log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Bytes of one segment file.
    pub segment_bytes: ByteSize,
    /// Partitions of a topic that is created now.
    pub partitions: i32,
    /// Bytes waiting for their sync; past it appends are refused.
    pub max_queue_bytes: ByteSize,
    /// Free disk space below which appends to the raw topic are refused, beside what the backlog
    /// will still write.
    pub reserve_bytes: ByteSize,
    /// How long a segment stays after every consumer is past it.
    pub retention: Span,
    /// How often consumers' positions are made durable and segments removed.
    pub retention_check: Span,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            segment_bytes: ByteSize(64 << 20),
            partitions: 1,
            max_queue_bytes: ByteSize(64 << 20),
            reserve_bytes: ByteSize(256 << 20),
            retention: Span::from_secs(0),
            retention_check: Span::from_secs(10),
        }
    }
}

/// Rules, rate and marks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Processor {
    /// Events judged in one step.
    pub batch_size: usize,
    /// How long a mark of an `event_id` lives.
    pub dedup_ttl: Span,
    /// Events a minute from one address; 0 is off.
    pub ip_rate_limit_per_min: u32,
    /// How long an address that crosses the limit is banned; 0 is until lifted.
    pub ban: Span,
    /// How often the rules are read again.
    pub rules_refresh: Span,
}

impl Default for Processor {
    fn default() -> Self {
        Self {
            batch_size: 1024,
            dedup_ttl: Span::from_secs(86_400),
            ip_rate_limit_per_min: 0,
            ban: Span::from_secs(3600),
            rules_refresh: Span(Duration::from_millis(500)),
        }
    }
}

/// The archive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Archive {
    /// Whether there is an archive at all; without one, retention does not wait for it.
    pub enabled: bool,
    /// Raw bytes after which an object is written.
    pub flush_bytes: ByteSize,
    /// Events after which an object is written; 0 is no such limit.
    pub flush_events: usize,
    /// Age after which an object is written.
    pub flush_interval: Span,
    /// zstd level.
    pub compression_level: i32,
}

impl Default for Archive {
    fn default() -> Self {
        Self {
            enabled: true,
            flush_bytes: ByteSize(8 << 20),
            flush_events: 0,
            flush_interval: Span::from_secs(5),
            compression_level: 3,
        }
    }
}

/// Batches into the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Worker {
    /// Events of one transaction.
    pub batch_size: usize,
    /// Age after which a smaller batch is written.
    pub batch_timeout: Span,
}

impl Default for Worker {
    fn default() -> Self {
        Self { batch_size: 2000, batch_timeout: Span(Duration::from_millis(50)) }
    }
}

/// Attempts of events that fail alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// Attempts after the first.
    pub max_attempts: u32,
    /// Wait before the first of them; doubles each time.
    pub initial_delay: Span,
    /// Longest wait.
    pub max_delay: Span,
}

impl Default for Retry {
    fn default() -> Self {
        Self { max_attempts: 5, initial_delay: Span::from_secs(2), max_delay: Span::from_secs(60) }
    }
}

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// Text.
    Text,
}

/// Logs of the process itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter like `evp::roles=debug,info`.
    pub log_level: String,
    /// Form of log lines.
    pub log_format: LogFormat,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { log_level: "info".to_owned(), log_format: LogFormat::Auto }
    }
}

/// Draining at the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shutdown {
    /// Time for everything accepted to go on before the process ends all the same.
    pub grace: Span,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { grace: Span::from_secs(30) }
    }
}
