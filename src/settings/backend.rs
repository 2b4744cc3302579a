//! Which backend stands behind each port.

use serde::{Deserialize, Serialize};

/// Which backend stands behind each port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backend {
    /// Topics.
    pub log: LogBackend,
    /// Marks, rates and rules.
    pub state: StateBackend,
    /// The archive.
    pub objects: ObjectBackend,
    /// Rows, roll-ups, decisions and dead letters.
    pub store: StoreBackend,
}

impl Default for Backend {
    fn default() -> Self {
        Self {
            log: LogBackend::Embedded,
            state: StateBackend::Embedded,
            objects: ObjectBackend::Directory,
            store: StoreBackend::Embedded,
        }
    }
}

impl Backend {
    /// Whether something of the pipeline lies in the data directory, which then has one owner.
    #[must_use]
    pub const fn needs_directory(&self) -> bool {
        !matches!(
            self,
            Self {
                log: LogBackend::Kafka,
                state: StateBackend::Redis,
                objects: ObjectBackend::S3,
                store: StoreBackend::Postgres,
            }
        )
    }
}

/// Where topics lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogBackend {
    /// The segment log in the data directory.
    Embedded,
    /// Kafka, Redpanda, or what speaks their protocol.
    Kafka,
}

/// Where marks, rates and rules lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateBackend {
    /// `state.db` in the data directory.
    Embedded,
    /// Redis, Valkey, or what speaks their protocol.
    Redis,
}

/// Where the archive lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectBackend {
    /// A directory of the data directory.
    Directory,
    /// A bucket of an S3-compatible store.
    S3,
}

/// Where rows, roll-ups, decisions and dead letters lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreBackend {
    /// `store.db` in the data directory.
    Embedded,
    /// PostgreSQL.
    Postgres,
}
