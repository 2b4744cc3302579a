//! From records of the worker's four topics to what the store takes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::model::{CanonicalEvent, ConsumedRecord, DeadLetter, Decision, HeaderName};
use crate::pipeline::failed::{dead_letter_of, is_restored};
use crate::ports::{SinkBatch, StoreEvent};
use crate::roles::processor::panic_text;
use crate::settings::Topics;

/// One record as the store takes it.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// A row.
    Event(Box<StoreEvent>),
    /// A decision, the replay that brought it, and whether it is restored.
    Decision(Box<(Decision, Option<String>, bool)>),
    /// A dead letter for the index.
    Letter(Box<DeadLetter>),
}

impl Content {
    pub(super) fn add_to(self, batch: &mut SinkBatch) {
        match self {
            Self::Event(event) => batch.events.push(*event),
            Self::Decision(decision) => batch.decisions.push(*decision),
            Self::Letter(letter) => batch.dead_letters.push(*letter),
        }
    }
}

/// Why a record cannot be stored at all.
#[derive(Debug, Clone)]
pub(super) struct Unreadable {
    pub(super) error_type: &'static str,
    pub(super) reason: String,
}

/// Reads a record; a panic on the way is one more way of being unreadable.
pub(super) fn read(record: &ConsumedRecord, topics: &Topics) -> Result<Content, Unreadable> {
    catch_unwind(AssertUnwindSafe(|| read_unguarded(record, topics))).unwrap_or_else(|payload| {
        Err(Unreadable { error_type: "panic", reason: panic_text(&*payload) })
    })
}

fn read_unguarded(record: &ConsumedRecord, topics: &Topics) -> Result<Content, Unreadable> {
    if record.topic == topics.raw_dlq || record.topic == topics.processed_dlq {
        return Ok(Content::Letter(Box::new(dead_letter_of(record))));
    }
    let unmarshal = |error: serde_json::Error| Unreadable {
        error_type: "unmarshal_error",
        reason: error.to_string(),
    };
    let headers = &record.record.headers;
    let replay_id = headers.text(&HeaderName::ReplayId).map(str::to_owned);
    let restored = is_restored(headers);
    let value = &record.record.value;
    if record.topic == topics.decisions {
        let decision: Decision = serde_json::from_slice(value).map_err(unmarshal)?;
        if !decision.outcome.is_decision() {
            let reason = format!("{} is no decision", decision.outcome);
            return Err(Unreadable { error_type: "data_error", reason });
        }
        return Ok(Content::Decision(Box::new((decision, replay_id, restored))));
    }
    let event: CanonicalEvent = serde_json::from_slice(value).map_err(unmarshal)?;
    Ok(Content::Event(Box::new(StoreEvent { event, replay_id, restored })))
}
