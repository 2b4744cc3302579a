//! Bytes of the log that are not what was written: a flipped bit is put aside, counted and named,
//! and takes nothing else with it; a torn tail is cut.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::QUICK;
use crate::harness::audit::{assert_promise, faults};
use crate::harness::load::{Load, Sent};
use crate::harness::server::{Server, eventually, pause};
use crate::harness::{evp, said, stdout};

pub(crate) const RAW: &str = "log/raw-events/0";
const PROCESSED: &str = "log/processed-events/0";

/// Makes the directory, then accepts and lets only these roles work on it, so that their topics
/// hold what nobody else has read.
pub(crate) fn backlog(data_dir: &Path, roles: &[&str]) -> Sent {
    assert!(Server::start_with(data_dir, QUICK, &[]).terminate().success());
    let server = Server::start_as(&[&["run"], roles].concat(), data_dir, QUICK);
    let load = Load::start(&server.url, "d", 4);
    eventually(60, || "800 answers".to_owned(), || load.answered() > 800);
    let sent = load.stop();
    assert!(server.terminate().success());
    sent
}

/// Segment files in order.
pub(crate) fn segments(partition: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(partition)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .collect();
    files.sort();
    files
}

/// Where the data of a segment ends and its prepared zeros begin.
fn data_end(segment: &Path) -> u64 {
    let bytes = fs::read(segment).unwrap();
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
}

pub(crate) fn flip_middle(segment: &Path) {
    let file = File::options().read(true).write(true).open(segment).unwrap();
    let mut byte = [0];
    let at = data_end(segment) / 2;
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
}

fn verify(data_dir: &Path) -> (Option<i32>, Value) {
    let output = evp(data_dir, &["verify", "--wait", "60s", "-o", "json"]);
    let report = serde_json::from_str(&stdout(&output));
    (output.status.code(), report.unwrap_or_else(|error| panic!("{error}: {}", said(&output))))
}

/// The findings of one kind.
fn of_kind<'r>(report: &'r Value, kind: &str) -> Vec<&'r Value> {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().filter(|finding| finding["kind"] == kind).collect()
}

/// Damage before archiver and processor have read: what is lost is named by its offsets, nothing
/// else is, and the pipeline goes on.
fn flipped_before_it_was_read(which: impl Fn(&[PathBuf]) -> usize) {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let mut sent = backlog(&data_dir, &["collector"]);
    let files = segments(&data_dir.join(RAW));
    assert!(files.len() > 3, "too few segments: {files:?}");
    flip_middle(&files[which(&files)]);

    let server = Server::start_with(&data_dir, QUICK, &[]);
    let (code, report) = verify(&data_dir);
    assert_eq!(code, Some(3), "{report:#}");
    let gaps = of_kind(&report, "range_gap");
    assert_eq!(gaps.len(), 1, "{report:#}");
    let (first, last) = (gaps[0]["first"].as_i64().unwrap(), gaps[0]["last"].as_i64().unwrap());
    let lost = u64::try_from(last - first + 1).unwrap();
    assert!((1..=20).contains(&lost), "one frame is lost, no more: {gaps:?}");
    assert_eq!(of_kind(&report, "books").len(), 1, "{report:#}");

    let found = faults(&data_dir, &sent);
    let is_about_loss =
        |fault: &&String| fault.starts_with("lost: ") || fault.starts_with("not archived: ");
    assert!(found.iter().all(|fault| is_about_loss(&fault)), "{found:?}");
    let missing = found.iter().filter(|fault| fault.starts_with("lost: ")).count() as u64;
    // An id of the lost frame that was sent twice has its other copy.
    assert!(missing <= lost, "{missing} ids are lost in {lost} records: {found:?}");

    assert!(server.metric("evp_log_quarantined_bytes_total").is_some_and(|bytes| bytes > 0.0));
    assert!(server.has_said("damaged frames in the log"), "{}", server.said());
    let aside = data_dir.join(RAW).join("quarantine");
    assert_eq!(fs::read_dir(aside).unwrap().count(), 1);

    // It goes on, and the next start finds no more than this one did.
    let load = Load::start(&server.url, "after", 2);
    pause(300);
    let more = load.stop();
    assert!(server.terminate().success());
    let server = Server::start_with(&data_dir, QUICK, &[]);
    let (code, again) = verify(&data_dir);
    assert_eq!((code, again["totals"].clone()), (Some(3), report["totals"].clone()), "{again:#}");
    sent.extend(more);
    assert_eq!(faults(&data_dir, &sent), found);
    server.kill();
}

#[test]
fn a_flipped_bit_in_a_full_segment_is_named_and_takes_nothing_with_it() {
    flipped_before_it_was_read(|_| 1);
}

#[test]
fn a_flipped_bit_in_the_newest_segment_is_named_and_takes_nothing_with_it() {
    flipped_before_it_was_read(|files| {
        // The newest that holds enough for a middle.
        (0..files.len()).rev().find(|at| data_end(&files[*at]) > 20_000).unwrap()
    });
}

