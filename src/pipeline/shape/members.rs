//! The top-level members of one event as slices of its text, read in one pass.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::refused::{FieldError, Refused, code};
use super::{scan, text};
use crate::pipeline::json::{self, JsonError};

/// A member that some shape knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Member {
    EventId,
    Id,
    EventType,
    EventName,
    Type,
    UserId,
    CampaignId,
    GeoCountry,
    DeviceType,
    CreatedAt,
    Timestamp,
    Channel,
    Tags,
    MetaData,
    Metadata,
    Payload,
}

impl Member {
    const ALL: [Self; 16] = [
        Self::EventId,
        Self::Id,
        Self::EventType,
        Self::EventName,
        Self::Type,
        Self::UserId,
        Self::CampaignId,
        Self::GeoCountry,
        Self::DeviceType,
        Self::CreatedAt,
        Self::Timestamp,
        Self::Channel,
        Self::Tags,
        Self::MetaData,
        Self::Metadata,
        Self::Payload,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::EventId => "event_id",
            Self::Id => "id",
            Self::EventType => "event_type",
            Self::EventName => "event_name",
            Self::Type => "type",
            Self::UserId => "user_id",
            Self::CampaignId => "campaign_id",
            Self::GeoCountry => "geo_country",
            Self::DeviceType => "device_type",
            Self::CreatedAt => "created_at",
            Self::Timestamp => "timestamp",
            Self::Channel => "channel",
            Self::Tags => "tags",
            Self::MetaData => "meta_data",
            Self::Metadata => "metadata",
            Self::Payload => "payload",
        }
    }

    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "event_id" => Self::EventId,
            "id" => Self::Id,
            "event_type" => Self::EventType,
            "event_name" => Self::EventName,
            "type" => Self::Type,
            "user_id" => Self::UserId,
            "campaign_id" => Self::CampaignId,
            "geo_country" => Self::GeoCountry,
            "device_type" => Self::DeviceType,
            "created_at" => Self::CreatedAt,
            "timestamp" => Self::Timestamp,
            "channel" => Self::Channel,
            "tags" => Self::Tags,
            "meta_data" => Self::MetaData,
            "metadata" => Self::Metadata,
            "payload" => Self::Payload,
            _ => return None,
        })
    }

    fn of_any_case(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|member| member.name().eq_ignore_ascii_case(name))
    }
}

/// Levels, and members that no shape knows, that a plain event has at most.
const PLAIN_DEPTH: usize = 64;
const PLAIN_OTHERS: usize = 8;

/// What an event's text says at its top level.
#[derive(Debug, Default)]
pub(in crate::pipeline) struct Members<'a> {
    slots: [Option<&'a str>; Member::ALL.len()],
    /// Known members in another letter case, as they were spelled.
    miscased: Vec<(Member, String)>,
    /// Names that stand there more than once.
    repeated: Vec<String>,
    /// Whether there is no member at all.
    pub(super) empty: bool,
}

impl<'a> Members<'a> {
    /// Reads the text of one event.
    ///
    /// # Errors
    /// When the text is too large, no JSON, or no object.
    pub(in crate::pipeline) fn read(text: &'a str, max_bytes: usize) -> Result<Self, Refused> {
        if text.len() > max_bytes {
            return Err(Refused::TooLarge { bytes: text.len(), max: max_bytes });
        }
        let mut members = Self::default();
        let start = json::skip_space(text.as_bytes(), 0);
        if let Some(end) = members.scan(text, start, PLAIN_DEPTH)
            && json::skip_space(text.as_bytes(), end) == text.len()
        {
            return Ok(members);
        }
        if text.as_bytes().get(start).is_some_and(|&byte| byte != b'{') {
            return Err(match serde_json::from_str::<&RawValue>(text) {
                Ok(_) => Refused::WrongKind("an event must be a JSON object"),
                Err(error) => Refused::Json(JsonError::of(&error, text)),
            });
        }
        serde_json::from_str(text).map_err(|error| Refused::Json(JsonError::of(&error, text)))
    }

