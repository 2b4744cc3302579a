//! The event that was found right, and the ways to ask for it: by a known shape, or by the members.

use std::borrow::Cow;

use super::judge::Judge;
use super::members::{Member, Members};
use super::refused::{FieldError, Refused, code};
use super::rules::Rules;
use crate::model::{Shape, Timestamp};

/// An event that was found right: its members, borrowed from its text where nothing is escaped.
/// Members that are absent, null or empty are `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked<'a> {
    /// The id that the client gave.
    pub event_id: Option<Cow<'a, str>>,
    /// `event_type`, `event_name` or `type`; empty where 001's event has none, `job` for 002's.
    pub event_type: Cow<'a, str>,
    /// Who did it: the key of the record where present.
    pub user_id: Option<Cow<'a, str>>,
    /// The campaign it counts for.
    pub campaign_id: Option<Cow<'a, str>>,
    /// Two letters, as they came.
    pub geo_country: Option<Cow<'a, str>>,
    /// Kind of device.
    pub device_type: Option<Cow<'a, str>>,
    /// Marketing channel.
    pub channel: Option<Cow<'a, str>>,
    /// Labels, in the client's order.
    pub tags: Vec<Cow<'a, str>>,
    /// When it happened, where the client said so.
    pub created_at: Option<Timestamp>,
    /// `timestamp` as it was sent, a string without its quotes: part of 004's derived id.
    pub sent_timestamp: Option<Cow<'a, str>>,
    /// `meta_data`, `metadata` or `payload` as it came.
    pub free: Option<&'a str>,
}

/// Judges one event.
///
/// # Errors
/// With everything that is wrong with it.
pub fn check<'a>(shape: Shape, text: &'a str, rules: &Rules) -> Result<Checked<'a>, Refused> {
    check_members(shape, &Members::read(text, rules.max_event_bytes)?, rules)
}

/// Judges one event of `POST /events`, where the members tell the shape: `event_name` makes it
/// [`Shape::Named`], `type` or `payload` or nothing at all [`Shape::Typed`].
///
/// # Errors
/// With everything that is wrong with it; [`code::UNKNOWN_SHAPE`] where nothing tells.
pub fn check_events<'a>(text: &'a str, rules: &Rules) -> Result<(Shape, Checked<'a>), Refused> {
    let members = Members::read(text, rules.max_event_bytes)?;
    let shape = detect(&members)?;
    Ok((shape, check_members(shape, &members, rules)?))
}

/// The first half of [`check_events`], which reads the text only once; this is for answers that
/// differ by shape where the event was refused.
///
/// # Errors
/// When it is no JSON object, or nothing tells its shape.
pub fn detect_events_shape(text: &str) -> Result<Shape, Refused> {
    detect(&Members::read(text, usize::MAX)?)
}

fn detect(members: &Members<'_>) -> Result<Shape, Refused> {
    if members.has(Member::EventName) {
        return Ok(Shape::Named);
    }
    if members.empty || members.has(Member::Type) || members.has(Member::Payload) {
        return Ok(Shape::Typed);
    }
    let mut errors = vec![FieldError {
        field: String::new(),
        code: code::UNKNOWN_SHAPE,
        message: "event_name, type or payload is required".to_owned(),
        pointer: String::new(),
    }];
    members.name_errors(&[Member::EventName, Member::Type, Member::Payload], &mut errors);
    Err(Refused::Fields(errors))
}

/// The shape of an event that came without one, from a foreign producer.
pub(in crate::pipeline) fn guess(members: &Members<'_>) -> Shape {
    if members.has(Member::EventName) {
        Shape::Named
    } else if !members.has(Member::EventType)
        && (members.has(Member::Type) || members.has(Member::Payload))
    {
        Shape::Typed
    } else {
        Shape::Campaign
    }
}

pub(in crate::pipeline) fn check_members<'a>(
    shape: Shape,
    members: &Members<'a>,
    rules: &Rules,
) -> Result<Checked<'a>, Refused> {
    let mut checked = Checked::default();
    Judge::new(members, rules).verdict(shape, &mut checked)?;
    Ok(checked)
}
