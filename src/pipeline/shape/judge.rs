//! The rules of each shape, member by member, in the order of the seed's own validation.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::check::Checked;
use super::members::{Member, Members};
use super::refused::{FieldError, Refused, code};
use super::rules::Rules;
use super::text::{self, TextError};
use super::time::{self, TimeError};
use crate::model::{EventId, EventIdError, Shape, Timestamp};

/// Most characters of `event_type`, `event_name` and `type`.
const MAX_TYPE: usize = 100;
/// Most characters of a user's id: seed 003's 100 on its shape, else what every store can index.
const MAX_USER_V1: usize = 100;
const MAX_USER: usize = 255;
const MAX_CAMPAIGN: usize = 255;
const MAX_DEVICE: usize = 50;
const MAX_TAGS: usize = 20;
const MAX_TAG: usize = 100;

const CHANNELS: [&str; 6] = ["web", "mobile_app", "mobile", "api", "email", "push"];
const CHANNELS_V1: [&str; 3] = ["web", "mobile_app", "api"];
const CHANNELS_NAMED: [&str; 5] = ["web", "mobile", "api", "email", "push"];

/// Collects what is wrong while it reads; what it returns counts only where nothing was.
pub(super) struct Judge<'j, 'a> {
    members: &'j Members<'a>,
    rules: &'j Rules,
    errors: Vec<FieldError>,
}

impl<'j, 'a> Judge<'j, 'a> {
    pub(super) const fn new(members: &'j Members<'a>, rules: &'j Rules) -> Self {
        Self { members, rules, errors: Vec::new() }
    }

    /// Fills in what was found right. Large, so it is not passed along by value.
    pub(super) fn verdict(mut self, shape: Shape, event: &mut Checked<'a>) -> Result<(), Refused> {
        *event = Checked::default();
        match shape {
            Shape::Campaign => self.campaign(event),
            Shape::Typed => self.typed(event),
            Shape::Job => self.job(event),
            Shape::NamedV1 => self.named(true, event),
            Shape::Named => self.named(false, event),
        }
        if self.errors.is_empty() { Ok(()) } else { Err(Refused::Fields(self.errors)) }
    }

    fn campaign(&mut self, event: &mut Checked<'a>) {
        event.event_type = self.required(Member::EventType, MAX_TYPE);
        event.user_id = Some(self.required(Member::UserId, MAX_USER));
        event.campaign_id = Some(self.required(Member::CampaignId, MAX_CAMPAIGN));
        event.geo_country = self.country();
        event.device_type = self.text(Member::DeviceType, MAX_DEVICE);
        event.created_at = self.created_at();
        event.free = self.object(Member::MetaData);
        event.event_id = self.id(Member::EventId);
        self.names(&[
            Member::EventType,
            Member::UserId,
            Member::CampaignId,
            Member::GeoCountry,
            Member::DeviceType,
            Member::CreatedAt,
            Member::MetaData,
            Member::EventId,
        ]);
    }

    fn typed(&mut self, event: &mut Checked<'a>) {
        (event.created_at, event.sent_timestamp) = self.timestamp();
        event.event_type = self.text(Member::Type, MAX_TYPE).unwrap_or_default();
        event.free = self.members.get(Member::Payload);
        event.event_id = self.id(Member::Id).or_else(|| self.id(Member::EventId));
        self.names(&[
            Member::Type,
            Member::Timestamp,
            Member::Payload,
            Member::Id,
            Member::EventId,
        ]);
    }

    fn job(&mut self, event: &mut Checked<'a>) {
        event.event_type = Cow::Borrowed("job");
        event.event_id = self.id(Member::EventId);
        if event.event_id.is_none() && self.errors.is_empty() {
            self.errors.push(FieldError::required("event_id"));
        }
        event.free = self.members.get(Member::Payload);
        if event.free.is_some_and(|free| !free.starts_with('"')) {
            self.errors.push(FieldError::wrong_type("payload", "a string"));
        }
        (event.created_at, event.sent_timestamp) = self.timestamp();
        self.names(&[Member::EventId, Member::Payload, Member::Timestamp]);
    }

