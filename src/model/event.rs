//! An event: its identity, the shape in which a client sent it, and its canonical form.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use super::{Origin, Timestamp};

/// An event's identity among all shapes: 1 to 255 bytes without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct EventId(String);

/// Why a text is no event id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventIdError {
    /// It has no characters.
    #[error("event_id must not be empty")]
    Empty,
    /// It is over 255 bytes.
    #[error("event_id must be at most 255 bytes")]
    TooLong,
    /// It contains a control character.
    #[error("event_id must not contain control characters")]
    Control,
}

impl EventId {
    /// The longest id in bytes.
    pub const MAX_BYTES: usize = 255;

    /// Checks and takes a text as an id.
    ///
    /// # Errors
    /// When it is empty, over 255 bytes, or contains a control character.
    pub fn new(text: impl Into<String>) -> Result<Self, EventIdError> {
        let text = text.into();
        Self::check(&text)?;
        Ok(Self(text))
    }

    /// Checks a text without taking it.
    ///
    /// # Errors
    /// As [`EventId::new`].
    pub fn check(text: &str) -> Result<(), EventIdError> {
        if text.is_empty() {
            return Err(EventIdError::Empty);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(EventIdError::TooLong);
        }
        // Nearly every id is ASCII, and so known to be right after one pass without branches.
        let is_odd = text.bytes().fold(false, |odd, byte| odd | !(b' '..0x7f).contains(&byte));
        if is_odd && text.chars().any(char::is_control) {
            return Err(EventIdError::Control);
        }
        Ok(())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for EventId {
    type Error = EventIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> Self {
        id.0
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Which client contract a raw event was written to; header `evp-shape`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// `POST /event` and `/events/batch`: `event_type`, `user_id`, `campaign_id` (seed 000).
    Campaign,
    /// `POST /events` with `type` and `payload` (seed 001).
    Typed,
    /// gRPC `EventRequest` as JSON (seed 002).
    Job,
    /// `POST /api/v1/events`: `event_name`, `timestamp` in seconds (seed 003).
    NamedV1,
    /// `POST /events` with `event_name`, `timestamp` in milliseconds or seconds (seed 004).
    Named,
}

/// The text names no shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a shape")]
pub struct UnknownShape(String);

impl Shape {
    /// Every shape.
    pub const ALL: [Self; 5] = [Self::Campaign, Self::Typed, Self::Job, Self::NamedV1, Self::Named];

    /// Its name in headers and canonical events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Campaign => "campaign",
            Self::Typed => "typed",
            Self::Job => "job",
            Self::NamedV1 => "named_v1",
            Self::Named => "named",
        }
    }
}

impl FromStr for Shape {
    type Err = UnknownShape;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|shape| shape.as_str() == text)
            .ok_or_else(|| UnknownShape(text.to_owned()))
    }
}

/// The one form in which every shape leaves the processor; the value of a record in
/// `processed-events` and, member by member, the columns of a row.
///
/// `meta_data` is the client's own JSON text, byte for byte (design, rule 12).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CanonicalEvent {
    /// Identity of the event.
    pub event_id: EventId,
    /// Identity of this acceptance.
    pub origin: Origin,
    /// How it was sent.
    pub shape: Shape,
    /// `event_type`, `event_name` or `type` of the client: up to 100 characters.
    pub event_type: String,
    /// Who did it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user_id: Option<String>,
    /// The campaign it counts for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub campaign_id: Option<String>,
    /// Two-letter country.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub geo_country: Option<String>,
    /// Kind of device.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub device_type: Option<String>,
    /// Marketing channel.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub channel: Option<String>,
    /// Labels, in the client's order.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tags: Option<Vec<String>>,
    /// When it happened, by the client; when it was received where the client did not say.
    pub created_at: Timestamp,
    /// When the collector accepted it.
    pub received_at: Timestamp,
    /// The client's address by the trusted proxies.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ip_address: Option<String>,
    /// `meta_data`, `payload` or `metadata`, as it came.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub meta_data: Option<Box<RawValue>>,
}

impl PartialEq for CanonicalEvent {
    fn eq(&self, other: &Self) -> bool {
        self.event_id == other.event_id
            && self.origin == other.origin
            && self.shape == other.shape
            && self.event_type == other.event_type
            && self.user_id == other.user_id
            && self.campaign_id == other.campaign_id
            && self.geo_country == other.geo_country
            && self.device_type == other.device_type
            && self.channel == other.channel
            && self.tags == other.tags
            && self.created_at == other.created_at
            && self.received_at == other.received_at
            && self.ip_address == other.ip_address
            && self.meta_data.as_deref().map(RawValue::get)
                == other.meta_data.as_deref().map(RawValue::get)
    }
}