/// Where everybody had read it, nothing is lost.
#[test]
fn a_flipped_bit_behind_all_readers_loses_nothing() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let server = Server::start_with(&data_dir, QUICK, &[]);
    let load = Load::start(&server.url, "p", 2);
    eventually(60, || "100 answers".to_owned(), || load.answered() > 100);
    let sent = load.stop();
    assert!(server.terminate().success());
    let files = segments(&data_dir.join(RAW));
    let newest = files.last().unwrap();
    assert!(data_end(newest) > 0);
    flip_middle(newest);
    let server = Server::start_with(&data_dir, QUICK, &[]);
    assert_promise(&data_dir, &sent, "a flipped bit behind all readers");
    server.kill();
}

/// The very end of a topic: nothing readable follows that would bring the groups past it.
#[test]
fn damage_at_the_end_holds_nobody_up() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    backlog(&data_dir, &["collector"]);
    let files = segments(&data_dir.join(RAW));
    // All that the sealed last segments hold, as a disk that lost its newest writes leaves them.
    let last = files.last().unwrap();
    let base: i64 = last.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let before = &files[files.len() - 2];
    for file in [before, last] {
        let length = fs::metadata(file).unwrap().len();
        fs::write(file, vec![0; usize::try_from(length).unwrap()]).unwrap();
    }
    let server = Server::start_with(&data_dir, QUICK, &[]);
    let (code, report) = verify(&data_dir);
    assert_eq!(code, Some(3), "{report:#}");
    let gaps = of_kind(&report, "range_gap");
    assert_eq!(gaps.len(), 1, "{report:#}");
    assert_eq!(gaps[0]["last"], base - 1, "up to where the log goes on: {gaps:?}");
    assert!(server.terminate().success());
}

/// Damage between processor and worker: the archive has every event, verify names them, replay
/// brings them back.
#[test]
fn what_a_flipped_bit_took_from_the_worker_is_named_and_replayed() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let sent = backlog(&data_dir, &["collector", "processor", "archiver"]);
    flip_middle(&segments(&data_dir.join(PROCESSED))[1]);
    let server = Server::start_with(&data_dir, QUICK, &[]);
    let (code, report) = verify(&data_dir);
    assert_eq!(code, Some(3), "{report:#}");
    let missing = of_kind(&report, "missing");
    assert!(!missing.is_empty(), "{report:#}");
    assert!(missing.iter().all(|finding| finding["origin"].is_string()), "{report:#}");
    assert!(of_kind(&report, "range_gap").is_empty(), "{report:#}");

    let replay = evp(&data_dir, &["replay"]);
    assert!(replay.status.success(), "{}", said(&replay));
    assert_promise(&data_dir, &sent, "after the replay");
    server.kill();
}

/// What an unfinished write leaves behind the last frame of the newest segment.
#[derive(Debug, Clone, Copy)]
enum Tail {
    Garbage,
    HalfAFrame,
    ShortFile,
}

#[test]
fn a_torn_tail_is_cut_and_takes_nothing_acknowledged() {
    for tail in [Tail::Garbage, Tail::HalfAFrame, Tail::ShortFile] {
        let home = tempfile::tempdir().unwrap();
        let data_dir = home.path().join("data");
        let server = Server::start_with(&data_dir, QUICK, &[]);
        let load = Load::start(&server.url, "t", 4);
        eventually(60, || "100 answers".to_owned(), || load.answered() > 100);
        server.kill();
        let sent = load.stop();
        tear(segments(&data_dir.join(RAW)).last().unwrap(), tail);
        let server = Server::start_with(&data_dir, QUICK, &[]);
        assert_promise(&data_dir, &sent, &format!("torn tail: {tail:?}"));
        if !matches!(tail, Tail::ShortFile) {
            assert!(server.has_said("torn tail of the log cut"), "{tail:?}: {}", server.said());
        }
        server.kill();
    }
}

/// How a frame of the partition begins. Not always taken from the segment that is torn: a kill
/// right after a new one was begun leaves that without a frame.
fn head_of_a_frame(partition: &Path) -> Vec<u8> {
    let files = segments(partition);
    let newest = files.iter().rev().find(|file| data_end(file) > 0).unwrap();
    let mut head = vec![0; 150];
    File::open(newest).unwrap().read_exact_at(&mut head, 0).unwrap();
    head
}

fn tear(segment: &Path, tail: Tail) {
    let end = data_end(segment);
    let file = File::options().read(true).write(true).open(segment).unwrap();
    match tail {
        Tail::Garbage => {
            // No frame in it, whatever was there before.
            let garbage: Vec<u8> = (0..5000_u32).map(|at| (at * 31 % 251) as u8 | 1).collect();
            let mut file = file;
            std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(end)).unwrap();
            file.write_all(&garbage).unwrap();
        }
        Tail::HalfAFrame => {
            file.write_all_at(&head_of_a_frame(segment.parent().unwrap()), end).unwrap();
        }
        Tail::ShortFile => file.set_len(end).unwrap(),
    }
    File::open(segment).unwrap().sync_all().unwrap();
}
