//! A sink that fails by plan.

use std::sync::Arc;

use async_trait::async_trait;

use super::Faulty;
use crate::model::{EventId, GroupId, Offset, TopicPartition};
use crate::ports::{Applied, Result, Sink, SinkBatch};

/// Every event that a batch brings, in whatever form.
fn events(batch: &SinkBatch) -> impl Iterator<Item = &EventId> {
    let rows = batch.events.iter().map(|event| &event.event.event_id);
    let decisions = batch.decisions.iter().map(|(decision, ..)| &decision.event_id);
    let letters = batch.dead_letters.iter().filter_map(|letter| letter.event_id.as_ref());
    rows.chain(decisions).chain(letters)
}

#[async_trait]
impl<P: Sink + ?Sized> Sink for Faulty<P> {
    async fn plan(&self, batch: &SinkBatch) -> Result<()> {
        // Obeys the plan in `apply` only: where planning is a no-op it cannot fail.
        self.inner.plan(batch).await
    }

    async fn apply(&self, batch: &Arc<SinkBatch>) -> Result<Applied> {
        self.faults.pass("apply", events(batch), self.inner.apply(batch)).await
    }

    async fn checkpoint(&self, group: &GroupId, at: &TopicPartition) -> Result<Option<Offset>> {
        self.faults.pass("checkpoint", [], self.inner.checkpoint(group, at)).await
    }

    async fn check(&self) -> Result<()> {
        self.faults.pass("check of sink", [], self.inner.check()).await
    }
}
