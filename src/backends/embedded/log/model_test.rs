//! The log against a simple model: random appends, crashes with torn and reordered tails, flipped
//! bits, openings. What was acknowledged is read back, and what damage took is a reported gap.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use super::PartitionLog;
use super::frame::{Header, seal_group};
use super::reader::{Found, FrameReader, Wait};
use super::test_disk::TestDisk;
use super::tests::{SEED, batch, open, read_all, segment_paths, wait};

#[derive(Debug, Clone)]
enum Op {
    /// Batches of these sizes, queued together.
    Append(Vec<Vec<u16>>),
    /// The process ends and starts again.
    Reopen,
    /// The power fails while a group of so many batches is written: of its bytes a part from the
    /// front is there, or a part from the back.
    PowerCut { batches: u8, kept: prop::sample::Index, is_front_lost: bool },
    /// A bit of some frame changes while the log is closed.
    Flip { frame: prop::sample::Index, bit: prop::sample::Index },
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let append = prop::collection::vec(prop::collection::vec(0..900_u16, 1..4), 1..5);
    let op = prop_oneof![
        4 => append.prop_map(Op::Append),
        1 => Just(Op::Reopen),
        2 => (1..4_u8, any::<prop::sample::Index>(), any::<bool>()).prop_map(|(batches, kept, is_front_lost)| {
            Op::PowerCut { batches, kept, is_front_lost }
        }),
        2 => (any::<prop::sample::Index>(), any::<prop::sample::Index>())
            .prop_map(|(frame, bit)| Op::Flip { frame, bit }),
    ];
    prop::collection::vec(op, 1..14)
}

/// A frame as it lies in a file.
#[derive(Debug, Clone)]
struct Placed {
    path: PathBuf,
    position: u64,
    header: Header,
}

fn frames(directory: &Path) -> Vec<Placed> {
    let mut placed = Vec::new();
    for path in segment_paths(directory) {
        let file = File::open(&path).unwrap();
        let limit = file.metadata().unwrap().len();
        let mut reader = FrameReader::new(file, SEED);
        let mut position = 0;
        loop {
            let found = reader.frame_at(position, limit, Wait::Disk).unwrap();
            let Found::Frame(header, _) = found else {
                match reader.search(position, limit, |_| true).unwrap() {
                    Some((next, _)) => position = next,
                    None => break,
                }
                continue;
            };
            placed.push(Placed { path: path.clone(), position, header });
            position += header.frame_bytes();
        }
    }
    placed
}

struct Model {
    directory: PathBuf,
    log: Option<PartitionLog>,
    records: BTreeMap<i64, String>,
    next: i64,
    serial: u64,
}

impl Model {
    fn log(&mut self) -> &PartitionLog {
        let Self { log, directory, next, .. } = self;
        log.get_or_insert_with(|| open(directory, *next, Arc::new(TestDisk::default())))
    }

    fn values(&mut self, sizes: &[u16]) -> Vec<String> {
        let values = sizes.iter().map(|size| {
            self.serial += 1;
            format!("{}:{}", self.serial, "p".repeat(usize::from(*size)))
        });
        values.collect()
    }

    fn remember(&mut self, values: Vec<String>) {
        for value in values {
            self.records.insert(self.next, value);
            self.next += 1;
        }
    }

    fn append(&mut self, batches: &[Vec<u16>]) {
        let mut tickets = Vec::new();
        for sizes in batches {
            let values = self.values(sizes);
            let ticket = self.log().append(&batch(&values)).unwrap();
            self.remember(values);
            tickets.push(ticket);
        }
        for ticket in tickets {
            wait(ticket).unwrap();
        }
    }

