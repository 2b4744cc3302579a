//! A consumer of the embedded log: the only member of its group, with all partitions, for good.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::port::{Inner, blocking, read_error};
use crate::backends::embedded::log::{Cursor, PartitionLog, Step, Wait};
use crate::model::{ConsumedRecord, GroupId, Offset, RecordBatch, Topic, TopicId, TopicPartition};
use crate::ports::{Assignment, Consumer, Error, Fetched, Kind, Polled, Progress, Result, crash};

/// The only generation: assignments never change while a process has the directory.
const GENERATION: u64 = 1;

/// Record bytes after which a poll looks no further.
const POLL_BYTES: usize = 4 << 20;

/// One membership.
#[derive(Debug)]
pub(super) struct EmbeddedConsumer {
    inner: Arc<Inner>,
    group: GroupId,
    parts: Vec<Part>,
    synced: Arc<Notify>,
    is_assigned: bool,
    is_paused: bool,
    turn: usize,
}

/// One partition of it.
#[derive(Debug)]
struct Part {
    at: TopicPartition,
    topic_id: TopicId,
    log: Arc<PartitionLog>,
    /// `None` where a poll was dropped while the cursor was away reading.
    cursor: Option<Cursor>,
    /// The offset after what `ready` and `gap` hold: where a new cursor begins.
    read_to: i64,
    ready: VecDeque<ConsumedRecord>,
    ready_bytes: usize,
    /// Comes after everything in `ready`.
    gap: Option<(i64, i64)>,
}

impl EmbeddedConsumer {
    /// Joins, from the committed offsets, else the earliest.
    pub(super) async fn join(inner: Arc<Inner>, group: &GroupId, topics: &[Topic]) -> Result<Self> {
        let keeper = Arc::clone(inner.keeper(group)?);
        let mut found = Vec::new();
        for topic in topics {
            let topic = inner.topic(topic)?;
            for (partition, log) in topic.numbered() {
                let at = TopicPartition::new(topic.name.clone(), partition);
                found.push((at, topic.id, Arc::clone(log)));
            }
        }
        let is_new = {
            let mut members = inner.members.lock().unwrap_or_else(PoisonError::into_inner);
            members.insert(group.clone())
        };
        if !is_new {
            let what = format!("group {group} has a consumer in this process already");
            return Err(Error::new(Kind::Conflict, what));
        }
        let mut consumer = Self {
            inner,
            group: group.clone(),
            parts: Vec::new(),
            synced: Arc::default(),
            is_assigned: false,
            is_paused: false,
            turn: 0,
        };
        let group = group.clone();
        consumer.parts = blocking(move || {
            let mut parts = Vec::new();
            for (at, topic_id, log) in found {
                let committed = keeper.latest(&group, &at)?;
                parts.push(Part::new(at, topic_id, log, committed));
            }
            Ok(parts)
        })
        .await?;
        for part in &consumer.parts {
            part.log.subscribe(&consumer.synced);
        }
        Ok(consumer)
    }

    /// Reads ahead until there is enough for a poll. Dropped at an await, it loses nothing: what was
    /// read waits in the parts.
    async fn read_ahead(&mut self, max_records: usize) -> Result<()> {
        let count = self.parts.len().max(1);
        self.turn = (self.turn + 1) % count;
        let middle = self.turn.min(self.parts.len());
        let (before, from) = self.parts.split_at_mut(middle);
        let mut records = 0;
        let mut bytes = 0;
        for part in from.iter_mut().chain(before) {
            part.read_ahead(max_records.saturating_sub(records), POLL_BYTES.saturating_sub(bytes))
                .await?;
            records += part.ready.len();
            bytes += part.ready_bytes;
        }
        Ok(())
    }

    /// Hands out what was read ahead. A gap does not wait for other partitions to fall silent, and
    /// the partition at whose turn it is comes first: none is kept out by one that is always full.
    fn take(&mut self, max_records: usize) -> Option<Polled> {
        let waiting = self.parts.iter_mut().filter(|part| part.ready.is_empty());
        let gap = waiting.filter_map(|part| Some((part.gap.take()?, &part.at))).next();
        if let Some(((from, to), at)) = gap {
            return Some(Polled::Gap { at: at.clone(), from: Offset(from), to: Offset(to) });
        }
        let mut fetched = Vec::new();
        let mut room = max_records.max(1);
        let middle = self.turn.min(self.parts.len());
        let (before, from) = self.parts.split_at_mut(middle);
        for part in from.iter_mut().chain(before) {
            let count = part.ready.len().min(room);
            if count > 0 {
                let records = part.take(count);
                room -= count;
                fetched.push(Fetched { assignment: part.assignment(), records });
            }
        }
        (!fetched.is_empty()).then_some(Polled::Records(fetched))
    }
}

impl Part {
    fn new(
        at: TopicPartition,
        topic_id: TopicId,
        log: Arc<PartitionLog>,
        committed: Option<Offset>,
    ) -> Self {
        let read_to = committed.map_or_else(|| log.low(), |offset| offset.0);
        Self {
            at,
            topic_id,
            log,
            cursor: None,
            read_to,
            ready: VecDeque::new(),
            ready_bytes: 0,
            gap: None,
        }
    }