    fn named(&mut self, v1: bool, event: &mut Checked<'a>) {
        let user_limit = if v1 { MAX_USER_V1 } else { MAX_USER };
        event.event_type = self.required(Member::EventName, MAX_TYPE);
        event.user_id = Some(self.required(Member::UserId, user_limit));
        (event.created_at, event.sent_timestamp) = self.required_timestamp();
        if v1 && let Some(at) = event.created_at {
            self.window(at);
        }
        event.channel = self.channel(v1);
        event.tags = self.tags();
        event.campaign_id = self.text(Member::CampaignId, MAX_CAMPAIGN);
        event.free = self.object(Member::Metadata);
        event.event_id = self.id(Member::EventId);
        self.names(&[
            Member::EventName,
            Member::UserId,
            Member::Timestamp,
            Member::Channel,
            Member::Tags,
            Member::CampaignId,
            Member::Metadata,
            Member::EventId,
        ]);
    }

    fn names(&mut self, known: &[Member]) {
        self.members.name_errors(known, &mut self.errors);
    }

    fn required(&mut self, member: Member, limit: usize) -> Cow<'a, str> {
        let before = self.errors.len();
        self.text(member, limit).unwrap_or_else(|| {
            if self.errors.len() == before {
                self.errors.push(FieldError::required(member.name()));
            }
            Cow::Borrowed("")
        })
    }

    /// The member's text; `None` where it is absent, null, empty, or was refused.
    fn text(&mut self, member: Member, limit: usize) -> Option<Cow<'a, str>> {
        let raw = self.members.get(member)?;
        match text::read(raw, limit) {
            Ok(text) => (!text.is_empty()).then_some(text),
            Err(error) => {
                self.errors.push(text_error(member.name(), error, limit));
                None
            }
        }
    }

    fn id(&mut self, member: Member) -> Option<Cow<'a, str>> {
        let text = self.text(member, EventId::MAX_BYTES)?;
        match EventId::check(&text) {
            Ok(()) => Some(text),
            Err(error) => {
                let name = member.name();
                let message = match error {
                    EventIdError::TooLong => {
                        format!("{name} must be at most {} bytes", EventId::MAX_BYTES)
                    }
                    other => other.to_string(),
                };
                self.errors.push(FieldError::new(name, code::INVALID_ID, message));
                None
            }
        }
    }

    fn country(&mut self) -> Option<Cow<'a, str>> {
        let country = self.text(Member::GeoCountry, usize::MAX)?;
        if country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Some(country);
        }
        self.errors.push(FieldError::new(
            "geo_country",
            code::INVALID_COUNTRY,
            "geo_country must be exactly 2 letters",
        ));
        None
    }

    fn channel(&mut self, v1: bool) -> Option<Cow<'a, str>> {
        let channel = self.text(Member::Channel, usize::MAX)?;
        let list: &[&str] = match v1 {
            true if self.rules.v1_channels || self.rules.strict_channels => &CHANNELS_V1,
            false if self.rules.strict_channels => &CHANNELS_NAMED,
            _ => &CHANNELS,
        };
        if list.contains(&channel.as_ref()) {
            return Some(channel);
        }
        let message = format!("channel must be one of: {}", list.join(", "));
        self.errors.push(FieldError::new("channel", code::INVALID_CHANNEL, message));
        None
    }

    fn object(&mut self, member: Member) -> Option<&'a str> {
        let raw = self.members.get(member)?;
        if raw.starts_with('{') {
            return Some(raw);
        }
        self.errors.push(FieldError::wrong_type(member.name(), "an object"));
        None
    }

    fn tags(&mut self) -> Vec<Cow<'a, str>> {
        let Some(raw) = self.members.get(Member::Tags) else { return Vec::new() };
        let Ok(items) = serde_json::from_str::<Vec<&'a RawValue>>(raw) else {
            self.errors.push(FieldError::wrong_type("tags", "an array of strings"));
            return Vec::new();
        };
        if items.len() > MAX_TAGS {
            let message = format!("tags must have at most {MAX_TAGS} items");
            self.errors.push(FieldError::new("tags", code::MAX_TAGS, message));
            return Vec::new();
        }
        let mut tags = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            match text::read(item.get(), MAX_TAG) {
                Ok(tag) => tags.push(tag),
                // the first offender only, as the seed does
                Err(error) => {
                    self.errors.push(tag_error(index, error));
                    break;
                }
            }
        }
        tags
    }

    fn created_at(&mut self) -> Option<Timestamp> {
        let raw = self.members.get(Member::CreatedAt)?;
        let read = match text::read(raw, usize::MAX) {
            Ok(text) => time::rfc3339(&text),
            Err(TextError::Type) => Err(TimeError::Type),
            Err(_) => Err(TimeError::Form),
        };
        read.unwrap_or_else(|error| {
            self.errors.push(time_error("created_at", error, "an RFC 3339 text"));
            None
        })
    }

    /// `timestamp`, and as it was sent.
    fn timestamp(&mut self) -> (Option<Timestamp>, Option<Cow<'a, str>>) {
        let Some(raw) = self.members.get(Member::Timestamp) else { return (None, None) };
        let (read, sent) = match text::read(raw, usize::MAX) {
            Ok(text) => (time::rfc3339(&text), Some(text)),
            Err(TextError::Type) => (time::number(raw), Some(Cow::Borrowed(raw))),
            Err(_) => (Err(TimeError::Form), None),
        };
        match read {
            Ok(at) => (at, sent),
            Err(error) => {
                let wanted = "a whole number of seconds or milliseconds, or an RFC 3339 text";
                self.errors.push(time_error("timestamp", error, wanted));
                (None, None)
            }
        }
    }

    fn required_timestamp(&mut self) -> (Option<Timestamp>, Option<Cow<'a, str>>) {
        let before = self.errors.len();
        let (at, sent) = self.timestamp();
        if at.is_none() && self.errors.len() == before {
            self.errors.push(FieldError::required("timestamp"));
        }
        (at, sent)
    }

    fn window(&mut self, at: Timestamp) {
        let Some(window) = self.rules.v1_window else { return };
        let now = self.rules.now;
        // whole seconds, as the seed compares: an event of this very second is never "old"
        if at > now {
            let message = "timestamp cannot be in the future";
            self.errors.push(FieldError::new("timestamp", code::TIMESTAMP_FUTURE, message));
        } else if at.as_secs() < now.minus(window).as_secs() {
            let (count, unit) = match window.as_secs() {
                secs if secs > 0 && secs.is_multiple_of(86_400) => (secs / 86_400, "days"),
                secs => (secs, "seconds"),
            };
            let message = format!("timestamp cannot be older than {count} {unit}");
            self.errors.push(FieldError::new("timestamp", code::TIMESTAMP_EXPIRED, message));
        }
    }
}