    fn power_cut(&mut self, batches: u8, kept: prop::sample::Index, is_front_lost: bool) {
        self.log();
        self.log = None;
        let Some(path) = segment_paths(&self.directory).pop() else { return };
        let mut group = Vec::new();
        let mut ends = Vec::new();
        for _ in 0..batches {
            let values = self.values(&[20, 300]);
            let payload = batch(&values).encoded().clone();
            let header = Header {
                payload_bytes: u32::try_from(payload.len()).unwrap(),
                base: 0,
                count: 2,
                group_distance: 0,
                payload_crc: crc32c::crc32c(&payload),
            };
            group.extend_from_slice(&header.encode(SEED));
            group.extend_from_slice(&payload);
            ends.push((group.len(), values));
        }
        seal_group(&mut group, self.next, SEED);
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let limit = file.metadata().unwrap().len();
        let end = FrameReader::new(file.try_clone().unwrap(), SEED).data_end(0, limit).unwrap();
        if end + group.len() as u64 > limit {
            return;
        }
        // Never whole: a group that is whole but unacknowledged is the same as an appended one.
        let kept = kept.index(group.len());
        if is_front_lost {
            let lost = (group.len() - kept).max(1);
            file.write_all_at(&group[lost..], end + lost as u64).unwrap();
        } else {
            file.write_all_at(&group[..kept], end).unwrap();
            // Whole frames at the front may surface: they were written, only never acknowledged.
            for (frame_end, values) in ends {
                if frame_end <= kept {
                    self.remember(values);
                }
            }
        }
    }

    fn flip(&mut self, frame: prop::sample::Index, bit: prop::sample::Index) {
        self.log();
        self.log = None;
        let all = frames(&self.directory);
        if all.is_empty() {
            return;
        }
        let hit = frame.get(&all).clone();
        let mut bytes = vec![0; usize::try_from(hit.header.frame_bytes()).unwrap()];
        let file = File::options().read(true).write(true).open(&hit.path).unwrap();
        file.read_exact_at(&mut bytes, hit.position).unwrap();
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        file.write_all_at(&bytes, hit.position).unwrap();
        // Only a hole in the last group cannot be told from a group that was never finished; a hole
        // that an earlier flip began before that group can.
        let name = hit.path.file_stem().unwrap().to_str().unwrap();
        let before = all.iter().filter(|f| f.path == hit.path && f.position < hit.position);
        let hole = before.map(|f| f.header.end()).max().unwrap_or(name.parse().unwrap());
        let is_proven = segment_paths(&self.directory).last() != Some(&hit.path)
            || all.iter().any(|f| {
                f.path == hit.path && f.position > hit.position && f.header.group_base() > hole
            });
        let lost_to = if is_proven { hit.header.end() } else { self.next };
        self.records.retain(|offset, _| !(hit.header.base..lost_to).contains(offset));
    }

    fn check(&mut self) {
        let next = self.next;
        let log = self.log();
        assert_eq!(log.high(), next, "the log goes on where it was");
        let (records, gaps) = read_all(log, 0);
        let mut missing: Vec<i64> = gaps.iter().flat_map(|(from, to)| *from..*to).collect();
        missing.sort_unstable();
        let expected: Vec<_> = (0..next).filter(|o| !self.records.contains_key(o)).collect();
        assert_eq!(missing, expected, "what is lost is reported, and nothing else");
        let records: BTreeMap<_, _> = records.into_iter().collect();
        assert_eq!(records, self.records);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_log_keeps_what_it_acknowledged_and_reports_what_damage_took(ops in ops()) {
        let directory = tempfile::tempdir().unwrap();
        let mut model = Model {
            directory: directory.path().to_path_buf(),
            log: None,
            records: BTreeMap::new(),
            next: 0,
            serial: 0,
        };
        for op in ops {
            match op {
                Op::Append(batches) => model.append(&batches),
                Op::Reopen => model.log = None,
                Op::PowerCut { batches, kept, is_front_lost } => {
                    model.power_cut(batches, kept, is_front_lost);
                }
                Op::Flip { frame, bit } => model.flip(frame, bit),
            }
            model.check();
        }
    }
}
