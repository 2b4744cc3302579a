//! Settings: layered, validated once, frozen; every value knows where it came from.
//!
//! Defaults stand beside each field, one file a kind of section. Each role and backend reads its
//! own section, never the whole.

mod backend;
mod collector;
mod environment;
mod http;
mod kafka;
pub mod loader;
mod masked;
mod postgres;
mod process;
mod profiles;
mod readers;
mod redis;
mod s3;
mod secret;
pub mod seed_variables;
mod stages;
mod topics;
mod units;
mod validate;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use backend::{Backend, LogBackend, ObjectBackend, StateBackend, StoreBackend};
pub use collector::{Collector, DurabilityMode};
pub use environment::Environment;
pub use http::{Admin, Compat, Http, Query};
pub use kafka::{
    Assignor, Compression, GroupProtocol, Kafka, KafkaTls, Sasl, SaslMechanism, Security, Spill,
};
pub use masked::is_secret_property;
pub use postgres::Postgres;
pub use process::{LogFormat, Shutdown, Telemetry};
pub use redis::Redis;
pub use s3::S3;
pub use secret::Secret;
pub use stages::{Archive, Log, Processor, Retry, WithoutState, Worker};
pub use topics::{Groups, Topics};
pub use units::{ByteSize, Span};

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Directory of the embedded log, stores, archive and sockets.
    pub data_dir: PathBuf,
    /// Which backend stands behind each port.
    pub backend: Backend,
    /// The brokers and how they are spoken to.
    pub kafka: Kafka,
    /// The log that takes new events while the brokers do not.
    pub spill: Spill,
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
    /// The object store of the archive, where that is no directory.
    pub s3: S3,
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
            backend: Backend::default(),
            kafka: Kafka::default(),
            spill: Spill::default(),
            http: Http::default(),
            admin: Admin::default(),
            query: Query::default(),
            collector: Collector::default(),
            topics: Topics::default(),
            groups: Groups::default(),
            log: Log::default(),
            processor: Processor::default(),
            archive: Archive::default(),
            s3: S3::default(),
            worker: Worker::default(),
            retry: Retry::default(),
            redis: Redis::default(),
            postgres: Postgres::default(),
            telemetry: Telemetry::default(),
            shutdown: Shutdown::default(),
        }
    }
}
