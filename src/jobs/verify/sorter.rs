//! Sorting what was accepted by origin in bounded memory: runs that do not fit are written to
//! nameless temporary files and merged while they are read.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::model::{Offset, Origin};

/// Where a copy of an acceptance was found. In the order of trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Found {
    /// In an archive object of this installation's raw topic; which one of the list.
    Archive(u32),
    /// In the raw topic.
    Log,
    /// In an archive object of another topic; which one of the list.
    OtherArchive(u32),
    /// In the raw topic, put there again by a replay or redrive.
    Again,
}

/// One copy of one acceptance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Copy {
    pub(super) origin: Origin,
    pub(super) found: Found,
    pub(super) offset: Offset,
    /// Digest of the canonical form; `None` where the bytes are no event.
    pub(super) digest: Option<[u8; 16]>,
    /// The event, where its id could be read.
    pub(super) event_id: Box<str>,
}

const FIXED_BYTES: usize = 16 + 1 + 4 + 8 + 1 + 16 + 2;

impl Copy {
    fn memory(&self) -> usize {
        size_of::<Self>() + self.event_id.len()
    }

    fn write(&self, into: &mut impl Write) -> io::Result<()> {
        let (kind, object) = match self.found {
            Found::Archive(object) => (0_u8, object),
            Found::Log => (1, 0),
            Found::OtherArchive(object) => (2, object),
            Found::Again => (3, 0),
        };
        let mut fixed = [0_u8; FIXED_BYTES];
        fixed[..16].copy_from_slice(self.origin.as_bytes());
        fixed[16] = kind;
        fixed[17..21].copy_from_slice(&object.to_le_bytes());
        fixed[21..29].copy_from_slice(&self.offset.0.to_le_bytes());
        fixed[29] = u8::from(self.digest.is_some());
        fixed[30..46].copy_from_slice(&self.digest.unwrap_or_default());
        // Ids are at most 255 bytes (`EventId::MAX_BYTES`).
        let length = u16::try_from(self.event_id.len()).unwrap_or(u16::MAX);
        fixed[46..].copy_from_slice(&length.to_le_bytes());
        into.write_all(&fixed)?;
        into.write_all(&self.event_id.as_bytes()[..usize::from(length)])
    }

    fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut fixed = [0_u8; FIXED_BYTES];
        from.read_exact(&mut fixed)?;
        let part = |range: std::ops::Range<usize>| &fixed[range];
        let object = u32::from_le_bytes(part(17..21).try_into().unwrap_or_default());
        let length = u16::from_le_bytes(part(46..48).try_into().unwrap_or_default());
        let mut id = vec![0_u8; usize::from(length)];
        from.read_exact(&mut id)?;
        let digest = part(30..46).try_into().unwrap_or_default();
        Ok(Self {
            origin: Origin::from_bytes(part(0..16).try_into().unwrap_or_default()),
            found: match fixed[16] {
                0 => Found::Archive(object),
                1 => Found::Log,
                2 => Found::OtherArchive(object),
                _ => Found::Again,
            },
            offset: Offset(i64::from_le_bytes(part(21..29).try_into().unwrap_or_default())),
            digest: (fixed[29] == 1).then_some(digest),
            event_id: String::from_utf8_lossy(&id).into(),
        })
    }
}

/// Takes copies in any order.
#[derive(Debug)]
pub(super) struct Sorter {
    directory: PathBuf,
    /// Bytes of copies held in memory at most.
    limit: usize,
    held: Vec<Copy>,
    held_bytes: usize,
    runs: Vec<(File, u64)>,
}

impl Sorter {
    /// Bytes held before a run is written.
    pub(super) const MEMORY: usize = 64 << 20;

    pub(super) fn new(directory: &Path, limit: usize) -> Self {
        let directory = directory.to_owned();
        Self { directory, limit, held: Vec::new(), held_bytes: 0, runs: Vec::new() }
    }

    pub(super) fn push(&mut self, copy: Copy) -> io::Result<()> {
        self.held_bytes += copy.memory();
        self.held.push(copy);
        if self.held_bytes >= self.limit { self.write_run() } else { Ok(()) }
    }

    fn write_run(&mut self) -> io::Result<()> {
        self.held.sort_unstable();
        let mut writer = BufWriter::new(nameless_file(&self.directory)?);
        let count = self.held.len() as u64;
        for copy in self.held.drain(..) {
            copy.write(&mut writer)?;
        }
        self.held_bytes = 0;
        let mut file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        self.runs.push((file, count));
        Ok(())
    }

    /// All copies in order.
    pub(super) fn finish(mut self) -> io::Result<Sorted> {
        self.held.sort_unstable();
        let mut sources = vec![Source::Memory(self.held.into_iter())];
        for (file, left) in self.runs {
            sources.push(Source::Run { file: BufReader::with_capacity(64 << 10, file), left });
        }
        let mut sorted = Sorted { sources, heads: BinaryHeap::new() };
        for source in 0..sorted.sources.len() {
            sorted.advance(source)?;
        }
        Ok(sorted)
    }
}

/// A file that no crash leaves behind: its name is gone before anything is in it.
fn nameless_file(directory: &Path) -> io::Result<File> {
    let path = directory.join(format!(".verify-{}", uuid::Uuid::now_v7().simple()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

#[derive(Debug)]
enum Source {
    Memory(std::vec::IntoIter<Copy>),
    Run { file: BufReader<File>, left: u64 },
}

/// Copies in the order of their origins.
#[derive(Debug)]
pub(super) struct Sorted {
    sources: Vec<Source>,
    heads: BinaryHeap<Reverse<(Copy, usize)>>,
}

impl Sorted {
    fn advance(&mut self, source: usize) -> io::Result<()> {
        let next = match &mut self.sources[source] {
            Source::Memory(copies) => copies.next(),
            Source::Run { left: 0, .. } => None,
            Source::Run { file, left } => {
                *left -= 1;
                Some(Copy::read(file)?)
            }
        };
        if let Some(copy) = next {
            self.heads.push(Reverse((copy, source)));
        }
        Ok(())
    }

    fn next_copy(&mut self) -> io::Result<Option<Copy>> {
        let Some(Reverse((copy, source))) = self.heads.pop() else { return Ok(None) };
        self.advance(source)?;
        Ok(Some(copy))
    }

    /// The next origins with all their copies, at most `limit` origins.
    pub(super) fn next_origins(&mut self, limit: usize) -> io::Result<Vec<Vec<Copy>>> {
        let mut origins: Vec<Vec<Copy>> = Vec::new();
        loop {
            let next_origin = self.heads.peek().map(|Reverse((copy, _))| copy.origin);
            let is_same = next_origin.is_some()
                && origins.last().and_then(|copies| copies.first()).map(|copy| copy.origin)
                    == next_origin;
            if next_origin.is_none() || (!is_same && origins.len() >= limit) {
                return Ok(origins);
            }
            let Some(copy) = self.next_copy()? else { return Ok(origins) };
            match origins.last_mut() {
                Some(copies) if is_same => copies.push(copy),
                _ => origins.push(vec![copy]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let some = sorted.next_origins(7).unwrap();
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
}
