//! Object keys: `events/YYYY/MM/DD/<topic id>-<partition>-<first offset>.ndjson.zst`.

use crate::model::{Offset, Partition, Timestamp, TopicId};

const SUFFIX: &str = ".ndjson.zst";

/// What an object holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Raw events.
    Events,
    /// Decisions.
    Decisions,
}

impl Kind {
    /// The first folder of its keys.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Decisions => "decisions",
        }
    }
}

/// What a key says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentKey {
    /// Raw events or decisions.
    pub kind: Kind,
    /// `YYYY/MM/DD` of the first record.
    pub date: String,
    /// The topic's incarnation.
    pub topic_id: TopicId,
    /// The partition.
    pub partition: Partition,
    /// The first offset covered.
    pub first: Offset,
    /// The last one, in keys that say it: those of stores which cannot refuse a taken key, and of
    /// ranges whose own key is taken by a damaged object.
    pub last: Option<Offset>,
}

impl SegmentKey {
    /// The key's text.
    #[must_use]
    pub fn to_key(&self) -> String {
        let Self { kind, date, topic_id, partition, first, last } = self;
        let last = last.map(|last| format!("-{:020}", last.0)).unwrap_or_default();
        format!("{}/{date}/{topic_id}-{partition}-{:020}{last}{SUFFIX}", kind.prefix(), first.0)
    }
}

/// The key of an object that covers from `first` on; `last` only where the key must say it.
#[must_use]
pub fn segment_key(
    kind: Kind,
    first_at: Timestamp,
    (topic_id, partition): (TopicId, Partition),
    first: Offset,
    last: Option<Offset>,
) -> String {
    SegmentKey { kind, date: first_at.date_path(), topic_id, partition, first, last }.to_key()
}

/// Reads a key; `None` for anything that [`segment_key`] does not write.
#[must_use]
pub fn parse_key(key: &str) -> Option<SegmentKey> {
    let (folder, rest) = key.split_once('/')?;
    let kind = [Kind::Events, Kind::Decisions].into_iter().find(|kind| kind.prefix() == folder)?;
    let (date, name) = rest.rsplit_once('/')?;
    let is_date = date.len() == 10
        && date.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'/',
            _ => byte.is_ascii_digit(),
        });
    let mut parts = name.strip_suffix(SUFFIX)?.split('-');
    let topic_id = parts.next().filter(|text| text.len() == 32)?.parse().ok()?;
    let partition = Partition(parts.next()?.parse().ok().filter(|number| *number >= 0)?);
    let first = offset(parts.next()?)?;
    let last = match parts.next() {
        Some(text) => Some(offset(text).filter(|last| *last >= first)?),
        None => None,
    };
    let parsed = SegmentKey { kind, date: date.to_owned(), topic_id, partition, first, last };
    // One spelling a key: what does not come back the same is not ours.
    (is_date && parts.next().is_none() && parsed.to_key() == key).then_some(parsed)
}

fn offset(text: &str) -> Option<Offset> {
    let is_padded = text.len() == 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_padded.then(|| text.parse().ok().map(Offset)).flatten()
}
