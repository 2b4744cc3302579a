use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::segment::bases_in;
use super::test_disk::TestDisk;
use super::writer::GATHER;
use super::{Disk, LogOptions, PartitionLog, Step, SystemDisk, Wait};
use crate::model::{Headers, Record, RecordBatch, Timestamp};
use crate::ports::{Kind, Result};

pub(super) const SEED: u32 = 77;

pub(super) fn open(path: &Path, floor: i64, disk: Arc<dyn Disk>) -> PartitionLog {
    let options = LogOptions { segment_bytes: 4096, max_queue_bytes: 1 << 20, seed: SEED, floor };
    PartitionLog::open(path, options, disk).unwrap()
}

pub(super) fn batch(values: &[String]) -> RecordBatch {
    let records: Vec<_> = values
        .iter()
        .map(|value| Record {
            key: "k".into(),
            value: value.clone().into(),
            timestamp: Timestamp::from_millis_clamped(1),
            headers: Headers::new(),
        })
        .collect();
    RecordBatch::of_all(&records)
}

pub(super) fn append(log: &PartitionLog, values: &[&str]) -> Result<()> {
    let values: Vec<_> = values.iter().map(ToString::to_string).collect();
    wait(log.append(&batch(&values))?)
}

pub(super) fn wait<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// An offset and the value there.
pub(super) type Placed = (i64, String);

/// A gap.
type Lost = (i64, i64);

/// Everything from `from` on: values by offset, and the gaps.
pub(super) fn read_all(log: &PartitionLog, from: i64) -> (Vec<Placed>, Vec<Lost>) {
    let mut cursor = log.cursor(from);
    let (mut records, mut gaps) = (Vec::new(), Vec::new());
    loop {
        match cursor.step(Wait::Disk).unwrap() {
            Step::Batch { base, count, payload } => {
                let batch = RecordBatch::from_encoded(payload, count).unwrap();
                for (offset, record) in (base..).zip(batch.iter()) {
                    if offset >= from {
                        let value = record.unwrap().value;
                        records.push((offset, String::from_utf8(value.to_vec()).unwrap()));
                    }
                }
            }
            Step::Gap { from, to } => gaps.push((from, to)),
            Step::End => return (records, gaps),
        }
    }
}

fn values(log: &PartitionLog) -> Vec<String> {
    let (records, gaps) = read_all(log, 0);
    assert_eq!(gaps, [], "no gap");
    records.into_iter().map(|(_, value)| value).collect()
}

pub(super) fn segment_paths(path: &Path) -> Vec<PathBuf> {
    let bases = bases_in(path).unwrap();
    bases.into_iter().map(|base| path.join(format!("{base:020}.seg"))).collect()
}

#[test]
fn the_real_disk_keeps_what_was_appended_over_segments_and_openings() {
    let directory = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    for round in 0..3 {
        let log = open(directory.path(), 0, Arc::new(SystemDisk));
        for number in 0..8 {
            let value = format!("{round}-{number}-{}", "x".repeat(700));
            append(&log, &[&value]).unwrap();
            expected.push(value);
        }
        assert_eq!(values(&log), expected);
    }
    assert!(segment_paths(directory.path()).len() > 3, "segments were rolled");
    let log = open(directory.path(), 0, Arc::new(SystemDisk));
    assert_eq!((log.low(), log.high(), values(&log)), (0, 24, expected));
}

/// A kill between a roll and the first write leaves a newest segment without a frame, or with the
/// beginning of one.
#[test]
fn a_newest_segment_without_a_frame_is_gone_on_with_and_its_torn_beginning_is_cut() {
    for (length, is_torn) in [(0, false), (4096, false), (4096, true)] {
        let directory = tempfile::tempdir().unwrap();
        let log = open(directory.path(), 0, Arc::new(SystemDisk));
        append(&log, &["a"]).unwrap();
        drop(log);
        let first = std::fs::read(&segment_paths(directory.path())[0]).unwrap();
        let newest = directory.path().join(format!("{:020}.seg", 1));
        let file = File::create(&newest).unwrap();
        file.set_len(length).unwrap();
        if is_torn {
            file.write_all_at(&first[..20], 0).unwrap();
        }
        let log = open(directory.path(), 0, Arc::new(SystemDisk));
        assert_eq!((log.high(), values(&log)), (1, vec!["a".to_owned()]), "{length} {is_torn}");
        assert!(std::fs::read(&newest).unwrap().iter().all(|byte| *byte == 0), "it was not cut");
        append(&log, &["b"]).unwrap();
        assert_eq!(values(&log), ["a", "b"], "{length} {is_torn}");
    }
}

