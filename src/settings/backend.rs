//! Which backend stands behind each port.

use serde::{Deserialize, Serialize};

/// Which backend stands behind each port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backend {
    /// Topics.
    pub log: LogBackend,
}

impl Default for Backend {
    fn default() -> Self {
        Self { log: LogBackend::Embedded }
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
