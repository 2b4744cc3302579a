//! Which event an event is: two sendings of one event get one id, whatever route they take.

use std::borrow::Cow;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::shape::Checked;
use crate::model::{Origin, Shape};

/// The id of an event that is being accepted: the client's own, else its idempotency key (`key`, in
/// a batch `key:index`; the caller has checked that it is an
/// [`EventId`](crate::model::EventId)), else one derived from what the event says, else a new one.
#[must_use]
pub fn event_id<'a>(
    shape: Shape,
    checked: &'a Checked<'a>,
    idempotency_key: Option<&'a str>,
) -> Cow<'a, str> {
    if let Some(id) = checked.event_id.as_deref().or(idempotency_key) {
        return Cow::Borrowed(id);
    }
    Cow::Owned(derived(shape, checked).unwrap_or_else(|| Origin::mint().to_string()))
}

/// The id that follows from what the event says: for the named shapes, lower-hex SHA-256 of
/// `event_name|user_id|timestamp|channel` (003: the timestamp in seconds; 004: as it was sent).
#[must_use]
pub fn derived(shape: Shape, checked: &Checked<'_>) -> Option<String> {
    let mut seconds = String::new();
    let timestamp = match shape {
        Shape::Named => checked.sent_timestamp.as_deref()?,
        Shape::NamedV1 => {
            write!(seconds, "{}", checked.created_at?.as_secs()).ok()?;
            &seconds
        }
        Shape::Campaign | Shape::Typed | Shape::Job => return None,
    };
    let mut hash = Sha256::new();
    hash.update(checked.event_type.as_bytes());
    hash.update(b"|");
    hash.update(checked.user_id.as_deref().unwrap_or_default().as_bytes());
    hash.update(b"|");
    hash.update(timestamp.as_bytes());
    hash.update(b"|");
    hash.update(checked.channel.as_deref().unwrap_or_default().as_bytes());
    Some(hex(&hash.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EventId, Timestamp};
    use crate::pipeline::shape::{Rules, check};

    fn id(shape: Shape, text: &str, key: Option<&str>) -> String {
        let now = Timestamp::from_millis(1_769_860_800_000).unwrap();
        let checked = check(shape, text, &Rules::at_door(now)).unwrap();
        event_id(shape, &checked, key).into_owned()
    }

    fn named(timestamp: &str, more: &str) -> String {
        format!(
            r#"{{"event_name":"product_view","user_id":"user_123","timestamp":{timestamp}{more}}}"#
        )
    }

    #[test]
    fn the_clients_id_comes_before_its_key_and_its_key_before_ours() {
        let with_id = named("1769850000", r#","event_id":"mine""#);
        assert_eq!(id(Shape::Named, &with_id, Some("key:3")), "mine");
        assert_eq!(id(Shape::Named, &named("1769850000", ""), Some("key:3")), "key:3");
        let minted = id(Shape::Typed, "{}", None);
        assert_eq!(uuid::Uuid::parse_str(&minted).unwrap().get_version_num(), 7);
        assert_ne!(id(Shape::Typed, "{}", None), minted);
        let campaign = r#"{"event_type":"t","user_id":"u","campaign_id":"c"}"#;
        assert!(EventId::check(&id(Shape::Campaign, campaign, None)).is_ok());
    }

    #[test]
    fn derived_ids_are_those_that_the_seeds_derive() {
        let web = r#","channel":"web""#;
        let seconds = "1c6a72a533488a80c5e71257fad5b453c6918a3d95bdb31f8fabe082e0fc17de";
        assert_eq!(id(Shape::NamedV1, &named("1769850000", web), None), seconds);
        // 003 counts in seconds, whatever the client counts in
        assert_eq!(id(Shape::NamedV1, &named("1769850000000", web), None), seconds);
        assert_eq!(id(Shape::NamedV1, &named(r#""2026-01-31T09:00:00Z""#, web), None), seconds);
        // 004 takes it as it was sent
        assert_eq!(id(Shape::Named, &named("1769850000", web), None), seconds);
        assert_eq!(
            id(Shape::Named, &named("1769850000000", web), None),
            "315dabc99bea9a267df3d1044bc4d05905c206f997b77b7d11de9bcaa3290c14"
        );
        assert_eq!(
            id(Shape::Named, &named("1769850000123", ""), None),
            "a9e0fac3bddf0dc5fa8f0ca90f426022fc5c5fabde5aab65af647c324c8e7731"
        );
    }
}
