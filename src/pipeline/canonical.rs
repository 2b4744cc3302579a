//! The canonical form of a raw event: what the processor passes on and what replay makes again.
//!
//! A function of the client's bytes and the envelope alone, so that it gives the same whenever and
//! wherever it is made.

use std::borrow::Cow;

use super::envelope::Envelope;
use super::identity;
use super::shape::{self, FieldError, Members, Refused, Rules, code};
use crate::model::{CanonicalEvent, EventId, Shape};

/// Makes the canonical form.
///
/// Where the envelope names no shape, a foreign producer's members tell it; where it names no id, it
/// is the event's own, else the derived one, else the text of the origin, which is the same for
/// every reader.
///
/// # Errors
/// Never for what passed the door; for a foreign producer's record, what the door would have said.
pub fn canonical(text: &str, envelope: &Envelope) -> Result<CanonicalEvent, Refused> {
    let members = Members::read(text, usize::MAX)?;
    let shape = envelope.shape.unwrap_or_else(|| shape::guess(&members));
    let checked = shape::check_members(shape, &members, &Rules::trusting())?;
    let event_id = match &envelope.event_id {
        Some(id) => id.clone(),
        None => own_id(shape, &checked, envelope)?,
    };
    let owned = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    Ok(CanonicalEvent {
        event_id,
        origin: envelope.origin,
        shape,
        event_type: checked.event_type.into_owned(),
        user_id: owned(checked.user_id),
        campaign_id: owned(checked.campaign_id),
        geo_country: owned(checked.geo_country),
        device_type: owned(checked.device_type),
        channel: owned(checked.channel),
        tags: (!checked.tags.is_empty())
            .then(|| checked.tags.into_iter().map(Cow::into_owned).collect()),
        created_at: checked.created_at.unwrap_or(envelope.received_at),
        received_at: envelope.received_at,
        ip_address: envelope.client_ip.clone(),
        meta_data: checked.free.map(|free| free.0.to_owned()),
    })
}

fn own_id(
    shape: Shape,
    checked: &shape::Checked<'_>,
    envelope: &Envelope,
) -> Result<EventId, Refused> {
    let text = checked.event_id.as_deref().map(str::to_owned);
    let text = text
        .or_else(|| identity::derived(shape, checked))
        .unwrap_or_else(|| envelope.origin.to_string());
    EventId::new(text).map_err(|error| {
        Refused::Fields(vec![FieldError::new("event_id", code::INVALID_ID, error.to_string())])
    })
}