#[test]
fn a_batch_longer_than_a_segment_gets_one_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path(), 0, Arc::new(SystemDisk));
    let long = "y".repeat(3 << 20);
    append(&log, &["a"]).unwrap();
    append(&log, &[&long]).unwrap();
    append(&log, &["b"]).unwrap();
    assert_eq!(values(&log), ["a", &long, "b"]);
}

#[test]
fn appends_that_meet_a_sync_under_way_share_the_next_one() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Arc::new(TestDisk::default());
    let log = open(directory.path(), 0, disk.clone());
    disk.hold(0);
    let tickets: Vec<_> = (0..5).map(|n| log.append(&batch(&[n.to_string()])).unwrap()).collect();
    assert_eq!(log.high(), 0, "nothing is visible before its sync");
    assert_eq!(read_all(&log, 0), (vec![], vec![]));
    disk.hold(None);
    for ticket in tickets {
        wait(ticket).unwrap();
    }
    assert_eq!(values(&log), ["0", "1", "2", "3", "4"]);
}

#[test]
fn a_full_queue_refuses_at_once_and_later_takes_again() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Arc::new(TestDisk::default());
    let log = open(directory.path(), 0, disk.clone());
    disk.hold(0);
    let large = "z".repeat(400 << 10);
    let tickets: Vec<_> =
        (0..2).map(|_| log.append(&batch(std::slice::from_ref(&large))).unwrap()).collect();
    assert_eq!(log.append(&batch(&[large])).unwrap_err().kind(), Kind::Full);
    disk.hold(None);
    for ticket in tickets {
        wait(ticket).unwrap();
    }
    append(&log, &["fits"]).unwrap();
    assert_eq!(log.high(), 3);
}

#[test]
fn after_a_failed_sync_the_group_goes_into_a_new_file_and_the_old_one_is_ignored() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Arc::new(TestDisk::default());
    let log = open(directory.path(), 0, disk.clone());
    append(&log, &["a", "b"]).unwrap();
    disk.failing_syncs.store(1, Ordering::SeqCst);
    append(&log, &["c"]).unwrap();
    log.check().unwrap();
    append(&log, &["d"]).unwrap();
    assert_eq!(segment_paths(directory.path()).len(), 2);
    assert_eq!(values(&log), ["a", "b", "c", "d"]);
    drop(log);
    // The old file has a frame of offset 2 as well; it is not read twice.
    let log = open(directory.path(), 0, disk);
    assert_eq!(values(&log), ["a", "b", "c", "d"]);
}

#[test]
fn a_failed_sync_of_an_empty_segment_replaces_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Arc::new(TestDisk::default());
    let log = open(directory.path(), 0, disk.clone());
    disk.failing_syncs.store(1, Ordering::SeqCst);
    append(&log, &["a"]).unwrap();
    assert_eq!(segment_paths(directory.path()).len(), 1);
    assert_eq!(values(&log), ["a"]);
}

