//! What a role is about to append: one lane a topic, cut into batches of bounded size.

use std::sync::Arc;

use futures_util::future::join_all;

use crate::model::{HeaderName, Record, RecordBatch, RecordBatchBuilder, Timestamp, Topic};
use crate::ports::{DeadLetterTopic, EventLog, Result, append_or_bury};

/// Bytes after which a batch is closed; one record may be larger.
const BATCH_BYTES: usize = 1 << 20;

/// Records on their way to one topic.
#[derive(Debug)]
pub(super) struct Lane {
    topic: Topic,
    open: RecordBatchBuilder,
    closed: Vec<RecordBatch>,
}

impl Lane {
    pub(super) fn new(topic: &Topic, expected_bytes: usize) -> Self {
        let open = RecordBatchBuilder::with_capacity(expected_bytes.min(BATCH_BYTES));
        Self { topic: topic.clone(), open, closed: Vec::new() }
    }

    pub(super) fn push(
        &mut self,
        key: &[u8],
        value: &[u8],
        timestamp: Timestamp,
        headers: &[(&HeaderName, &[u8])],
    ) {
        self.make_room(value.len());
        self.open.push(key, value, timestamp, headers);
    }

    pub(super) fn push_record(&mut self, record: &Record) {
        self.make_room(record.value.len());
        self.open.push_record(record);
    }

    fn make_room(&mut self, bytes: usize) {
        if self.open.count() > 0 && self.open.encoded_bytes() + bytes > BATCH_BYTES {
            self.closed.push(std::mem::take(&mut self.open).finish());
        }
    }

    fn into_batches(mut self) -> impl Iterator<Item = (Topic, RecordBatch)> {
        if self.open.count() > 0 {
            self.closed.push(self.open.finish());
        }
        let topic = self.topic;
        self.closed.into_iter().map(move |batch| (topic.clone(), batch))
    }
}

/// Batches that are not durable yet.
#[derive(Debug)]
pub(super) struct Outbox {
    log: Arc<dyn EventLog>,
    waiting: Vec<(Topic, RecordBatch)>,
    dead: DeadLetterTopic,
    /// Records that became dead letters because their topic refuses them.
    pub(super) buried: u64,
}

impl Outbox {
    /// What their topics refuse goes where `dead` says.
    pub(super) fn new(
        log: Arc<dyn EventLog>,
        lanes: impl IntoIterator<Item = Lane>,
        dead: DeadLetterTopic,
    ) -> Self {
        let waiting = lanes.into_iter().flat_map(Lane::into_batches).collect();
        Self { log, waiting, dead, buried: 0 }
    }

    /// Appends everything not yet durable, all at once, so that one sync may carry all of it. What
    /// failed stays for the next call.
    pub(super) async fn append(&mut self) -> Result<()> {
        let (log, dead) = (&*self.log, &self.dead);
        let appends = self
            .waiting
            .iter()
            .map(|(topic, batch)| append_or_bury(log, topic, batch.clone(), dead));
        let results = join_all(appends).await;
        let mut first_error = None;
        let mut results = results.into_iter();
        self.waiting.retain(|_| match results.next() {
            Some(Ok(buried)) => {
                self.buried += buried;
                false
            }
            Some(Err(error)) => {
                first_error.get_or_insert(error);
                true
            }
            None => true,
        });
        first_error.map_or(Ok(()), Err)
    }
}
