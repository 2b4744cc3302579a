//! The collector's metric handles, fetched once.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use super::problem::Reason;
use crate::model::Durability;
use crate::runtime::http::StatusCode;
use crate::runtime::metrics as names;

const STATUSES: [u16; 16] =
    [200, 202, 204, 207, 304, 400, 404, 405, 408, 413, 415, 422, 429, 500, 503, 504];
const DURABILITIES: [Durability; 4] =
    [Durability::Memory, Durability::Spilled, Durability::Local, Durability::Replicated];

/// What the collector counts.
pub(super) struct Meters {
    received: Counter,
    published: Counter,
    failed: Counter,
    accepted_bytes: Counter,
    latency: Histogram,
    queue: Gauge,
    in_flight_bytes: Gauge,
    acknowledged: [Counter; DURABILITIES.len()],
    rejected: [Counter; Reason::ALL.len()],
    statuses: [Counter; STATUSES.len()],
}

impl std::fmt::Debug for Meters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meters").finish_non_exhaustive()
    }
}

impl Meters {
    pub(super) fn new() -> Self {
        Self {
            received: counter!(names::EVENTS_RECEIVED),
            published: counter!(names::EVENTS_PUBLISHED),
            failed: counter!(names::EVENTS_FAILED),
            accepted_bytes: counter!(names::COLLECTOR_ACCEPTED_BYTES),
            latency: histogram!(names::INGEST_LATENCY_MS),
            queue: gauge!(names::INGEST_QUEUE_SIZE),
            in_flight_bytes: gauge!(names::COLLECTOR_IN_FLIGHT_BYTES),
            acknowledged: DURABILITIES.map(|durability| {
                counter!(names::COLLECTOR_ACKNOWLEDGED, "durability" => durability.as_str())
            }),
            rejected: Reason::ALL
                .map(|reason| counter!(names::COLLECTOR_REJECTED, "reason" => reason.as_str())),
            statuses: STATUSES
                .map(|status| counter!(names::HTTP_REQUESTS, "status" => status.to_string())),
        }
    }

    pub(super) fn acknowledged(&self, durability: Durability, events: u32, bytes: usize) {
        self.received.increment(u64::from(events));
        self.accepted_bytes.increment(bytes as u64);
        self.acknowledged[durability as usize].increment(1);
    }

    pub(super) fn published(&self, events: u32) {
        self.published.increment(u64::from(events));
    }

    pub(super) fn failed(&self, events: u32) {
        self.failed.increment(u64::from(events));
    }

    pub(super) fn rejected(&self, reason: Reason, events: u64) {
        if events > 0 {
            self.rejected[reason as usize].increment(events);
        }
    }

    pub(super) fn latency(&self, elapsed: std::time::Duration) {
        self.latency.record(elapsed.as_secs_f64() * 1e3);
    }

    pub(super) fn answered(&self, status: StatusCode) {
        match STATUSES.iter().position(|known| *known == status.as_u16()) {
            Some(at) => self.statuses[at].increment(1),
            None => {
                let status = status.as_u16().to_string();
                counter!(names::HTTP_REQUESTS, "status" => status).increment(1);
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "gauges are floats; far below 2^52")]
    pub(super) fn in_flight(&self, events: usize, bytes: usize) {
        self.queue.set(events as f64);
        self.in_flight_bytes.set(bytes as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_stand_at_their_own_index() {
        for (at, durability) in DURABILITIES.into_iter().enumerate() {
            assert_eq!(durability as usize, at);
        }
        for (at, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, at);
        }
    }
}
