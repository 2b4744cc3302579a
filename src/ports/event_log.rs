//! Topics: append durably, consume as a group, look into.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use super::Result;
use crate::model::{
    ConsumedRecord, Durability, GroupId, Offset, Partition, RecordBatch, Topic, TopicId,
    TopicPartition,
};

/// What an append stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The weakest durability among the batch's records.
    pub durability: Durability,
}

/// The log of topics.
///
/// Promises: an `Ok` of [`append`](EventLog::append) means every record of the batch is durable as
/// said; a consumer sees no record that is not; records of one partition are seen in offset order.
/// Does not promise: that a failed append left nothing behind (a copy may surface later), nor an
/// order between partitions or topics.
#[async_trait]
pub trait EventLog: Debug + Send + Sync + 'static {
    /// Appends all records and resolves when they are durable. Dropping the future does not undo
    /// or cancel the append.
    ///
    /// # Errors
    /// `Full` at once when queue or disk have no room; `Unavailable` when nothing durable can be
    /// made. After an error some records may have been appended.
    async fn append(&self, topic: &Topic, batch: RecordBatch) -> Result<Appended>;

    /// Joins a group as a consumer of these topics, from the committed offsets, else the earliest.
    ///
    /// # Errors
    /// `Unavailable`, `NotFound` for an unknown topic, `Closed`.
    async fn consumer(&self, group: &GroupId, topics: &[Topic]) -> Result<Box<dyn Consumer>>;

    /// A topic's identity and the bounds of its partitions.
    ///
    /// # Errors
    /// `Unavailable`, `NotFound`.
    async fn describe(&self, topic: &Topic) -> Result<TopicInfo>;

    /// A group's committed offsets on a topic; a partition without one is absent.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn committed(&self, group: &GroupId, topic: &Topic) -> Result<Vec<(Partition, Offset)>>;

    /// Reads durable records from `from` on without joining a group, up to `max_records` and about
    /// 1 MiB; empty at the end. A `from` below the low watermark reads from the low watermark.
    ///
    /// # Errors
    /// `Unavailable`, `NotFound`, `Corrupt`.
    async fn read(
        &self,
        at: &TopicPartition,
        from: Offset,
        max_records: usize,
    ) -> Result<Vec<ConsumedRecord>>;

    /// `Ok` when an append would be accepted now; the error says why not.
    ///
    /// # Errors
    /// As [`append`](EventLog::append).
    async fn check(&self) -> Result<()>;

    /// Says whether more is asked of the caller than it can do. While it is, what one append costs
    /// counts more than how soon it is durable: a log may let appends gather for some milliseconds.
    fn set_overloaded(&self, is_overloaded: bool) {
        let _ = is_overloaded;
    }

    /// What an operator should know although appends are accepted: a backlog in a spill log.
    fn degraded(&self) -> Option<String> {
        None
    }

    /// How many members a group of this log may have at a time.
    fn max_members(&self) -> usize {
        1
    }

    /// How a topic is laid out; `None` where it is missing.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn layout(&self, topic: &Topic) -> Result<Option<TopicLayout>> {
        let described = self.describe(topic).await;
        let info = match described {
            Ok(info) => info,
            Err(error) if error.kind() == super::Kind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let partitions = i32::try_from(info.partitions.len()).unwrap_or(i32::MAX);
        let (replication, min_in_sync, retention) = (None, None, None);
        Ok(Some(TopicLayout { id: info.id, partitions, replication, min_in_sync, retention }))
    }

    /// Makes a topic of the settings that is missing, as they want it, and says in what one that is
    /// there is less than they want. With `dry_run` nothing is made.
    ///
    /// # Errors
    /// `Unavailable`; `NotFound` for a topic that the settings do not name.
    async fn ensure(&self, topic: &Topic, dry_run: bool) -> Result<Ensured> {
        // A log that has its topics from the settings has made them all when it was opened.
        let _ = dry_run;
        self.describe(topic).await.map(|_| Ensured::AsWanted)
    }
}

/// How a topic is laid out; what a log does not have is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicLayout {
    /// Its incarnation.
    pub id: TopicId,
    /// How many partitions.
    pub partitions: i32,
    /// Replicas of each partition, of the one with the fewest.
    pub replication: Option<i32>,
    /// Replicas that must have a record before it is acknowledged.
    pub min_in_sync: Option<i32>,
    /// How long records are kept.
    pub retention: Option<Duration>,
}

/// What was done about a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ensured {
    /// It was there as wanted.
    AsWanted,
    /// It was missing and was made, or would be.
    Made,
    /// It is there and less than wanted, in these.
    Differs(Vec<String>),
}

/// A topic as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its incarnation.
    pub id: TopicId,
    /// Its partitions in order.
    pub partitions: Vec<PartitionInfo>,
}

/// A partition's bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionInfo {
    /// Which.
    pub partition: Partition,
    /// The earliest offset that can be read.
    pub low: Offset,
    /// The offset after the last durable record.
    pub high: Offset,
}

/// One membership in a consumer group.
///
/// The caller owns the effects: it commits only what its outputs already hold durably.
#[async_trait]
pub trait Consumer: Debug + Send {
    /// Waits up to `max_wait` for something to do. Must be called often enough to keep the
    /// membership, also while the caller is paused.
    ///
    /// # Errors
    /// `Unavailable` (call again later), `Corrupt`, `Closed`.
    async fn poll(&mut self, max_records: usize, max_wait: Duration) -> Result<Polled>;

    /// Commits positions whose effects are durable, or will be read again from this log if they
    /// are lost. Positions of another generation than the current assignment's are ignored.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn commit(&mut self, progress: &[Progress]) -> Result<()>;

    /// While paused, polls keep the membership and return no records.
    fn set_paused(&mut self, paused: bool);

    /// Leaves the group. What is not committed will be delivered again.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn close(self: Box<Self>) -> Result<()>;
}

/// What a poll brought.
#[derive(Debug)]
pub enum Polled {
    /// Records, per partition in offset order.
    Records(Vec<Fetched>),
    /// These partitions are this consumer's now.
    Assigned(Vec<Assignment>),
    /// These partitions are about to go: finish or drop what is in hand, commit, poll again. The
    /// next poll gives them up.
    Revoking(Vec<Assignment>),
    /// These partitions are gone: drop what is in hand, commit nothing of it.
    Lost(Vec<Assignment>),
    /// Retention passed this consumer: the records from `from` up to `to` can no longer be read.
    Gap {
        /// Where.
        at: TopicPartition,
        /// The committed offset; where there is none, the first that there ever was.
        from: Offset,
        /// The low watermark from which reading goes on.
        to: Offset,
    },
    /// Nothing within the wait.
    Idle,
}

/// A partition under one assignment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Assignment {
    /// The partition.
    pub at: TopicPartition,
    /// Counts assignments of this consumer; tells a position of an earlier one.
    pub generation: u64,
}

/// Records of one partition under one assignment.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Whence.
    pub assignment: Assignment,
    /// The records in offset order; never empty.
    pub records: Vec<ConsumedRecord>,
}

/// A position: everything below `next` is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The partition and the assignment under which it was read.
    pub assignment: Assignment,
    /// The next offset to read.
    pub next: Offset,
}
