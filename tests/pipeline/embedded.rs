//! The same roles on a real data directory: segment log, SQLite, files.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use evp::ports::Clock;
use evp::roles::launch::drain;
use evp::runtime::shutdown::CancellationToken;
use evp::settings::Settings;
use evp::wire::{self, OpenMode, Wired};

use crate::sandbox::{Sandbox, TestClock, small};

fn settings(directory: &Path) -> Settings {
    Settings { data_dir: directory.join("data"), ..small() }
}

/// Opens the directory, as often as it is closed.
async fn open(settings: &Settings) -> (Wired, Sandbox) {
    let clock = TestClock::at_start();
    let mode = OpenMode { create: true, lock_wait: Duration::from_secs(10), instance: None };
    let (wanted, port_clock): (_, Arc<dyn Clock>) = (settings.clone(), clock.clone());
    let open = move || wire::open_with_clock(&wanted, &mode, port_clock).unwrap();
    let wired = tokio::task::spawn_blocking(open).await.unwrap();
    let sandbox = Sandbox::on(settings.clone(), wired.ports.clone(), clock);
    (wired, sandbox)
}

async fn close(wired: Wired) {
    tokio::task::spawn_blocking(move || wired.close()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crashes_at_any_moment_lose_and_double_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    let mut accepted = Vec::new();
    for round in 0..6_u64 {
        let (wired, sandbox) = open(&settings).await;
        for n in 0..100 {
            sandbox.accept(&format!("e-{}", n + round * 90), "198.51.100.7").await;
        }
        let started = sandbox.start();
        tokio::time::sleep(Duration::from_millis(round * 7)).await;
        started.crash().await;
        accepted.extend(sandbox.accepted());
        drop(sandbox);
        close(wired).await;
    }
    let (wired, sandbox) = open(&settings).await;
    sandbox.adopt_accepted(accepted);
    drain(&sandbox.deps(), CancellationToken::new()).await.unwrap();
    assert_eq!(sandbox.lag().await, 0);
    let books = sandbox.assert_promise().await;
    assert_eq!((books.stored, books.duplicate, books.dead_lettered), (550, 50, 0));
    drop(sandbox);
    close(wired).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_directory_is_drained_with_its_retries() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = settings(directory.path());
    settings.retry.initial_delay = "50ms".parse().unwrap();
    let (wired, sandbox) = open(&settings).await;
    for n in 0..20 {
        sandbox.accept(&format!("e-{n}"), "198.51.100.7").await;
    }
    let event = evp::model::EventId::new("e-7").unwrap();
    sandbox.faults.sink.fail_on(&event, evp::ports::Kind::Transient, 6);
    drain(&sandbox.deps(), CancellationToken::new()).await.unwrap();
    let books = sandbox.assert_promise().await;
    assert_eq!((books.stored, books.dead_lettered), (20, 0));
    drop(sandbox);
    close(wired).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_that_cannot_go_on_says_what_it_waits_for() {
    let directory = tempfile::tempdir().unwrap();
    let (wired, sandbox) = open(&settings(directory.path())).await;
    sandbox.accept("e", "198.51.100.7").await;
    sandbox.faults.sink.go_down(evp::ports::Kind::Unavailable);
    let error = drain(&sandbox.deps(), CancellationToken::new()).await.unwrap_err();
    assert!(error.to_string().contains("cannot write the store"), "{error}");
    sandbox.faults.sink.come_up();
    drain(&sandbox.deps(), CancellationToken::new()).await.unwrap();
    sandbox.assert_promise().await;
    drop(sandbox);
    close(wired).await;
}
