//! Single events through the door onto the embedded log, beside a bare hyper handler.

use crate::bench::Bench;
use crate::embedded::{Embedded, bare};
use crate::load::Load;
use crate::process::{Process, child};
use crate::report::{Compared, Goal, Report, Row};
use crate::turns::{Side, Under, measure};

/// One event a request.
const SINGLE: Load = Load::SINGLE.over(64);

pub fn run(bench: &mut Bench) -> Report {
    let mut compared = Compared::default();
    let [mut ours, mut floor, mut no_log, mut batches] = std::array::from_fn(|_| Side::default());
    let under = |load| Under { load, length: bench.scale.seconds, ledger: &bench.ledger };
    for _ in 0..bench.scale.rounds {
        let server = Embedded::start(bench, &["collector"], &[], "");
        let servers = [&server.process, &bare(), &Process::peer(child("", &["no-log"]))];
        let sides = [&mut ours, &mut floor, &mut no_log];
        let [of_ours, of_floor, _] = measure(&under(SINGLE), sides, servers);
        compared.add(of_ours, of_floor);
        measure(&under(Load::BATCH), [&mut batches], [&server.process]);
    }
    Report {
        rows: vec![Row::ratio(
            "single POST, durable, `serve collector` on the embedded log: events a CPU-s",
            "bare hyper handler",
            compared,
            Goal::AtLeast(0.60, Some(0.75)),
        )],
        details: vec![
            "| medians of the same rounds | events a CPU-s | events/s | p99 ms | MB |\n|---|---|---|---|---|".into(),
            ours.line("`serve collector`, single, 64 connections"),
            floor.line("bare hyper handler, single, 64 connections"),
            no_log.line("the collector on a log that keeps nothing, single"),
            batches.line("`serve collector`, batches of 100, 32 connections"),
        ],
        note: "\
Floor: hyper's HTTP/1 server on one single-threaded runtime a core, all on one port; the handler reads
the body and answers 202. The same requests, the same generator, no look at what is in them. The
three servers take four turns in each round.",
        ..Report::default()
    }
}
