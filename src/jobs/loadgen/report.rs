//! The report of a run: what was asked, what was sent, what came back, how long it took.
//!
//! Its JSON is published: docs/loadgen.md explains each member, docs/schemas/loadgen.json is its
//! schema. Members are added, never taken away or given another type, within one `version`.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use super::measure::{Counts, Measures, Sample, Times};
use super::thresholds::{Percentiles, Threshold};
use super::units::float;
use crate::model::Timestamp;

/// The version of the report's JSON.
pub const VERSION: u32 = 1;
/// The schema of the report's JSON.
pub const SCHEMA: &str = include_str!("../../../docs/schemas/loadgen.json");

/// A run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// [`VERSION`].
    pub version: u32,
    /// The run: the first part of the ids of its events.
    pub run: Uuid,
    /// When the first request was due.
    pub started_at: Timestamp,
    /// Where requests went.
    pub target: String,
    /// The route's name.
    pub route: &'static str,
    /// The scenario's name, where it was one.
    pub scenario: Option<String>,
    /// Seconds from the first request's instant to the last answer.
    pub seconds: f64,
    /// Whether it was stopped before its end.
    pub interrupted: bool,
    /// What was asked for.
    pub plan: PlanReport,
    /// Requests.
    pub requests: Requests,
    /// Events.
    pub events: Events,
    /// Per second.
    pub rate: Rate,
    /// From when a request was due to its whole answer.
    pub latency_ms: Summary,
    /// From when a request was sent to its whole answer.
    pub service_ms: Summary,
    /// From when a request was due to when the generator saw that it was.
    pub schedule_lag_ms: Summary,
    /// The generator itself.
    pub generator: Generator,
    /// Answers by status.
    pub statuses: BTreeMap<String, u64>,
    /// Requests without a usable answer, by reason.
    pub failures: BTreeMap<&'static str, u64>,
    /// Pass marks, and whether they hold.
    pub thresholds: Vec<ThresholdReport>,
    /// The ledger that was written.
    pub ledger: Option<String>,
    /// The server that was started for the run.
    pub server: Option<Server>,
    /// Second by second, by when answers came.
    pub series: Vec<Second>,
}

/// What was asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PlanReport {
    /// Seconds of the schedule.
    pub seconds: f64,
    /// Requests of the schedule.
    pub requests: u64,
    /// Events a second at the start.
    pub start_rate: f64,
    /// One after the other.
    pub stages: Vec<StageReport>,
    /// The rate in the middle, where there is one.
    pub spike: Option<StageReport>,
    /// Events in a request.
    pub batch: usize,
    /// Requests that are due together.
    pub burst: u64,
    /// Connections.
    pub connections: usize,
    /// Threads.
    pub threads: usize,
    /// Share of events that are sent twice.
    pub duplicates: f64,
    /// Share of events that must be refused.
    pub bad: f64,
    /// Seed of all that is random.
    pub seed: u64,
}

/// A stage, or the spike.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct StageReport {
    /// Events a second.
    pub rate: f64,
    /// Its length.
    pub seconds: f64,
}

/// Counts of requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// That were sent.
    pub sent: u64,
    /// That got a whole answer, whatever it said.
    pub answered: u64,
    /// That were due and never sent, because too many waited for a connection.
    pub dropped: u64,
    /// That were sent over 1 ms after they were due.
    pub late: u64,
    /// That found no idle connection when they were due.
    pub waited: u64,
    /// Bytes that were sent.
    pub bytes: u64,
}

/// Counts of events. `accepted`, `rejected`, `rate_limited` and `unknown` add up to `sent`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Events {
    /// That were sent, second sendings among them.
    pub sent: u64,
    /// Second sendings.
    pub duplicates: u64,
    /// That a collector must refuse.
    pub bad: u64,
    /// In a 2xx that did not except them.
    pub accepted: u64,
    /// In a 4xx, or excepted by a 2xx.
    pub rejected: u64,
    /// In a 429.
    pub rate_limited: u64,
    /// In a 5xx, a broken connection, a time-out: they may be stored or not.
    pub unknown: u64,
    /// That did not get the answer they ought to get.
    pub errors: u64,
}

/// Rates over the whole run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Rate {
    /// Requests sent a second.
    pub requests_per_second: f64,
    /// Events accepted a second.
    pub accepted_per_second: f64,
}

/// Times in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Summary {
    pub min: f64,
    pub avg: f64,
    pub p50: f64,
    pub p90: f64,
    pub p95: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

/// The generator itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Generator {
    /// Whether it was late by over 1 ms at the 99th percentile: what it measured is not what the
    /// schedule asked for.
    pub late: bool,
    /// Processor time that it used.
    pub cpu_seconds: f64,
    /// The same in processors.
    pub cpus: f64,
}

/// A threshold and how the run stands to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ThresholdReport {
    /// As it was asked for.
    pub threshold: String,
    /// What the run has: milliseconds, a number, or per cent.
    pub value: f64,
    /// The same with its unit.
    pub shown: String,
    /// Whether it holds.
    pub holds: bool,
}

/// The server that was started for the run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Server {
    /// Its data directory; gone where it was made for the run.
    pub data_dir: String,
    /// Processor time that it used.
    pub cpu_seconds: f64,
    /// The same in processors.
    pub cpus: f64,
}

