//! One copy of what was accepted, as it is sorted by origin.

use std::io::{self, Read, Write};

use super::sorter::Sortable;
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

impl Found {
    pub(super) fn write(self, into: &mut impl Write) -> io::Result<()> {
        let (kind, object) = match self {
            Self::Archive(object) => (0_u8, object),
            Self::Log => (1, 0),
            Self::OtherArchive(object) => (2, object),
            Self::Again => (3, 0),
        };
        into.write_all(&[kind])?;
        into.write_all(&object.to_le_bytes())
    }

    pub(super) fn read(from: &mut impl Read) -> io::Result<Self> {
        let (mut kind, mut object) = ([0], [0; 4]);
        from.read_exact(&mut kind)?;
        from.read_exact(&mut object)?;
        let object = u32::from_le_bytes(object);
        Ok(match kind[0] {
            0 => Self::Archive(object),
            1 => Self::Log,
            2 => Self::OtherArchive(object),
            _ => Self::Again,
        })
    }
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

impl Sortable for Copy {
    type Key = Origin;

    fn key(&self) -> &Origin {
        &self.origin
    }

    fn memory(&self) -> usize {
        size_of::<Self>() + self.event_id.len()
    }

    fn write(&self, into: &mut impl Write) -> io::Result<()> {
        let mut fixed = [0_u8; FIXED_BYTES];
        fixed[..16].copy_from_slice(self.origin.as_bytes());
        self.found.write(&mut &mut fixed[16..21])?;
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
        let length = u16::from_le_bytes(part(46..48).try_into().unwrap_or_default());
        let mut id = vec![0_u8; usize::from(length)];
        from.read_exact(&mut id)?;
        let digest = part(30..46).try_into().unwrap_or_default();
        Ok(Self {
            origin: Origin::from_bytes(part(0..16).try_into().unwrap_or_default()),
            found: Found::read(&mut part(16..21))?,
            offset: Offset(i64::from_le_bytes(part(21..29).try_into().unwrap_or_default())),
            digest: (fixed[29] == 1).then_some(digest),
            event_id: String::from_utf8_lossy(&id).into(),
        })
    }
}
