//! The ledger: what a client sent and what it was answered, written by the client itself.
//!
//! `evp loadgen` and `evp send` write one; `evp verify LEDGER` holds it against the installation. It
//! is the one witness that does not come out of the pipeline, so it knows nothing of topics, origins
//! or outcomes. The format is in `docs/ledger.md`; it is one NDJSON file and is only ever appended to.

mod id;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use id::{EVENT_ID_BYTES, encode_event_id, event_id, number_of};
pub use reader::{LedgerError, LedgerLine, LedgerReader, SentEvent};
pub use writer::LedgerWriter;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::Timestamp;

/// The version that is written. A reader refuses a later one.
pub const VERSION: u32 = 1;

/// Whose ledger it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The run: the first part of every id that the run makes.
    pub run: Uuid,
    /// When it was begun, by the client's clock.
    pub made_at: Timestamp,
    /// Where the events went: an URL or a data directory.
    pub target: String,
    /// Who wrote it, such as `evp send`.
    pub maker: String,
}

/// One sending of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its number in the run, out of a reserved range. Several sendings may have one number: an event
    /// that was sent again on purpose.
    pub number: u64,
    /// The id that the event carries: of the run and number, or its own.
    pub event_id: &'a str,
    /// SHA-256 of the event's bytes as they were sent: the one object, without what stands around it
    /// in a batch.
    pub hash: [u8; 32],
    /// When it was sent, by the client's clock.
    pub sent: Timestamp,
    /// When the answer was there; `None` where none came.
    pub answered: Option<Timestamp>,
    /// What the client may rely on.
    pub answer: Answer,
    /// The status of the answer (HTTP's, gRPC's 0 as 200), or of the event's own item in a batch;
    /// 0 where there was none.
    pub status: u16,
}

/// What a client may rely on after one sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// A 2xx that did not except the event: it is durable.
    Accepted,
    /// Refused by name: it is nowhere.
    Rejected,
    /// No answer, a broken connection, a 5xx: it may be there or not.
    Unknown,
}

impl Answer {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Unknown => "unknown",
        }
    }
}
