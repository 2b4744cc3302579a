//! All roles at a steady rate: resident memory of each, what the archive costs, and memory through
//! an outage of what comes after each.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::bench::Bench;
use crate::load::{self, Done, Load};
use crate::process::{Process, pause, wait};
use crate::report::{Report, grouped, head};
use crate::stand::Stand;

/// Events a second.
const RATE: f64 = 20_000.0;
/// Load before and after an outage.
const AROUND: Duration = Duration::from_secs(5);
/// How often memory is looked at.
const EVERY: Duration = Duration::from_millis(250);
const RAW: &str = "raw-events";
const PROCESSED: &str = "processed-events";

struct Roles {
    collector: Process,
    processor: Process,
    archiver: Process,
    worker: Process,
}

/// The roles in the order of the figures.
const NAMES: [&str; 4] = ["collector", "processor", "archiver", "worker"];

impl Roles {
    fn all(&self) -> [&Process; 4] {
        [&self.collector, &self.processor, &self.archiver, &self.worker]
    }

    fn resident(&self) -> [f64; 4] {
        self.all().map(Process::resident_mb)
    }
}

pub fn run(bench: &mut Bench) -> Report {
    let steady = bench.scale.outage;
    let stand = bench.stand_mut();
    stand.evp(&["migrate", "up"]);
    stand.sql("TRUNCATE raw_events, campaign_stats, event_decisions, dead_letters, outcome_counts");
    let roles = Roles {
        collector: stand.role("collector", &[]),
        processor: stand.role("processor", &[]),
        archiver: stand.role("archiver", &[]),
        worker: stand.role("worker", &[]),
    };
    pause(Duration::from_secs(2));
    let idle = roles.resident();
    let mut judged = 0;
    let beside = |stand: &mut Stand| {
        pause(steady);
        judged = stand.kafka.count(PROCESSED);
    };
    let (done, under_load) = watched(stand, &roles, (steady, 0), beside);
    let mut accepted = done.events;
    let mut details = archive(stand, &roles, &done);
    let outage = stand.scale.outage;
    let mut lines = Vec::new();
    for server in ["Kafka", "Redis", "MinIO", "Postgres"] {
        let mut within = [[0.0; 4]; 2];
        let beside = |stand: &mut Stand| {
            pause(AROUND);
            // Postgres waits for its clients unless it is told by INT.
            let signal = if server == "Postgres" { Signal::INT } else { Signal::TERM };
            stand.server(server).end_with(signal);
            for resident in &mut within {
                pause(outage / 2);
                *resident = roles.resident();
            }
            stand.server(server).resume();
        };
        let (done, most) = watched(stand, &roles, (outage + AROUND * 2, accepted), beside);
        accepted += done.events;
        lines.push(Outage { server, done, within, most });
    }
    details.extend(Seen { done, judged, idle, under_load, lines }.lines(outage));
    details.push(format!("\naccepted {accepted} events, each of which has its row"));
    Report { details, ..Report::default() }
}

/// What was seen.
struct Seen {
    done: Done,
    judged: u64,
    idle: [f64; 4],
    under_load: [f64; 4],
    lines: Vec<Outage>,
}

/// An outage, its load, and what the roles held.
struct Outage {
    server: &'static str,
    done: Done,
    /// When half of it was over, and at its end.
    within: [[f64; 4]; 2],
    /// Until all that was accepted in it was worked off.
    most: [f64; 4],
}

impl Seen {
    fn lines(&self, outage: Duration) -> Vec<String> {
        let Self { done, judged, idle, under_load, lines } = self;
        let per_second = |events: u64| grouped(events as f64 / done.seconds);
        let mut all = vec![head(
            &format!(
                "\nResident MB, {} events/s asked for, {} accepted and {} judged a second",
                grouped(RATE),
                per_second(done.events),
                per_second(*judged)
            ),
            &[
                "role",
                "idle",
                "most under load",
                "goal",
                "half through an outage",
                "at its end",
                "most, until it is worked off",
                "of",
                "requests refused in it",
            ],
        )];
        for (index, name) in NAMES.into_iter().enumerate() {
            let Outage { server, done, within, most } = &lines[index];
            all.push(format!(
                "| {name} | {:.0} | {:.0} | 150 | {:.0} | {:.0} | {:.0} | {server}, {} s | {} |",
                idle[index],
                under_load[index],
                within[0][index],
                within[1][index],
                most[index],
                outage.as_secs(),
                done.refused
            ));
        }
        all
    }
}

/// Runs the steady load with something beside it, waits until all accepted events have their rows
/// and lie in the archive, and gives the most resident memory of each role in all that time.
fn watched(
    stand: &mut Stand,
    roles: &Roles,
    (length, before): (Duration, u64),
    beside: impl FnOnce(&mut Stand),
) -> (Done, [f64; 4]) {
    let (stop, stopped) = channel::<()>();
    let (address, ledger) = (roles.collector.http.unwrap(), Arc::clone(&stand.ledger));
    thread::scope(|scope| {
        let load = scope.spawn(move || load::run(address, Load::steady(RATE, 20), length, &ledger));
        let memory = scope.spawn(move || {
            let mut most = [0.0_f64; 4];
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                for (most, now) in most.iter_mut().zip(roles.resident()) {
                    *most = most.max(now);
                }
            }
            most
        });
        beside(stand);
        let done = load.join().unwrap().unwrap();
        drained(stand, roles, before + done.events);
        drop(stop);
        (done, memory.join().unwrap())
    })
}

fn drained(stand: &Stand, roles: &Roles, accepted: u64) {
    let rows = || -> u64 {
        pause(Duration::from_millis(300));
        let sum = stand.sql("SELECT coalesce(sum(total_events), 0) FROM campaign_stats");
        sum.parse().unwrap()
    };
    let limit = Duration::from_secs(300);
    assert!(wait(limit, || rows() >= accepted), "{} rows of {accepted}", rows());
    let archived = || roles.archiver.metric("evp_archiver_records_total") as u64;
    assert!(wait(limit, || archived() >= accepted), "{} archived of {accepted}", archived());
}

/// What the archive of the steady load cost.
fn archive(stand: &Stand, roles: &Roles, done: &Done) -> Vec<String> {
    let metric = |name| roles.archiver.metric(name);
    let puts = metric("evp_archiver_objects_total") + metric("evp_archiver_adopted_total");
    let bytes = metric("evp_archiver_bytes_total");
    let events = stand.kafka.count(RAW) as f64;
    let title = format!("Archive of {} events at that rate", grouped(events));
    vec![
        head(&title, &["what", "measured", "goal"]),
        format!("| PUTs a million events | {:.0} | 50 |", puts * 1e6 / events),
        format!("| stored bytes / bytes of the events | {:.2} | 0.20 |", bytes / done.bytes as f64),
    ]
}
