//! Section of what the collector accepts and when it answers.

use serde::{Deserialize, Serialize};

use super::units::{ByteSize, Span};

/// When a 2xx is given (design, rule 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DurabilityMode {
    /// Broker's report or synced log.
    Durable,
    /// Broker's report only.
    Replicated,
    /// Before anything is durable: fast, may lose; says so at start.
    Memory,
}

/// What the collector accepts and when it answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Collector {
    /// When a 2xx is given.
    pub durability: DurabilityMode,
    /// Bytes of one event.
    pub max_event_bytes: ByteSize,
    /// Events of one batch.
    pub max_batch_events: usize,
    /// Levels of JSON.
    pub max_json_depth: usize,
    /// Bytes of requests being answered, all together; past it 503.
    pub max_in_flight_bytes: ByteSize,
    /// Time an append may take before the answer is 503.
    pub ack_timeout: Span,
    /// Requests a second, all routes together; 0 is off.
    pub rate_limit_rps: f64,
    /// Requests at once above the rate.
    pub rate_limit_burst: u32,
    /// Whether `timestamp` on `/api/v1/*` must not be in the future nor older than `window`.
    pub v1_window: bool,
    /// How old a `timestamp` on `/api/v1/*` may be.
    pub window: Span,
    /// Whether `channel` on `/api/v1/*` must be of seed 003's list: web, mobile_app, api.
    pub v1_channels: bool,
    /// Whether each named route takes only its own seed's list of channels.
    pub strict_channels: bool,
}

impl Default for Collector {
    fn default() -> Self {
        Self {
            durability: DurabilityMode::Durable,
            max_event_bytes: ByteSize(768 << 10),
            max_batch_events: 1000,
            max_json_depth: 64,
            max_in_flight_bytes: ByteSize(256 << 20),
            ack_timeout: Span::from_secs(10),
            rate_limit_rps: 0.0,
            rate_limit_burst: 100,
            v1_window: true,
            window: Span::from_secs(30 * 24 * 3600),
            v1_channels: true,
            strict_channels: false,
        }
    }
}
