//! Which backend stands behind each port.

use serde::{Deserialize, Serialize};

/// Which backend stands behind each port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backend {
    /// The archive.
    pub objects: ObjectBackend,
}

impl Default for Backend {
    fn default() -> Self {
        Self { objects: ObjectBackend::Directory }
    }
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