#[test]
fn a_second_failed_sync_ends_appending_until_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Arc::new(TestDisk::default());
    let log = open(directory.path(), 0, disk.clone());
    append(&log, &["a"]).unwrap();
    disk.failing_syncs.store(2, Ordering::SeqCst);
    assert_eq!(append(&log, &["b"]).unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(append(&log, &["c"]).unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(log.check().unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(values(&log), ["a"]);
    drop(log);
    let log = open(directory.path(), 0, disk);
    append(&log, &["d"]).unwrap();
    // "b" was refused; that a copy surfaces is allowed, that something else is missing is not.
    let (records, gaps) = read_all(&log, 0);
    assert_eq!((records.first().unwrap().1.as_str(), gaps), ("a", vec![]));
    assert_eq!(records.last().unwrap().1, "d");
}

#[test]
fn a_full_disk_refuses_and_recovers_without_a_hole() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Arc::new(TestDisk::default());
    let log = open(directory.path(), 0, disk.clone());
    let value = "v".repeat(1500);
    disk.is_full.store(true, Ordering::SeqCst);
    assert_eq!(append(&log, &[&value]).unwrap_err().kind(), Kind::Full);
    disk.is_full.store(false, Ordering::SeqCst);
    append(&log, &[&value, "second"]).unwrap();
    disk.is_full.store(true, Ordering::SeqCst);
    let refused = (0..4).filter(|_| append(&log, &[&value]).is_err()).count();
    assert!(refused > 0, "the segment is full and no other can be made");
    disk.is_full.store(false, Ordering::SeqCst);
    append(&log, &["last"]).unwrap();
    let (records, gaps) = read_all(&log, 0);
    assert_eq!((records.len(), gaps.len()), (7 - refused, 0));
    assert_eq!(records.last().unwrap(), &(log.high() - 1, "last".to_owned()));
}

#[test]
fn segments_below_an_offset_are_deleted_but_never_the_last() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Arc::new(TestDisk::default());
    let log = open(directory.path(), 0, disk.clone());
    let value = "v".repeat(1500);
    for _ in 0..6 {
        append(&log, &[&value]).unwrap();
    }
    let future = Timestamp::from_millis_clamped(i64::MAX);
    let past = Timestamp::from_millis_clamped(0);
    assert_eq!(log.delete_below(6, past).unwrap(), 0, "too young");
    assert_eq!(log.delete_below(1, future).unwrap(), 0, "still needed");
    let before = segment_paths(directory.path()).len() as u64;
    assert_eq!(log.delete_below(6, future).unwrap(), before - 1);
    assert!(log.low() > 0);
    let (records, gaps) = read_all(&log, 0);
    assert_eq!(gaps, [(0, log.low())]);
    assert_eq!(records.first().unwrap().0, log.low());
    drop(log);
    let log = open(directory.path(), 0, disk);
    assert_eq!((log.low() > 0, log.high()), (true, 6));
}

#[test]
fn damage_under_a_running_reader_is_a_gap_with_a_copy_and_not_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path(), 0, Arc::new(TestDisk::default()));
    for value in ["a", "b", "c"] {
        append(&log, &[value]).unwrap();
    }
    let file = File::options().write(true).open(&segment_paths(directory.path())[0]).unwrap();
    file.write_all_at(b"!", log.bytes_from(0) / 3 + 40).unwrap();
    let (records, gaps) = read_all(&log, 0);
    assert_eq!(records, [(0, "a".to_owned()), (2, "c".to_owned())]);
    assert_eq!(gaps, [(1, 2)]);
    assert_eq!(std::fs::read_dir(directory.path().join("quarantine")).unwrap().count(), 1);
}

#[test]
fn offsets_that_consumers_have_passed_are_not_given_out_again() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path(), 0, Arc::new(TestDisk::default())));
    let log = open(directory.path(), 5, Arc::new(TestDisk::default()));
    append(&log, &["a"]).unwrap();
    assert_eq!(read_all(&log, 5).0, [(5, "a".to_owned())]);
}

#[test]
fn a_reader_is_never_left_behind_by_rolls() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path(), 0, Arc::new(TestDisk::default()));
    let mut cursor = log.cursor(0);
    let mut seen = 0;
    for number in 0..40_i64 {
        append(&log, &[&"v".repeat(500)]).unwrap();
        match cursor.step(Wait::Disk).unwrap() {
            Step::Batch { base, .. } => assert_eq!(base, number),
            other => panic!("{other:?} at {number}"),
        }
        seen += 1;
    }
    assert!(matches!(cursor.step(Wait::Disk).unwrap(), Step::End));
    assert_eq!(seen, 40);
}

