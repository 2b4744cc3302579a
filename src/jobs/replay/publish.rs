//! The records that a replay publishes.

use bytes::Bytes;

use crate::model::{
    CanonicalEvent, ConsumedRecord, Decision, HeaderName, Headers, RESTORED, Record, Stage,
    Timestamp,
};
use crate::pipeline::canonical::canonical;
use crate::pipeline::envelope::Envelope;
use crate::pipeline::failed::{Cause, dead_letter_record};

/// What marks the records of one replay.
pub(super) struct Mark<'m> {
    pub(super) replay_id: &'m str,
    /// They were accepted by another installation.
    pub(super) is_restored: bool,
    pub(super) now: Timestamp,
}

impl Mark<'_> {
    fn set(&self, headers: &mut Headers) {
        headers.set(HeaderName::ReplayId, self.replay_id.to_owned());
        if self.is_restored {
            headers.set(HeaderName::Other(RESTORED.into()), Bytes::from_static(b"1"));
        }
    }

    /// The canonical event as the processor makes it, for the processed topic; the dead letter
    /// for what is no event.
    pub(super) fn processed(&self, record: &ConsumedRecord) -> Result<Record, Box<Record>> {
        let envelope = Envelope::of(record);
        let text = std::str::from_utf8(&record.record.value).map_err(|error| error.to_string());
        let event = text
            .and_then(|text| canonical(text, &envelope).map_err(|error| error.to_string()))
            .and_then(|event| encode(&event).map(|value| (event, value)));
        match event {
            Ok((event, value)) => {
                let timestamp = envelope.received_at;
                let key = key_of(record, &event);
                let complete = Envelope {
                    event_id: Some(event.event_id),
                    shape: Some(event.shape),
                    ..envelope
                };
                // The client's own headers go along, as the processor passes them on.
                let mut headers = record.record.headers.clone();
                for (name, value) in complete.headers().iter() {
                    headers.set(name.clone(), value.clone());
                }
                self.set(&mut headers);
                Ok(Record { key, value: value.into(), timestamp, headers })
            }
            Err(reason) => Err(Box::new(self.dead_letter(record, &reason))),
        }
    }

    fn dead_letter(&self, record: &ConsumedRecord, reason: &str) -> Record {
        let cause =
            Cause { stage: Stage::Processor, error_type: "unmarshal_error", reason, at: self.now };
        let mut letter = dead_letter_record(record, &cause);
        self.set(&mut letter.headers);
        letter
    }

    /// The raw record, for the raw topic.
    pub(super) fn raw(&self, record: &ConsumedRecord) -> Record {
        let envelope = Envelope::of(record);
        let mut raw = record.record.clone();
        raw.headers.set(HeaderName::Origin, envelope.origin.to_string());
        raw.headers.set(HeaderName::ReceivedAt, envelope.received_at.to_string());
        self.set(&mut raw.headers);
        raw
    }

    /// The decision, for the decisions topic.
    pub(super) fn decision(&self, record: &ConsumedRecord, decision: &Decision) -> Record {
        let mut decided = record.record.clone();
        decided.headers.set(HeaderName::Origin, decision.origin.to_string());
        decided.headers.set(HeaderName::EventId, decision.event_id.to_string());
        self.set(&mut decided.headers);
        decided
    }
}

fn key_of(record: &ConsumedRecord, event: &CanonicalEvent) -> Bytes {
    if !record.record.key.is_empty() {
        return record.record.key.clone();
    }
    let text = event.user_id.as_deref().unwrap_or(event.event_id.as_str());
    Bytes::copy_from_slice(text.as_bytes())
}

fn encode(event: &CanonicalEvent) -> Result<Vec<u8>, String> {
    serde_json::to_vec(event).map_err(|error| error.to_string())
}
