//! The books and the lag as gauges, read every few seconds beside the worker's own work.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

use crate::pipeline::lag::{self, PartitionLag};
use crate::pipeline::reprocessed;
use crate::ports::{EventLog, Result as PortResult, State, Store};
use crate::roles::RoleDeps;
use crate::runtime::metrics as names;
use crate::runtime::shutdown::CancellationToken;
use crate::runtime::tasks;
use crate::settings::Settings;

const EVERY: Duration = Duration::from_secs(5);

/// The task that refreshes the gauges.
#[derive(Debug)]
pub(super) struct Books {
    task: AbortOnDropHandle<()>,
    end: CancellationToken,
}

impl Books {
    pub(super) fn start(deps: &RoleDeps) -> Self {
        let end = CancellationToken::new();
        let ended = end.clone();
        let store = Arc::clone(&deps.ports.store);
        let state = Arc::clone(&deps.ports.state);
        let log = Arc::clone(&deps.ports.log);
        let settings = Arc::clone(&deps.settings);
        let task = tasks::spawn("worker.books", async move {
            loop {
                refresh(&*state, &*store, &*log, &settings).await;
                tokio::select! {
                    () = tokio::time::sleep(EVERY) => {}
                    () = ended.cancelled() => break,
                }
            }
        });
        Self { task: AbortOnDropHandle::new(task), end }
    }

    pub(super) async fn end(self) {
        self.end.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the task of the books broke off");
        }
    }
}

/// Records of the raw topic since its first, without those that were put there again.
async fn accepted(state: &dyn State, log: &dyn EventLog, settings: &Settings) -> PortResult<u64> {
    let raw = log.describe(&settings.topics.raw).await?;
    let ends = raw.partitions.iter().map(|info| u64::try_from(info.high.0).unwrap_or(0));
    Ok(ends.sum::<u64>().saturating_sub(reprocessed::total(state, &raw).await?))
}

async fn refresh(state: &dyn State, store: &dyn Store, log: &dyn EventLog, settings: &Settings) {
    match store.books().await {
        Ok(books) => {
            let set = |outcome: &'static str, count: u64| {
                metrics::gauge!(names::BOOKS, "outcome" => outcome).set(as_gauge(count));
            };
            set("stored", books.stored);
            set("duplicate", books.duplicate);
            set("blocked", books.blocked);
            set("rate_limited", books.rate_limited);
            set("dead_lettered", books.dead_lettered);
            set("restored", books.restored);
            set("redelivered", books.redelivered);
        }
        Err(error) => tracing::debug!(error = %error.chain(), "reading the books"),
    }
    match accepted(state, log, settings).await {
        Ok(count) => metrics::gauge!(names::BOOKS, "outcome" => "accepted").set(as_gauge(count)),
        Err(error) => tracing::debug!(error = %error.chain(), "counting what was accepted"),
    }
    match lag::lag(log, &settings.readers()).await {
        Ok(lags) => {
            // Measured, never the remainder of the law: what is not judged, not written, or waits.
            let is_open = |lag: &&PartitionLag| lag.group != settings.groups.archiver;
            let in_flight: u64 = lags.iter().filter(is_open).map(PartitionLag::lag).sum();
            metrics::gauge!(names::BOOKS, "outcome" => "in_flight").set(as_gauge(in_flight));
            for lag in &lags {
                metrics::gauge!(
                    names::LAG,
                    "group" => lag.group.to_string(),
                    "topic" => lag.topic.to_string(),
                    "partition" => lag.partition.to_string()
                )
                .set(as_gauge(lag.lag()));
            }
        }
        Err(error) => tracing::debug!(error = %error.chain(), "reading the lag"),
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
const fn as_gauge(count: u64) -> f64 {
    count as f64
}
