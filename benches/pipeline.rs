//! The whole embedded pipeline behind the door: raw records to rows, on a real data directory.
//!
//! Prints events a second from the first append to lag 0, and CPU seconds a million events by
//! thread name. Run with `cargo bench --bench pipeline [-- EVENTS]`; the directory is made under
//! `TMPDIR`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints and may fail")]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evp::model::{RecordBatchBuilder, Shape};
use evp::pipeline::envelope::RequestEnvelope;
use evp::pipeline::lag;
use evp::roles::launch::RoleSet;
use evp::roles::{Role, RoleDeps};
use evp::runtime::health::Health;
use evp::runtime::shutdown::CancellationToken;
use evp::settings::Settings;
use evp::wire::{self, OpenMode};

const BATCH: u64 = 100;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let events: u64 = std::env::args().find_map(|text| text.parse().ok()).unwrap_or(200_000);
    let directory = tempfile::tempdir().unwrap();
    let mut settings = Settings { data_dir: directory.path().join("data"), ..Settings::default() };
    if std::env::var_os("LIMIT").is_some() {
        settings.processor.ip_rate_limit_per_min = 1_000_000;
    }
    let mode = OpenMode { create: true, lock_wait: Duration::ZERO, instance: None };
    let wired = wire::open(&settings, &mode).unwrap();
    let deps = RoleDeps {
        ports: wired.ports.clone(),
        settings: Arc::new(settings),
        health: Health::new(),
    };
    let roles = [Role::Processor, Role::Archiver, Role::Worker];
    let shutdown = CancellationToken::new();
    let set = RoleSet::build(&roles, &deps).unwrap();
    let running = evp::runtime::tasks::spawn("roles", set.run(shutdown.clone()));

    let before = cpu();
    let begun = Instant::now();
    append(&deps, events).await;
    let appended = begun.elapsed();
    while behind(&deps).await > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let done = begun.elapsed();
    let after = cpu();
    let books = deps.ports.store.books().await.unwrap();
    assert_eq!(books.stored, events, "{books:?}");
    shutdown.cancel();
    running.await.unwrap().unwrap();

    println!("events                 {events}");
    println!("appended after         {:.2} s", appended.as_secs_f64());
    println!("rows after             {:.2} s", done.as_secs_f64());
    println!("events a second        {:.0}", events as f64 / done.as_secs_f64());
    println!("CPU microseconds an event by thread:");
    for (thread, seconds) in after {
        let used = seconds - before.get(&thread).copied().unwrap_or(0.0);
        if used > 0.0 {
            println!("  {thread:<20} {:.2}", used * 1e6 / events as f64);
        }
    }
}

async fn append(deps: &RoleDeps, events: u64) {
    for first in (0..events).step_by(usize::try_from(BATCH).unwrap()) {
        let mut batch = RecordBatchBuilder::with_capacity(60_000);
        let at = deps.ports.clock.now();
        let ip = format!("198.51.{}.{}", first / BATCH % 250, first / BATCH / 250 % 250);
        let request = RequestEnvelope::new(at, Some(&ip), Shape::Campaign, None);
        for n in first..first + BATCH {
            let id = format!("5f0c9a3e-{n:012}");
            let value = format!(
                r#"{{"event_id":"{id}","event_type":"click","user_id":"user-{}","campaign_id":"campaign-{}","geo_country":"DE","device_type":"mobile","created_at":"2026-01-01T10:00:00Z","meta_data":{{"page":"/index.html","referrer":"https://example.com/a"}}}}"#,
                n % 5000,
                n % 40
            );
            request.push(&mut batch, &id, "user", value.as_bytes());
        }
        let batch = batch.finish();
        while let Err(error) = deps.ports.log.append(&deps.settings.topics.raw, batch.clone()).await
        {
            assert_eq!(error.kind(), evp::ports::Kind::Full, "{}", error.chain());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn behind(deps: &RoleDeps) -> u64 {
    let mut readers = deps.settings.readers();
    // The archiver writes every five seconds at the latest; rows are what is measured.
    readers.retain(|(group, _)| *group != deps.settings.groups.archiver);
    lag::total(&lag::lag(&*deps.ports.log, &readers).await.unwrap())
}

/// CPU seconds of this process by thread name.
fn cpu() -> BTreeMap<String, f64> {
    let mut used = BTreeMap::new();
    for entry in std::fs::read_dir("/proc/self/task").unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path().join("stat")).unwrap_or_default();
        let Some((head, tail)) = text.rsplit_once(") ") else { continue };
        let name = head.split_once('(').unwrap().1.to_owned();
        let fields: Vec<&str> = tail.split(' ').collect();
        let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        *used.entry(name).or_insert(0.0) += ticks / 100.0;
    }
    used
}
