//! What a port's failure asks of its caller.

use std::error::Error as StdError;
use std::time::Duration;

/// Result of a port's call.
pub type Result<T> = std::result::Result<T, Error>;

/// What the caller may do, whatever library failed (design, rule 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The service behind the port cannot be used now: unreachable, locked, restarting. Pause, keep
    /// the membership, try again in place, for ever.
    Unavailable,
    /// Nothing more fits: queue or disk. Refuse at the door, pause elsewhere.
    Full,
    /// This input failed and may pass later, while the service works for others.
    Transient,
    /// This input can never pass: isolate it and dead-letter it.
    Data,
    /// The thing asked for does not exist.
    NotFound,
    /// The thing exists already, or somebody else owns it.
    Conflict,
    /// The port was closed; the process is going down.
    Closed,
    /// What was stored is damaged: a checksum does not fit.
    Corrupt,
}

impl Kind {
    /// Its name in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Full => "full",
            Self::Transient => "transient",
            Self::Data => "data",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Closed => "closed",
            Self::Corrupt => "corrupt",
        }
    }
}

/// A port's failure: what failed on what, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Error {
    kind: Kind,
    what: String,
    retry_after: Option<Duration>,
    #[source]
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// A failure; `what` is lower case, without a full stop, and names what failed on what.
    #[must_use]
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), retry_after: None, source: None }
    }

    /// The same with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same with the service's own advice when to come back.
    #[must_use]
    pub const fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// What the caller may do.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// When the service said to come back.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The text and all causes in one line, for logs and reports.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.what.clone();
        let mut cause = StdError::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