#[test]
fn a_closed_log_keeps_what_was_queued_and_takes_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Arc::new(TestDisk::default());
    let log = open(directory.path(), 0, disk.clone());
    disk.hold(0);
    let mut tickets = vec![log.append(&batch(&["0".to_owned()])).unwrap()];
    while disk.writes.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    // Behind the write under way.
    tickets.push(log.append(&batch(&["1".to_owned()])).unwrap());
    std::thread::scope(|scope| {
        scope.spawn(|| log.close());
        // More of them, until the log is seen to be closed.
        let refused = loop {
            match log.append(&batch(&[tickets.len().to_string()])) {
                Ok(ticket) => tickets.push(ticket),
                Err(full) if full.kind() == Kind::Full => {}
                Err(refused) => break refused,
            }
            std::thread::yield_now();
        };
        assert_eq!(refused.kind(), Kind::Closed);
        disk.hold(None);
    });
    let written: Vec<String> = (0..tickets.len()).map(|number| number.to_string()).collect();
    for ticket in tickets {
        wait(ticket).unwrap();
    }
    assert_eq!(values(&log), written);
}

#[test]
fn a_writer_that_panics_leaves_nobody_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Arc::new(TestDisk::default());
    let log = open(directory.path(), 0, disk.clone());
    append(&log, &["a"]).unwrap();
    disk.is_panicking.store(true, Ordering::SeqCst);
    disk.hold(0);
    let in_hand = log.append(&batch(&["b".to_owned()])).unwrap();
    let waiting = log.append(&batch(&["c".to_owned()])).unwrap();
    disk.hold(None);
    assert_eq!(wait(in_hand).unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(wait(waiting).unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(append(&log, &["d"]).unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(log.check().unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(read_all(&log, 0).0, [(0, "a".to_owned())]);
}

/// The writer cannot have taken the second group while four milliseconds are not over, however slow
/// the machine is; one that does not gather has taken it long before the pause ends.
#[test]
#[expect(clippy::disallowed_methods, reason = "a writer that does not gather is given the time")]
fn while_appenders_are_overloaded_appends_gather_and_then_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Arc::new(TestDisk::default());
    let log = open(directory.path(), 0, Arc::clone(&disk) as Arc<dyn Disk>);
    log.set_gathering(true);
    let mut looked = 0;
    while looked < 20 {
        // So that the first is taken at once.
        std::thread::sleep(GATHER);
        let before = std::time::Instant::now();
        append(&log, &["first"]).unwrap();
        let writes = disk.writes.load(Ordering::SeqCst);
        let second = log.append(&batch(&["second".to_owned()])).unwrap();
        std::thread::sleep(GATHER / 4);
        let taken = disk.writes.load(Ordering::SeqCst) - writes;
        if before.elapsed() < GATHER {
            assert_eq!(taken, 0, "the second group was taken before its time");
            looked += 1;
        }
        let third = log.append(&batch(&["third".to_owned()])).unwrap();
        wait(async { second.await.and(third.await) }).unwrap();
    }
    log.set_gathering(false);
    append(&log, &["at once"]).unwrap();
    log.set_gathering(true);
    let last = log.append(&batch(&["last".to_owned()])).unwrap();
    log.close();
    wait(last).unwrap();
    assert_eq!(values(&log).last().unwrap(), "last");
}

/// Whoever waits for a group need not wait for the one after it.
#[test]
fn a_group_is_told_while_the_disk_works_on_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Arc::new(TestDisk::default());
    let log = open(directory.path(), 0, disk.clone());
    disk.hold(0);
    let first = log.append(&batch(&["first".to_owned()])).unwrap();
    while disk.writes.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    let second = log.append(&batch(&["second".to_owned()])).unwrap();
    disk.hold(1);
    wait(first).unwrap();
    assert_eq!(values(&log), ["first"]);
    disk.hold(None);
    wait(second).unwrap();
    assert_eq!(values(&log), ["first", "second"]);
}
