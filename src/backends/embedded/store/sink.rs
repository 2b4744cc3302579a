//! The writing side: what no store can keep is refused, everything else goes to the writer thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use rusqlite::TransactionBehavior;

use super::apply::apply;
use super::db::{StoreDb, failed};
use crate::backends::storable::check;
use crate::model::{GroupId, Offset, TopicPartition};
use crate::ports::{Applied, Result, Sink, SinkBatch, crash};

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
