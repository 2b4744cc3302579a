//! The collector beside the Go peer: events a CPU-second of the server's process, each
//! acknowledged event in the topic.

use std::path::Path;
use std::time::Duration;

use crate::load::{Load, Numbers};
use crate::process::{Process, go_collector};
use crate::report::{RATIO_COLUMNS, Rounds, grouped, heading, ratio};
use crate::stand::Stand;

const RAW: &str = "collected";
const PEER: &str = "collected-by-peer";

struct Measured {
    per_cpu: f64,
    rate: f64,
    p99_ms: f64,
    resident_mb: f64,
}

#[derive(Default)]
struct Side {
    per_cpu: Rounds,
    rate: Rounds,
    p99_ms: Rounds,
    resident_mb: Rounds,
}

impl Side {
    fn add(&mut self, measured: &Measured) {
        self.per_cpu.add(measured.per_cpu);
        self.rate.add(measured.rate);
        self.p99_ms.add(measured.p99_ms);
        self.resident_mb.add(measured.resident_mb);
    }
}

pub fn run(stand: &Stand) {
    let program = go_collector(stand.home());
    stand.kafka.create(RAW);
    stand.kafka.create(PEER);
    let loads = [
        ("single POST /event, 512 connections", Load::SINGLE, "2.0"),
        ("batches of 100, 32 connections", Load::BATCH, "2.5"),
    ];
    let mut lines = Vec::new();
    let mut acknowledged = 0;
    for (name, load, goal) in loads {
        let (mut ours, mut theirs, mut ratios) =
            (Side::default(), Side::default(), Rounds::default());
        for _ in 0..stand.scale.rounds {
            let (a, of_a) = measure(stand, &evp(stand), load);
            let (b, of_b) = measure(stand, &peer(stand, &program), load);
            ratios.add(a.per_cpu / b.per_cpu);
            ours.add(&a);
            theirs.add(&b);
            acknowledged += of_a + of_b;
        }
        lines.push((name, goal, ours, theirs, ratios));
    }
    heading(
        "Collector, broker-acknowledged, linger 5 ms both: events a CPU-second",
        &RATIO_COLUMNS,
    );
    for (name, goal, ours, theirs, ratios) in &lines {
        ratio(name, &ours.per_cpu, &theirs.per_cpu, ratios, goal);
    }
    heading(
        "The same rounds, medians",
        &["what", "evp events/s", "p99 ms", "MB", "Go events/s", "p99 ms", "MB"],
    );
    for (name, _, ours, theirs, _) in &lines {
        let of = |side: &Side| {
            let (rate, p99) = (grouped(side.rate.median()), side.p99_ms.median());
            format!("{rate} | {p99:.1} | {:.0}", side.resident_mb.median())
        };
        println!("| {name} | {} | {} |", of(ours), of(theirs));
    }
    let landed = Numbers::below(1 << 28);
    stand.kafka.numbers(RAW, &landed);
    stand.kafka.numbers(PEER, &landed);
    let missing = stand.ledger.acknowledged.missing_in(&landed);
    println!("\nacknowledged {acknowledged} events by number, missing in the topics {missing}");
    assert_eq!(missing, 0, "an acknowledged event is not there");
}

fn evp(stand: &Stand) -> Process {
    stand.role("collector", &[("EVP__TOPICS__RAW", RAW), ("EVP__KAFKA__LINGER", "5ms")])
}

fn peer(stand: &Stand, program: &Path) -> Process {
    let brokers = stand.kafka.brokers();
    Process::peer(program, &["-brokers", brokers, "-topic", PEER, "-linger", "5ms"])
}

/// The figures, and how many events were acknowledged in all.
fn measure(stand: &Stand, server: &Process, load: Load) -> (Measured, u64) {
    // For caches, connections and adaptive buffers.
    let first = stand.load(server, load, Duration::from_secs(1));
    let before = server.cpu();
    let done = stand.load(server, load, stand.scale.seconds);
    let cpu = server.cpu() - before;
    assert_eq!(first.refused + done.refused, 0, "every request is answered with 202");
    let measured = Measured {
        per_cpu: done.events as f64 / cpu,
        rate: done.events as f64 / done.seconds,
        p99_ms: done.p99_ms,
        resident_mb: server.resident_mb(),
    };
    (measured, first.events + done.events)
}
