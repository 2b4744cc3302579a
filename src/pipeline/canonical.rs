//! The canonical form of a raw event: what the processor passes on and what replay makes again.
//!
//! A function of the client's bytes and the envelope alone, so that it gives the same whenever and
//! wherever it is made.

use std::borrow::Cow;

use serde_json::value::RawValue;

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
        meta_data: checked.free.and_then(|free| RawValue::from_string(free.to_owned()).ok()),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Offset, Origin, Partition, Timestamp, TopicId};
    use crate::pipeline::shape::check;

    fn envelope(shape: Option<Shape>, event_id: Option<&str>) -> Envelope {
        Envelope {
            origin: Origin::of_foreign(TopicId::mint(), Partition(0), Offset(7)),
            event_id: event_id.map(|id| EventId::new(id).unwrap()),
            received_at: "2026-01-31T12:00:00Z".parse().unwrap(),
            client_ip: Some("203.0.113.7".to_owned()),
            shape,
            traceparent: None,
            attempts: 0,
            not_before: None,
            replay_id: None,
            redrives: 0,
        }
    }

    #[test]
    fn every_shape_has_one_canonical_form() {
        let text = r#"{"event_name":"view","user_id":"u","timestamp":1769850000123,"channel":"web",
            "tags":["a","\u00e4"],"campaign_id":"c","metadata":{"n": 1.10}}"#;
        let event = canonical(text, &envelope(Some(Shape::Named), Some("e"))).unwrap();
        assert_eq!(
            serde_json::to_string(&CanonicalEvent { origin: Origin::from_bytes([0; 16]), ..event })
                .unwrap(),
            concat!(
                r#"{"event_id":"e","origin":"00000000-0000-0000-0000-000000000000","#,
                r#""shape":"named","event_type":"view","user_id":"u","campaign_id":"c","#,
                r#""channel":"web","tags":["a","ä"],"created_at":"2026-01-31T09:00:00.123Z","#,
                r#""received_at":"2026-01-31T12:00:00.000Z","ip_address":"203.0.113.7","#,
                r#""meta_data":{"n": 1.10}}"#
            )
        );
        let event = canonical("{}", &envelope(Some(Shape::Typed), Some("e"))).unwrap();
        assert_eq!((event.event_type.as_str(), event.created_at), ("", event.received_at));
        assert_eq!((event.tags, event.user_id, event.meta_data.is_none()), (None, None, true));
    }

    #[test]
    fn a_foreign_record_gets_a_shape_and_an_id_that_every_reader_finds_again() {
        let envelope = envelope(None, None);
        let made = |text: &str| {
            let event = canonical(text, &envelope).unwrap();
            assert_eq!(canonical(text, &envelope).unwrap(), event);
            (event.shape, event.event_id.to_string())
        };
        let origin = envelope.origin.to_string();
        let campaign = r#"{"event_type":"click","user_id":"u","campaign_id":"c"}"#;
        assert_eq!(made(campaign), (Shape::Campaign, origin.clone()));
        assert_eq!(made(r#"{"type":"x","id":"mine"}"#), (Shape::Typed, "mine".to_owned()));
        let (shape, id) = made(r#"{"event_name":"n","user_id":"u","timestamp":1}"#);
        assert_eq!((shape, id.len()), (Shape::Named, 64));
        assert!(canonical("{}", &envelope).is_err());
        assert!(canonical("[", &envelope).is_err());
    }

    /// Members of every shape with values that the door takes and values that it refuses.
    fn event_text() -> impl Strategy<Value = String> {
        let names = [
            "event_id",
            "id",
            "event_type",
            "event_name",
            "type",
            "user_id",
            "campaign_id",
            "geo_country",
            "device_type",
            "created_at",
            "timestamp",
            "channel",
            "tags",
            "meta_data",
            "metadata",
            "payload",
            "other",
        ];
        let values = [
            "\"web\"",
            "\"u\"",
            "\"US\"",
            "\"\\ud83d\\ude00\"",
            "\"\\ud800\"",
            "\"\"",
            "null",
            "0",
            "1769850000",
            "1769850000123",
            "1.5",
            "-5",
            "\"2026-01-31T12:00:00Z\"",
            "[]",
            "{}",
            "[\"a\",\"\\u00e4\"]",
            "{\"x\":\"\\ud800\",\"y\":1e999}",
            "[1,[2]]",
            "\"0001-01-01T00:00:00Z\"",
            "true",
        ];
        let member = (prop::sample::select(names.to_vec()), prop::sample::select(values.to_vec()));
        (prop::collection::vec(member, 0..7), 0..4_usize).prop_map(|(members, base)| {
            let base = [
                "",
                r#""event_type":"click","user_id":"u","campaign_id":"c""#,
                r#""event_name":"click","user_id":"u","timestamp":1769850000"#,
                r#""event_id":"e""#,
            ][base];
            let mut all = if base.is_empty() { vec![] } else { vec![base.to_owned()] };
            all.extend(members.iter().map(|(name, value)| format!("\"{name}\":{value}")));
            format!("{{{}}}", all.join(","))
        })
    }

    proptest! {
        #[test]
        fn whatever_passes_the_door_can_be_made_canonical(text in event_text()) {
            let rules = Rules::at_door(Timestamp::from_millis(1_769_860_800_000).unwrap());
            for shape in Shape::ALL {
                let Ok(checked) = check(shape, &text, &rules) else { continue };
                let id = identity::event_id(shape, &checked, None);
                let event = canonical(&text, &envelope(Some(shape), Some(&id))).unwrap();
                prop_assert_eq!(event.user_id.as_deref(), checked.user_id.as_deref());
                let bytes = serde_json::to_string(&event).unwrap();
                let read: CanonicalEvent = serde_json::from_str(&bytes).unwrap();
                prop_assert_eq!(read, event);
            }
        }
    }
}
