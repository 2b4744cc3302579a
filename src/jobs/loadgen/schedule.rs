//! When each request is due: rates over time, turned into instants before the run.
//!
//! The schedule knows nothing of answers. A request is due when it is due, however slow the server
//! is; what that does to latency is for the worker to measure.

use std::sync::Arc;
use std::time::Duration;

use super::units::{float, whole};

/// A part of the run in which the rate goes in a straight line from where it was to `rate`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// Events a second at its end.
    pub rate: f64,
    /// How long it takes to get there; at zero the rate jumps.
    pub length: Duration,
}

/// Another rate for the middle of the run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spike {
    /// Events a second while it lasts.
    pub rate: f64,
    /// How long it lasts.
    pub length: Duration,
}

/// What the rate does over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// Events a second at the start.
    pub start_rate: f64,
    /// One after the other.
    pub stages: Vec<Stage>,
    /// In the middle of the run, in place of what the stages ask for there: the rate jumps up and,
    /// at its end, back to where the stages are by then. The run is no longer for it.
    pub spike: Option<Spike>,
}

impl Load {
    /// The same rate all the time.
    #[must_use]
    pub fn flat(rate: f64, length: Duration) -> Self {
        Self { start_rate: rate, stages: vec![Stage { rate, length }], spike: None }
    }

    /// How long the run is.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.stages.iter().map(|stage| stage.length).sum()
    }

    /// Straight pieces as (seconds, rate at the start, rate at the end).
    fn pieces(&self) -> Vec<(f64, f64, f64)> {
        let mut rate = self.start_rate;
        let mut pieces = Vec::new();
        for stage in &self.stages {
            if !stage.length.is_zero() {
                pieces.push((stage.length.as_secs_f64(), rate, stage.rate));
            }
            rate = stage.rate;
        }
        let Some(spike) = self.spike else { return pieces };
        let (all, length) = (self.length().as_secs_f64(), spike.length.as_secs_f64().max(0.0));
        let from = (all - length).max(0.0) / 2.0;
        let to = (from + length).min(all);
        let mut cut = cut(&pieces, 0.0, from);
        cut.push((to - from, spike.rate, spike.rate));
        cut.extend(self::cut(&pieces, to, all));
        cut
    }
}

/// What lies between two instants.
fn cut(pieces: &[(f64, f64, f64)], from: f64, to: f64) -> Vec<(f64, f64, f64)> {
    let mut start = 0.0;
    let mut kept = Vec::new();
    for (length, first, last) in pieces {
        let (low, high) = (from.max(start), to.min(start + length));
        if high > low {
            let at = |instant: f64| first + (last - first) * (instant - start) / length;
            kept.push((high - low, at(low), at(high)));
        }
        start += length;
    }
    kept
}

/// A straight piece of the request rate.
#[derive(Debug, Clone, Copy)]
struct Piece {
    /// Seconds from the start of the run.
    from: f64,
    /// Requests that are due before it.
    before: f64,
    /// Requests in it.
    count: f64,
    /// Requests a second at its start.
    rate: f64,
    /// Requests a second, a second.
    slope: f64,
}

impl Piece {
    /// Seconds from the start of the run at which that many requests are due.
    fn instant(&self, requests: f64) -> f64 {
        let more = (requests - self.before).max(0.0);
        let root = 2.0f64.mul_add(self.slope * more, self.rate * self.rate).max(0.0).sqrt();
        let sum = self.rate + root;
        // The stable form of the quadratic's root: also right where the slope is none.
        if sum > 0.0 { self.from + 2.0 * more / sum } else { self.from }
    }
}

/// The instants of all requests of a run.
#[derive(Debug, Clone)]
pub struct Schedule {
    pieces: Vec<Piece>,
    requests: u64,
    length: Duration,
    peak: f64,
    burst: u64,
}

impl Schedule {
    /// The schedule of that load in requests of `batch` events, `burst` of which are due together.
    #[must_use]
    pub fn new(load: &Load, batch: u64, burst: u64) -> Self {
        let batch = float(batch.max(1));
        let (mut from, mut before, mut peak) = (0.0, 0.0, 0.0_f64);
        let mut pieces = Vec::new();
        for (length, first, last) in load.pieces() {
            let (first, last) = (first / batch, last / batch);
            let count = f64::midpoint(first, last) * length;
            let slope = (last - first) / length;
            pieces.push(Piece { from, before, count, rate: first, slope });
            peak = peak.max(first).max(last);
            from += length;
            before += count;
        }
        // A request that would be due at the very end is the first of what comes after.
        let requests = whole((before - 1e-6).ceil().max(0.0));
        Self { pieces, requests, length: load.length(), peak, burst: burst.max(1) }
    }

