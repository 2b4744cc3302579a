//! Topics in memory: the port's behaviour without a disk, one partition a topic.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::model::{
    ConsumedRecord, Durability, GroupId, Offset, Partition, Record, RecordBatch, Topic, TopicId,
    TopicPartition,
};
use crate::ports::{
    Appended, Assignment, Consumer, Error, EventLog, Fetched, Kind, PartitionInfo, Polled,
    Progress, Result, TopicInfo,
};

const PARTITION: Partition = Partition(0);
const GENERATION: u64 = 1;

/// The log; cheap to clone, all clones are one.
#[derive(Debug, Clone)]
pub struct MemoryLog {
    shared: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    topics: HashMap<Topic, TopicState>,
    committed: HashMap<(GroupId, Topic), Offset>,
    members: HashSet<GroupId>,
    waiting: Vec<Arc<Notify>>,
}

#[derive(Debug)]
struct TopicState {
    id: TopicId,
    low: i64,
    records: Vec<Record>,
}

impl TopicState {
    fn high(&self) -> i64 {
        self.low.saturating_add(i64::try_from(self.records.len()).unwrap_or(i64::MAX))
    }

    fn read(&self, topic: &Topic, from: i64, max_records: usize) -> Vec<ConsumedRecord> {
        let from = from.max(self.low);
        let skipped = usize::try_from(from - self.low).unwrap_or(usize::MAX);
        let records = self.records.iter().skip(skipped).take(max_records);
        let placed = (from..).zip(records).map(|(offset, record)| ConsumedRecord {
            topic: topic.clone(),
            topic_id: self.id,
            partition: PARTITION,
            offset: Offset(offset),
            record: record.clone(),
        });
        placed.collect()
    }
}

