//! From a raw record to what is compared: its origin, its id and a digest of its canonical form.

use sha2::{Digest, Sha256};

use super::copy::{Copy, Found};
use crate::model::{CanonicalEvent, ConsumedRecord};
use crate::pipeline::canonical::canonical;
use crate::pipeline::envelope::Envelope;

/// A record's canonical form, as the processor makes it; `None` where it is no event.
pub(super) fn canonical_of(record: &ConsumedRecord) -> Option<CanonicalEvent> {
    let text = std::str::from_utf8(&record.record.value).ok()?;
    canonical(text, &Envelope::of(record)).ok()
}

/// One copy of an acceptance, found there.
pub(super) fn copy_of(record: &ConsumedRecord, found: Found) -> Copy {
    let envelope = Envelope::of(record);
    let event = canonical_of(record);
    let id = event.as_ref().map(|event| &event.event_id).or(envelope.event_id.as_ref());
    Copy {
        origin: envelope.origin,
        found,
        offset: record.offset,
        digest: event.as_ref().and_then(digest),
        event_id: id.map_or("", |id| id.as_str()).into(),
    }
}

/// Digest of every member of an event. `None` only where it cannot be written as JSON.
pub(super) fn digest(event: &CanonicalEvent) -> Option<[u8; 16]> {
    let text = serde_json::to_vec(event).ok()?;
    let hash = Sha256::digest(&text);
    hash[..16].try_into().ok()
}

/// Names of the members in which two events differ.
pub(super) fn differences(left: &CanonicalEvent, right: &CanonicalEvent) -> Vec<String> {
    let members = |event: &CanonicalEvent| match serde_json::to_value(event) {
        Ok(serde_json::Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    };
    let (left_members, right_members) = (members(left), members(right));
    let mut names: Vec<String> = left_members
        .keys()
        .chain(right_members.keys().filter(|name| !left_members.contains_key(*name)))
        .filter(|name| *name != "meta_data" && left_members.get(*name) != right_members.get(*name))
        .cloned()
        .collect();
    // Compared as text: two spellings of one number are a difference here.
    let text = |event: &CanonicalEvent| event.meta_data.as_ref().map(|raw| raw.get().to_owned());
    if text(left) != text(right) {
        names.push("meta_data".to_owned());
    }
    names
}
