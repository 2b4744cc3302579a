//! Making an object.

use std::io::Write;

use bytes::Bytes;
use zstd::stream::raw::CParameter;

use super::footer::Footer;
use super::key::{Kind, segment_key};
use super::{ArchiveError, line};
use crate::model::{ConsumedRecord, Offset, Timestamp};

/// A finished object.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Raw events or decisions.
    pub kind: Kind,
    /// The time of its first record: its folder.
    pub first_at: Timestamp,
    /// The object.
    pub bytes: Bytes,
    /// What it covers.
    pub footer: Footer,
}

impl Segment {
    /// Its key; `with_last` where the key must say the whole range.
    #[must_use]
    pub fn key(&self, with_last: bool) -> String {
        let Footer { topic_id, partition, first, last, .. } = &self.footer;
        let last = with_last.then_some(*last);
        segment_key(self.kind, self.first_at, (*topic_id, *partition), *first, last)
    }
}

/// How far back zstd looks, as a power of two. An archiver has an object in the making for each
/// partition of each topic, and each holds a window, which zstd's own 2 MiB make 50 MB for 24 of them.
/// Lines of events repeat within much less, and what is held outside the processor's cache costs more
/// than it finds: 16 % of the time of 512 KiB spared for 1.6 % more bytes of real events.
const WINDOW_LOG: u32 = 18;
/// Entries of zstd's tables, as a power of two. For that window it would take up to twice as many at
/// level 3 and eight times at level 6, and find no more.
const TABLE_LOG: u32 = 16;

/// Makes one object of records of one partition, pushed in offset order.
pub struct SegmentWriter {
    kind: Kind,
    encoder: zstd::stream::write::Encoder<'static, Vec<u8>>,
    scratch: Vec<u8>,
    footer: Option<Footer>,
    first_at: Timestamp,
}

impl std::fmt::Debug for SegmentWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SegmentWriter").field("kind", &self.kind).finish_non_exhaustive()
    }
}

fn compression(lines: u64) -> impl FnOnce(std::io::Error) -> ArchiveError {
    move |source| ArchiveError::Compression { lines, source }
}

impl SegmentWriter {
    /// An empty object in the making; `level` is zstd's.
    ///
    /// # Errors
    /// When zstd refuses the level.
    pub fn new(kind: Kind, level: i32) -> Result<Self, ArchiveError> {
        let mut encoder =
            zstd::stream::write::Encoder::new(Vec::new(), level).map_err(compression(0))?;
        for parameter in [
            CParameter::WindowLog(WINDOW_LOG),
            CParameter::HashLog(TABLE_LOG),
            CParameter::ChainLog(TABLE_LOG),
        ] {
            encoder.set_parameter(parameter).map_err(compression(0))?;
        }
        let first_at = Timestamp::default();
        Ok(Self { kind, encoder, scratch: Vec::new(), footer: None, first_at })
    }

    /// Adds a record.
    ///
    /// # Errors
    /// When it is not of this partition or not behind the last one; when compression fails.
    pub fn push(&mut self, record: &ConsumedRecord) -> Result<(), ArchiveError> {
        self.scratch.clear();
        line::write(&mut self.scratch, record).map_err(|error| ArchiveError::Line {
            line: self.count() + 1,
            reason: error.to_string(),
        })?;
        let lines = self.count();
        let scratch = std::mem::take(&mut self.scratch);
        let footer = self.cover(record)?;
        footer.count += 1;
        footer.raw_bytes += scratch.len() as u64;
        footer.crc32c = crc32c::crc32c_append(footer.crc32c, &scratch);
        self.encoder.write_all(&scratch).map_err(compression(lines))?;
        self.scratch = scratch;
        Ok(())
    }

    /// Covers a record's offset without writing a line for it.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn skip(&mut self, record: &ConsumedRecord) -> Result<(), ArchiveError> {
        self.cover(record)?.skipped += 1;
        Ok(())
    }

    fn cover(&mut self, record: &ConsumedRecord) -> Result<&mut Footer, ArchiveError> {
        let is_first = self.footer.is_none();
        if is_first {
            self.first_at = record.record.timestamp;
        }
        let footer = self.footer.get_or_insert_with(|| Footer {
            version: Footer::VERSION,
            topic: record.topic.clone(),
            topic_id: record.topic_id,
            partition: record.partition,
            first: record.offset,
            last: record.offset,
            count: 0,
            skipped: 0,
            raw_bytes: 0,
            crc32c: 0,
        });
        let is_same = footer.topic_id == record.topic_id && footer.partition == record.partition;
        if !is_first && (!is_same || record.offset <= footer.last) {
            return Err(ArchiveError::Mismatch(format!(
                "offset {} of {}/{} does not follow offset {} of {}/{}",
                record.offset,
                record.topic_id,
                record.partition,
                footer.last,
                footer.topic_id,
                footer.partition,
            )));
        }
        footer.last = record.offset;
        Ok(footer)
    }

    /// Bytes of lines so far, before compression.
    #[must_use]
    pub fn raw_bytes(&self) -> u64 {
        self.footer.as_ref().map_or(0, |footer| footer.raw_bytes)
    }

    /// Bytes of memory that what was written takes: compressed, as far as it is yet.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.encoder.get_ref().capacity() + self.scratch.capacity()
    }

    /// Lines so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.footer.as_ref().map_or(0, |footer| footer.count)
    }

    /// The object; `None` where nothing was covered.
    ///
    /// # Errors
    /// When compression fails.
    pub fn finish(self) -> Result<Option<Segment>, ArchiveError> {
        let Some(footer) = self.footer else { return Ok(None) };
        let mut bytes = self.encoder.finish().map_err(compression(footer.count))?;
        bytes.extend_from_slice(&footer.encode()?);
        Ok(Some(Segment { kind: self.kind, first_at: self.first_at, bytes: bytes.into(), footer }))
    }

    /// Whether nothing was covered.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.footer.is_none()
    }

    /// The last offset covered.
    #[must_use]
    pub fn last(&self) -> Option<Offset> {
        self.footer.as_ref().map(|footer| footer.last)
    }
}