fn text_error(field: &str, error: TextError, limit: usize) -> FieldError {
    match error {
        TextError::Type => FieldError::wrong_type(field, "a string"),
        TextError::Long => FieldError::too_long(field, limit),
        TextError::Control => {
            let message = format!("{field} must not contain control characters");
            FieldError::new(field, code::INVALID_TEXT, message)
        }
        TextError::Surrogate => {
            let message = format!("{field} must not contain half a surrogate pair");
            FieldError::new(field, code::INVALID_TEXT, message)
        }
    }
}

fn tag_error(index: usize, error: TextError) -> FieldError {
    let base = match error {
        TextError::Long => FieldError::new(
            "tag",
            code::TAG_TOO_LONG,
            format!("tag must be at most {MAX_TAG} characters"),
        ),
        other => text_error("tag", other, MAX_TAG),
    };
    FieldError { field: format!("tags[{index}]"), pointer: format!("/tags/{index}"), ..base }
}

fn time_error(field: &str, error: TimeError, wanted: &str) -> FieldError {
    match error {
        TimeError::Type => FieldError::wrong_type(field, wanted),
        TimeError::Form => FieldError::new(
            field,
            code::INVALID_TIMESTAMP,
            format!("{field} must be {wanted}, like 2026-01-31T12:00:00Z"),
        ),
        TimeError::Range => FieldError::new(
            field,
            code::INVALID_TIMESTAMP,
            format!("{field} must lie between {} and {}", Timestamp::MIN, Timestamp::MAX),
        ),
    }
}
