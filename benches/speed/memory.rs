//! What memory the collector takes at a steady rate on the embedded log.

use crate::bench::Bench;
use crate::embedded::{Embedded, Generator, generate, number, two_cpus};
use crate::process::pause;
use crate::report::{Goal, Report, Rounds, Row, figure};

/// Single events a second.
const RATE: u32 = 20_000;

pub fn run(bench: &mut Bench) -> Report {
    let [mut most, mut idle, mut rate, mut errors] = std::array::from_fn(|_| Rounds::default());
    for _ in 0..bench.scale.rounds {
        let server = Embedded::start(bench, &["collector"], &[], "");
        pause(std::time::Duration::from_secs(2));
        idle.add(server.process.resident_mb());
        let (report, resident) = generate(
            &server,
            &Generator { rate: RATE, length: bench.scale.steady, ledger: None, cpus: two_cpus() },
        );
        most.add(resident);
        rate.add(number(&report, "/rate/accepted_per_second"));
        errors.add(number(&report, "/events/errors"));
    }
    Report {
        details: vec![format!(
            "medians: {} MB idle, {} events/s accepted; most errors in a round {}",
            figure(idle.median()),
            figure(rate.median()),
            figure(errors.most())
        )],
        rows: vec![Row::figure(
            "resident memory at 20,000 single POSTs a second, `serve collector`: MB",
            most,
            Goal::AtMost(60.0, Some(30.0)),
        )],
        note: "\
The most that VmRSS was in any tenth of a second of a round: the embedded log, 256 connections of
`evp loadgen` beside it.",
        ..Report::default()
    }
}
