//! A dead letter: an accepted event that could not go on, with its bytes unchanged.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{EventId, Offset, Origin, Shape, Timestamp, TopicPartition};

/// The word of a letter without its value, which was too large for the dead-letter topic as well: it
/// cannot be put back. The archive has the bytes of what lay in the raw topic.
pub const VALUE_LEFT_OUT: &str = "value_left_out";

/// The stage at which an event failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Reading and judging a raw event.
    Processor,
    /// Writing a canonical event to the store.
    Worker,
}

impl Stage {
    /// Its name in headers, columns and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Processor => "processor",
            Self::Worker => "worker",
        }
    }
}

/// How an event failed, over all its attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Where.
    pub stage: Stage,
    /// A short machine word: `data_error`, `unmarshal_error`, `max_retries_exhausted`, `panic`,
    /// `refused_by_log`, [`VALUE_LEFT_OUT`].
    pub error_type: String,
    /// The cause in words.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it failed first.
    pub first_failed_at: Timestamp,
    /// When it failed last.
    pub last_failed_at: Timestamp,
}

/// A record of a dead-letter topic, and a row of `dead_letters`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Identity of the acceptance.
    pub origin: Origin,
    /// The event, where its id could be read.
    pub event_id: Option<EventId>,
    /// How it was sent, where that could be read.
    pub shape: Option<Shape>,
    /// Why it is here.
    pub failure: Failure,
    /// The topic in which it failed.
    pub original: TopicPartition,
    /// Its offset there.
    pub original_offset: Offset,
    /// When the collector accepted it.
    pub received_at: Timestamp,
    /// The client's address.
    pub client_ip: Option<String>,
    /// How often an operator put it back already.
    pub redrives: u32,
    /// The replay that brought its event back, where one did.
    pub replay_id: Option<String>,
    /// Whether this installation never accepted it: it came from another one's archive.
    pub restored: bool,
    /// The record's key, unchanged.
    pub key: Bytes,
    /// The record's value, unchanged.
    pub value: Bytes,
}
