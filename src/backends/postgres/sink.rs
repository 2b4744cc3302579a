//! The writing side of the port.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::apply::apply;
use super::failure::{Failure, bounded};
use super::store::PostgresStore;
use crate::backends::storable::check;
use crate::model::{GroupId, Offset, TopicPartition};
use crate::ports::{Applied, Result, Sink, SinkBatch};

/// How often a batch is begun anew where two got into each other's way.
const ATTEMPTS: u32 = 5;

#[async_trait]
impl Sink for PostgresStore {
    /// A no-op: a batch is one transaction here.
    async fn plan(&self, _batch: &SinkBatch) -> Result<()> {
        Ok(())
    }

    async fn apply(&self, batch: &Arc<SinkBatch>) -> Result<Applied> {
        check(batch)?;
        if batch.events.is_empty() && batch.decisions.is_empty() && batch.dead_letters.is_empty() {
            return Ok(Applied::default());
        }
        self.tables.prepare(&self.pool).await?;
        let now = self.options.clock.now();
        let mut attempt = 1;
        loop {
            let mut lease = self.pool.lease("apply a batch to").await?;
            let work = apply(&mut lease.connection, batch, now);
            let applied = bounded(Some(self.apply_timeout), work).await;
            let is_collision = applied.as_ref().is_err_and(Failure::is_collision);
            if applied.as_ref().is_err_and(Failure::misses_table) {
                self.tables.forget();
            }
            match lease.end(applied).await {
                Err(error) if is_collision && attempt < ATTEMPTS => {
                    tracing::debug!(error = error.chain(), attempt, "batch begun anew");
                    tokio::time::sleep(Duration::from_millis(10 << attempt)).await;
                    attempt += 1;
                }
                ended => return ended,
            }
        }
    }

    /// `None`: the broker keeps the offsets.
    async fn checkpoint(&self, _group: &GroupId, _at: &TopicPartition) -> Result<Option<Offset>> {
        Ok(None)
    }

    /// Makes the tables where the settings say so, asks for the right to write where a batch writes last, and writes nothing.
    async fn check(&self) -> Result<()> {
        self.tables.prepare(&self.pool).await?;
        let lease = self.pool.lease("write to").await?;
        let write = "UPDATE outcome_counts SET events = events WHERE false";
        let work = async { Ok(lease.connection.client.batch_execute(write).await?) };
        let checked = bounded(Some(self.options.query_timeout), work).await;
        lease.end(checked).await
    }
}
