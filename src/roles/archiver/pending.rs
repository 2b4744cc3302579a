//! Records of one partition that no object holds yet: objects in the making. They are compressed as
//! they come, so that what waits for its object costs the memory of what will be stored.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::model::{ConsumedRecord, Headers, Offset, Record, Timestamp};
use crate::pipeline::archive_format::{
    ArchiveError, Footer, Kind, Segment, SegmentReader, SegmentWriter,
};
use crate::ports::Assignment;
use crate::roles::is_replayed;
use crate::settings::Archive;

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) assignment: Assignment,
    kind: Kind,
    /// In order; only the last one grows.
    open: VecDeque<Open>,
    /// Offsets below it are in objects already.
    floor: Offset,
}

/// An object in the making. It covers no offset that is missing, so that the hole can be seen.
#[derive(Debug)]
pub(super) struct Open {
    writer: SegmentWriter,
    /// Offsets that it covers without a line.
    skipped: Vec<(Offset, Timestamp)>,
    last: Offset,
    since: Instant,
}

/// A finished object, and what else it takes to make another of a part of it.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) segment: Segment,
    skipped: Vec<(Offset, Timestamp)>,
}

impl Pending {
    pub(super) const fn new(assignment: Assignment, kind: Kind) -> Self {
        Self { assignment, kind, open: VecDeque::new(), floor: Offset(0) }
    }

