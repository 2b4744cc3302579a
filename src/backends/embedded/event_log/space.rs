//! Space in reserve: the door closes before the disk is so full that what was accepted could not be
//! carried to its end any more (design, rule 2).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::port::Inner;
use super::topic::TopicLog;
use crate::model::TopicPartition;
use crate::ports::{Error, Kind, Result};

/// What a byte of the raw topic may still write: the processed record (as long again and some), its
/// row with indexes and SQLite's own journal (twice), its archive line (a third, compressed).
const RAW_FACTOR: u64 = 4;

/// What a byte of any other topic may still write: the row with indexes and journal.
const OTHER_FACTOR: u64 = 2;

/// When the door opens and closes.
#[derive(Debug)]
pub(super) struct Space {
    is_short: AtomicBool,
    /// The count of bytes written to the door's topic at which the door closes until measured again.
    closes_at: AtomicU64,
}

impl Default for Space {
    fn default() -> Self {
        Self { is_short: AtomicBool::new(false), closes_at: AtomicU64::new(u64::MAX) }
    }
}

impl Inner {
    /// `Full` while what is free cannot also hold what the backlog will still write.
    pub(super) fn check_space(&self) -> Result<()> {
        let is_open = !self.space.is_short.load(Ordering::Relaxed)
            && self.door_bytes() < self.space.closes_at.load(Ordering::Relaxed);
        if is_open {
            return Ok(());
        }
        let what = format!("disk space at {} is kept for the backlog", self.path().display());
        Err(Error::new(Kind::Full, what).with_retry_after(Duration::from_secs(5)))
    }

    /// Measures free space against the reserve and the backlog.
    pub(super) fn measure_space(&self) {
        let free = match self.disk.free_bytes(self.path()) {
            Ok(free) => free,
            Err(error) => {
                tracing::warn!(%error, "cannot measure free disk space");
                return;
            }
        };
        let written = self.door_bytes();
        let reserve = self.settings.reserve_bytes.0;
        // Cheap first: as if no record of the log had been carried on yet.
        let mut needed = reserve.saturating_add(self.backlog(|_, _| Some(0)));
        if needed > free {
            needed = reserve.saturating_add(self.backlog(|topic, at| self.slowest(topic, at)));
        }
        let was_short = self.space.is_short.load(Ordering::Relaxed);
        // Opens a little later than it closes, so that it does not flutter.
        let margin = if was_short { reserve / 16 } else { 0 };
        let is_short = free < needed.saturating_add(margin);
        let headroom = free.saturating_sub(needed) / (RAW_FACTOR + 1);
        self.space.closes_at.store(written.saturating_add(headroom), Ordering::Relaxed);
        self.space.is_short.store(is_short, Ordering::Relaxed);
        if is_short != was_short {
            tracing::warn!(free, needed, is_short, "disk space for new events");
        }
    }

    fn door_bytes(&self) -> u64 {
        let partitions = self.topics.get(&self.door).map(|topic| &topic.partitions);
        partitions.into_iter().flatten().map(|log| log.written_bytes()).sum()
    }

    /// Bytes that the records behind `position` will still write.
    fn backlog(&self, position: impl Fn(&TopicLog, &TopicPartition) -> Option<i64>) -> u64 {
        let mut bytes = 0_u64;
        for topic in self.topics.values() {
            let factor = if topic.name == self.door { RAW_FACTOR } else { OTHER_FACTOR };
            for (partition, log) in topic.numbered() {
                let at = TopicPartition::new(topic.name.clone(), partition);
                let from = position(topic, &at).unwrap_or(0);
                if from < log.high() {
                    bytes = bytes.saturating_add(log.bytes_from(from).saturating_mul(factor));
                }
            }
        }
        bytes
    }

    /// The position of a partition's slowest reader; `None` where one has none yet.
    fn slowest(&self, topic: &TopicLog, at: &TopicPartition) -> Option<i64> {
        let groups = self.readers.iter().filter(|(_, topics)| topics.contains(&topic.name));
        let mut slowest = i64::MAX;
        for (group, _) in groups {
            let latest = self.keeper(group).ok()?.latest(group, at).ok()??;
            slowest = slowest.min(latest.0);
        }
        Some(slowest)
    }
}
