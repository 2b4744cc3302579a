//! Servers beside each other under the same form of load, in turns: the machine's moods change within
//! seconds, and what is compared should meet the same one.

use std::sync::Arc;
use std::time::Duration;

use crate::load::{self, Ledger, Load};
use crate::process::Process;
use crate::report::{Rounds, figure};

/// Turns that each server takes in a round.
const TURNS: u32 = 4;

/// A form of load, for how long each server gets it in a round, and where acknowledged events are noted.
pub struct Under<'a> {
    pub load: Load,
    pub length: Duration,
    pub ledger: &'a Arc<Ledger>,
}

/// A server's figures, a round each but for `p99_ms`, which has one of each turn.
#[derive(Default)]
pub struct Side {
    pub per_cpu: Rounds,
    pub rate: Rounds,
    pub p99_ms: Rounds,
    pub resident_mb: Rounds,
    /// Acknowledged in all.
    pub events: u64,
}

/// What a server did in the turns of one round.
#[derive(Default)]
struct Turns {
    events: u64,
    cpu_seconds: f64,
    seconds: f64,
}

/// One round of those servers: events a CPU-second of each one's process.
pub fn measure<const N: usize>(
    under: &Under<'_>,
    mut sides: [&mut Side; N],
    servers: [&Process; N],
) -> [f64; N] {
    let run = |server: &Process, length| {
        let done = load::run(server.http(), under.load, length, under.ledger).unwrap();
        assert_eq!(done.refused, 0, "every request is answered with 202");
        done
    };
    // For caches, connections and adaptive buffers.
    let warmed = servers.map(|server| run(server, Duration::from_secs(1)).events);
    let mut turns: [Turns; N] = std::array::from_fn(|_| Turns::default());
    for _ in 0..TURNS {
        for ((server, turn), side) in servers.iter().zip(&mut turns).zip(&mut sides) {
            let before = server.cpu();
            let done = run(server, under.length / TURNS);
            turn.cpu_seconds += server.cpu() - before;
            turn.events += done.events;
            turn.seconds += done.seconds;
            side.p99_ms.add(done.p99_ms);
        }
    }
    for (at, (turn, side)) in turns.iter().zip(sides).enumerate() {
        side.per_cpu.add(turn.events as f64 / turn.cpu_seconds);
        side.rate.add(turn.events as f64 / turn.seconds);
        side.resident_mb.add(servers[at].resident_mb());
        side.events += warmed[at] + turn.events;
    }
    turns.map(|turn| turn.events as f64 / turn.cpu_seconds)
}

impl Side {
    pub fn line(&self, name: &str) -> String {
        format!(
            "| {name} | {} | {} | {:.1} | {:.0} |",
            figure(self.per_cpu.median()),
            figure(self.rate.median()),
            self.p99_ms.median(),
            self.resident_mb.median()
        )
    }
}
