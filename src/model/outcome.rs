//! What became of an event, and how durable its acceptance is: closed sets, used by name in
//! metric labels, headers, columns and reports alike.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What finally became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is a row in the store.
    Stored,
    /// Another origin of the same `event_id` was there before.
    Duplicate,
    /// A rule of the blacklist held its address.
    Blocked,
    /// Its address was over the limit of the minute in which it was received.
    RateLimited,
    /// It could not be stored and lies in a dead-letter topic.
    DeadLettered,
    /// It was refused at the door and never accepted.
    Rejected,
}

impl Outcome {
    /// Every outcome, in the order of reports.
    pub const ALL: [Self; 6] = [
        Self::Stored,
        Self::Duplicate,
        Self::Blocked,
        Self::RateLimited,
        Self::DeadLettered,
        Self::Rejected,
    ];

    /// Its name everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Duplicate => "duplicate",
            Self::Blocked => "blocked",
            Self::RateLimited => "rate_limited",
            Self::DeadLettered => "dead_lettered",
            Self::Rejected => "rejected",
        }
    }

    /// Whether it is a decision of the pipeline's rules: no row, no dead letter.
    #[must_use]
    pub const fn is_decision(self) -> bool {
        matches!(self, Self::Duplicate | Self::Blocked | Self::RateLimited)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Outcome {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
            .ok_or_else(|| format!("{text:?} is not an outcome"))
    }
}

/// An outcome, or what stands before one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Accepted and not decided yet.
    InFlight,
    /// Waiting in the retry topic.
    Retrying,
    /// Decided.
    #[serde(untagged)]
    Final(Outcome),
}

impl Status {
    /// Its name everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InFlight => "in_flight",
            Self::Retrying => "retrying",
            Self::Final(outcome) => outcome.as_str(),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a 2xx stands on; the value of the header `evp-durability` (design, rule 1).
/// Ordered from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// In memory only: may be lost.
    Memory,
    /// Synced to the spill log; the broker does not have it yet.
    Spilled,
    /// Synced to the embedded log.
    Local,
    /// Acknowledged by all in-sync replicas.
    Replicated,
}

impl Durability {
    /// The header's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Spilled => "spilled",
            Self::Local => "local",
            Self::Replicated => "replicated",
        }
    }
}
