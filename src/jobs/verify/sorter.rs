//! Sorting in bounded memory: runs that do not fit are written to nameless temporary files and
//! merged while they are read. What is sorted, and by what, says [`Sortable`].

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What can be sorted: its order begins with its key, and it can be written and read again.
pub(super) trait Sortable: Ord + Sized {
    /// What belongs together.
    type Key: Eq;

    fn key(&self) -> &Self::Key;

    /// Bytes that it takes in memory.
    fn memory(&self) -> usize;

    fn write(&self, into: &mut impl Write) -> io::Result<()>;

    /// Reads what [`Sortable::write`] wrote.
    fn read(from: &mut impl Read) -> io::Result<Self>;
}

/// A sorted run on disk.
#[derive(Debug)]
struct Run {
    file: File,
    count: u64,
    /// How often what is in it was merged.
    level: u32,
}

/// Takes items in any order.
#[derive(Debug)]
pub(super) struct Sorter<T> {
    directory: PathBuf,
    /// Bytes of items held in memory at most.
    limit: usize,
    held: Vec<T>,
    held_bytes: usize,
    runs: Vec<Run>,
    written: u64,
}

/// Runs of one level before they are merged into one of the next, so that files and buffers stay few
/// however much is sorted: an item is written again once for each further factor of this.
const RUNS_OF_A_LEVEL: usize = 64;

/// Bytes held before a run is written.
pub(super) const MEMORY: usize = 64 << 20;

const BUFFER_BYTES: usize = 64 << 10;

impl<T: Sortable> Sorter<T> {
    pub(super) fn new(directory: &Path, limit: usize) -> Self {
        let directory = directory.to_owned();
        Self { directory, limit, held: Vec::new(), held_bytes: 0, runs: Vec::new(), written: 0 }
    }

    pub(super) fn push(&mut self, item: T) -> io::Result<()> {
        self.held_bytes += item.memory();
        self.held.push(item);
        if self.held_bytes >= self.limit { self.write_run() } else { Ok(()) }
    }

    /// Runs that were written because the memory was full.
    pub(super) const fn written(&self) -> u64 {
        self.written
    }

    fn write_run(&mut self) -> io::Result<()> {
        self.held.sort_unstable();
        let mut writer = BufWriter::new(nameless_file(&self.directory)?);
        let count = self.held.len() as u64;
        for item in self.held.drain(..) {
            item.write(&mut writer)?;
        }
        self.held_bytes = 0;
        self.written += 1;
        self.runs.push(Run { file: rewound(writer)?, count, level: 0 });
        self.merge_runs()
    }

    /// Merges the newest runs while there are too many of their level.
    fn merge_runs(&mut self) -> io::Result<()> {
        while let Some(level) = self.runs.last().map(|run| run.level) {
            let first = self.runs.partition_point(|run| run.level > level);
            if self.runs.len() - first < RUNS_OF_A_LEVEL {
                break;
            }
            let runs = self.runs.split_off(first);
            let count = runs.iter().map(|run| run.count).sum();
            let mut sorted = Sorted::<T>::of(Vec::new(), runs)?;
            let mut writer = BufWriter::new(nameless_file(&self.directory)?);
            while let Some(item) = sorted.next_item()? {
                item.write(&mut writer)?;
            }
            self.runs.push(Run { file: rewound(writer)?, count, level: level + 1 });
        }
        Ok(())
    }

    /// All items in order.
    pub(super) fn finish(mut self) -> io::Result<Sorted<T>> {
        self.held.sort_unstable();
        Sorted::of(self.held, self.runs)
    }
}