    fn assignment(&self) -> Assignment {
        Assignment { at: self.at.clone(), generation: GENERATION }
    }

    /// The first `count` of what is ready; where that is all, without moving one of them.
    fn take(&mut self, count: usize) -> Vec<ConsumedRecord> {
        if count == self.ready.len() {
            self.ready_bytes = 0;
            return std::mem::take(&mut self.ready).into();
        }
        let records = self.ready.drain(..count).collect();
        self.ready_bytes = self.ready.iter().map(record_bytes).sum();
        records
    }

    async fn read_ahead(&mut self, max_records: usize, max_bytes: usize) -> Result<()> {
        while self.gap.is_none()
            && self.ready.len() < max_records
            && (self.ready.is_empty() || self.ready_bytes < max_bytes)
        {
            match self.step().await? {
                Step::Batch { base, count, payload } => {
                    let batch = RecordBatch::from_checksummed(payload, count);
                    let (from, end) = (self.read_to, base.saturating_add(i64::from(count)));
                    self.ready_bytes += batch.encoded().len();
                    let mut reached = from;
                    for record in decode(&self.at, self.topic_id, base, from, &batch) {
                        reached = record.offset.0 + 1;
                        self.ready.push_back(record);
                    }
                    self.read_to = end;
                    if reached < end {
                        tracing::error!(at = %self.at, from = reached, to = end,
                            "records with a right checksum cannot be read");
                        self.gap = Some((reached, end));
                    }
                }
                Step::Gap { from, to } => {
                    self.read_to = to;
                    self.gap = Some((from, to));
                }
                Step::End => break,
            }
        }
        Ok(())
    }

    /// One frame further: from the page cache on this thread, else on one that may wait.
    async fn step(&mut self) -> Result<Step> {
        let mut cursor = self.cursor.take().unwrap_or_else(|| self.log.cursor(self.read_to));
        let step = match cursor.step(Wait::Never) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let (back, step) = blocking(move || {
                    let step = cursor.step(Wait::Disk);
                    Ok((cursor, step))
                })
                .await?;
                cursor = back;
                step
            }
            step => step,
        };
        let step = step.map_err(|error| read_error(&self.at, error))?;
        self.cursor = Some(cursor);
        Ok(step)
    }
}

/// The records of a batch from offset `from` on, up to the first malformed one.
pub(super) fn decode<'b>(
    at: &'b TopicPartition,
    topic_id: TopicId,
    base: i64,
    from: i64,
    batch: &'b RecordBatch,
) -> impl Iterator<Item = ConsumedRecord> + 'b {
    let records = (base..).map(Offset).zip(batch.iter());
    records
        .map_while(|(offset, record)| Some((offset, record.ok()?)))
        .filter(move |(offset, _)| offset.0 >= from)
        .map(move |(offset, record)| ConsumedRecord {
            topic: at.topic.clone(),
            topic_id,
            partition: at.partition,
            offset,
            record,
        })
}

fn record_bytes(record: &ConsumedRecord) -> usize {
    record.record.key.len() + record.record.value.len()
}

#[async_trait]
impl Consumer for EmbeddedConsumer {
    async fn poll(&mut self, max_records: usize, max_wait: Duration) -> Result<Polled> {
        if !self.is_assigned {
            self.is_assigned = true;
            return Ok(Polled::Assigned(self.parts.iter().map(Part::assignment).collect()));
        }
        let deadline = Instant::now() + max_wait;
        loop {
            if self.inner.is_closed() {
                return Err(Error::new(Kind::Closed, "the log is closed"));
            }
            if !self.is_paused {
                self.read_ahead(max_records).await?;
                if let Some(polled) = self.take(max_records) {
                    return Ok(polled);
                }
            }
            let waited = tokio::time::timeout_at(deadline, self.synced.notified()).await;
            if waited.is_err() {
                return Ok(Polled::Idle);
            }
        }
    }

    async fn commit(&mut self, progress: &[Progress]) -> Result<()> {
        let positions: Vec<_> = progress
            .iter()
            .filter(|progress| progress.assignment.generation == GENERATION)
            .filter(|progress| self.parts.iter().any(|part| part.at == progress.assignment.at))
            .map(|progress| (progress.assignment.at.clone(), progress.next))
            .collect();
        if positions.is_empty() {
            return Ok(());
        }
        let keeper = Arc::clone(self.inner.keeper(&self.group)?);
        let group = self.group.clone();
        crash::point("checkpoint.before");
        blocking(move || keeper.commit(&group, &positions)).await?;
        crash::point("checkpoint.after");
        Ok(())
    }

    fn set_paused(&mut self, paused: bool) {
        self.is_paused = paused;
        if !paused {
            // What was synced meanwhile has woken nobody.
            self.synced.notify_one();
        }
    }

    async fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

impl Drop for EmbeddedConsumer {
    fn drop(&mut self) {
        for part in &self.parts {
            part.log.unsubscribe(&self.synced);
        }
        self.inner.leave(&self.group);
    }
}
