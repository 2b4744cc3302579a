//! A disk that fills up under load: the door closes while what was accepted can still be carried to
//! its end, and opens by itself when there is room.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::Disk;
use crate::harness::audit::assert_promise;
use crate::harness::load::Load;
use crate::harness::server::{Server, eventually};
use crate::harness::{evp, said};

const SMALL: &[&str] = &[
    "--set",
    "archive.flush_interval=200ms",
    "--set",
    "log.retention_check=300ms",
    "--set",
    "log.segment_bytes=1MiB",
    "--set",
    "log.reserve_bytes=24MiB",
];

/// Takes that much of the disk.
fn fill(path: &Path, bytes: u64) {
    let file = File::create(path).unwrap();
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes).unwrap();
}

#[test]
fn a_full_disk_closes_the_door_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let disk = Disk::tmpfs(&home.path().join("small"), 96);
    let data_dir = disk.data_dir();
    let ballast = disk.mount.join("ballast");
    fill(&ballast, 60 << 20);

    let server = Server::start_with(&data_dir, SMALL, &[]);
    let load = Load::start(&server.url, "full", 4);
    eventually(120, || format!("no 503: {}", server.said()), || load.refused() > 300);
    let check = server.wait_not_ready("collector");
    let reason = check["reason"].as_str().unwrap();
    assert!(reason.contains("disk space") && reason.contains("/log "), "{check}");
    assert!(check["since"].is_string(), "{check}");
    // Still under load, which is refused: what was accepted comes to its end.
    let verify = evp(&data_dir, &["verify", "--wait", "60s", "-o", "json"]);
    assert!(verify.status.success(), "{}", said(&verify));
    for role in ["processor", "worker", "archiver"] {
        let (_, body) = server.readiness();
        assert_eq!(body["checks"][role]["state"], "ready", "{role} works on: {body}");
    }
    let mut sent = load.stop();
    let advised = Some("5".to_owned());
    for (status, advice) in sent.answers.keys() {
        let is_right = *status == 202 || (*status == 503 && *advice == advised);
        assert!(is_right, "{:?}", sent.answers);
    }
    assert_promise(&data_dir, &sent, "while the disk is full");

    fs::remove_file(&ballast).unwrap();
    server.wait_ready();
    let load = Load::start(&server.url, "room", 4);
    eventually(60, || format!("no 202 again: {}", server.said()), || load.answered() > 200);
    sent.extend(load.stop());
    assert_promise(&data_dir, &sent, "after there was room again");
    assert!(server.terminate().success());
    println!("disk full: {} acknowledged, none lost; {:?}", sent.acknowledged.len(), sent.answers);
}

/// Somebody else takes the last byte, the reserve too: everything stands still, and goes on.
#[test]
fn a_disk_without_a_byte_left_loses_nothing() {
    let home = tempfile::tempdir().unwrap();
    let disk = Disk::tmpfs(&home.path().join("brim"), 96);
    let data_dir = disk.data_dir();
    let ballast = disk.mount.join("ballast");
    let server = Server::start_with(&data_dir, SMALL, &[]);
    let load = Load::start(&server.url, "brim", 4);
    eventually(60, || "100 answers".to_owned(), || load.answered() > 100);
    let mut file = File::create(&ballast).unwrap();
    let block = vec![7; 64 << 10];
    eventually(
        60,
        || format!("no 503: {}", server.said()),
        || {
            while file.write_all(&block).is_ok() {}
            load.refused() > 300
        },
    );
    server.wait_not_ready("collector");
    drop(file);
    fs::remove_file(&ballast).unwrap();
    server.wait_ready();
    let answered = load.answered();
    eventually(
        60,
        || format!("no 202 again: {}", server.said()),
        || load.answered() > answered + 100,
    );
    let sent = load.stop();
    assert_promise(&data_dir, &sent, "after there was not a byte left");
    assert!(server.terminate().success());
    println!("brim: {} acknowledged, none lost; {:?}", sent.acknowledged.len(), sent.answers);
}
