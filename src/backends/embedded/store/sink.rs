//! The writing side: what no store can keep is refused, everything else goes to the writer thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use rusqlite::TransactionBehavior;

use super::apply::apply;
use super::db::{StoreDb, failed};
use crate::model::{CanonicalEvent, GroupId, Offset, TopicPartition};
use crate::ports::{Applied, Error, Kind, Result, Sink, SinkBatch, crash};

#[async_trait]
impl Sink for StoreDb {
    /// A no-op: a batch is one transaction here.
    async fn plan(&self, _batch: &SinkBatch) -> Result<()> {
        Ok(())
    }

    async fn apply(&self, batch: &Arc<SinkBatch>) -> Result<Applied> {
        check(batch)?;
        let now = self.options.clock.now();
        let is_lazy = Arc::clone(&self.is_lazy);
        let batch = Arc::clone(batch);
        self.writer
            .run(move |connection| {
                let mut write = || {
                    let transaction =
                        connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                    let applied = apply(&transaction, &batch, now)?;
                    crash::point("sink.commit.before");
                    // Before the commit: a failed one may have reached the disk all the same.
                    is_lazy.store(true, Ordering::Relaxed);
                    transaction.commit()?;
                    crash::point("sink.commit.after");
                    Ok(applied)
                };
                write().map_err(|e| failed("apply a batch to", e))
            })
            .await
    }

    async fn checkpoint(&self, group: &GroupId, at: &TopicPartition) -> Result<Option<Offset>> {
        self.writer.run(self.position(group, at, false)).await
    }

    /// Takes the write lock and lets it go.
    async fn check(&self) -> Result<()> {
        self.writer
            .run(|connection| {
                let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
                begun.and_then(rusqlite::Transaction::rollback).map_err(|e| failed("lock", e))
            })
            .await
    }
}

/// What can never be stored, here and in any store that keeps text without NUL.
fn check(batch: &SinkBatch) -> Result<()> {
    for item in &batch.events {
        if let Some(column) = column_with_nul(&item.event) {
            let text = format!("store event {}: {column} contains NUL", item.event.event_id);
            return Err(Error::new(Kind::Data, text));
        }
    }
    for (decision, ..) in &batch.decisions {
        if !decision.outcome.is_decision() {
            let text = format!("store decision on {}: {}", decision.origin, decision.outcome);
            return Err(Error::new(Kind::Data, format!("{text} is not a decision")));
        }
    }
    Ok(())
}

fn column_with_nul(event: &CanonicalEvent) -> Option<&'static str> {
    let optional = [
        ("user_id", &event.user_id),
        ("campaign_id", &event.campaign_id),
        ("geo_country", &event.geo_country),
        ("device_type", &event.device_type),
        ("channel", &event.channel),
        ("ip_address", &event.ip_address),
    ];
    let has_nul = |text: &str| text.as_bytes().contains(&0);
    let mut columns = optional.into_iter();
    has_nul(&event.event_type).then_some("event_type").or_else(|| {
        columns.find(|(_, text)| text.as_deref().is_some_and(has_nul)).map(|(name, _)| name)
    })
}
