//! What stands behind the door, each on a backlog and beside the plain tool of its server.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::process::{Process, cpu_seconds, pause, tree_cpu_seconds, wait};
use crate::report::{RATIO_COLUMNS, Rounds, heading, ratio};
use crate::stand::Stand;

const RAW: &str = "backlog";

/// Progress of a stage, without its start and its last drops.
struct Run {
    per_second: f64,
    /// Of the role itself.
    per_cpu: f64,
    /// Of the server behind it.
    per_server_cpu: f64,
}

/// Follows a counter from a tenth of `total` to nine tenths.
fn follow(
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

/// Ours, the floor, and their ratio, by wall clock and by CPU of the server that both use.
#[derive(Default)]
struct Compared {
    ours: Rounds,
    floor: Rounds,
    ratios: Rounds,
    ours_cpu: Rounds,
    floor_cpu: Rounds,
    ratios_cpu: Rounds,
    role_cpu: Rounds,
}

impl Compared {
    fn add(&mut self, ours: &Run, (floor, floor_cpu): (f64, f64)) {
        self.ours.add(ours.per_second);
        self.floor.add(floor);
        self.ratios.add(ours.per_second / floor);
        self.ours_cpu.add(ours.per_server_cpu);
        self.floor_cpu.add(floor_cpu);
        self.ratios_cpu.add(ours.per_server_cpu / floor_cpu);
        self.role_cpu.add(ours.per_cpu);
    }

    fn print(&self, what: &str, server: &str, goal: &str) {
        ratio(&format!("{what}, a second"), &self.ours, &self.floor, &self.ratios, goal);
        let name = format!("{what}, a CPU-second of {server}");
        ratio(&name, &self.ours_cpu, &self.floor_cpu, &self.ratios_cpu, goal);
    }
}

pub fn run(stand: &Stand) {
    stand.fill(RAW, stand.scale.backlog);
    let events = stand.kafka.count(RAW);
    let processed = processor(stand, events);
    worker(stand, &processed, events);
}

/// Judges the backlog, round by round with other marks; the topic of the last round.
fn processor(stand: &Stand, events: u64) -> String {
    let (mut off, mut on) = (Compared::default(), Compared::default());
    let mut topic = String::new();
    for round in 0..stand.scale.rounds {
        for (limit, compared) in [("1000000", &mut on), ("0", &mut off)] {
            redis_cli(stand, &["FLUSHALL"]);
            let floor = redis_benchmark(stand);
            redis_cli(stand, &["FLUSHALL"]);
            topic = format!("processed-{round}-{limit}");
            // A client that asks for a topic before it is there does not find it for a while.
            stand.kafka.create(&topic);
            let role = stand.role(
                "processor",
                &[
                    ("EVP__TOPICS__RAW", RAW),
                    ("EVP__TOPICS__PROCESSED", &topic),
                    ("EVP__GROUPS__PROCESSOR", &format!("processor-{round}-{limit}")),
                    ("EVP__PROCESSOR__IP_RATE_LIMIT_PER_MIN", limit),
                ],
            );
            let redis = || cpu_seconds(stand.redis.pid());
            let ours = follow(events, &role, redis, || stand.kafka.count(&topic));
            stand.wait_for(&topic, events);
            role.stop();
            compared.add(&ours, floor);
        }
    }
    heading(
        "Processor through Redis beside `redis-benchmark -P 64` SET key mark NX EX: events, commands",
        &RATIO_COLUMNS,
    );
    on.print("limit on", "Redis", "0.35");
    off.print("limit off", "Redis", "0.35");
    println!(
        "\nevents a CPU-second of the processor itself, median: {:.0} with the limit, {:.0} without",
        on.role_cpu.median(),
        off.role_cpu.median()
    );
    topic
}

fn redis_cli(stand: &Stand, command: &[&str]) {
    let port = stand.redis.port.to_string();
    let done = Command::new("redis-cli").args(["-p", &port]).args(command).output().unwrap();
    assert!(done.status.success());
}

/// Commands a second, and a CPU-second of Redis.
fn redis_benchmark(stand: &Stand) -> (f64, f64) {
    let mark = "0194d7a6-0000-7000-8000-000000000000mi2x0q3w";
    let requests = stand.scale.backlog.max(200_000);
    let before = cpu_seconds(stand.redis.pid());
    let done = Command::new("redis-benchmark")
        .args(["-p", &stand.redis.port.to_string(), "-n", &requests.to_string()])
        .args(["-P", "64", "-r", "1000000000", "--csv"])
        .args(["SET", "event:id:b-0000__rand_int__", mark, "NX", "EX", "86400"])
        .output()
        .unwrap();
    let cpu = cpu_seconds(stand.redis.pid()) - before;
    let text = String::from_utf8_lossy(&done.stdout);
    let last = text.lines().last().unwrap_or_default();
    let rate = last.split("\",\"").nth(1).and_then(|figure| figure.parse().ok());
    (rate.unwrap_or_else(|| panic!("redis-benchmark says {text}")), requests as f64 / cpu)
}

/// Stores what was judged; a new store each round.
fn worker(stand: &Stand, processed: &str, events: u64) {
    stand.evp(&["migrate", "up"]);
    let (mut same, mut key) = (Compared::default(), Compared::default());
    let rows = stand.home().join("rows.copy");
    let postgres = || tree_cpu_seconds(stand.postgres.pid());
    for round in 0..stand.scale.rounds {
        let all = "raw_events, campaign_stats, event_decisions, dead_letters, outcome_counts";
        stand.sql(&format!("TRUNCATE {all}"));
        stand.sql("CHECKPOINT");
        let role = stand.role(
            "worker",
            &[
                ("EVP__TOPICS__PROCESSED", processed),
                ("EVP__GROUPS__WORKER", &format!("worker-{round}")),
            ],
        );
        // Of the transactions of the worker: the roll-ups change with the rows.
        let stored = || {
            let sum = stand.sql("SELECT coalesce(sum(total_events), 0) FROM campaign_stats");
            pause(Duration::from_millis(40));
            sum.parse().unwrap_or(0)
        };
        let ours = follow(events, &role, postgres, stored);
        assert!(wait(Duration::from_secs(60), || stored() >= events), "not all rows come");
        role.stop();
        let counted = stand.sql("SELECT count(*) FROM raw_events");
        assert_eq!(counted, events.to_string(), "one row an event, counted once in the roll-ups");
        stand.sql(&format!("\\copy raw_events TO '{}'", rows.display()));
        for (table, made, compared) in [
            ("with_indexes", "(LIKE raw_events INCLUDING ALL)", &mut same),
            ("with_key", "(LIKE raw_events, PRIMARY KEY (event_id))", &mut key),
        ] {
            stand.sql(&format!("CREATE TABLE {table} {made}"));
            stand.sql("CHECKPOINT");
            let (began, before) = (Instant::now(), postgres());
            stand.sql(&format!("\\copy {table} FROM '{}'", rows.display()));
            let (seconds, cpu) = (began.elapsed().as_secs_f64(), postgres() - before);
            stand.sql(&format!("DROP TABLE {table}"));
            compared.add(&ours, (events as f64 / seconds, events as f64 / cpu));
        }
    }
    heading("Worker into Postgres beside `psql \\copy` of the same rows: rows", &RATIO_COLUMNS);
    same.print("the same table with all its indexes", "Postgres", "0.35");
    key.print("a table with its primary key only", "Postgres", "0.35");
    println!("\nrows a CPU-second of the worker itself, median: {:.0}", same.role_cpu.median());
}
