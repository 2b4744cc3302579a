//! What needs a file system of its own. Power cuts: the data directory on a file system in a loop
//! image; at random instants under load the process is stopped, the image is copied, and the copy
//! is mounted and started on. What was not synced is not in the copy, which kill -9 can never
//! show. A disk that fills up: a small tmpfs.
//!
//! Needs root, `mkfs.ext4` and loop devices, so it is not part of `cargo test`:
//! `EVP_POWER_CUTS=5 cargo test --test power` (CI) or `just nightly` (100).

#![expect(clippy::unwrap_used, reason = "a failing test is the message")]

mod full;
#[path = "../harness/mod.rs"]
mod harness;
mod spill;

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::audit::assert_promise;
use harness::load::{Load, Sent};
use harness::server::{Server, eventually, pause};
use harness::{evp, said, stdout};
use rustix::process::Signal;

const QUICK: &[&str] = &[
    "--set",
    "archive.flush_interval=200ms",
    "--set",
    "log.retention_check=300ms",
    "--set",
    "log.segment_bytes=256KiB",
    "--set",
    "log.reserve_bytes=8MiB",
];

/// How many cuts to make.
fn cuts() -> u64 {
    let text = std::env::var("EVP_POWER_CUTS").expect("EVP_POWER_CUTS says how many cuts to make");
    text.parse().unwrap()
}

#[test]
fn power_cuts_lose_and_double_nothing() {
    let home = tempfile::tempdir().unwrap();
    for cut in 0..cuts() {
        let image = home.path().join("base.img");
        let disk = Disk::format(&image, &home.path().join("base"));
        let mut sent = Sent::default();
        let server = Server::start_with(&disk.data_dir(), QUICK, &[]);
        let load = Load::start(&server.url, &format!("cut{cut}"), 4);
        eventually(30, || "an answer".to_owned(), || load.answered() > 0);
        pause(50 + (cut * 271) % 1700);
        server.signal(Signal::STOP);
        let copy = home.path().join("copy.img");
        // Only what reached the image's file is in the copy: the page cache of the mounted file
        // system is not.
        std::fs::copy(&image, &copy).unwrap();
        server.kill();
        let answered = load.answered();
        sent.extend(load.stop());
        assert!(answered > 0, "nothing was acknowledged before the cut: void");
        drop(disk);
        let disk = Disk::mount(&copy, &home.path().join("copy"));
        let server = Server::start_with(&disk.data_dir(), QUICK, &[]);
        assert_promise(&disk.data_dir(), &sent, &format!("cut {cut}"));
        assert!(server.terminate().success());
        println!("cut {cut}: {} acknowledged, none lost or doubled", sent.acknowledged.len());
    }
}

/// Rules are in no log: one that was confirmed to its operator stands on the disk.
#[test]
fn a_rule_outlives_a_power_cut() {
    let home = tempfile::tempdir().unwrap();
    let (image, copy) = (home.path().join("base.img"), home.path().join("copy.img"));
    let disk = Disk::format(&image, &home.path().join("base"));
    let server = Server::start_with(&disk.data_dir(), QUICK, &[]);
    let added = evp(&disk.data_dir(), &["blacklist", "add", "203.0.113.9"]);
    assert!(added.status.success(), "{}", said(&added));
    server.signal(Signal::STOP);
    std::fs::copy(&image, &copy).unwrap();
    server.kill();
    drop(disk);
    let disk = Disk::mount(&copy, &home.path().join("copy"));
    let rules = evp(&disk.data_dir(), &["blacklist", "ls"]);
    assert!(stdout(&rules).contains("203.0.113.9"), "{}", said(&rules));
}

/// A mounted loop image; unmounted when dropped.
struct Disk {
    mount: PathBuf,
}

impl Disk {
    fn format(image: &Path, mount: &Path) -> Self {
        let _first_time = std::fs::remove_file(image);
        std::fs::File::create(image).unwrap().set_len(256 << 20).unwrap();
        run("mkfs.ext4", &["-q", "-F", image.to_str().unwrap()]);
        Self::mount(image, mount)
    }

    fn mount(image: &Path, mount: &Path) -> Self {
        std::fs::create_dir_all(mount).unwrap();
        run("mount", &["-o", "loop", image.to_str().unwrap(), mount.to_str().unwrap()]);
        Self { mount: mount.to_owned() }
    }

    fn data_dir(&self) -> PathBuf {
        self.mount.join("data")
    }
}

impl Disk {
    /// A file system in memory of that many MiB.
    fn tmpfs(mount: &Path, mebibytes: u32) -> Self {
        std::fs::create_dir_all(mount).unwrap();
        let size = format!("size={mebibytes}m");
        run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", mount.to_str().unwrap()]);
        Self { mount: mount.to_owned() }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        for _ in 0..50 {
            let done = Command::new("umount").arg(&self.mount).status();
            if done.is_ok_and(|status| status.success()) {
                return;
            }
            pause(100);
        }
    }
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}
