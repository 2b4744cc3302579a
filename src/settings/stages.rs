//! Sections of the log and of the stages behind the collector.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::units::{ByteSize, Span};

/// The embedded log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Bytes of one segment file.
    pub segment_bytes: ByteSize,
    /// Partitions of a topic that is created now.
    pub partitions: i32,
    /// Bytes waiting for their sync; past it appends are refused.
    pub max_queue_bytes: ByteSize,
    /// Free disk space below which appends to the raw topic are refused, beside what the backlog
    /// will still write.
    pub reserve_bytes: ByteSize,
    /// How long a segment stays after every consumer is past it.
    pub retention: Span,
    /// How often consumers' positions are made durable and segments removed.
    pub retention_check: Span,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            segment_bytes: ByteSize(64 << 20),
            partitions: 1,
            max_queue_bytes: ByteSize(64 << 20),
            reserve_bytes: ByteSize(256 << 20),
            retention: Span::from_secs(0),
            retention_check: Span::from_secs(10),
        }
    }
}

/// Rules, rate and marks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Processor {
    /// Processors of one process, each with a membership of its own, where the log is on brokers.
    pub count: usize,
    /// Events judged in one step.
    pub batch_size: usize,
    /// How long records gather after a step of fewer than half as many; 0 is not at all.
    pub linger: Span,
    /// How long a mark of an `event_id` lives.
    pub dedup_ttl: Span,
    /// Events a minute from one address; 0 is off.
    pub ip_rate_limit_per_min: u32,
    /// How long an address that crosses the limit is banned; 0 is until lifted.
    pub ban: Span,
    /// How often the rules are read again.
    pub rules_refresh: Span,
    /// What happens to events while marks, rates and rules are away.
    pub without_state: WithoutState,
}

/// What the processor does while its state is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WithoutState {
    /// Waits: events stay in their topic until they can be judged.
    Pause,
    /// Lets events pass unjudged; the store still keeps one row an `event_id`.
    Pass,
}

impl Default for Processor {
    fn default() -> Self {
        Self {
            count: 1,
            batch_size: 1024,
            linger: Span(Duration::from_millis(20)),
            dedup_ttl: Span::from_secs(86_400),
            ip_rate_limit_per_min: 0,
            ban: Span::from_secs(3600),
            rules_refresh: Span(Duration::from_millis(500)),
            without_state: WithoutState::Pause,
        }
    }
}

/// The archive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Archive {
    /// Whether there is an archive at all; without one, retention does not wait for it.
    pub enabled: bool,
    /// Raw bytes after which an object is written.
    pub flush_bytes: ByteSize,
    /// Events after which an object is written; 0 is no such limit.
    pub flush_events: usize,
    /// Age after which an object is written.
    pub flush_interval: Span,
    /// zstd level.
    pub compression_level: i32,
}

impl Default for Archive {
    fn default() -> Self {
        Self {
            enabled: true,
            flush_bytes: ByteSize(8 << 20),
            flush_events: 0,
            flush_interval: Span::from_secs(5),
            compression_level: 3,
        }
    }
}

/// Batches into the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Worker {
    /// Workers of one process, each with a membership of its own, where the log is on brokers.
    pub count: usize,
    /// Events of one transaction.
    pub batch_size: usize,
    /// Age after which a smaller batch is written.
    pub batch_timeout: Span,
}

impl Default for Worker {
    fn default() -> Self {
        Self { count: 1, batch_size: 2000, batch_timeout: Span(Duration::from_millis(50)) }
    }
}

/// Attempts of events that fail alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// Attempts after the first.
    pub max_attempts: u32,
    /// Wait before the first of them; doubles each time.
    pub initial_delay: Span,
    /// Longest wait.
    pub max_delay: Span,
}

impl Default for Retry {
    fn default() -> Self {
        Self { max_attempts: 5, initial_delay: Span::from_secs(2), max_delay: Span::from_secs(60) }
    }
}
