//! What a run measures: counts, and histograms of microseconds.
//!
//! Latency counts from the instant at which a request was due, service time from when it was sent.
//! The difference is what a stall does to those who come after it, and what a generator that waits
//! for answers never sees.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use hdrhistogram::Histogram;

use super::answer::Class;
use super::payload::{Event, Kind};
use super::units::float;

/// The longest time that is told apart: an hour.
const MAX_MICROS: u64 = 3_600_000_000;

/// A histogram of times, to 1 µs and the given number of decimal digits.
#[derive(Debug, Clone)]
pub(super) struct Times(Histogram<u64>);

impl Times {
    /// For a whole run: three digits.
    pub(super) fn fine() -> Self {
        Self::with_digits(3)
    }

    /// For one second: two digits, a tenth of the memory.
    pub(super) fn coarse() -> Self {
        Self::with_digits(2)
    }

    fn with_digits(digits: u8) -> Self {
        // The bounds and digits are in the range that the library takes; the other way is slower and
        // right too.
        let histogram = Histogram::new_with_bounds(1, MAX_MICROS, digits)
            .or_else(|_| Histogram::new(digits))
            .unwrap_or_else(|_| unreachable!("1 to 5 digits"));
        Self(histogram)
    }

    /// Adds a time in nanoseconds.
    pub(super) fn record(&mut self, nanos: u64) {
        self.0.saturating_record(nanos / 1000);
    }

    pub(super) fn add(&mut self, other: &Self) {
        // Of the same bounds: nothing is out of range.
        self.0.add(&other.0).unwrap_or_default();
    }

    /// Milliseconds that so many per cent do not exceed; 0 where there is nothing.
    pub(super) fn percentile(&self, percent: f64) -> f64 {
        if self.0.is_empty() { 0.0 } else { float(self.0.value_at_percentile(percent)) / 1e3 }
    }

    pub(super) fn min(&self) -> f64 {
        if self.0.is_empty() { 0.0 } else { float(self.0.min()) / 1e3 }
    }

    pub(super) fn max(&self) -> f64 {
        float(self.0.max()) / 1e3
    }

    pub(super) fn mean(&self) -> f64 {
        if self.0.is_empty() { 0.0 } else { self.0.mean() / 1e3 }
    }
}

/// Counts of requests and events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Requests.
    pub(super) sent: u64,
    pub(super) answered: u64,
    pub(super) dropped: u64,
    pub(super) late: u64,
    pub(super) waited: u64,
    pub(super) bytes: u64,
    /// Events.
    pub(super) events: u64,
    pub(super) duplicates: u64,
    pub(super) bad: u64,
    pub(super) accepted: u64,
    pub(super) rejected: u64,
    pub(super) limited: u64,
    pub(super) unknown: u64,
    pub(super) errors: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.answered += other.answered;
        self.dropped += other.dropped;
        self.late += other.late;
        self.waited += other.waited;
        self.bytes += other.bytes;
        self.events += other.events;
        self.duplicates += other.duplicates;
        self.bad += other.bad;
        self.accepted += other.accepted;
        self.rejected += other.rejected;
        self.limited += other.limited;
        self.unknown += other.unknown;
        self.errors += other.errors;
    }
}

impl Counts {
    /// Counts the events of a request that was sent.
    pub(super) fn send(&mut self, events: &[Event], bytes: usize) {
        self.sent += 1;
        self.bytes += bytes as u64;
        self.events += events.len() as u64;
        for event in events {
            self.duplicates += u64::from(event.kind == Kind::Duplicate);
            self.bad += u64::from(event.kind == Kind::Bad);
        }
    }

    /// Counts what became of them. `refused` are the places that a 2xx excepts. An error is an
    /// event that did not get the answer it ought to get: one that is good was not accepted, or one
    /// that is bad was.
    pub(super) fn answer(
        &mut self,
        events: &[Event],
        class: Class,
        refused: &[usize],
        all_or_nothing: bool,
    ) {
        let is_spoilt = all_or_nothing && events.iter().any(|event| event.kind == Kind::Bad);
        for (place, event) in events.iter().enumerate() {
            let class = if class == Class::Accepted && refused.binary_search(&place).is_ok() {
                Class::Rejected
            } else {
                class
            };
            let wanted = if event.kind == Kind::Bad || is_spoilt {
                Class::Rejected
            } else {
                Class::Accepted
            };
            self.errors += u64::from(class != wanted);
            match class {
                Class::Accepted => self.accepted += 1,
                Class::Rejected => self.rejected += 1,
                Class::Limited => self.limited += 1,
                Class::Unknown => self.unknown += 1,
            }
        }
    }
}

