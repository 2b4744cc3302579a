//! From a raw record to a candidate for judgement, or to the cause of a dead letter.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::model::{CanonicalEvent, ConsumedRecord};
use crate::pipeline::canonical::canonical;
use crate::pipeline::client_ip::TrustedProxies;
use crate::pipeline::envelope::Envelope;
use crate::pipeline::rules::RuleSet;
use crate::pipeline::shape::Refused;
use crate::ports::Candidate;

/// A readable event with the record it came in.
#[derive(Debug)]
pub(super) struct Readable {
    pub(super) record: ConsumedRecord,
    pub(super) envelope: Envelope,
    pub(super) event: CanonicalEvent,
}

/// Why a record is no event.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) error_type: &'static str,
    pub(super) reason: String,
}

/// Reads a record; a panic on the way is one more way of being unreadable.
pub(super) fn read(record: &ConsumedRecord) -> Result<(Envelope, CanonicalEvent), Unreadable> {
    catch_unwind(AssertUnwindSafe(|| read_unguarded(record))).unwrap_or_else(|payload| {
        Err(Unreadable { error_type: "panic", reason: panic_text(&*payload) })
    })
}

fn read_unguarded(record: &ConsumedRecord) -> Result<(Envelope, CanonicalEvent), Unreadable> {
    let unmarshal = |reason: String| Unreadable { error_type: "unmarshal_error", reason };
    let text = std::str::from_utf8(&record.record.value)
        .map_err(|error| unmarshal(format!("the value is not UTF-8: {error}")))?;
    let envelope = Envelope::of(record);
    let event = canonical(text, &envelope).map_err(|refused| match &refused {
        Refused::Json(_) | Refused::WrongKind(_) => unmarshal(refused.to_string()),
        _ => Unreadable { error_type: "data_error", reason: refused.to_string() },
    })?;
    Ok((envelope, event))
}

/// A panic's words.
pub(in crate::roles) fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    format!("panicked: {}", text.as_deref().unwrap_or("without a message"))
}

/// An event as it comes up for judgement under these rules.
pub(super) fn candidate(
    event: &CanonicalEvent,
    rules: &RuleSet,
    proxies: &TrustedProxies,
) -> Candidate {
    let client_ip = event.ip_address.as_deref().and_then(|text| text.parse().ok());
    let is_exempt = client_ip.is_some_and(|address| proxies.contains(address));
    let blocked = client_ip
        .filter(|_| !is_exempt)
        .and_then(|address| rules.blocking(address, event.received_at))
        .map(|rule| match &rule.reason {
            Some(reason) => format!("rule {}: {reason}", rule.target),
            None => format!("rule {}", rule.target),
        });
    Candidate {
        event_id: event.event_id.clone(),
        origin: event.origin,
        client_ip,
        received_at: event.received_at,
        is_exempt,
        blocked,
    }
}
