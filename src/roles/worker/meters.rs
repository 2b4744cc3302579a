//! What the worker counts.

use metrics::Counter;

use crate::model::Outcome;
use crate::ports::Applied;
use crate::runtime::metrics as names;

#[derive(Debug)]
pub(super) struct Metrics {
    pub(super) stored: Counter,
    pub(super) duplicate: Counter,
    pub(super) blocked: Counter,
    pub(super) rate_limited: Counter,
    pub(super) dead_lettered: Counter,
    pub(super) redelivered: Counter,
    pub(super) batches: Counter,
    pub(super) data: Counter,
    pub(super) transient: Counter,
    pub(super) unindexed: Counter,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let events =
            |outcome: Outcome| metrics::counter!(names::EVENTS, "outcome" => outcome.as_str());
        let failed =
            |reason: &'static str| metrics::counter!(names::WORKER_FAILED, "reason" => reason);
        Self {
            stored: events(Outcome::Stored),
            duplicate: events(Outcome::Duplicate),
            blocked: events(Outcome::Blocked),
            rate_limited: events(Outcome::RateLimited),
            dead_lettered: events(Outcome::DeadLettered),
            redelivered: metrics::counter!(names::REDELIVERED),
            batches: metrics::counter!(names::WORKER_BATCHES),
            data: failed("data"),
            transient: failed("transient"),
            unindexed: metrics::counter!(names::WORKER_UNINDEXED),
        }
    }

    pub(super) fn add(&self, applied: Applied) {
        self.stored.increment(applied.stored);
        self.duplicate.increment(applied.duplicate);
        self.blocked.increment(applied.blocked);
        self.rate_limited.increment(applied.rate_limited);
        self.dead_lettered.increment(applied.dead_lettered);
        self.redelivered.increment(applied.redelivered);
    }
}
