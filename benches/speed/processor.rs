//! The processor on a backlog in Kafka, judging through Redis, beside `redis-benchmark` on the same
//! Redis.

use std::process::Command;

use crate::bench::Bench;
use crate::follow::{Compared, follow};
use crate::judging;
use crate::process::cpu_seconds;
use crate::report::{self, Goal, Report, Row, figure};
use crate::stand::Stand;

/// No address of the backlog comes near it.
const LIMIT_ON: &str = "1000000";
const LIMIT_OFF: &str = "0";

/// One setting of the limit.
struct Side {
    name: &'static str,
    limit: &'static str,
    per_minute: Option<u32>,
    goal: Goal,
    /// The whole role.
    role: Compared,
    /// Its judging by itself.
    judging: Compared,
}

impl Side {
    fn new(name: &'static str, limit: &'static str, goal: Goal) -> Self {
        let per_minute = limit.parse().ok().filter(|limit| *limit > 0);
        let (role, judging) = (Compared::default(), Compared::default());
        Self { name, limit, per_minute, goal, role, judging }
    }

    fn rows(&self) -> Vec<Row> {
        let parts = [("processor", &self.role), ("its judging alone", &self.judging)];
        let rows = parts.into_iter().flat_map(|(part, compared)| {
            let of = |unit: &str, compared: &report::Compared| {
                let what = format!("{part}, {}: {unit}", self.name);
                let against = "`redis-benchmark -P 64` `SET NX EX`";
                Row::ratio(what, against, compared.clone(), self.goal)
            };
            [of("events/s", &compared.by_clock), of("events a CPU-s of Redis", &compared.by_server)]
        });
        rows.collect()
    }
}

pub fn run(bench: &mut Bench) -> Report {
    let stand = bench.stand();
    let mut sides = [
        Side::new("limit on", LIMIT_ON, Goal::AtLeast(0.40, Some(0.50))),
        Side::new("limit off", LIMIT_OFF, Goal::AtLeast(0.65, Some(0.78))),
    ];
    // A broker that has just started compiles its code, with a third of a processor, most of it at first.
    judge(stand, "warm", LIMIT_ON, |_| ());
    let candidates = judging::batches(stand.scale.backlog);
    for round in 0..stand.scale.rounds {
        for side in &mut sides {
            redis_cli(stand, &["FLUSHALL"]);
            let floor = redis_benchmark(stand);
            redis_cli(stand, &["FLUSHALL"]);
            side.judging.add(&judging::judge(stand, &candidates, side.per_minute), floor);
            let topic = judge(stand, &format!("{round}-{}", side.limit), side.limit, |ours| {
                side.role.add(ours, floor);
            });
            // One of them is enough for the worker.
            let _the_first_stays = stand.judged.set(topic);
        }
    }
    let medians = |part: &str, of: fn(&Side) -> f64| {
        let [on, off] = [of(&sides[0]), of(&sides[1])].map(figure);
        format!("events a CPU-second of {part}, median: {on} with the limit, {off} without")
    };
    let details = vec![
        medians("the processor itself", |side| side.role.role.median()),
        medians("who only judges", |side| side.judging.role.median()),
    ];
    Report {
        rows: sides.iter().flat_map(Side::rows).collect(),
        details,
        note: "\
Floor: `redis-benchmark -P 64` SET key mark NX EX with keys and marks as long as ours, on the same empty
Redis, by the clock and by CPU of Redis. On few cores the figure a second is that of broker, processor and
Redis together, and the floor's that of Redis and its client; the one a CPU-second of Redis is what a
faster machine would be held up by. Judging alone is the role's own call of Redis, batches of 1,024 and two
of them under way as of two members, with prepared events from 10,000 addresses and no log before or behind
it.",
        ..Report::default()
    }
}

/// A topic of the whole backlog judged, by a processor that nobody measures where there is none yet.
pub fn judged(stand: &Stand) -> &str {
    stand.judged.get_or_init(|| judge(stand, "unmeasured", LIMIT_OFF, |_| ()))
}

/// Judges the backlog on an empty Redis into a topic of its own, which it gives back.
fn judge(
    stand: &Stand,
    name: &str,
    limit: &str,
    measured: impl FnOnce(&crate::follow::Run),
) -> String {
    let (raw, events) = stand.backlog();
    redis_cli(stand, &["FLUSHALL"]);
    let topic = format!("processed-{name}");
    // A client that asks for a topic before it is there does not find it for a while.
    stand.kafka.create(&topic);
    let role = stand.role(
        "processor",
        &[
            ("EVP__TOPICS__RAW", raw),
            ("EVP__TOPICS__PROCESSED", &topic),
            ("EVP__GROUPS__PROCESSOR", &format!("processor-{name}")),
            ("EVP__PROCESSOR__IP_RATE_LIMIT_PER_MIN", limit),
        ],
    );
    let redis = || cpu_seconds(stand.redis.pid());
    measured(&follow(events, &role, redis, || stand.kafka.count(&topic)));
    stand.wait_for(&topic, events);
    role.stop();
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
