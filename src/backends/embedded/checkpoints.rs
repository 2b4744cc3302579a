//! Who keeps which group's positions: `store.db` the worker's, in the transaction of its rows;
//! `state.db` all others'.

use std::fmt::Debug;

use crate::model::{GroupId, Offset, TopicPartition};
use crate::ports::Result;

/// A keeper of consumer positions. Calls block; call them off the runtime's threads.
pub trait Checkpoints: Debug + Send + Sync + 'static {
    /// Whether this keeper has that group.
    fn owns(&self, group: &GroupId) -> bool;

    /// The position last committed, durable or not.
    ///
    /// # Errors
    /// `Unavailable`.
    fn latest(&self, group: &GroupId, at: &TopicPartition) -> Result<Option<Offset>>;

    /// Commits positions, lazily. A no-op in a keeper that commits them with its own effects.
    ///
    /// # Errors
    /// `Unavailable`.
    fn commit(&self, group: &GroupId, positions: &[(TopicPartition, Offset)]) -> Result<()>;

    /// Makes everything committed so far durable and returns the group's durable position:
    /// what retention may go by.
    ///
    /// # Errors
    /// `Unavailable`.
    fn durable(&self, group: &GroupId, at: &TopicPartition) -> Result<Option<Offset>>;
}