    /// Reads the object that opens at `at` over what was read before, where it is plain: no name
    /// escaped, repeated or in another letter case, and few that no shape knows. Where it ends.
    /// After `None` the members are not to be used.
    pub(super) fn scan(&mut self, text: &'a str, at: usize, max_depth: usize) -> Option<usize> {
        self.slots = [None; Member::ALL.len()];
        self.empty = true;
        let (mut others, mut count) = ([""; PLAIN_OTHERS], 0);
        scan::object(text, at, max_depth, |name, value| {
            self.empty = false;
            if let Some(member) = Member::of(name) {
                return self.slots[member as usize].replace(value).is_none();
            }
            if count == PLAIN_OTHERS
                || others[..count].contains(&name)
                || Member::of_any_case(name).is_some()
            {
                return false;
            }
            others[count] = name;
            count += 1;
            true
        })
    }

    /// The member's text; `None` where it is absent or null.
    pub(super) fn get(&self, member: Member) -> Option<&'a str> {
        self.slots[member as usize].filter(|text| *text != "null")
    }

    pub(super) fn has(&self, member: Member) -> bool {
        self.slots[member as usize].is_some()
    }

    /// Errors about the names of members, where `known` says which of them matter.
    pub(super) fn name_errors(&self, known: &[Member], errors: &mut Vec<FieldError>) {
        for name in &self.repeated {
            let name = shown(name);
            let message = format!("{name} is given more than once");
            errors.push(FieldError::new(&name, code::DUPLICATE_MEMBER, message));
        }
        for (member, spelled) in &self.miscased {
            if known.contains(member) {
                let message = format!("{spelled} must be spelled {}", member.name());
                errors.push(FieldError::new(spelled, code::LETTER_CASE, message));
            }
        }
    }
}

/// A client's own member name for a message: not longer than a line, no control characters.
fn shown(name: &str) -> String {
    if name.is_empty() {
        return "the member with an empty name".to_owned();
    }
    name.chars().take(64).flat_map(char::escape_debug).collect()
}

/// Names seen so far of members that no shape knows: a list while they are few, then a set, so that
/// an object of a hundred thousand members costs no quadratic time.
#[derive(Default)]
struct Others<'a> {
    few: Vec<Cow<'a, str>>,
    many: HashSet<Cow<'a, str>>,
}

impl<'a> Others<'a> {
    const FEW: usize = 16;

    /// Takes the name, or gives it back where it was there.
    fn insert(&mut self, name: Cow<'a, str>) -> Result<(), Cow<'a, str>> {
        if self.few.contains(&name) || self.many.contains(&name) {
            return Err(name);
        }
        if self.few.len() < Self::FEW {
            self.few.push(name);
        } else {
            self.many.insert(name);
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an event object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Members { empty: true, ..Members::default() };
                let mut others = Others::default();
                // names are read raw too: one with half a surrogate pair is JSON, but no string
                while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                    members.empty = false;
                    members.put(text::name(name.get()), value, &mut others);
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}

impl<'a> Members<'a> {
    /// Most repeated or misspelled names that one answer lists.
    const MAX_NAMED: usize = 20;

    fn put(&mut self, name: Cow<'a, str>, value: &'a RawValue, others: &mut Others<'a>) {
        if let Some(member) = Member::of(&name) {
            let slot = &mut self.slots[member as usize];
            if slot.is_some() {
                self.repeat(member.name());
            } else {
                *slot = Some(value.get());
            }
            return;
        }
        if let Some(member) = Member::of_any_case(&name)
            && self.miscased.len() < Self::MAX_NAMED
        {
            self.miscased.push((member, name.clone().into_owned()));
        }
        if let Err(name) = others.insert(name) {
            self.repeat(&name);
        }
    }

    fn repeat(&mut self, name: &str) {
        if self.repeated.len() < Self::MAX_NAMED && !self.repeated.iter().any(|seen| seen == name) {
            self.repeated.push(name.to_owned());
        }
    }
}
