//! What roles and jobs need from the outside, as small object-safe traits.
//!
//! A port says what it promises and what it does not; every backend passes the suite of
//! [`contract`]. No type of a backend's library appears here.

mod clock;
// In every build for development, so that the suite on real servers needs none of its own.
#[cfg(any(test, debug_assertions, feature = "testsuite"))]
pub mod contract;
pub mod crash;
mod doctor;
mod error;
mod event_log;
mod migrations;
mod object_store;
mod refused;
mod sink;
mod state;
mod store;

use std::sync::Arc;

pub use clock::{Clock, SystemClock};
pub use doctor::{Diagnosis, Doctor, Severity, Symptom, clock_skew, time_now};
pub use error::{Error, Kind, Result};
pub use event_log::{
    Appended, Assignment, Consumer, Ensured, EventLog, Fetched, PartitionInfo, Polled, Progress,
    TopicInfo, TopicLayout,
};
pub use migrations::{Migration, Migrations};
pub use object_store::{Created, ObjectMeta, ObjectStore};
pub use refused::{DeadLetterTopic, append_or_bury};
pub use sink::{Applied, Sink, SinkBatch, StoreEvent};
pub use state::{Candidate, Limits, State, Verdict};
pub use store::{
    AuditedDecision, AuditedRow, Books, Breakdown, BreakdownRow, CampaignHour, CampaignStats,
    DeadLetterFilter, DeadLetterRow, EventStatus, HourStats, OutcomeRow, Page, RollupDifference,
    Store, TimeRange, Uniques,
};

/// One of each port: what a process runs on. Made by `wire`, handed to roles and jobs.
#[derive(Clone)]
pub struct Ports {
    /// Topics.
    pub log: Arc<dyn EventLog>,
    /// Marks, rates and rules.
    pub state: Arc<dyn State>,
    /// The archive.
    pub objects: Arc<dyn ObjectStore>,
    /// The store, written by the worker.
    pub sink: Arc<dyn Sink>,
    /// The store, read.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ports").finish_non_exhaustive()
    }
}
