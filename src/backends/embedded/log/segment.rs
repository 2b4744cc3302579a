//! Segment files: their names, their bounds, and the list that writer, readers and retention share.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// The size of a log's first segment; each next one doubles up to the setting, so that a topic
/// with little in it takes little.
pub(super) const FIRST_SEGMENT_BYTES: u64 = 256 << 10;

/// Bytes between two entries of a segment's index.
const INDEX_EVERY_BYTES: u64 = 256 << 10;

/// The name under which the next segment is made ready.
pub(super) const NEXT_NAME: &str = "next.tmp";

/// One segment file.
#[derive(Debug)]
pub(super) struct Segment {
    /// Offset of its first record, and its name.
    pub(super) base: i64,
    /// The file.
    pub(super) path: PathBuf,
    /// Bytes of synced frames; of a segment of an earlier run, the file's length.
    end: AtomicU64,
    /// Some frames' offsets and positions.
    index: Mutex<Vec<(i64, u64)>>,
}

impl Segment {
    /// A segment of which `end` bytes may be read.
    pub(super) fn new(directory: &Path, base: i64, end: u64) -> Self {
        Self {
            base,
            path: directory.join(format!("{base:020}.seg")),
            end: AtomicU64::new(end),
            index: Mutex::default(),
        }
    }

    /// Bytes that readers may look at.
    pub(super) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Lets readers see up to `end`.
    pub(super) fn publish(&self, end: u64) {
        self.end.store(end, Ordering::Release);
    }

    /// Notes where the frame that begins at `offset` lies, when the last note is far enough away.
    pub(super) fn note(&self, offset: i64, position: u64) {
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let last = index.last().map_or(0, |(_, position)| *position);
        if position >= last + INDEX_EVERY_BYTES {
            index.push((offset, position));
        }
    }

    /// A position at or before the frame that holds `offset`.
    pub(super) fn position_before(&self, offset: i64) -> u64 {
        let index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let after = index.partition_point(|(base, _)| *base <= offset);
        after.checked_sub(1).map_or(0, |at| index[at].1)
    }
}

/// The segments of a log in order of their offsets.
#[derive(Debug, Default)]
pub(super) struct Segments(RwLock<Vec<Arc<Segment>>>);

/// A segment as a reader found it.
#[derive(Debug)]
pub(super) struct Located {
    /// The segment.
    pub(super) segment: Arc<Segment>,
    /// The base of the segment after it: what lies at or beyond that offset in this one was never
    /// acknowledged. `None` for the last segment.
    pub(super) next_base: Option<i64>,
}

impl Segments {
    /// These segments, in order.
    pub(super) fn new(segments: Vec<Arc<Segment>>) -> Self {
        Self(RwLock::new(segments))
    }

    /// The segment in which an offset lies; `Err` with the earliest offset where it is before all.
    pub(super) fn locate(&self, offset: i64) -> Result<Option<Located>, i64> {
        let list = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let after = list.partition_point(|segment| segment.base <= offset);
        match after.checked_sub(1) {
            Some(at) => Ok(Some(Located {
                segment: Arc::clone(&list[at]),
                next_base: list.get(after).map(|next| next.base),
            })),
            None => list.first().map_or(Ok(None), |first| Err(first.base)),
        }
    }

    /// The earliest offset; `None` without segments.
    pub(super) fn low(&self) -> Option<i64> {
        let list = self.0.read().unwrap_or_else(PoisonError::into_inner);
        list.first().map(|segment| segment.base)
    }

    /// The newest.
    pub(super) fn last(&self) -> Option<Arc<Segment>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).last().cloned()
    }

    /// Adds the newest; takes the place of one with the same base, which holds nothing.
    pub(super) fn push(&self, segment: Arc<Segment>) {
        let mut list = self.0.write().unwrap_or_else(PoisonError::into_inner);
        list.pop_if(|last| last.base == segment.base);
        list.push(segment);
    }

    /// The first segment where all of it lies below `offset` and another one follows.
    pub(super) fn first_below(&self, offset: i64) -> Option<Arc<Segment>> {
        let list = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let next = list.get(1)?;
        (next.base <= offset).then(|| Arc::clone(&list[0]))
    }

    /// Takes that segment off the front of the list.
    pub(super) fn remove_first(&self, base: i64) {
        let mut list = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if list.first().is_some_and(|first| first.base == base) {
            list.remove(0);
        }
    }

    /// Bytes from `offset` on, to within an index entry.
    pub(super) fn bytes_from(&self, offset: i64) -> u64 {
        let list = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let first = list.partition_point(|segment| segment.base <= offset).saturating_sub(1);
        let mut bytes = 0;
        for (at, segment) in list.iter().enumerate().skip(first) {
            let skipped = if at == first { segment.position_before(offset) } else { 0 };
            bytes += segment.end().saturating_sub(skipped);
        }
        bytes
    }
}

/// The bases of the segment files in a directory, ascending.
pub(super) fn bases_in(directory: &Path) -> io::Result<Vec<i64>> {
    let mut bases = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        let base = name.to_str().and_then(|name| name.strip_suffix(".seg"));
        if let Some(base) = base.and_then(|base| base.parse().ok()) {
            bases.push(base);
        }
    }
    bases.sort_unstable();
    Ok(bases)
}
