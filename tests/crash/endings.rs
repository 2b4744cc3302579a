//! Ends that were asked for: SIGTERM drains, a second signal ends at once, and kill -9 in between
//! is a crash like any other.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use crate::QUICK;
use crate::harness::audit::{assert_promise, faults};
use crate::harness::load::Load;
use crate::harness::server::{Server, eventually, pause};

fn under_load(data_dir: &Path, name: &str) -> (Server, Load) {
    let server = Server::start_with(data_dir, QUICK, &[]);
    let load = Load::start(&server.url, name, 4);
    eventually(30, || "100 answers".to_owned(), || load.answered() > 100);
    (server, load)
}

#[test]
fn a_drained_server_has_a_row_for_everything() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let (server, load) = under_load(&data_dir, "drain");
    let status = server.terminate();
    let sent = load.stop();
    assert_eq!(status.code(), Some(0));
    // Before any command has touched the directory.
    assert_eq!(faults(&data_dir, &sent), Vec::<String>::new());
    assert_promise(&data_dir, &sent, "drained");
}

#[test]
fn a_kill_while_draining_is_a_crash_like_any_other() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let mut sent = crate::harness::load::Sent::default();
    for (round, millis) in [0, 10, 40, 120].into_iter().enumerate() {
        let (server, load) = under_load(&data_dir, &format!("kd{round}"));
        server.signal(Signal::TERM);
        pause(millis);
        server.kill();
        sent.extend(load.stop());
    }
    let server = Server::start_with(&data_dir, QUICK, &[]);
    assert_promise(&data_dir, &sent, "killed while draining");
    server.kill();
}

#[test]
fn a_second_signal_ends_at_once_and_loses_nothing() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let (mut server, load) = under_load(&data_dir, "twice");
    // Keeps the drain from coming to its end.
    let lock = rusqlite::Connection::open(data_dir.join("store.db")).unwrap();
    lock.busy_timeout(Duration::from_secs(20)).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    server.signal(Signal::TERM);
    eventually(10, || server.said(), || server.has_said("asked to stop"));
    assert!(server.wait(Duration::from_millis(200)).is_none(), "the drain waits for the store");
    server.signal(Signal::TERM);
    let status = server.wait(Duration::from_secs(20)).expect("ends at once");
    assert_eq!(status.code(), Some(130));
    let sent = load.stop();
    drop(lock);
    let server = Server::start_with(&data_dir, QUICK, &[]);
    assert_promise(&data_dir, &sent, "ended by a second signal");
    server.kill();
}
