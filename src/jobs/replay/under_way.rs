//! What comes to its end by itself: records of a topic that its group has yet to read.
//!
//! The archiver may be ahead of the processor. What the processor has not judged would be published
//! without its decision, and what the worker has yet to store is not known to the store.

use std::ops::Range;

use super::super::books::describe;
use super::super::{JobContext, JobError};
use crate::model::{ConsumedRecord, GroupId, Offset, Partition, Topic, TopicId, TopicPartition};

/// The records of a topic that its group has yet to read.
#[derive(Debug)]
pub(super) struct UnderWay {
    topic: Topic,
    /// `None` where the topic was never written to.
    id: Option<TopicId>,
    partitions: Vec<(Partition, Range<Offset>)>,
}

const READ_AT_ONCE: usize = 2000;

impl UnderWay {
    /// As it is now. What lies before the earliest readable offset, or beyond the end, is not
    /// under way: nobody will read it there.
    pub(super) async fn of(
        context: &JobContext,
        topic: &Topic,
        group: &GroupId,
    ) -> Result<Self, JobError> {
        let log = context.ports.log.as_ref();
        let failed = |source| JobError::port(format!("see how far {group} is on {topic}"), source);
        // The position before the end: what is read in between counts as under way.
        let committed = match describe(log, topic).await.map_err(failed)? {
            Some(_) => log.committed(group, topic).await.map_err(failed)?,
            None => Vec::new(),
        };
        let info = describe(log, topic).await.map_err(failed)?;
        let next = |partition| {
            let found = committed.iter().find(|(one, _)| *one == partition);
            found.map_or(Offset(0), |(_, next)| *next)
        };
        let id = info.as_ref().map(|info| info.id);
        let bounds = info.iter().flat_map(|info| &info.partitions);
        let partitions = bounds
            .map(|bounds| (bounds.partition, next(bounds.partition).max(bounds.low)..bounds.high))
            .collect();
        Ok(Self { topic: topic.clone(), id, partitions })
    }

    /// The topic's incarnation.
    pub(super) const fn id(&self) -> Option<TopicId> {
        self.id
    }

    /// Whether an archived record of a topic of that incarnation is among them.
    pub(super) fn holds(&self, topic_id: TopicId, record: &ConsumedRecord) -> bool {
        self.id == Some(topic_id)
            && self.partitions.iter().any(|(partition, range)| {
                *partition == record.partition && range.contains(&record.offset)
            })
    }

    /// Reads them all, batch by batch.
    pub(super) async fn read(
        &self,
        context: &JobContext,
        mut take: impl FnMut(&ConsumedRecord),
    ) -> Result<(), JobError> {
        for (partition, Range { start, end }) in &self.partitions {
            let at = TopicPartition::new(self.topic.clone(), *partition);
            let mut next = *start;
            while next < *end {
                let records = context.ports.log.read(&at, next, READ_AT_ONCE).await;
                let records = records
                    .map_err(|source| JobError::port(format!("read {}", self.topic), source))?;
                let Some(last) = records.last() else { break };
                next = last.offset.next();
                records.iter().for_each(&mut take);
            }
        }
        Ok(())
    }
}
