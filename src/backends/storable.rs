//! What no store can keep, found before a batch is begun.

use std::borrow::Cow;

use crate::model::CanonicalEvent;
use crate::ports::{Error, Kind, Result, SinkBatch};

/// Refuses what can never be stored, in any store that keeps text without NUL.
///
/// # Errors
/// `Data`.
pub(in crate::backends) fn check(batch: &SinkBatch) -> Result<()> {
    for item in &batch.events {
        if let Some(column) = column_with_nul(&item.event) {
            let text = format!("store event {}: {column} contains NUL", item.event.event_id);
            return Err(Error::new(Kind::Data, text));
        }
    }
    for (decision, ..) in &batch.decisions {
        if !decision.outcome.is_decision() {
            let text = format!("store decision on {}: {}", decision.origin, decision.outcome);
            return Err(Error::new(Kind::Data, format!("{text} is not a decision")));
        }
    }
    Ok(())
}

fn column_with_nul(event: &CanonicalEvent) -> Option<&'static str> {
    let optional = [
        ("user_id", &event.user_id),
        ("campaign_id", &event.campaign_id),
        ("geo_country", &event.geo_country),
        ("device_type", &event.device_type),
        ("channel", &event.channel),
        ("ip_address", &event.ip_address),
    ];
    let has_nul = |text: &str| text.as_bytes().contains(&0);
    let mut columns = optional.into_iter();
    has_nul(&event.event_type).then_some("event_type").or_else(|| {
        columns.find(|(_, text)| text.as_deref().is_some_and(has_nul)).map(|(name, _)| name)
    })
}

/// Text that an operator reads, with NUL replaced: no store keeps it, and a decision or a dead
/// letter must not fail for its wording.
pub(in crate::backends) fn plain(text: &str) -> Cow<'_, str> {
    if text.as_bytes().contains(&0) { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}