/// A file that no crash leaves behind: its name is gone before anything is in it.
fn nameless_file(directory: &Path) -> io::Result<File> {
    let path = directory.join(format!(".verify-{}", uuid::Uuid::now_v7().simple()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

fn rewound(writer: BufWriter<File>) -> io::Result<File> {
    let mut file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

#[derive(Debug)]
enum Source<T> {
    Memory(std::vec::IntoIter<T>),
    Run { file: BufReader<File>, left: u64 },
}

/// Items in order.
#[derive(Debug)]
pub(super) struct Sorted<T> {
    sources: Vec<Source<T>>,
    heads: BinaryHeap<Reverse<(T, usize)>>,
}

impl<T: Sortable> Sorted<T> {
    fn of(held: Vec<T>, runs: Vec<Run>) -> io::Result<Self> {
        let mut sources = vec![Source::Memory(held.into_iter())];
        for Run { file, count: left, .. } in runs {
            sources.push(Source::Run { file: BufReader::with_capacity(BUFFER_BYTES, file), left });
        }
        let mut sorted = Self { sources, heads: BinaryHeap::new() };
        for source in 0..sorted.sources.len() {
            sorted.advance(source)?;
        }
        Ok(sorted)
    }

    fn advance(&mut self, source: usize) -> io::Result<()> {
        let next = match &mut self.sources[source] {
            Source::Memory(items) => items.next(),
            Source::Run { left: 0, .. } => None,
            Source::Run { file, left } => {
                *left -= 1;
                Some(T::read(file)?)
            }
        };
        if let Some(item) = next {
            self.heads.push(Reverse((item, source)));
        }
        Ok(())
    }

    /// The next item.
    pub(super) fn next_item(&mut self) -> io::Result<Option<T>> {
        let Some(Reverse((item, source))) = self.heads.pop() else { return Ok(None) };
        self.advance(source)?;
        Ok(Some(item))
    }

    /// The next keys with all their items, at most `limit` keys.
    pub(super) fn next_groups(&mut self, limit: usize) -> io::Result<Vec<Vec<T>>> {
        let mut groups: Vec<Vec<T>> = Vec::new();
        loop {
            let Some(Reverse((next, _))) = self.heads.peek() else { return Ok(groups) };
            let last = groups.last().and_then(|group| group.first());
            let is_same = last.is_some_and(|last| last.key() == next.key());
            if !is_same && groups.len() >= limit {
                return Ok(groups);
            }
            let Some(item) = self.next_item()? else { return Ok(groups) };
            match groups.last_mut() {
                Some(group) if is_same => group.push(item),
                _ => groups.push(vec![item]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::copy::{Copy, Found};
    use super::*;
    use crate::model::{Offset, Origin};

    fn copy(number: u64, found: Found) -> Copy {
        // Multiplying by an odd number scatters the origins over all runs.
        let mut bytes = [0_u8; 16];
        bytes[..8].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
        Copy {
            origin: Origin::from_bytes(bytes),
            found,
            offset: Offset(i64::try_from(number).unwrap()),
            digest: number.is_multiple_of(2).then_some([7; 16]),
            event_id: format!("é-{number}").into(),
        }
    }

    #[test]
    fn runs_on_disk_come_back_sorted_and_grouped_and_leave_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(directory.path(), 10_000);
        for number in 0..1000 {
            sorter.push(copy(number, Found::Log)).unwrap();
            sorter.push(copy(999 - number, Found::Archive(3))).unwrap();
        }
        assert!(sorter.runs.len() > 3, "the limit was never reached");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        let mut sorted = sorter.finish().unwrap();
        let mut seen = Vec::new();
        loop {
            let some = sorted.next_groups(7).unwrap();
            if some.is_empty() {
                break;
            }
            assert!(some.len() <= 7);
            seen.extend(some);
        }
        assert_eq!(seen.len(), 1000);
        assert!(seen.is_sorted_by_key(|copies| copies[0].origin));
        for copies in &seen {
            let number = u64::try_from(copies[0].offset.0).unwrap();
            assert_eq!(*copies, [copy(number, Found::Archive(3)), copy(number, Found::Log)]);
        }
    }
    /// More runs than one level holds are merged, and the merged ones again take their place.
    #[test]
    fn many_runs_are_merged_into_few_and_nothing_is_lost() {
        let directory = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(directory.path(), 1);
        for number in 0..1000 {
            sorter.push(copy(number, Found::Log)).unwrap();
        }
        assert_eq!(sorter.written(), 1000);
        assert!(sorter.runs.len() < 2 * RUNS_OF_A_LEVEL, "{} files", sorter.runs.len());
        let mut sorted = sorter.finish().unwrap();
        let mut seen = Vec::new();
        while let Some(item) = sorted.next_item().unwrap() {
            seen.push(item);
        }
        assert!(seen.is_sorted());
        let mut numbers: Vec<i64> = seen.iter().map(|copy| copy.offset.0).collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..1000));
    }
}
