//! The collector on Kafka beside a Go collector of the same routes and beside librdkafka alone, each
//! acknowledged event in its topic. What its batches cost in parts: a bare handler that reads them, and
//! evp's log that hands them over.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use crate::bench::{Bench, MOST_EVENTS};
use crate::embedded::bare;
use crate::librdkafka::Produced;
use crate::load::{Ledger, Load, Numbers};
use crate::process::{Process, answer_of_child, go_collector};
use crate::report::{Compared, Goal, Report, Row, figure};
use crate::stand::Stand;
use crate::turns::{Side, Under, measure};

const RAW: &str = "collected";
const PEER: &str = "collected-by-peer";
const ALONE: &str = "by-librdkafka";
const LOG_ALONE: &str = "by-the-log";

/// In the order of `Measured::servers`.
const SERVERS: [&str; 6] = [
    "evp, single, 512 connections",
    "Go, single",
    "Go without headers, single",
    "evp, batches, 32 connections",
    "Go, batches",
    "Go without headers, batches",
];

/// In the order of `Measured::parts`.
const PARTS: [&str; 3] =
    ["librdkafka alone, messages", "bare hyper handler, batches", "evp's log alone, ready batches"];

/// What all rounds brought.
#[derive(Default)]
struct Measured {
    servers: [Side; SERVERS.len()],
    parts: [Side; PARTS.len()],
    /// Ours beside the Go peer's, single events and batches.
    single: Compared,
    batch: Compared,
    /// Our batches beside librdkafka alone.
    to_alone: Compared,
    /// Handler and log, as one after the other, beside the Go peer's batches.
    nothing_else: Compared,
}

pub fn run(bench: &mut Bench) -> Report {
    let stand = bench.stand();
    // Of this part alone: all of it is looked for in the topics.
    let ledger = Arc::new(Ledger::new(MOST_EVENTS));
    [RAW, PEER, ALONE, LOG_ALONE].into_iter().for_each(|topic| stand.kafka.create(topic));
    let measured = rounds(stand, &ledger);
    let mut details = measured.lines();
    let acknowledged: u64 = measured.servers.iter().map(|side| side.events).sum();
    details.push(format!("\n{}", nothing_is_missing(stand, &ledger, acknowledged)));
    let Measured { single, batch, to_alone, .. } = measured;
    let batches = "batches of 100, broker-acknowledged: events a CPU-s";
    Report {
        rows: vec![
            Row::ratio(
                "single POST, broker-acknowledged: events a CPU-s",
                "the Go peer",
                single,
                Goal::AtLeast(2.2, Some(2.8)),
            ),
            Row::ratio(batches, "the Go peer", batch, Goal::AtLeast(3.2, Some(4.0))),
            Row::ratio(batches, "librdkafka alone", to_alone, Goal::AtLeast(0.45, Some(0.58))),
        ],
        details,
        note: "\
The Go peer is `benches/peers/collector` (net/http, encoding/json, franz-go), linger 5 ms, lz4 and acks=all
like evp, with the header that evp's records have (decision 20; without it in the second table). librdkafka
alone is a process that hands over records of the same size, key and header by `rdkafka`'s ThreadedProducer
with evp's settings as fast as it can, which fills its batches better than a collector's requests do. evp's
log alone is a process that appends ready batches as the collector does. The servers of one form of load take
four turns in each round.",
        ..Report::default()
    }
}

fn rounds(stand: &Stand, ledger: &Arc<Ledger>) -> Measured {
    let nowhere = Arc::new(Ledger::new(0));
    let program = go_collector(stand.home());
    let under = |load, ledger| Under { load, length: stand.scale.seconds, ledger };
    let of_servers = |load, sides: [&mut Side; 3]| {
        let [ours, go, bare] =
            [evp(stand), peer(stand, &program, true), peer(stand, &program, false)];
        measure(&under(load, ledger), sides, [&ours, &go, &bare])
    };
    let mut all = Measured::default();
    for _ in 0..stand.scale.rounds {
        let [ours_single, go_single, bare_single, ours_batch, go_batch, bare_batch] =
            &mut all.servers;
        let [ours, go, _] = of_servers(Load::SINGLE, [ours_single, go_single, bare_single]);
        all.single.add(ours, go);
        let [ours, go, _] = of_servers(Load::BATCH, [ours_batch, go_batch, bare_batch]);
        all.batch.add(ours, go);
        let [alone, door, log_alone] = &mut all.parts;
        let [at_door] = measure(&under(Load::BATCH, &nowhere), [door], [&bare()]);
        let handed_over = produced(log_alone, stand, "kafka-log", LOG_ALONE);
        all.nothing_else.add(1.0 / (1.0 / at_door + 1.0 / handed_over), go);
        all.to_alone.add(ours, produced(alone, stand, "librdkafka", ALONE));
    }
    all
}

impl Measured {
    fn lines(&self) -> Vec<String> {
        let mut lines =
            vec!["| medians of the same rounds | events a CPU-s | events/s | p99 ms | MB |\n|---|---|---|---|---|".into()];
        lines.extend(SERVERS.iter().zip(&self.servers).map(|(name, side)| side.line(name)));
        lines.extend(PARTS.iter().zip(&self.parts).map(|(name, side)| {
            let (per_cpu, rate) = (figure(side.per_cpu.median()), figure(side.rate.median()));
            format!("| {name} | {per_cpu} | {rate} | | |")
        }));
        lines.push(format!(
            "| handler and log together, nothing else | {} | | | |",
            figure(self.nothing_else.ours.median())
        ));
        lines.push(format!(
            "\nA collector that did nothing with batches but read and hand them over would be {:.2} of the Go peer, worst round {:.2}",
            self.nothing_else.ratios.median(),
            self.nothing_else.ratios.least()
        ));
        lines
    }
}

fn evp(stand: &Stand) -> Process {
    stand.role("collector", &[("EVP__TOPICS__RAW", RAW), ("EVP__KAFKA__LINGER", "5ms")])
}

fn peer(stand: &Stand, program: &Path, has_headers: bool) -> Process {
    let mut command = Command::new(program);
    command.args(["-brokers", stand.kafka.brokers(), "-topic", PEER, "-linger", "5ms"]);
    command.arg(format!("-headers={has_headers}"));
    Process::peer(command)
}

/// What a child that only produces can do: events a CPU-second.
fn produced(side: &mut Side, stand: &Stand, name: &str, topic: &str) -> f64 {
    let seconds = stand.scale.seconds.as_secs_f64().to_string();
    let arguments = [name, stand.kafka.brokers(), topic, &seconds];
    let produced: Produced = answer_of_child("", &arguments);
    let per_cpu = produced.messages as f64 / produced.cpu_seconds;
    side.per_cpu.add(per_cpu);
    side.rate.add(produced.messages as f64 / produced.seconds);
    per_cpu
}

fn nothing_is_missing(stand: &Stand, ledger: &Ledger, acknowledged: u64) -> String {
    let landed = Numbers::below(MOST_EVENTS);
    stand.kafka.numbers(RAW, &landed);
    stand.kafka.numbers(PEER, &landed);
    let missing = ledger.acknowledged.missing_in(&landed);
    assert_eq!(missing, 0, "an acknowledged event is not there");
    format!("acknowledged {acknowledged} events by number, missing in the topics {missing}")
}