    /// Requests in all.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.requests
    }

    /// From the first request's instant to the end of the last stage.
    #[must_use]
    pub const fn length(&self) -> Duration {
        self.length
    }

    /// The highest rate in requests a second.
    #[must_use]
    pub const fn peak(&self) -> f64 {
        self.peak
    }

    /// When the requests `first`, `first + step`, … are due.
    #[must_use]
    pub fn cursor(self: &Arc<Self>, first: u64, step: u64) -> Cursor {
        Cursor { schedule: Arc::clone(self), index: first, step: step.max(1), piece: 0 }
    }
}

/// Walks over a schedule, or over every n-th request of it.
#[derive(Debug)]
pub struct Cursor {
    schedule: Arc<Schedule>,
    index: u64,
    step: u64,
    piece: usize,
}

impl Cursor {
    /// The next request's number and when it is due, in nanoseconds from the start; `None` after
    /// the last.
    pub fn peek(&mut self) -> Option<(u64, u64)> {
        if self.index >= self.schedule.requests {
            return None;
        }
        let burst = self.schedule.burst;
        let place = float(self.index / burst * burst);
        let pieces = &self.schedule.pieces;
        while let Some(piece) = pieces.get(self.piece)
            && place >= piece.before + piece.count
            && self.piece + 1 < pieces.len()
        {
            self.piece += 1;
        }
        let seconds = pieces.get(self.piece)?.instant(place);
        Some((self.index, whole(seconds * 1e9)))
    }

    /// Goes on to the next.
    pub const fn advance(&mut self) {
        self.index += self.step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// Milliseconds at which each request is due.
    fn due(load: &Load, batch: u64, burst: u64) -> Vec<u64> {
        let schedule = Arc::new(Schedule::new(load, batch, burst));
        let mut cursor = schedule.cursor(0, 1);
        let mut all = Vec::new();
        while let Some((_, at)) = cursor.peek() {
            all.push((at + 500_000) / 1_000_000);
            cursor.advance();
        }
        assert_eq!(all.len() as u64, schedule.requests());
        all
    }

    fn between(due: &[u64], from: u64, to: u64) -> usize {
        due.iter().filter(|at| (from..to).contains(*at)).count()
    }

    #[test]
    fn a_flat_rate_is_evenly_spread() {
        let load = Load::flat(4.0, seconds(2));
        assert_eq!(due(&load, 1, 1), [0, 250, 500, 750, 1000, 1250, 1500, 1750]);
        assert_eq!(due(&load, 2, 1), [0, 500, 1000, 1500], "the rate counts events");
        assert_eq!(due(&load, 1, 3), [0, 0, 0, 750, 750, 750, 1500, 1500]);
    }

    #[test]
    fn a_ramp_is_straight_and_a_stage_of_no_length_jumps() {
        let stages = vec![
            Stage { rate: 100.0, length: seconds(10) },
            Stage { rate: 100.0, length: seconds(1) },
            Stage { rate: 1000.0, length: seconds(0) },
            Stage { rate: 1000.0, length: seconds(1) },
        ];
        let due = due(&Load { start_rate: 0.0, stages, spike: None }, 1, 1);
        assert_eq!(due.len(), 500 + 100 + 1000);
        // Half the way at a quarter of the events.
        assert_eq!(between(&due, 0, 5_000), 125);
        assert_eq!(between(&due, 10_000, 11_000), 100);
        assert_eq!(between(&due, 11_000, 12_000), 1000);
        assert!(due.is_sorted());
    }

    #[test]
    fn a_ramp_down_to_nothing_ends() {
        let stages = vec![Stage { rate: 0.0, length: seconds(2) }];
        let due = due(&Load { start_rate: 100.0, stages, spike: None }, 1, 1);
        assert_eq!(due.len(), 100);
        assert_eq!(between(&due, 0, 1_000), 75);
    }

    #[test]
    fn a_spike_takes_the_middle_and_makes_the_run_no_longer() {
        let mut load = Load::flat(10.0, seconds(10));
        load.spike = Some(Spike { rate: 100.0, length: seconds(2) });
        let due = due(&load, 1, 1);
        assert_eq!(due.len(), 40 + 200 + 40);
        assert_eq!(between(&due, 4_000, 6_000), 200);
        assert_eq!(between(&due, 6_000, 10_000), 40);
    }

    #[test]
    fn a_spike_on_a_ramp_ends_where_the_ramp_is_by_then() {
        let stages = vec![Stage { rate: 100.0, length: seconds(10) }];
        let spike = Some(Spike { rate: 500.0, length: seconds(2) });
        let due = due(&Load { start_rate: 0.0, stages, spike }, 1, 1);
        assert_eq!(due.len(), 80 + 1000 + 320);
    }

    #[test]
    fn workers_share_a_schedule_without_gap_or_overlap() {
        let schedule = Arc::new(Schedule::new(&Load::flat(10.0, seconds(1)), 1, 1));
        let mut all = Vec::new();
        for worker in 0..3 {
            let mut cursor = schedule.cursor(worker, 3);
            while let Some((index, _)) = cursor.peek() {
                all.push(index);
                cursor.advance();
            }
        }
        all.sort_unstable();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
    }
}