/// Why there was no answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Failure {
    /// The connection ended before the answer.
    Reset,
    /// The answer did not come in time.
    Timeout,
    /// What came is no answer.
    Malformed,
    /// A connection could not be made; no request was on it.
    Connect,
    /// A 2xx without the text that was asked for.
    Unexpected,
}

impl Failure {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Malformed => "malformed",
            Self::Connect => "connect",
            Self::Unexpected => "unexpected",
        }
    }
}

/// One second of one worker.
#[derive(Debug)]
pub(super) struct Sample {
    /// Which second of the run, from 0.
    pub(super) second: u64,
    pub(super) counts: Counts,
    pub(super) latency: Times,
    pub(super) lag: Times,
    /// At its end: requests without an answer yet, and due ones without a connection.
    pub(super) in_flight: u64,
    pub(super) waiting: u64,
}

impl Sample {
    pub(super) fn new(second: u64) -> Self {
        Self {
            second,
            counts: Counts::default(),
            latency: Times::coarse(),
            lag: Times::coarse(),
            in_flight: 0,
            waiting: 0,
        }
    }

    /// Adds another worker's same second.
    pub(super) fn add(&mut self, other: &Self) {
        self.counts += other.counts;
        self.latency.add(&other.latency);
        self.lag.add(&other.lag);
        self.in_flight += other.in_flight;
        self.waiting += other.waiting;
    }
}

/// Everything that one worker, or all of them, measured.
#[derive(Debug)]
pub(super) struct Measures {
    pub(super) counts: Counts,
    /// From when it was due.
    pub(super) latency: Times,
    /// From when it was sent.
    pub(super) service: Times,
    /// From when it was due to when the generator saw that it was.
    pub(super) lag: Times,
    pub(super) statuses: BTreeMap<u16, u64>,
    pub(super) failures: BTreeMap<Failure, u64>,
}

impl Measures {
    pub(super) fn new() -> Self {
        Self {
            counts: Counts::default(),
            latency: Times::fine(),
            service: Times::fine(),
            lag: Times::fine(),
            statuses: BTreeMap::new(),
            failures: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.counts += other.counts;
        self.latency.add(&other.latency);
        self.service.add(&other.service);
        self.lag.add(&other.lag);
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (failure, count) in &other.failures {
            *self.failures.entry(*failure).or_default() += count;
        }
    }

    pub(super) fn fail(&mut self, failure: Failure) {
        *self.failures.entry(failure).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: Kind) -> Event {
        Event { number: 0, bytes: 0..0, kind }
    }

    #[test]
    fn an_error_is_an_answer_that_an_event_ought_not_to_get() {
        let events = [event(Kind::Good), event(Kind::Bad), event(Kind::Duplicate)];
        let errors = |class, refused: &[usize], all_or_nothing| {
            let mut counts = Counts::default();
            counts.answer(&events, class, refused, all_or_nothing);
            assert_eq!(counts.accepted + counts.rejected + counts.limited + counts.unknown, 3);
            counts.errors
        };
        assert_eq!(errors(Class::Accepted, &[1], false), 0);
        assert_eq!(errors(Class::Accepted, &[], false), 1, "the bad one was taken");
        assert_eq!(errors(Class::Accepted, &[0, 1], false), 1);
        assert_eq!(errors(Class::Rejected, &[], false), 2);
        assert_eq!(errors(Class::Rejected, &[], true), 0, "one bad one refuses all");
        assert_eq!(errors(Class::Limited, &[], false), 3);
        assert_eq!(errors(Class::Unknown, &[], false), 3);
    }

    #[test]
    fn times_are_milliseconds_and_nothing_is_zero() {
        let mut times = Times::fine();
        assert_eq!((times.percentile(99.0), times.min(), times.mean()), (0.0, 0.0, 0.0));
        for millis in 1..=100 {
            times.record(millis * 1_000_000);
        }
        assert!((times.percentile(50.0) - 50.0).abs() < 0.1);
        assert!((times.max() - 100.0).abs() < 0.1);
        times.record(u64::MAX);
        assert!(times.max() > 3_500_000.0, "what is too long is kept as the longest");
    }
}
