//! The collector on Kafka beside a Go collector of the same routes and beside librdkafka alone, each
//! acknowledged event in its topic. What its batches cost in parts: a bare handler that reads them, and
//! evp's log that hands them over.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::bench::{Bench, MOST_EVENTS};
use crate::embedded::bare;
use crate::librdkafka::Produced;
use crate::load::{self, Ledger, Load, Numbers};
use crate::process::{Process, answer_of_child, go_collector};
use crate::report::{Compared, Goal, Report, Rounds, Row, figure};
use crate::stand::Stand;

const RAW: &str = "collected";
const PEER: &str = "collected-by-peer";
const ALONE: &str = "by-librdkafka";
const LOG_ALONE: &str = "by-the-log";

/// Where it is measured.
struct At<'a> {
    stand: &'a Stand,
    /// Of this part alone: all of it is looked for in the topics.
    ledger: Arc<Ledger>,
}

/// Turns that the servers of one form of load take in each round: the machine's moods change within
/// seconds, and what is beside each other should be measured in the same one.
const TURNS: u32 = 4;

#[derive(Default)]
struct Side {
    per_cpu: Rounds,
    rate: Rounds,
    p99_ms: Rounds,
    resident_mb: Rounds,
    events: u64,
}

/// What a server did in the turns of one round.
#[derive(Default)]
struct Turns {
    events: u64,
    cpu_seconds: f64,
    seconds: f64,
}

/// One round of those servers: events a CPU-second of each one's process.
fn measure<const N: usize>(
    at: &At<'_>,
    sides: [&mut Side; N],
    servers: &[Process; N],
    load: Load,
) -> [f64; N] {
    let run = |server: &Process, length| {
        let done = load::run(server.http(), load, length, &at.ledger).unwrap();
        assert_eq!(done.refused, 0, "every request is answered with 202");
        done
    };
    // For caches, connections and adaptive buffers.
    let warmed = servers.each_ref().map(|server| run(server, Duration::from_secs(1)).events);
    let mut turns: [Turns; N] = std::array::from_fn(|_| Turns::default());
    let mut sides = sides;
    for _ in 0..TURNS {
        for ((server, turn), side) in servers.iter().zip(&mut turns).zip(&mut sides) {
            let before = server.cpu();
            let done = run(server, at.stand.scale.seconds / TURNS);
            turn.cpu_seconds += server.cpu() - before;
            turn.events += done.events;
            turn.seconds += done.seconds;
            side.p99_ms.add(done.p99_ms);
        }
    }
    for (at, (turn, side)) in turns.iter().zip(&mut sides).enumerate() {
        side.per_cpu.add(turn.events as f64 / turn.cpu_seconds);
        side.rate.add(turn.events as f64 / turn.seconds);
        side.resident_mb.add(servers[at].resident_mb());
        side.events += warmed[at] + turn.events;
    }
    turns.map(|turn| turn.events as f64 / turn.cpu_seconds)
}

impl Side {
    /// Events a CPU-second of a child.
    fn produced(&mut self, produced: &Produced) -> f64 {
        let per_cpu = produced.messages as f64 / produced.cpu_seconds;
        self.per_cpu.add(per_cpu);
        self.rate.add(produced.messages as f64 / produced.seconds);
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
    [RAW, PEER, ALONE, LOG_ALONE].into_iter().for_each(|topic| stand.kafka.create(topic));
    let [mut single, mut batch, mut to_alone] = std::array::from_fn(|_| Compared::default());
    let mut sides: [Side; 6] = std::array::from_fn(|_| Side::default());
    let mut alone_rate = Rounds::default();
    let nowhere = At { stand, ledger: Arc::new(Ledger::new(0)) };
    let (mut door, mut log_alone, mut nothing_else) =
        (Side::default(), Side::default(), Compared::default());
    for _ in 0..stand.scale.rounds {
        let [ours_single, peer_single, bare_single, ours_batch, peer_batch, bare_batch] =
            &mut sides;
        let servers = [evp(stand), peer(stand, &program, true), peer(stand, &program, false)];
        let [ours, go, _] =
            measure(&at, [ours_single, peer_single, bare_single], &servers, Load::SINGLE);
        single.add(ours, go);
        drop(servers);
        let servers = [evp(stand), peer(stand, &program, true), peer(stand, &program, false)];
        let [ours, go, _] =
            measure(&at, [ours_batch, peer_batch, bare_batch], &servers, Load::BATCH);
        batch.add(ours, go);
        drop(servers);
        let [at_door] = measure(&nowhere, [&mut door], &[bare()], Load::BATCH);
        let handed_over = log_alone.produced(&alone(stand, "kafka-log", LOG_ALONE));
        nothing_else.add(1.0 / (1.0 / at_door + 1.0 / handed_over), go);
        let produced = alone(stand, "librdkafka", ALONE);
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
    for (name, side) in
        [("bare hyper handler, batches", &door), ("evp's log alone, ready batches", &log_alone)]
    {
        let (per_cpu, rate) = (figure(side.per_cpu.median()), figure(side.rate.median()));
        details.push(format!("| {name} | {per_cpu} | {rate} | | |"));
    }
    details.push(format!(
        "| handler and log together, nothing else | {} | | | |",
        figure(nothing_else.ours.median())
    ));
    details.push(format!(
        "\nA collector that did nothing with batches but read and hand them over would be {:.2} of the Go peer, worst round {:.2}",
        nothing_else.ratios.median(),
        nothing_else.ratios.least()
    ));
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

/// A child that only produces.
fn alone(stand: &Stand, name: &str, topic: &str) -> Produced {
    let seconds = stand.scale.seconds.as_secs_f64().to_string();
    answer_of_child("", &[name, stand.kafka.brokers(), topic, &seconds])
}

fn nothing_is_missing(at: &At<'_>, acknowledged: u64) -> String {
    let landed = Numbers::below(MOST_EVENTS);
    at.stand.kafka.numbers(RAW, &landed);
    at.stand.kafka.numbers(PEER, &landed);
    let missing = at.ledger.acknowledged.missing_in(&landed);
    assert_eq!(missing, 0, "an acknowledged event is not there");
    format!("acknowledged {acknowledged} events by number, missing in the topics {missing}")
}
