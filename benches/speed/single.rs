//! Single events through the door onto the embedded log, beside a bare hyper handler.

use crate::bench::Bench;
use crate::embedded::{Embedded, bare};
use crate::load::{self, Load};
use crate::process::{Process, child};
use crate::report::{Compared, Goal, Report, Rounds, Row, figure};

/// One event a request.
const SINGLE: Load = Load::SINGLE.over(64);

/// A server's figures.
#[derive(Default)]
struct Side {
    per_cpu: Rounds,
    rate: Rounds,
    p99_ms: Rounds,
}

impl Side {
    /// Measures it for a round; events a CPU-second.
    fn measure(&mut self, bench: &Bench, server: &Process, load: Load) -> f64 {
        let run = |length| load::run(server.http(), load, length, &bench.ledger).unwrap();
        // For caches, connections and adaptive buffers.
        let first = run(std::time::Duration::from_secs(1));
        let before = server.cpu();
        let done = run(bench.scale.seconds);
        let cpu = server.cpu() - before;
        assert_eq!(first.refused + done.refused, 0, "every request is answered with 202");
        let per_cpu = done.events as f64 / cpu;
        self.per_cpu.add(per_cpu);
        self.rate.add(done.events as f64 / done.seconds);
        self.p99_ms.add(done.p99_ms);
        per_cpu
    }

    fn line(&self, name: &str) -> String {
        format!(
            "| {name} | {} | {} | {:.1} |",
            figure(self.per_cpu.median()),
            figure(self.rate.median()),
            self.p99_ms.median()
        )
    }
}

pub fn run(bench: &mut Bench) -> Report {
    let mut compared = Compared::default();
    let [mut ours, mut floor, mut no_log, mut batches] = std::array::from_fn(|_| Side::default());
    for _ in 0..bench.scale.rounds {
        let of_floor = floor.measure(bench, &bare(), SINGLE);
        let server = Embedded::start(bench, &["collector"], &[], "");
        compared.add(ours.measure(bench, &server.process, SINGLE), of_floor);
        batches.measure(bench, &server.process, Load::BATCH);
        drop(server);
        no_log.measure(bench, &Process::peer(child("", &["no-log"])), SINGLE);
    }
    Report {
        rows: vec![Row::ratio(
            "single POST, durable, `serve collector` on the embedded log: events a CPU-s",
            "bare hyper handler",
            compared,
            Goal::AtLeast(0.60, Some(0.75)),
        )],
        details: vec![
            "| medians of the same rounds | events a CPU-s | events/s | p99 ms |\n|---|---|---|---|".into(),
            ours.line("`serve collector`, single, 64 connections"),
            floor.line("bare hyper handler, single, 64 connections"),
            no_log.line("the collector on a log that keeps nothing, single"),
            batches.line("`serve collector`, batches of 100, 32 connections"),
        ],
        note: "\
Floor: hyper's HTTP/1 server on one single-threaded runtime a core, all on one port; the handler reads
the body and answers 202. The same requests, the same generator, no look at what is in them.",
        ..Report::default()
    }
}
