//! What a row costs on its way into `store.db`, beside what SQLite alone needs to insert the same
//! row into a table with the same key and nothing else.
//!
//! `cargo bench --bench store [rows]`: fresh rows, the same rows again, decisions, and a campaign's
//! numbers read back.

#![expect(clippy::print_stdout, reason = "a benchmark's answer goes to stdout")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evp::backends::embedded::{StoreDb, StoreOptions};
use evp::model::{CanonicalEvent, Decision, EventId, GroupId, Origin, Outcome, Shape, Timestamp};
use evp::ports::{Clock, Sink, SinkBatch, Store, StoreEvent, SystemClock, TimeRange};
use serde_json::value::RawValue;

type Answer<T> = Result<T, Box<dyn Error>>;

const BATCH: u32 = 2000;

fn event(number: u32, now: Timestamp) -> Answer<CanonicalEvent> {
    Ok(CanonicalEvent {
        event_id: EventId::new(uuid::Uuid::new_v4().to_string())?,
        origin: Origin::mint(),
        shape: Shape::Campaign,
        event_type: "impression".to_owned(),
        user_id: Some(format!("u-{:08x}", number.wrapping_mul(2_654_435_761) % 200_000)),
        campaign_id: Some(format!("campaign-{}", number % 20)),
        geo_country: Some("DE".to_owned()),
        device_type: Some("desktop".to_owned()),
        channel: None,
        tags: None,
        created_at: now.plus(Duration::from_millis(u64::from(number) * 20)),
        received_at: now,
        ip_address: Some(format!("203.0.113.{}", number % 250)),
        meta_data: Some(RawValue::from_string(
            r#"{"path":"/presentations/logstash/kibana.png","status":200,"bytes":203023}"#
                .to_owned(),
        )?),
    })
}

fn batches(rows: u32) -> Answer<Vec<Arc<SinkBatch>>> {
    let now = SystemClock.now();
    let mut all = Vec::new();
    for first in (0..rows).step_by(BATCH as usize) {
        let mut batch = SinkBatch::default();
        for number in first..(first + BATCH).min(rows) {
            let event = event(number, now)?;
            batch.events.push(StoreEvent { event, replay_id: None, restored: false });
        }
        all.push(Arc::new(batch));
    }
    Ok(all)
}

/// Wall and processor time of one measurement; on a shared machine only the latter means much.
struct Watch {
    wall: Instant,
    cpu: f64,
}

impl Watch {
    fn start() -> Self {
        Self { wall: Instant::now(), cpu: cpu_seconds() }
    }

    /// Prints both and returns microseconds of processor time each.
    fn say(&self, what: &str, rows: u32) -> f64 {
        let wall = self.wall.elapsed().as_secs_f64() * 1e6 / f64::from(rows);
        let cpu = (cpu_seconds() - self.cpu) * 1e6 / f64::from(rows);
        println!("{what}: {:.0} a second, {wall:.2} us each, {cpu:.2} us of CPU", 1e6 / wall);
        cpu
    }
}

/// Time all threads of this process spent on a processor.
fn cpu_seconds() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanos = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    });
    nanos.sum::<f64>() / 1e9
}

/// SQLite alone: the same columns, the same commits, one key.
fn floor(path: &Path, batches: &[Arc<SinkBatch>]) -> Answer<()> {
    let mut connection = rusqlite::Connection::open(path)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.execute_batch(
        "CREATE TABLE t (event_id TEXT PRIMARY KEY, origin, shape, event_type, user_id,
             campaign_id, geo_country, device_type, created_at, received_at, ip_address, meta_data)",
    )?;
    for batch in batches {
        let transaction = connection.transaction()?;
        let mut insert = transaction
            .prepare_cached("INSERT INTO t VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)")?;
        for StoreEvent { event, .. } in &batch.events {
            insert.execute(rusqlite::params![
                event.event_id.as_str(),
                event.origin.to_string(),
                event.shape.as_str(),
                event.event_type,
                event.user_id,
                event.campaign_id,
                event.geo_country,
                event.device_type,
                event.created_at.to_string(),
                event.received_at.to_string(),
                event.ip_address,
                event.meta_data.as_deref().map(RawValue::get),
            ])?;
        }
        drop(insert);
        transaction.commit()?;
    }
    Ok(())
}

async fn applied(what: &str, store: &StoreDb, batches: &[Arc<SinkBatch>]) -> Answer<f64> {
    let watch = Watch::start();
    let mut rows = 0;
    for batch in batches {
        rows += u32::try_from(batch.events.len() + batch.decisions.len())?;
        store.apply(batch).await?;
    }
    Ok(watch.say(what, rows))
}

fn decided(batches: &[Arc<SinkBatch>]) -> Vec<Arc<SinkBatch>> {
    let decision = |event: &CanonicalEvent| Decision {
        origin: Origin::mint(),
        event_id: event.event_id.clone(),
        outcome: Outcome::Duplicate,
        reason: format!("first seen as origin {}", event.origin),
        client_ip: event.ip_address.clone(),
        received_at: event.received_at,
        decided_at: event.received_at,
    };
    let of = |batch: &Arc<SinkBatch>| {
        let decisions = batch.events.iter().map(|e| (decision(&e.event), None, false)).collect();
        Arc::new(SinkBatch { decisions, ..SinkBatch::default() })
    };
    batches.iter().map(of).collect()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Answer<()> {
    let rows = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(200_000);
    let folder = tempfile::tempdir()?;
    let batches = batches(rows)?;
    let store = StoreDb::open(
        &folder.path().join("store.db"),
        StoreOptions {
            worker_group: GroupId::new("worker-group"),
            exact_uniques: 1_000_000,
            query_timeout: Duration::from_secs(60),
            clock: Arc::new(SystemClock),
        },
    )?;
    let watch = Watch::start();
    floor(&folder.path().join("floor.db"), &batches)?;
    let alone = watch.say("sqlite alone", rows);
    let ours = applied("fresh rows", &store, &batches).await?;
    println!("ratio to sqlite alone: {:.2}", alone / ours);
    applied("the same rows again", &store, &batches).await?;
    applied("decisions", &store, &decided(&batches)).await?;
    let watch = Watch::start();
    let always = TimeRange { from: Timestamp::MIN, to: Timestamp::MAX };
    let stats = store.campaign_stats("campaign-7", always).await?.unwrap_or_default();
    let read = u32::try_from(stats.total_events)?;
    println!("campaign of {read} rows, {} users:", stats.unique_users.count);
    watch.say("  its numbers, a row", read);
    let size = std::fs::metadata(folder.path().join("store.db"))?.len();
    println!("file: {} bytes a row and decision", size / u64::from(rows));
    Ok(())
}
