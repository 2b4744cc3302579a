//! Events a second that `state.db` judges, beside the floor: the same bytes appended to a bare
//! SQLite table by one prepared statement in transactions of the same size.
//!
//! `cargo bench --bench state [-- EVENTS]`

#![expect(clippy::print_stdout, reason = "a benchmark prints its numbers")]
#![expect(clippy::unwrap_used, reason = "a benchmark ends at the first failure")]

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::{Duration, Instant};

use evp::backends::embedded::state::StateDb;
use evp::model::{EventId, Origin, Timestamp};
use evp::ports::{Candidate, Limits, State};

const BATCH: usize = 1024;

fn batches(events: u32, addresses: u32) -> Vec<Vec<Candidate>> {
    let candidates: Vec<Candidate> = (0..events)
        .map(|n| Candidate {
            event_id: EventId::new(uuid::Uuid::new_v4().to_string()).unwrap(),
            origin: Origin::mint(),
            client_ip: Some(IpAddr::V4(Ipv4Addr::from_bits(
                (n.wrapping_mul(2_654_435_761) % addresses).wrapping_add(0x0a00_0000),
            ))),
            // 25,000 events a second.
            received_at: Timestamp::from_millis_clamped(1_767_323_040_000 + i64::from(n) / 25),
            is_exempt: false,
            blocked: None,
        })
        .collect();
    candidates.chunks(BATCH).map(<[Candidate]>::to_vec).collect()
}

/// CPU time of this process so far, in steps of 10 ms.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap()..].split(' ').collect();
    let ticks = |at: usize| fields[at].parse::<u64>().unwrap();
    Duration::from_millis((ticks(12) + ticks(13)) * 10)
}

fn report(name: &str, events: u32, work: impl FnOnce()) {
    let (started, cpu_before) = (Instant::now(), cpu());
    work();
    let (wall, used) = (started.elapsed().as_secs_f64(), (cpu() - cpu_before).as_secs_f64());
    let events = f64::from(events);
    println!(
        "{name:<44} {:>9.0} events/s {:>9.0} events/cpu-s {:>6.2} us cpu/event",
        events / wall,
        events / used,
        used * 1e6 / events
    );
}

fn judge(path: &Path, batches: &[Vec<Candidate>], per_minute: Option<u32>) {
    let limits = Limits {
        mark_ttl: Duration::from_secs(86_400),
        per_minute,
        ban: Some(Duration::from_secs(3600)),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let state = StateDb::open(path).unwrap();
    runtime.block_on(async {
        for batch in batches {
            state.judge(batch, &limits).await.unwrap();
        }
    });
}

fn floor(path: &Path, batches: &[Vec<Candidate>]) {
    let mut connection = rusqlite::Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;
             CREATE TABLE marks (seq INTEGER PRIMARY KEY, event_id TEXT, origin BLOB, at INTEGER)",
        )
        .unwrap();
    for batch in batches {
        let tx = connection.transaction().unwrap();
        let mut insert =
            tx.prepare_cached("INSERT INTO marks (event_id, origin, at) VALUES (?, ?, ?)").unwrap();
        for event in batch {
            let at = event.received_at.as_millis();
            insert.execute((event.event_id.as_str(), event.origin.as_bytes(), at)).unwrap();
        }
        drop(insert);
        tx.commit().unwrap();
    }
}

fn main() {
    let events = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(500_000);
    let folder = tempfile::tempdir_in(".").unwrap();
    let file = |name: &str| folder.path().join(name);
    let few = batches(events, 1000);
    let many = batches(events, u32::MAX);
    report("floor: bare inserts", events, || floor(&file("floor.db"), &few));
    report("judge, limit off", events, || judge(&file("off.db"), &few, None));
    report("judge again: all redelivered", events, || judge(&file("off.db"), &few, None));
    report("judge, limit on, 1,000 addresses", events, || {
        judge(&file("few.db"), &few, Some(1_000_000));
    });
    report("judge, limit on, addresses nearly all new", events, || {
        judge(&file("many.db"), &many, Some(1_000_000));
    });
    report("judge, limit on, nearly all over it", events, || {
        judge(&file("over.db"), &few, Some(10));
    });
}
