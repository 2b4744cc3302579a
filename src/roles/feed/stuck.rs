//! Noticing that nothing moves although records wait, and joining the group again.

use std::time::Duration;

use tokio::time::Instant;

use super::{Feed, Halt};
use crate::pipeline::lag::{self, PartitionLag};
use crate::ports::{Assignment, Consumer, Polled, Progress, Result as PortResult};
use crate::runtime::metrics as names;

/// Lag without progress for so long, while nothing is waited for, is a stuck consumer.
const STUCK_AFTER: Duration = Duration::from_secs(30);
/// After so long it joins again although that changed nothing the last time. Each time all members of
/// its group are interrupted.
const AGAIN_AFTER: Duration = Duration::from_secs(600);

impl Feed {
    /// Called when idle with nothing in hand: joins again where there is lag and nothing moves.
    pub(in crate::roles) async fn watch(&mut self) -> Result<(), Halt> {
        if self.moved_at.elapsed() < STUCK_AFTER || self.stop.is_asked() {
            return Ok(());
        }
        self.moved_at = Instant::now();
        let readers = [(self.group.clone(), self.topics.clone())];
        let Ok(lags) = lag::lag(&*self.log, &readers).await else { return Ok(()) };
        let behind = self.behind(&lags);
        let standing: Vec<_> = lags.iter().map(|lag| (lag.committed, lag.high)).collect();
        // Where joining again did not help a moment ago, there may be nothing to read: the marker of a
        // foreign producer's transaction at the end of a partition, say.
        let in_vain = self
            .joined_in_vain
            .as_ref()
            .is_some_and(|(at, joined)| *at == standing && joined.elapsed() < AGAIN_AFTER);
        if behind == 0 || in_vain {
            return Ok(());
        }
        self.joined_in_vain = Some((standing, Instant::now()));
        tracing::warn!(
            role = %self.role, lag = behind,
            "no progress for {} s with records waiting; joining the group again",
            STUCK_AFTER.as_secs()
        );
        metrics::counter!(names::STUCK, "role" => self.role.as_str()).increment(1);
        self.rejoin().await
    }

    /// Records that wait for this member: those of its partitions. Those of others' are their affair:
    /// a member without a share would only disturb them by joining again. One that never got one is
    /// stuck where the whole group stands still.
    pub(super) fn behind(&mut self, lags: &[PartitionLag]) -> u64 {
        let is_mine = |lag: &&PartitionLag| {
            let is_there = |mine: &Assignment| {
                mine.at.topic == lag.topic && mine.at.partition == lag.partition
            };
            self.assigned.iter().any(is_there)
        };
        if self.has_joined {
            return lags.iter().filter(is_mine).map(PartitionLag::lag).sum();
        }
        let positions: Vec<_> = lags.iter().map(|lag| lag.committed).collect();
        if self.seen == positions {
            return lag::total(lags);
        }
        self.seen = positions;
        0
    }

    async fn rejoin(&mut self) -> Result<(), Halt> {
        let old = std::mem::replace(&mut self.consumer, Box::new(Left));
        if let Err(error) = old.close().await {
            tracing::debug!(role = %self.role, error = %error.chain(), "leaving the group");
        }
        self.stash.clear();
        self.assigned.clear();
        self.passed.clear();
        self.has_joined = false;
        self.seen.clear();
        loop {
            match self.log.consumer(&self.group, &self.topics).await {
                Ok(consumer) => {
                    self.consumer = consumer;
                    self.voice.works();
                    return Ok(());
                }
                Err(error) => self.pause("join its group", error).await?,
            }
        }
    }
}

/// What stands in for a consumer between leaving and joining.
#[derive(Debug)]
struct Left;

#[async_trait::async_trait]
impl Consumer for Left {
    async fn poll(&mut self, _max_records: usize, _max_wait: Duration) -> PortResult<Polled> {
        Ok(Polled::Idle)
    }

    async fn commit(&mut self, _progress: &[Progress]) -> PortResult<()> {
        Ok(())
    }

    fn set_paused(&mut self, _paused: bool) {}

    async fn close(self: Box<Self>) -> PortResult<()> {
        Ok(())
    }
}
