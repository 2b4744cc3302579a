//! The collector on Kafka beside a Go collector of the same routes and beside librdkafka alone, each
//! acknowledged event in its topic.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::bench::{Bench, MOST_EVENTS};
use crate::librdkafka::Produced;
use crate::load::{self, Ledger, Load, Numbers};
use crate::process::{Process, answer_of_child, go_collector};
use crate::report::{Compared, Goal, Report, Rounds, Row, figure};
use crate::stand::Stand;

const RAW: &str = "collected";
const PEER: &str = "collected-by-peer";
const ALONE: &str = "by-librdkafka";

/// Where it is measured.
struct At<'a> {
    stand: &'a Stand,
    /// Of this part alone: all of it is looked for in the topics.
    ledger: Arc<Ledger>,
}

#[derive(Default)]
struct Side {
    per_cpu: Rounds,
    rate: Rounds,
    p99_ms: Rounds,
    resident_mb: Rounds,
    events: u64,
}

impl Side {
    /// Events a CPU-second of the server's process.
    fn measure(&mut self, at: &At<'_>, server: &Process, load: Load) -> f64 {
        let run = |length| load::run(server.http(), load, length, &at.ledger).unwrap();
        // For caches, connections and adaptive buffers.
        let first = run(Duration::from_secs(1));
        let before = server.cpu();
        let done = run(at.stand.scale.seconds);
        let per_cpu = done.events as f64 / (server.cpu() - before);
        assert_eq!(first.refused + done.refused, 0, "every request is answered with 202");
        self.per_cpu.add(per_cpu);
        self.rate.add(done.events as f64 / done.seconds);
        self.p99_ms.add(done.p99_ms);
        self.resident_mb.add(server.resident_mb());
        self.events += first.events + done.events;
        per_cpu
    }

    fn line(&self, name: &str) -> String {
        format!(
            "| {name} | {} | {} | {:.1} | {:.0} |",
            figure(self.per_cpu.median()),
            figure(self.rate.median()),
            self.p99_ms.median(),
            self.resident_mb.median()
        )
    }
}

pub fn run(bench: &mut Bench) -> Report {
    let stand = bench.stand();
    let at = At { stand, ledger: Arc::new(Ledger::new(MOST_EVENTS)) };
    let program = go_collector(stand.home());
    [RAW, PEER, ALONE].into_iter().for_each(|topic| stand.kafka.create(topic));
    let [mut single, mut batch, mut to_alone] = std::array::from_fn(|_| Compared::default());
    let mut sides: [Side; 6] = std::array::from_fn(|_| Side::default());
    let mut alone_rate = Rounds::default();
    for _ in 0..stand.scale.rounds {
        let [ours_single, peer_single, bare_single, ours_batch, peer_batch, bare_batch] =
            &mut sides;
        let ours = ours_single.measure(&at, &evp(stand), Load::SINGLE);
        single.add(ours, peer_single.measure(&at, &peer(stand, &program, true), Load::SINGLE));
        bare_single.measure(&at, &peer(stand, &program, false), Load::SINGLE);
        let ours = ours_batch.measure(&at, &evp(stand), Load::BATCH);
        batch.add(ours, peer_batch.measure(&at, &peer(stand, &program, true), Load::BATCH));
        bare_batch.measure(&at, &peer(stand, &program, false), Load::BATCH);
        let produced = alone(stand);
        to_alone.add(ours, produced.messages as f64 / produced.cpu_seconds);
        alone_rate.add(produced.messages as f64 / produced.seconds);
    }
    let mut details =
        vec!["| medians of the same rounds | events a CPU-s | events/s | p99 ms | MB |\n|---|---|---|---|---|".into()];
    let names = [
        "evp, single, 512 connections",
        "Go, single",
        "Go without headers, single",
        "evp, batches, 32 connections",
        "Go, batches",
        "Go without headers, batches",
    ];
    details.extend(names.iter().zip(&sides).map(|(name, side)| side.line(name)));
    let (of_it, rate) = (figure(to_alone.beside.median()), figure(alone_rate.median()));
    details.push(format!("| librdkafka alone, messages | {of_it} | {rate} | | |"));
    let acknowledged: u64 = sides.iter().map(|side| side.events).sum();
    details.push(format!("\n{}", nothing_is_missing(&at, acknowledged)));
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
with evp's settings as fast as it can, which fills its batches better than a collector's requests do.",
        ..Report::default()
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

fn alone(stand: &Stand) -> Produced {
    let seconds = stand.scale.seconds.as_secs_f64().to_string();
    answer_of_child("", &["librdkafka", stand.kafka.brokers(), ALONE, &seconds])
}

fn nothing_is_missing(at: &At<'_>, acknowledged: u64) -> String {
    let landed = Numbers::below(MOST_EVENTS);
    at.stand.kafka.numbers(RAW, &landed);
    at.stand.kafka.numbers(PEER, &landed);
    let missing = at.ledger.acknowledged.missing_in(&landed);
    assert_eq!(missing, 0, "an acknowledged event is not there");
    format!("acknowledged {acknowledged} events by number, missing in the topics {missing}")
}
