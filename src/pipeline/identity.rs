//! Which event an event is: two sendings of one event get one id, whatever route they take.

use std::borrow::Cow;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::shape::Checked;
use crate::model::Shape;

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
    Cow::Owned(derived(shape, checked).unwrap_or_else(|| Uuid::now_v7().to_string()))
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
