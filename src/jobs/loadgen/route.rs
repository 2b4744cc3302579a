//! Where requests go: the collector's routes, and how events stand in their bodies.

use std::fmt;
use std::str::FromStr;

/// An ingest route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Route {
    /// One event of `event_type`, `user_id`, `campaign_id`.
    #[default]
    Event,
    /// An array of them.
    Batch,
    /// One event with `event_name`.
    Events,
    /// One event of `type` and `payload`.
    Typed,
    /// `{"events":[…]}` of those with `event_name`, all or nothing.
    Bulk,
    /// One event with `event_name` under the stricter rules of `/api/v1`.
    V1,
    /// `{"events":[…]}` of them, each judged by itself.
    V1Bulk,
    /// One event a line.
    Ndjson,
}

/// How events stand in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Single,
    Array,
    Events,
    Lines,
}

const EVENT: &str = r#"{"event_id":"{{id}}","event_type":"{{pick:impression,impression,impression,click,conversion}}","user_id":"u-{{user}}","campaign_id":"campaign-{{int:1:50}}","created_at":"{{now}}","geo_country":"{{pick:DE,US,IN,BR}}","device_type":"{{pick:desktop,mobile,tablet}}","meta_data":{"path":"/products/item-{{int:1:1000}}","session":"{{hex:12}}"}}"#;
const NAMED: &str = r#"{"event_id":"{{id}}","event_name":"{{pick:page_view,product_view,add_to_cart,purchase}}","channel":"{{pick:web,mobile,api}}","campaign_id":"campaign-{{int:1:50}}","user_id":"u-{{user}}","timestamp":{{now_ms}},"tags":["load"],"metadata":{"product_id":"p-{{int:1:1000}}","session":"{{hex:12}}"}}"#;
const V1: &str = r#"{"event_id":"{{id}}","event_name":"{{pick:page_view,product_view,add_to_cart,purchase}}","channel":"{{pick:web,mobile_app,api}}","campaign_id":"campaign-{{int:1:50}}","user_id":"u-{{user}}","timestamp":{{now_s}},"tags":["load"],"metadata":{"product_id":"p-{{int:1:1000}}","session":"{{hex:12}}"}}"#;
const TYPED: &str = r#"{"id":"{{id}}","type":"{{pick:page_view,click,purchase}}","timestamp":"{{now}}","payload":{"user":"u-{{user}}","path":"/products/item-{{int:1:1000}}","session":"{{hex:12}}"}}"#;

impl Route {
    /// Every route.
    pub const ALL: [Self; 8] = [
        Self::Event,
        Self::Batch,
        Self::Events,
        Self::Typed,
        Self::Bulk,
        Self::V1,
        Self::V1Bulk,
        Self::Ndjson,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Batch => "batch",
            Self::Events => "events",
            Self::Typed => "typed",
            Self::Bulk => "bulk",
            Self::V1 => "v1",
            Self::V1Bulk => "v1-bulk",
            Self::Ndjson => "ndjson",
        }
    }

    /// Its path at a collector.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Event => "/event",
            Self::Batch => "/events/batch",
            Self::Events | Self::Typed => "/events",
            Self::Bulk => "/events/bulk",
            Self::V1 => "/api/v1/events",
            Self::V1Bulk => "/api/v1/events/bulk",
            Self::Ndjson => "/events/ndjson",
        }
    }

    /// Whether a request holds one event only.
    #[must_use]
    pub const fn is_single(self) -> bool {
        matches!(self.framing(), Framing::Single)
    }

    /// Whether one event that is wrong refuses the whole request.
    #[must_use]
    pub const fn is_all_or_nothing(self) -> bool {
        matches!(self, Self::Bulk)
    }

    /// The template of an event where the user gives none.
    #[must_use]
    pub const fn template(self) -> &'static str {
        match self {
            Self::Event | Self::Batch | Self::Ndjson => EVENT,
            Self::Events | Self::Bulk => NAMED,
            Self::V1 | Self::V1Bulk => V1,
            Self::Typed => TYPED,
        }
    }

    /// The member in which a client gives an event its id.
    #[must_use]
    pub const fn id_member(self) -> &'static str {
        if matches!(self, Self::Typed) { "id" } else { "event_id" }
    }

    pub(super) const fn framing(self) -> Framing {
        match self {
            Self::Event | Self::Events | Self::Typed | Self::V1 => Framing::Single,
            Self::Batch => Framing::Array,
            Self::Bulk | Self::V1Bulk => Framing::Events,
            Self::Ndjson => Framing::Lines,
        }
    }

    pub(super) const fn content_type(self) -> &'static str {
        if matches!(self, Self::Ndjson) { "application/x-ndjson" } else { "application/json" }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Route {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|route| route.as_str() == text).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|route| route.as_str()).collect();
            format!("{text:?} is none of {}", names.join(", "))
        })
    }
}
