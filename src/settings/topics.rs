//! Names of topics and of the groups that read them.

use serde::{Deserialize, Serialize};

use crate::model::{GroupId, Topic};

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
