//! What a check asks beyond the shape itself: settings and the time, as the caller has them.

use std::time::Duration;

use crate::model::Timestamp;

/// How strict a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// On [`NamedV1`](crate::model::Shape::NamedV1): `timestamp` must not be in the future nor older
    /// than this.
    pub v1_window: Option<Duration>,
    /// On [`NamedV1`](crate::model::Shape::NamedV1): `channel` must be of seed 003's list.
    pub v1_channels: bool,
    /// Every named shape takes its own seed's list of channels, not the union.
    pub strict_channels: bool,
    /// Bytes of one event.
    pub max_event_bytes: usize,
    /// What the window is measured from.
    pub now: Timestamp,
}

impl Rules {
    /// The door's rules as they are without settings: 003's window and channels on its routes, the
    /// union of channels elsewhere, events up to 768 KiB.
    #[must_use]
    pub const fn at_door(now: Timestamp) -> Self {
        Self {
            v1_window: Some(Duration::from_secs(30 * 24 * 3600)),
            v1_channels: true,
            strict_channels: false,
            max_event_bytes: 768 << 10,
            now,
        }
    }

    /// For events that the door let pass already: the rules that depend on the time or on a setting
    /// are off, so that it is accepted again whenever it is read.
    #[must_use]
    pub const fn trusting() -> Self {
        Self {
            v1_window: None,
            v1_channels: false,
            strict_channels: false,
            max_event_bytes: usize::MAX,
            now: Timestamp::MAX,
        }
    }
}
