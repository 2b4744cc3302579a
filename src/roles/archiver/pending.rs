//! Records of one partition that no object holds yet.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::model::{ConsumedRecord, Offset};
use crate::pipeline::archive_format::Kind;
use crate::ports::Assignment;
use crate::settings::Archive;

/// What a line costs beside key and value.
const LINE_BYTES: usize = 400;

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) assignment: Assignment,
    pub(super) kind: Kind,
    records: VecDeque<ConsumedRecord>,
    bytes: usize,
    since: Instant,
    /// Offsets below it are in objects already.
    floor: Offset,
}

fn size(record: &ConsumedRecord) -> usize {
    record.record.key.len() + record.record.value.len() + LINE_BYTES
}

impl Pending {
    pub(super) fn new(assignment: Assignment, kind: Kind) -> Self {
        let records = VecDeque::new();
        Self { assignment, kind, records, bytes: 0, since: Instant::now(), floor: Offset(0) }
    }

    pub(super) fn add(&mut self, records: Vec<ConsumedRecord>) {
        if self.records.is_empty() {
            self.since = Instant::now();
        }
        for record in records {
            if record.offset >= self.floor {
                self.bytes += size(&record);
                self.records.push_back(record);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// How long until an object is due; zero when it is.
    pub(super) fn due_in(&self, settings: &Archive) -> Duration {
        let is_full = self.bytes >= settings.flush_bytes.as_usize()
            || (settings.flush_events > 0 && self.records.len() >= settings.flush_events);
        if is_full {
            return Duration::ZERO;
        }
        settings.flush_interval.0.saturating_sub(self.since.elapsed())
    }

    /// Takes the next object's records out: up to where offsets are missing, so that no object's
    /// range covers what was lost, and the hole can be seen.
    pub(super) fn take(&mut self, settings: &Archive) -> Vec<ConsumedRecord> {
        let most = if settings.flush_events > 0 { settings.flush_events } else { usize::MAX };
        let mut taken: Vec<ConsumedRecord> = Vec::new();
        let mut bytes = 0;
        while taken.len() < most
            && (taken.is_empty() || bytes < settings.flush_bytes.as_usize())
            && let Some(record) = self.records.pop_front_if(|record| {
                taken.last().is_none_or(|last| last.offset.next() == record.offset)
            })
        {
            bytes += size(&record);
            taken.push(record);
        }
        self.bytes -= bytes;
        self.since = Instant::now();
        taken
    }

    /// Objects cover everything below `next`: of what was taken only the rest comes back.
    pub(super) fn covered(&mut self, taken: Vec<ConsumedRecord>, next: Offset) {
        self.floor = next;
        self.bytes += taken.iter().map(size).sum::<usize>();
        for record in taken.into_iter().rev() {
            self.records.push_front(record);
        }
        while let Some(first) = self.records.front()
            && first.offset < next
        {
            self.bytes -= size(first);
            self.records.pop_front();
        }
    }
}
