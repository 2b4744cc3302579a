//! A log that fails by plan, its consumers too.

use std::time::Duration;

use async_trait::async_trait;

use super::{Faults, Faulty};
use crate::model::{
    ConsumedRecord, EventId, GroupId, HeaderName, Headers, Offset, Partition, RecordBatch, Topic,
    TopicPartition,
};
use crate::ports::{Appended, Consumer, EventLog, Polled, Progress, Result, TopicInfo};

#[async_trait]
impl<P: EventLog + ?Sized> EventLog for Faulty<P> {
    async fn append(&self, topic: &Topic, batch: RecordBatch) -> Result<Appended> {
        let events = events_of(&batch);
        self.faults.pass("append", &events, self.inner.append(topic, batch)).await
    }

    async fn consumer(&self, group: &GroupId, topics: &[Topic]) -> Result<Box<dyn Consumer>> {
        let inner = self.faults.pass("consumer", [], self.inner.consumer(group, topics)).await?;
        Ok(Box::new(FaultyConsumer { inner, faults: self.faults.clone() }))
    }

    async fn describe(&self, topic: &Topic) -> Result<TopicInfo> {
        self.faults.pass("describe", [], self.inner.describe(topic)).await
    }

    async fn committed(&self, group: &GroupId, topic: &Topic) -> Result<Vec<(Partition, Offset)>> {
        self.faults.pass("committed", [], self.inner.committed(group, topic)).await
    }

    async fn read(
        &self,
        at: &TopicPartition,
        from: Offset,
        max_records: usize,
    ) -> Result<Vec<ConsumedRecord>> {
        self.faults.pass("read", [], self.inner.read(at, from, max_records)).await
    }

    async fn check(&self) -> Result<()> {
        self.faults.pass("check of log", [], self.inner.check()).await
    }
}

/// The events that a batch's headers name.
fn events_of(batch: &RecordBatch) -> Vec<EventId> {
    let records = batch.iter().flatten();
    let named = |headers: &Headers| EventId::new(headers.text(&HeaderName::EventId)?).ok();
    records.filter_map(|record| named(&record.headers)).collect()
}

#[derive(Debug)]
struct FaultyConsumer {
    inner: Box<dyn Consumer>,
    faults: Faults,
}

#[async_trait]
impl Consumer for FaultyConsumer {
    async fn poll(&mut self, max_records: usize, max_wait: Duration) -> Result<Polled> {
        self.faults.pass("poll", [], self.inner.poll(max_records, max_wait)).await
    }

    async fn commit(&mut self, progress: &[Progress]) -> Result<()> {
        self.faults.pass("commit", [], self.inner.commit(progress)).await
    }

    fn set_paused(&mut self, paused: bool) {
        self.inner.set_paused(paused);
    }

    async fn close(self: Box<Self>) -> Result<()> {
        self.inner.close().await
    }
}
