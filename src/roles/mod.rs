//! What runs until stopped: one struct a role, with `build` (checks, connects, binds; starts
//! nothing) and `run` (ends when drained).

pub mod archiver;
pub mod collector;
mod feed;
pub mod launch;
mod outbox;
pub mod processor;
pub mod query;
pub mod retrier;
mod suspects;
mod voice;
pub mod worker;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

pub use feed::{Ending, Stop};

use crate::model::{HeaderName, Record};
use crate::ports::Ports;
use crate::runtime::health::Health;
use crate::settings::Settings;

/// What can run until stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Accepts events over HTTP.
    Collector,
    /// Judges raw events.
    Processor,
    /// Writes raw events and decisions to the archive.
    Archiver,
    /// Writes the store.
    Worker,
    /// Brings events that failed alone back when they are due.
    Retrier,
    /// Answers from the store.
    Query,
}

impl Role {
    /// Every role, in the order in which they start; they drain in this order too, so that each
    /// finds its successor alive.
    pub const ALL: [Self; 6] = [
        Self::Collector,
        Self::Processor,
        Self::Archiver,
        Self::Retrier,
        Self::Worker,
        Self::Query,
    ];

    /// Its name in commands, units and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Collector => "collector",
            Self::Processor => "processor",
            Self::Archiver => "archiver",
            Self::Worker => "worker",
            Self::Retrier => "retrier",
            Self::Query => "query",
        }
    }

    /// The port of its admin listener where several roles share a machine (contract, "Commands").
    #[must_use]
    pub const fn admin_port(self) -> u16 {
        match self {
            Self::Collector => 9600,
            Self::Query => 9601,
            Self::Processor => 9602,
            Self::Archiver => 9603,
            Self::Worker => 9604,
            Self::Retrier => 9605,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|role| role.as_str()).collect();
            format!("{text:?} is no role; the roles are {}", names.join(", "))
        })
    }
}

/// What every role is built from.
#[derive(Debug, Clone)]
pub struct RoleDeps {
    /// The ports that `wire` made.
    pub ports: Ports,
    /// The settings; a role reads its own sections.
    pub settings: Arc<Settings>,
    /// Where it says how it stands.
    pub health: Health,
}

/// Why a role could not be built, or ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    /// A listener's address could not be bound.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A port failed in a way that waiting does not mend.
    #[error("{role} cannot go on")]
    Port {
        /// Which role.
        role: Role,
        /// Why.
        #[source]
        source: crate::ports::Error,
    },
    /// A task of a role panicked.
    #[error("{role} broke off")]
    Task {
        /// Which role.
        role: Role,
        /// The panic.
        #[source]
        source: tokio::task::JoinError,
    },
    /// What was accepted could not be brought to its end.
    #[error("{records} records are not finished; {reason}")]
    NotDrained {
        /// How many, over all groups.
        records: u64,
        /// What the roles wait for.
        reason: String,
    },
    /// A setting does not fit what was found.
    #[error("{0}")]
    Setting(String),
}

/// Whether a replay sent this record; one in the raw topic is not archived again and not a new
/// acceptance.
fn is_replayed(record: &Record) -> bool {
    record.headers.get(&HeaderName::ReplayId).is_some()
}
