//! Records of the raw topic that a replay or redrive put there again, counted once each: they are
//! no new acceptances, and the books leave them out.
//!
//! The count of a partition is kept together with how far it was counted. The processor counts
//! before it commits, so that a crash between the two has it read the same records again; they lie
//! below that mark and do not count twice.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::{ConsumedRecord, Offset, Partition, TopicId};
use crate::ports::{Error, Kind, Result, State, TopicInfo};

/// What is remembered of one partition.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Counted {
    /// Everything below it is counted.
    next: Offset,
    records: u64,
}

/// Such records of one batch.
#[derive(Debug, Default)]
pub struct Reprocessed(BTreeMap<(TopicId, Partition), BTreeSet<Offset>>);

impl Reprocessed {
    /// Notes a record, once however often it is noted.
    pub fn note(&mut self, record: &ConsumedRecord) {
        self.0.entry((record.topic_id, record.partition)).or_default().insert(record.offset);
    }

    /// Whether there is nothing to count.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Counts durably what was not counted before.
    ///
    /// # Errors
    /// `Unavailable`; `Corrupt` where what is remembered cannot be read.
    pub async fn count(&self, state: &dyn State) -> Result<()> {
        for ((topic_id, partition), offsets) in &self.0 {
            let key = key(*topic_id, *partition);
            let mut counted = read(state, &key).await?;
            let new = offsets.range(counted.next..);
            let Some(last) = new.clone().next_back() else { continue };
            counted.records += new.count() as u64;
            counted.next = last.next();
            let text = serde_json::to_string(&counted).map_err(|error| unreadable(&key, error))?;
            state.put_job_state(&key, Some(&text)).await?;
        }
        Ok(())
    }
}

/// How many were counted in a topic.
///
/// # Errors
/// As [`count`](Reprocessed::count).
pub async fn total(state: &dyn State, topic: &TopicInfo) -> Result<u64> {
    let mut records = 0;
    for info in &topic.partitions {
        records += read(state, &key(topic.id, info.partition)).await?.records;
    }
    Ok(records)
}

fn key(topic_id: TopicId, partition: Partition) -> String {
    format!("reprocessed/{topic_id}/{partition}")
}

async fn read(state: &dyn State, key: &str) -> Result<Counted> {
    let Some(text) = state.job_state(key).await? else { return Ok(Counted::default()) };
    serde_json::from_str(&text).map_err(|error| unreadable(key, error))
}

fn unreadable(key: &str, error: serde_json::Error) -> Error {
    Error::new(Kind::Corrupt, format!("count kept under {key}")).with_source(error)
}
