//! Stages behind the door on a backlog: how fast they go, beside the plain tool of their server, by
//! the clock and by the processor time of the server that both use.

use std::time::{Duration, Instant};

use crate::process::{Process, wait};
use crate::report::{self, Rounds};

/// Progress of a stage, without its start and its last drops.
pub struct Run {
    pub per_second: f64,
    /// Of the role itself.
    pub per_cpu: f64,
    /// Of the server behind it.
    pub per_server_cpu: f64,
}

/// Follows a counter from a tenth of `total` to nine tenths.
pub fn follow(
    total: u64,
    role: &Process,
    server_cpu: impl Fn() -> f64,
    count: impl Fn() -> u64,
) -> Run {
    let look = || (Instant::now(), count(), role.cpu(), server_cpu());
    let until = |part: u64| {
        let is_there = wait(Duration::from_secs(300), || count() >= total / 10 * part);
        assert!(is_there, "the stage stands still at {} of {total}", count());
        look()
    };
    let (from, until) = (until(1), until(9));
    let events = (until.1 - from.1) as f64;
    Run {
        per_second: events / (until.0 - from.0).as_secs_f64(),
        per_cpu: events / (until.2 - from.2),
        per_server_cpu: events / (until.3 - from.3),
    }
}

/// A stage beside its tool.
#[derive(Default)]
pub struct Compared {
    pub by_clock: report::Compared,
    pub by_server: report::Compared,
    /// Events a CPU-second of the role itself.
    pub role: Rounds,
}

impl Compared {
    /// A round; of the tool what it does a second, and a CPU-second of the server.
    pub fn add(&mut self, ours: &Run, (a_second, a_cpu_second): (f64, f64)) {
        self.by_clock.add(ours.per_second, a_second);
        self.by_server.add(ours.per_server_cpu, a_cpu_second);
        self.role.add(ours.per_cpu);
    }
}