    /// Takes records in. Compresses them: not on the runtime's threads.
    pub(super) fn add(
        &mut self,
        records: &[ConsumedRecord],
        settings: &Archive,
    ) -> Result<(), ArchiveError> {
        for record in records.iter().filter(|record| record.offset >= self.floor) {
            let fits = |open: &Open| open.last.next() == record.offset && !open.is_full(settings);
            if !self.open.back().is_some_and(fits) {
                self.open.push_back(Open::new(self.kind, record, settings)?);
            }
            let Some(open) = self.open.back_mut() else { continue };
            if self.kind == Kind::Events && is_replayed(&record.record) {
                open.skip(record)?;
            } else {
                open.line(record)?;
            }
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Bytes of memory.
    pub(super) fn held_bytes(&self) -> usize {
        self.open.iter().map(|open| open.writer.held_bytes()).sum()
    }

    /// How long until an object is due; zero when it is.
    pub(super) fn due_in(&self, settings: &Archive) -> Duration {
        let Some(first) = self.open.front() else { return settings.flush_interval.0 };
        if self.open.len() > 1 || first.is_full(settings) {
            return Duration::ZERO;
        }
        settings.flush_interval.0.saturating_sub(first.since.elapsed())
    }

    /// Takes the next object out.
    pub(super) fn take(&mut self) -> Option<Open> {
        self.open.pop_front()
    }

    /// Objects cover everything below `next`: nothing of that comes in again.
    pub(super) const fn reach(&mut self, next: Offset) {
        self.floor = next;
    }

    /// The same where an object that stood there already covers another range than ours, which was
    /// taken: what is not covered comes back. Reads and compresses.
    pub(super) fn adopt(
        &mut self,
        ours: Made,
        next: Offset,
        settings: &Archive,
    ) -> Result<(), ArchiveError> {
        self.floor = next;
        let mut rest = VecDeque::new();
        rest.extend(ours.after(next, settings)?);
        for open in self.open.drain(..) {
            if open.last < next {
                continue;
            }
            let since = open.since;
            let after = open.finish()?.map(|made| made.after(next, settings)).transpose()?;
            rest.extend(after.flatten().map(|open| Open { since, ..open }));
        }
        self.open = rest;
        Ok(())
    }
}

impl Open {
    fn new(kind: Kind, first: &ConsumedRecord, settings: &Archive) -> Result<Self, ArchiveError> {
        let writer = SegmentWriter::new(kind, settings.compression_level)?;
        let (skipped, since) = (Vec::new(), Instant::now());
        Ok(Self { writer, skipped, last: first.offset, since })
    }

    fn line(&mut self, record: &ConsumedRecord) -> Result<(), ArchiveError> {
        self.last = record.offset;
        self.writer.push(record)
    }

    fn skip(&mut self, record: &ConsumedRecord) -> Result<(), ArchiveError> {
        self.last = record.offset;
        self.skipped.push((record.offset, record.record.timestamp));
        self.writer.skip(record)
    }

    fn is_full(&self, settings: &Archive) -> bool {
        let records = self.writer.count() + self.skipped.len() as u64;
        self.writer.raw_bytes() >= settings.flush_bytes.0
            || (settings.flush_events > 0 && records >= settings.flush_events as u64)
    }

    /// The object; `None` where it covers nothing.
    pub(super) fn finish(self) -> Result<Option<Made>, ArchiveError> {
        let skipped = self.skipped;
        Ok(self.writer.finish()?.map(|segment| Made { segment, skipped }))
    }
}

impl Made {
    /// An object in the making of what it covers from `next` on.
    fn after(self, next: Offset, settings: &Archive) -> Result<Option<Open>, ArchiveError> {
        let Self { segment, skipped } = self;
        if segment.footer.last < next {
            return Ok(None);
        }
        let mut again = None;
        let mut skipped = skipped.into_iter().filter(|(offset, _)| *offset >= next).peekable();
        let mut take = |record: &ConsumedRecord, has_line: bool| {
            let open = match &mut again {
                Some(open) => open,
                none => none.insert(Open::new(segment.kind, record, settings)?),
            };
            if has_line { open.line(record) } else { open.skip(record) }
        };
        for record in SegmentReader::open(&segment.bytes)? {
            let record = record?;
            if record.offset < next {
                continue;
            }
            while let Some(skip) = skipped.next_if(|(offset, _)| *offset < record.offset) {
                take(&without_line(&segment, skip), false)?;
            }
            take(&record, true)?;
        }
        for skip in skipped {
            take(&without_line(&segment, skip), false)?;
        }
        Ok(again)
    }
}

/// As much of a record as it takes to cover its offset.
fn without_line(segment: &Segment, (offset, timestamp): (Offset, Timestamp)) -> ConsumedRecord {
    let Footer { topic, topic_id, partition, .. } = &segment.footer;
    let (key, value, headers) = (Bytes::new(), Bytes::new(), Headers::new());
    let record = Record { key, value, timestamp, headers };
    ConsumedRecord {
        topic: topic.clone(),
        topic_id: *topic_id,
        partition: *partition,
        offset,
        record,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{HeaderName, Partition, TopicId, TopicPartition};

    fn record(offset: i64, is_replayed: bool) -> ConsumedRecord {
        let mut headers = Headers::new();
        headers.set(HeaderName::EventId, format!("e-{offset}"));
        if is_replayed {
            headers.set(HeaderName::ReplayId, "r");
        }
        ConsumedRecord {
            topic: "raw-events".into(),
            topic_id: TopicId::from_bytes([7; 16]),
            partition: Partition(0),
            offset: Offset(offset),
            record: Record {
                key: Bytes::from_static(b"u"),
                value: Bytes::from_static(b"{}"),
                timestamp: Timestamp::from_millis_clamped(1_431_857_103_000 + offset),
                headers,
            },
        }
    }

    fn pending() -> Pending {
        let at = TopicPartition { topic: "raw-events".into(), partition: Partition(0) };
        Pending::new(Assignment { at, generation: 1 }, Kind::Events)
    }

    /// First, last, offsets with a line, and how many have none.
    fn ranges(pending: &mut Pending) -> Vec<(i64, i64, Vec<i64>, u64)> {
        std::iter::from_fn(|| pending.take())
            .map(|open| {
                let segment = open.finish().unwrap().unwrap().segment;
                let reader = SegmentReader::open(&segment.bytes).unwrap();
                let lines = reader.map(|record| record.unwrap().offset.0).collect();
                let Footer { first, last, skipped, .. } = segment.footer;
                assert_eq!(segment.first_at.as_millis(), 1_431_857_103_000 + first.0);
                (first.0, last.0, lines, skipped)
            })
            .collect()
    }

    #[test]
    fn objects_end_at_holes_and_when_they_are_full() {
        let settings = Archive { flush_events: 3, ..Archive::default() };
        let mut pending = pending();
        let records: Vec<_> = [1, 2, 3, 4, 7, 8].map(|offset| record(offset, offset == 2)).into();
        pending.add(&records, &settings).unwrap();
        assert!(pending.due_in(&settings).is_zero());
        assert_eq!(
            ranges(&mut pending),
            [(1, 3, vec![1, 3], 1), (4, 4, vec![4], 0), (7, 8, vec![7, 8], 0)]
        );
        pending.reach(Offset(9));
        pending.add(&records, &settings).unwrap();
        assert!(pending.is_empty(), "what objects cover does not come in again");
        assert!(!pending.due_in(&settings).is_zero());
    }

    #[test]
    fn what_an_adopted_object_does_not_cover_comes_back() {
        let settings = Archive { flush_events: 5, ..Archive::default() };
        let taken = |next| {
            let mut pending = pending();
            let records: Vec<_> = (0..12).map(|n| record(n, n == 3 || n == 4 || n == 9)).collect();
            pending.add(&records, &settings).unwrap();
            let ours = pending.take().unwrap().finish().unwrap().unwrap();
            pending.adopt(ours, Offset(next), &settings).unwrap();
            pending.add(&[record(next - 1, false)], &settings).unwrap();
            ranges(&mut pending)
        };
        let (second, third) = ((5, 9, vec![5, 6, 7, 8], 1), (10, 11, vec![10, 11], 0));
        assert_eq!(taken(2), [(2, 4, vec![2], 2), second.clone(), third.clone()]);
        assert_eq!(taken(3), [(3, 4, vec![], 2), second.clone(), third.clone()]);
        assert_eq!(taken(5), [second, third.clone()]);
        assert_eq!(taken(7), [(7, 9, vec![7, 8], 1), third.clone()]);
        assert_eq!(taken(10), [third]);
        assert_eq!(taken(12), []);
    }
}
