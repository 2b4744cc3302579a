//! How far each consumer group is behind the end of its topics.

use serde::{Deserialize, Serialize};

use crate::model::{GroupId, Offset, Partition, Topic};
use crate::ports::{EventLog, Result};

/// One group on one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionLag {
    /// The group.
    pub group: GroupId,
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: Partition,
    /// The group's committed position; `None` where it never committed.
    pub committed: Option<Offset>,
    /// The earliest offset that can be read.
    pub low: Offset,
    /// The offset after the last durable record.
    pub high: Offset,
}

impl PartitionLag {
    /// Records that it has not finished.
    #[must_use]
    pub fn lag(&self) -> u64 {
        let next = self.committed.unwrap_or(self.low).max(self.low);
        u64::try_from(self.high.0 - next.0).unwrap_or(0)
    }
}

/// The lag of these groups on their topics, partition by partition.
///
/// Ends are read before positions, so that a zero means: everything that was durable when this was
/// called is finished.
///
/// # Errors
/// `Unavailable`, `NotFound` for an unknown topic.
pub async fn lag(
    log: &dyn EventLog,
    readers: &[(GroupId, Vec<Topic>)],
) -> Result<Vec<PartitionLag>> {
    let mut lags = Vec::new();
    for (group, topics) in readers {
        for topic in topics {
            let info = log.describe(topic).await?;
            let committed = log.committed(group, topic).await?;
            lags.extend(info.partitions.iter().map(|bounds| {
                PartitionLag {
                    group: group.clone(),
                    topic: topic.clone(),
                    partition: bounds.partition,
                    committed: committed
                        .iter()
                        .find(|(partition, _)| *partition == bounds.partition)
                        .map(|(_, offset)| *offset),
                    low: bounds.low,
                    high: bounds.high,
                }
            }));
        }
    }
    Ok(lags)
}

/// Records not finished, over all of them.
#[must_use]
pub fn total(lags: &[PartitionLag]) -> u64 {
    lags.iter().map(PartitionLag::lag).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_below_the_low_watermark_counts_from_the_watermark() {
        let mut lag = PartitionLag {
            group: "g".into(),
            topic: "t".into(),
            partition: Partition(0),
            committed: Some(Offset(2)),
            low: Offset(5),
            high: Offset(9),
        };
        assert_eq!(lag.lag(), 4);
        lag.committed = Some(Offset(9));
        assert_eq!(lag.lag(), 0);
        lag.committed = None;
        assert_eq!(lag.lag(), 4);
    }
}
