//! The store as the worker writes it: plan, apply, checkpoint.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Progress, Result};
use crate::model::{CanonicalEvent, DeadLetter, Decision, GroupId, Offset, TopicPartition};

/// A canonical event on its way into the store.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreEvent {
    /// The event.
    pub event: CanonicalEvent,
    /// The replay that brought it back, where one did.
    pub replay_id: Option<String>,
    /// Whether this installation never accepted it: it came from another one's archive.
    pub restored: bool,
}

/// What one transaction writes.
#[derive(Debug, Clone, Default)]
pub struct SinkBatch {
    /// Rows.
    pub events: Vec<StoreEvent>,
    /// Decisions, each with the replay that brought it back and whether it is restored.
    pub decisions: Vec<(Decision, Option<String>, bool)>,
    /// Dead letters, for the index of the dead-letter topics.
    pub dead_letters: Vec<DeadLetter>,
    /// The group that reads the topics of `progress`.
    pub group: Option<GroupId>,
    /// Where the group stands once this batch is applied.
    pub progress: Vec<Progress>,
}

/// What a batch did, in distinct origins; repeats are `redelivered`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Applied {
    /// Rows really inserted.
    pub stored: u64,
    /// Decisions `duplicate` recorded, by the processor or here.
    pub duplicate: u64,
    /// Decisions `blocked` recorded.
    pub blocked: u64,
    /// Decisions `rate_limited` recorded.
    pub rate_limited: u64,
    /// Dead letters recorded.
    pub dead_lettered: u64,
    /// Copies of origins that had their outcome already.
    pub redelivered: u64,
}

/// The store's writing side.
///
/// One transaction of [`apply`](Sink::apply) inserts rows, adds to the roll-ups the rows really
/// inserted, records decisions and dead letters, moves the outcome counts, and, where the sink
/// keeps offsets, the group's position. An `event_id` that exists with the same origin is a no-op,
/// with another origin a decision `duplicate`; of one origin a row beats a dead letter beats a
/// decision (design, rules 5 and 9).
#[async_trait]
pub trait Sink: Debug + Send + Sync + 'static {
    /// Notes the batch's range before it is applied, for stores that must repeat the same block
    /// after a crash. A no-op where [`apply`](Sink::apply) is one transaction.
    ///
    /// # Errors
    /// As [`apply`](Sink::apply).
    async fn plan(&self, batch: &SinkBatch) -> Result<()>;

    /// Applies the batch whole or not at all; applying it again changes nothing. Shared, so that a
    /// store can hand it to a thread of its own and the caller can still try it again.
    ///
    /// # Errors
    /// `Unavailable` and `Full`: wait and try again. `Data`: some item can never be stored, bisect.
    /// `Transient`: some item failed and may pass later, bisect.
    async fn apply(&self, batch: &Arc<SinkBatch>) -> Result<Applied>;

    /// The position that the sink keeps for a group; `None` where offsets are kept by the log.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn checkpoint(&self, group: &GroupId, at: &TopicPartition) -> Result<Option<Offset>>;

    /// `Ok` when a batch could be applied now. Makes what the store needs for that and can make
    /// itself, such as its tables.
    ///
    /// # Errors
    /// As [`apply`](Sink::apply).
    async fn check(&self) -> Result<()>;
}
