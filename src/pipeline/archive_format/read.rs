//! Reading an object, line by line and checked to the end.

use std::io::{BufRead, BufReader, Cursor, Read};

use bytes::Bytes;

use super::footer::{Footer, split};
use super::{ArchiveError, line};
use crate::model::{ConsumedRecord, Offset};

/// Longest line: the largest event of 768 KiB with every byte escaped to six, and its headers.
const MAX_LINE_BYTES: u64 = 16 << 20;

type Decoder = zstd::stream::read::Decoder<'static, BufReader<Cursor<Bytes>>>;

/// Yields an object's records in order. The footer's count, range and checksum are compared at the
/// end: only an iteration that ended without an error has seen what was written.
pub struct SegmentReader {
    footer: Footer,
    lines: BufReader<Decoder>,
    buffer: Vec<u8>,
    count: u64,
    raw_bytes: u64,
    crc32c: u32,
    last: Option<Offset>,
    is_done: bool,
}

impl std::fmt::Debug for SegmentReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SegmentReader").field("footer", &self.footer).finish_non_exhaustive()
    }
}

impl SegmentReader {
    /// Opens an object.
    ///
    /// # Errors
    /// When its footer is absent or impossible.
    pub fn open(object: &Bytes) -> Result<Self, ArchiveError> {
        let (footer, end) = split(object)?;
        let decoder = Decoder::new(Cursor::new(object.slice(..end)))
            .map_err(|source| ArchiveError::Compression { lines: 0, source })?;
        Ok(Self {
            footer,
            lines: BufReader::new(decoder),
            buffer: Vec::new(),
            count: 0,
            raw_bytes: 0,
            crc32c: 0,
            last: None,
            is_done: false,
        })
    }

    /// What it says it covers.
    #[must_use]
    pub const fn footer(&self) -> &Footer {
        &self.footer
    }

    /// The text of the line read last, as it is stored, without its line feed.
    #[must_use]
    pub fn line(&self) -> &[u8] {
        self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer)
    }

    fn read_line(&mut self) -> Result<Option<ConsumedRecord>, ArchiveError> {
        self.buffer.clear();
        let read = (&mut self.lines)
            .take(MAX_LINE_BYTES)
            .read_until(b'\n', &mut self.buffer)
            .map_err(|source| ArchiveError::Compression { lines: self.count, source })?;
        if read == 0 {
            return self.check_end().map(|()| None);
        }
        self.raw_bytes += read as u64;
        self.count += 1;
        // A bomb ends here: no more is read than the footer promised.
        if self.raw_bytes > self.footer.raw_bytes || self.count > self.footer.count {
            return Err(self.mismatch("more lines than the footer says"));
        }
        let refuse = |reason: String| ArchiveError::Line { line: self.count, reason };
        let Some(text) = self.buffer.strip_suffix(b"\n") else {
            return Err(refuse("it does not end".to_owned()));
        };
        self.crc32c = crc32c::crc32c_append(self.crc32c, &self.buffer);
        let record = line::read(text, self.footer.topic_id).map_err(refuse)?;
        let is_placed = record.partition == self.footer.partition
            && (self.footer.first..=self.footer.last).contains(&record.offset)
            && self.last.is_none_or(|last| last < record.offset);
        if !is_placed {
            return Err(refuse(format!("offset {} is out of place", record.offset)));
        }
        self.last = Some(record.offset);
        Ok(Some(record))
    }

    fn check_end(&self) -> Result<(), ArchiveError> {
        if self.count != self.footer.count || self.raw_bytes != self.footer.raw_bytes {
            return Err(self.mismatch("fewer lines than the footer says"));
        }
        if self.crc32c != self.footer.crc32c {
            return Err(self.mismatch("the checksum differs"));
        }
        Ok(())
    }

    fn mismatch(&self, what: &str) -> ArchiveError {
        let Footer { count, raw_bytes, .. } = &self.footer;
        ArchiveError::Mismatch(format!(
            "{what} ({} of {count} records, {} of {raw_bytes} bytes)",
            self.count, self.raw_bytes
        ))
    }
}

impl Iterator for SegmentReader {
    type Item = Result<ConsumedRecord, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let item = self.read_line().transpose();
        self.is_done = !matches!(item, Some(Ok(_)));
        item
    }
}

/// Reads an object whole; for large ones [`SegmentReader`] holds one line at a time.
///
/// # Errors
/// When it is damaged in any way.
pub fn read_segment(object: &Bytes) -> Result<(Footer, Vec<ConsumedRecord>), ArchiveError> {
    let mut reader = SegmentReader::open(object)?;
    let records = reader.by_ref().collect::<Result<Vec<_>, _>>()?;
    Ok((reader.footer, records))
}