/// One second of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Second {
    /// Which one, from 0.
    pub second: u64,
    /// Requests sent.
    pub sent: u64,
    /// Requests answered.
    pub answered: u64,
    /// Requests dropped.
    pub dropped: u64,
    /// Requests sent late.
    pub late: u64,
    /// Events accepted.
    pub accepted: u64,
    /// Events that did not get the answer they ought to get.
    pub errors: u64,
    /// Requests without an answer at its end.
    pub in_flight: u64,
    /// Requests that waited for a connection at its end.
    pub waiting: u64,
    /// Latency of what was answered in it.
    pub p50_ms: f64,
    /// The same.
    pub p90_ms: f64,
    /// The same.
    pub p99_ms: f64,
    /// The same.
    pub max_ms: f64,
    /// How late the generator was.
    pub lag_p99_ms: f64,
}

impl Summary {
    pub(super) fn of(times: &Times) -> Self {
        Self {
            min: times.min(),
            avg: times.mean(),
            p50: times.percentile(50.0),
            p90: times.percentile(90.0),
            p95: times.percentile(95.0),
            p99: times.percentile(99.0),
            p999: times.percentile(99.9),
            max: times.max(),
        }
    }
}

impl Second {
    pub(super) fn of(sample: &Sample) -> Self {
        let counts = &sample.counts;
        Self {
            second: sample.second,
            sent: counts.sent,
            answered: counts.answered,
            dropped: counts.dropped,
            late: counts.late,
            accepted: counts.accepted,
            errors: counts.errors,
            in_flight: sample.in_flight,
            waiting: sample.waiting,
            p50_ms: sample.latency.percentile(50.0),
            p90_ms: sample.latency.percentile(90.0),
            p99_ms: sample.latency.percentile(99.0),
            max_ms: sample.latency.max(),
            lag_p99_ms: sample.lag.percentile(99.0),
        }
    }
}

impl Report {
    /// Fills in what was measured.
    pub(super) fn measured(mut self, measures: &Measures, cpu_seconds: f64) -> Self {
        let counts: &Counts = &measures.counts;
        self.requests = Requests {
            sent: counts.sent,
            answered: counts.answered,
            dropped: counts.dropped,
            late: counts.late,
            waited: counts.waited,
            bytes: counts.bytes,
        };
        self.events = Events {
            sent: counts.events,
            duplicates: counts.duplicates,
            bad: counts.bad,
            accepted: counts.accepted,
            rejected: counts.rejected,
            rate_limited: counts.limited,
            unknown: counts.unknown,
            errors: counts.errors,
        };
        let per_second = |count: u64| float(count) / self.seconds.max(1e-9);
        self.rate = Rate {
            requests_per_second: per_second(counts.sent),
            accepted_per_second: per_second(counts.accepted),
        };
        self.latency_ms = Summary::of(&measures.latency);
        self.service_ms = Summary::of(&measures.service);
        self.schedule_lag_ms = Summary::of(&measures.lag);
        self.generator = Generator {
            late: self.schedule_lag_ms.p99 > 1.0,
            cpu_seconds,
            cpus: cpu_seconds / self.seconds.max(1e-9),
        };
        let statuses = measures.statuses.iter();
        self.statuses = statuses.map(|(status, count)| (status.to_string(), *count)).collect();
        let failures = measures.failures.iter();
        self.failures = failures.map(|(failure, count)| (failure.as_str(), *count)).collect();
        self
    }

    /// Judges the run.
    pub(super) fn judged(mut self, thresholds: &[Threshold], measures: &Measures) -> Self {
        let judge = |threshold: &Threshold| {
            let judgement = threshold.judge(&self, measures);
            ThresholdReport {
                threshold: threshold.to_string(),
                value: judgement.value,
                shown: judgement.shown,
                holds: judgement.holds,
            }
        };
        self.thresholds = thresholds.iter().map(judge).collect();
        self
    }

    /// The thresholds that do not hold.
    pub fn crossed(&self) -> impl Iterator<Item = &ThresholdReport> {
        self.thresholds.iter().filter(|threshold| !threshold.holds)
    }

    /// The share of events that did not get the answer they ought to get.
    #[must_use]
    pub fn error_share(&self) -> f64 {
        super::units::share(self.events.errors, self.events.sent)
    }
}

impl Percentiles for Measures {
    fn latency(&self, percent: f64) -> f64 {
        self.latency.percentile(percent)
    }

    fn service(&self, percent: f64) -> f64 {
        self.service.percentile(percent)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A report of nothing.
    pub(crate) fn report() -> Report {
        Report {
            version: VERSION,
            target: "http://h/event".to_owned(),
            route: "event",
            seconds: 1.0,
            ..Report::default()
        }
    }

    #[test]
    fn a_generator_that_is_late_says_so() {
        let mut measures = Measures::new();
        (0..100).for_each(|_| measures.lag.record(900_000));
        assert!(!report().measured(&measures, 0.5).generator.late);
        (0..5).for_each(|_| measures.lag.record(1_100_000));
        assert!(report().measured(&measures, 0.5).generator.late);
    }
}