impl MemoryLog {
    /// A log of these topics, all empty.
    #[must_use]
    pub fn new<'t>(topics: impl IntoIterator<Item = &'t Topic>) -> Self {
        let made = topics.into_iter().map(|topic| {
            (topic.clone(), TopicState { id: TopicId::mint(), low: 0, records: Vec::new() })
        });
        let state = State { topics: made.collect(), ..State::default() };
        Self { shared: Arc::new(Mutex::new(state)) }
    }

    /// Forgets the records below an offset, as retention does.
    pub fn forget_below(&self, topic: &Topic, offset: Offset) {
        if let Some(topic) = self.state().topics.get_mut(topic) {
            let below = usize::try_from(offset.0 - topic.low).unwrap_or_default();
            let forgotten = topic.records.drain(..below.min(topic.records.len())).count();
            topic.low = topic.low.saturating_add(i64::try_from(forgotten).unwrap_or(0));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn topic(&self, topic: &Topic) -> Result<&TopicState> {
        let unknown = || Error::new(Kind::NotFound, format!("no topic {topic}"));
        self.topics.get(topic).ok_or_else(unknown)
    }
}

#[async_trait]
impl EventLog for MemoryLog {
    async fn append(&self, topic: &Topic, batch: RecordBatch) -> Result<Appended> {
        let records: std::result::Result<Vec<_>, _> = batch.iter().collect();
        let records = records
            .map_err(|error| Error::new(Kind::Data, "cannot append batch").with_source(error))?;
        let mut state = self.state();
        state.topic(topic)?;
        if let Some(topic) = state.topics.get_mut(topic) {
            topic.records.extend(records);
        }
        for waiting in &state.waiting {
            waiting.notify_one();
        }
        Ok(Appended { durability: Durability::Memory })
    }

    async fn consumer(&self, group: &GroupId, topics: &[Topic]) -> Result<Box<dyn Consumer>> {
        let mut state = self.state();
        let mut positions = Vec::new();
        for topic in topics {
            let low = state.topic(topic)?.low;
            let committed = state.committed.get(&(group.clone(), topic.clone()));
            positions.push((topic.clone(), committed.map_or(low, |offset| offset.0)));
        }
        if !state.members.insert(group.clone()) {
            let what = format!("group {group} has a consumer already");
            return Err(Error::new(Kind::Conflict, what));
        }
        let wake = Arc::<Notify>::default();
        state.waiting.push(Arc::clone(&wake));
        Ok(Box::new(MemoryConsumer {
            log: self.clone(),
            group: group.clone(),
            positions,
            wake,
            is_assigned: false,
            is_paused: false,
        }))
    }

    async fn describe(&self, topic: &Topic) -> Result<TopicInfo> {
        let state = self.state();
        let topic = state.topic(topic)?;
        let partition = PartitionInfo {
            partition: PARTITION,
            low: Offset(topic.low),
            high: Offset(topic.high()),
        };
        Ok(TopicInfo { id: topic.id, partitions: vec![partition] })
    }

    async fn committed(&self, group: &GroupId, topic: &Topic) -> Result<Vec<(Partition, Offset)>> {
        let state = self.state();
        state.topic(topic)?;
        let committed = state.committed.get(&(group.clone(), topic.clone()));
        Ok(committed.map(|offset| (PARTITION, *offset)).into_iter().collect())
    }

    async fn read(
        &self,
        at: &TopicPartition,
        from: Offset,
        max_records: usize,
    ) -> Result<Vec<ConsumedRecord>> {
        if at.partition != PARTITION {
            return Err(Error::new(Kind::NotFound, format!("no partition {at}")));
        }
        Ok(self.state().topic(&at.topic)?.read(&at.topic, from.0, max_records))
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct MemoryConsumer {
    log: MemoryLog,
    group: GroupId,
    positions: Vec<(Topic, i64)>,
    wake: Arc<Notify>,
    is_assigned: bool,
    is_paused: bool,
}

impl MemoryConsumer {
    fn assignments(&self) -> Vec<Assignment> {
        self.positions.iter().map(|(topic, _)| assignment(topic)).collect()
    }

    fn take(&mut self, max_records: usize) -> Result<Option<Polled>> {
        let state = self.log.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fetched = Vec::new();
        let mut room = max_records.max(1);
        for (topic, position) in &mut self.positions {
            let held = state.topic(topic)?;
            if *position < held.low {
                let from = Offset(std::mem::replace(position, held.low));
                let at = TopicPartition::new(topic.clone(), PARTITION);
                if fetched.is_empty() {
                    return Ok(Some(Polled::Gap { at, from, to: Offset(held.low) }));
                }
                *position = from.0;
                continue;
            }
            let records = held.read(topic, *position, room);
            if let Some(last) = records.last() {
                *position = last.offset.0 + 1;
                room -= records.len();
                fetched.push(Fetched { assignment: assignment(topic), records });
            }
        }
        Ok((!fetched.is_empty()).then_some(Polled::Records(fetched)))
    }
}

fn assignment(topic: &Topic) -> Assignment {
    Assignment { at: TopicPartition::new(topic.clone(), PARTITION), generation: GENERATION }
}

#[async_trait]
impl Consumer for MemoryConsumer {
    async fn poll(&mut self, max_records: usize, max_wait: Duration) -> Result<Polled> {
        if !self.is_assigned {
            self.is_assigned = true;
            return Ok(Polled::Assigned(self.assignments()));
        }
        let deadline = Instant::now() + max_wait;
        loop {
            if !self.is_paused
                && let Some(polled) = self.take(max_records)?
            {
                return Ok(polled);
            }
            if tokio::time::timeout_at(deadline, self.wake.notified()).await.is_err() {
                return Ok(Polled::Idle);
            }
        }
    }

    async fn commit(&mut self, progress: &[Progress]) -> Result<()> {
        let mut state = self.log.state();
        for progress in progress {
            let at = &progress.assignment.at;
            let is_mine = progress.assignment.generation == GENERATION
                && self.positions.iter().any(|(topic, _)| *topic == at.topic);
            if is_mine {
                let key = (self.group.clone(), at.topic.clone());
                state.committed.insert(key, progress.next);
            }
        }
        Ok(())
    }

    fn set_paused(&mut self, paused: bool) {
        self.is_paused = paused;
        if !paused {
            self.wake.notify_one();
        }
    }

    async fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

impl Drop for MemoryConsumer {
    fn drop(&mut self) {
        let mut state = self.log.state();
        state.members.remove(&self.group);
        state.waiting.retain(|waiting| !Arc::ptr_eq(waiting, &self.wake));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::contract::event_log::{Harness, event_log_contract, topics};

    async fn harness() -> Harness {
        Harness::new(Arc::new(MemoryLog::new(&topics())))
    }

    event_log_contract!(harness);

    #[tokio::test]
    async fn what_was_forgotten_is_a_reported_gap() {
        let [topic, _] = topics();
        let log = MemoryLog::new([&topic]);
        let record = Record {
            key: "k".into(),
            value: "v".into(),
            timestamp: crate::model::Timestamp::from_millis_clamped(0),
            headers: crate::model::Headers::new(),
        };
        log.append(&topic, RecordBatch::of_all([&record, &record, &record])).await.unwrap();
        let mut consumer = log.consumer(&"g".into(), std::slice::from_ref(&topic)).await.unwrap();
        log.forget_below(&topic, Offset(2));
        consumer.poll(10, Duration::ZERO).await.unwrap();
        let polled = consumer.poll(10, Duration::ZERO).await.unwrap();
        let Polled::Gap { from, to, .. } = polled else { panic!("{polled:?}") };
        assert_eq!((from, to), (Offset(0), Offset(2)));
    }
}
