//! The footer: what an object covers and how to tell that it is whole.
//!
//! A skippable frame: magic, size, JSON, and the size again with a tag, so that it is found from
//! the end without reading the lines.

use serde::{Deserialize, Serialize};

use super::ArchiveError;
use crate::model::{Offset, Partition, Topic, TopicId};

/// One of the sixteen magics of skippable frames; this one says "evp footer".
const MAGIC: u32 = 0x184D_2A5E;
const TAG: [u8; 4] = *b"evpF";
const TRAILER_BYTES: usize = 8;
const HEADER_BYTES: usize = 8;
/// Far above any real footer: a topic name is at most 249 bytes.
const MAX_FOOTER_BYTES: usize = 16 << 10;
const VERSION: u32 = 1;

/// What an object covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footer {
    /// Version of the format.
    pub version: u32,
    /// The topic's name when it was archived.
    pub topic: Topic,
    /// The topic's incarnation.
    pub topic_id: TopicId,
    /// The partition.
    pub partition: Partition,
    /// First offset covered.
    pub first: Offset,
    /// Last offset covered.
    pub last: Offset,
    /// Records in it.
    pub count: u64,
    /// Offsets covered without a line: records of a reprocessing replay, which the archive has
    /// already under their first offset.
    #[serde(default)]
    pub skipped: u64,
    /// Bytes of the lines before compression.
    pub raw_bytes: u64,
    /// CRC-32C of the lines before compression.
    pub crc32c: u32,
}

impl Footer {
    pub(super) const VERSION: u32 = VERSION;

    /// The footer's frame.
    pub(super) fn encode(&self) -> Result<Vec<u8>, ArchiveError> {
        let json = serde_json::to_vec(self).map_err(ArchiveError::Footer)?;
        let size = u32::try_from(json.len() + TRAILER_BYTES)
            .map_err(|_| ArchiveError::Impossible("its text is too long".to_owned()))?;
        let mut frame = Vec::with_capacity(json.len() + TRAILER_BYTES + HEADER_BYTES);
        frame.extend_from_slice(&MAGIC.to_le_bytes());
        frame.extend_from_slice(&size.to_le_bytes());
        frame.extend_from_slice(&json);
        frame.extend_from_slice(&size.to_le_bytes());
        frame.extend_from_slice(&TAG);
        Ok(frame)
    }

    fn check(&self) -> Result<(), ArchiveError> {
        let refuse = |why: String| Err(ArchiveError::Impossible(why));
        if self.version != VERSION {
            return refuse(format!("version {} is not known here", self.version));
        }
        if self.first.0 < 0 || self.last < self.first || self.partition.0 < 0 {
            return refuse(format!("range {}..={}", self.first, self.last));
        }
        let covered = self.last.0.abs_diff(self.first.0).saturating_add(1);
        if self.count.saturating_add(self.skipped) > covered {
            return refuse(format!("{} records in {covered} offsets", self.count));
        }
        Ok(())
    }
}

/// Reads and checks an object's footer without reading its lines. `object` is the whole object or
/// any end of it that holds the footer.
///
/// # Errors
/// When there is none, or it cannot be true.
pub fn read_footer(object: &[u8]) -> Result<Footer, ArchiveError> {
    split(object).map(|(footer, _)| footer)
}

/// The footer and where its frame begins.
pub(super) fn split(object: &[u8]) -> Result<(Footer, usize), ArchiveError> {
    let (body, tag) = object.split_last_chunk::<4>().ok_or(ArchiveError::NoFooter)?;
    let (body, size_bytes) = body.split_last_chunk::<4>().ok_or(ArchiveError::NoFooter)?;
    let size = usize::try_from(u32::from_le_bytes(*size_bytes)).unwrap_or(usize::MAX);
    if *tag != TAG || !(TRAILER_BYTES..=MAX_FOOTER_BYTES).contains(&size) {
        return Err(ArchiveError::NoFooter);
    }
    let json_bytes = size - TRAILER_BYTES;
    let start = body.len().checked_sub(json_bytes + HEADER_BYTES).ok_or(ArchiveError::NoFooter)?;
    let frame = &body[start..];
    if frame[..4] != MAGIC.to_le_bytes() || frame[4..HEADER_BYTES] != *size_bytes {
        return Err(ArchiveError::NoFooter);
    }
    let footer: Footer =
        serde_json::from_slice(&frame[HEADER_BYTES..]).map_err(ArchiveError::Footer)?;
    footer.check()?;
    Ok((footer, start))
}
