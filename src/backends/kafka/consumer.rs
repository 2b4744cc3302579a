//! The consumer that a role holds: it takes from the membership what its thread read.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::KafkaError;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::errors;
use super::membership::{self, Member, Membership, MembershipOptions, State};
use super::record;
use crate::model::{Offset, TopicId, TopicPartition};
use crate::ports::{Consumer, Error, Fetched, Kind, Polled, Progress, Result, crash};

/// How long leaving a group is waited for; it goes on without.
const LEAVE: Duration = Duration::from_secs(10);

/// Between two tries of a commit while the group shares out anew.
const REGROUP: Duration = Duration::from_millis(100);

/// How a commit ended.
#[derive(Debug)]
enum Committed {
    /// It is done, or was of an assignment that is gone.
    Done,
    /// The group is sharing out anew.
    NotNow(KafkaError),
}

/// One membership as its role sees it. Dropping it leaves the group.
#[derive(Debug)]
pub(super) struct KafkaConsumer {
    membership: Arc<Membership>,
    is_paused: bool,
    /// A commit that a dropped future left behind, or that did not end in time.
    committing: Option<JoinHandle<Result<Committed>>>,
}

impl KafkaConsumer {
    /// Starts the membership; joins in the background. Blocks for a moment.
    pub(super) fn join(options: MembershipOptions) -> Result<Self> {
        let membership = Membership::new(options);
        let client = membership.client()?;
        let shared = Arc::clone(&membership);
        thread::Builder::new()
            .name(format!("kafka-{}", membership.options.group))
            .spawn(move || membership::run(&shared, client))
            .map_err(|error| {
                Error::new(Kind::Unavailable, "cannot start a thread").with_source(error)
            })?;
        Ok(Self { membership, is_paused: false, committing: None })
    }

    /// Commits the positions of those assignments that are current now.
    async fn commit_current(
        &mut self,
        progress: &[Progress],
        limit: Duration,
    ) -> Result<Committed> {
        let (client, positions) = {
            let mut state = self.membership.lock();
            let positions: Vec<_> = progress
                .iter()
                .filter_map(|progress| {
                    let topic_id = state.current(&progress.assignment)?;
                    Some((progress.assignment.at.clone(), topic_id, progress.next))
                })
                .collect();
            if positions.is_empty() {
                return Ok(Committed::Done);
            }
            let client = membership::joined(&state)?;
            state.commits();
            (client, positions)
        };
        let under_way = UnderWay(Arc::clone(&self.membership));
        crash::point("checkpoint.before");
        let committing = tokio::task::spawn_blocking(move || {
            let done = commit(&client, &positions);
            drop(under_way);
            done
        });
        let committing = self.committing.insert(committing);
        let ended = tokio::time::timeout(limit, committing).await;
        let ended = ended.map_err(|_| unanswered())?;
        self.committing = None;
        let committed = ended.map_err(broke_off)??;
        crash::point("checkpoint.after");
        Ok(committed)
    }

    /// The client that reads now.
    #[cfg(test)]
    pub(super) fn client(&self) -> Option<Arc<Member>> {
        self.membership.lock().client.clone()
    }

    /// What there is for the role now.
    fn take(&self, max_records: usize) -> Option<Result<Polled>> {
        let mut state = self.membership.lock();
        if let Some(polled) = state.next_control() {
            return Some(Ok(polled));
        }
        if !self.is_paused
            && let Some(fetched) = take_records(&mut state, max_records.max(1))
        {
            drop(state);
            self.membership.wake_thread();
            return Some(Ok(Polled::Records(fetched)));
        }
        if state.has_ended {
            return Some(Err(Error::new(Kind::Closed, "the membership has ended")));
        }
        None
    }
}

/// The oldest records, up to `max`.
fn take_records(state: &mut State, max: usize) -> Option<Vec<Fetched>> {
    let mut fetched: Vec<Fetched> = Vec::new();
    let (mut room, mut bytes) = (max, 0);
    while room > 0
        && let Some(chunk) = state.chunks.front_mut()
    {
        let rest = if chunk.records.len() > room {
            chunk.records.split_off(room)
        } else {
            VecDeque::new()
        };
        let records = std::mem::replace(&mut chunk.records, rest);
        let assignment = chunk.assignment.clone();
        if chunk.records.is_empty() {
            state.chunks.pop_front();
        }
        room -= records.len();
        bytes += records.iter().map(record::size).sum::<usize>();
        match fetched.iter_mut().find(|fetched| fetched.assignment == assignment) {
            Some(fetched) => fetched.records.extend(records),
            None => fetched.push(Fetched { assignment, records: records.into() }),
        }
    }
    state.took(bytes);
    (!fetched.is_empty()).then_some(fetched)
}

#[async_trait]
impl Consumer for KafkaConsumer {
    async fn poll(&mut self, max_records: usize, max_wait: Duration) -> Result<Polled> {
        if self.membership.lock().release() {
            self.membership.wake_thread();
        }
        let deadline = Instant::now() + max_wait;
        loop {
            if let Some(polled) = self.take(max_records) {
                return polled;
            }
            let news = tokio::time::timeout_at(deadline, self.membership.news.notified()).await;
            if news.is_err() {
                // Something may have come with the last tick.
                if let Some(polled) = self.take(max_records) {
                    return polled;
                }
                return match self.membership.lock().down.clone() {
                    Some(reason) => Err(Error::new(Kind::Unavailable, reason)
                        .with_retry_after(Duration::from_secs(1))),
                    None => Ok(Polled::Idle),
                };
            }
        }
    }

    async fn commit(&mut self, progress: &[Progress]) -> Result<()> {
        let limit = self.membership.options.settings.request_timeout.0;
        if let Some(earlier) = &mut self.committing {
            let ended = tokio::time::timeout(limit, earlier).await;
            if let Err(error) = ended.map_err(|_| unanswered())?.map_err(broke_off)? {
                // Nobody's any more: what it wanted is committed with what follows.
                tracing::debug!(error = error.chain(), "an earlier commit failed");
            }
            self.committing = None;
        }
        let until = Instant::now() + limit;
        loop {
            match self.commit_current(progress, limit).await? {
                Committed::Done => return Ok(()),
                Committed::NotNow(error) if Instant::now() >= until => {
                    return Err(errors::wrapped("cannot commit positions", error));
                }
                Committed::NotNow(error) => {
                    tracing::debug!(%error, "committing again when the group has shared out");
                    tokio::time::sleep(REGROUP).await;
                }
            }
        }
    }

    fn set_paused(&mut self, paused: bool) {
        self.is_paused = paused;
        if !paused {
            // What came meanwhile has woken nobody.
            self.membership.news.notify_one();
        }
    }

    async fn close(self: Box<Self>) -> Result<()> {
        self.membership.lock().is_closing = true;
        self.membership.wake_thread();
        let has_ended = async {
            while !self.membership.lock().has_ended {
                self.membership.news.notified().await;
            }
        };
        if tokio::time::timeout(LEAVE, has_ended).await.is_err() {
            tracing::warn!(group = %self.membership.options.group, "leaving takes long");
        }
        Ok(())
    }
}

/// A commit that has not come to its end.
struct UnderWay(Arc<Membership>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.lock().committed();
        self.0.wake_thread();
    }
}

/// Commits, and waits for the coordinator. Blocks.
fn commit(client: &Member, positions: &[(TopicPartition, TopicId, Offset)]) -> Result<Committed> {
    let wrong = |error| errors::wrapped("cannot commit positions", error);
    let mut list = TopicPartitionList::with_capacity(positions.len());
    for (at, topic_id, next) in positions {
        let mut element = list.add_partition(at.topic.as_str(), at.partition.0);
        element.set_offset(rdkafka::Offset::Offset(next.0)).map_err(wrong)?;
        // What tells this position from one in another topic of the same name.
        element.set_metadata(topic_id.to_string());
    }
    match client.commit(&list, CommitMode::Sync) {
        Ok(()) => Ok(Committed::Done),
        Err(error) if error.rdkafka_error_code().is_some_and(errors::is_regrouping) => {
            Ok(Committed::NotNow(error))
        }
        Err(error) if error.rdkafka_error_code().is_some_and(errors::is_fenced) => {
            // The coordinator gave the partitions to somebody else; a rebalance will say so.
            tracing::info!(%error, "positions of an assignment that is gone are not committed");
            Ok(Committed::Done)
        }
        Err(error) => Err(wrong(error)),
    }
}

fn unanswered() -> Error {
    Error::new(Kind::Unavailable, "the group's coordinator does not answer a commit")
        .with_retry_after(Duration::from_secs(1))
}

fn broke_off(error: tokio::task::JoinError) -> Error {
    Error::new(Kind::Closed, "a commit broke off").with_source(error)
}

impl Drop for KafkaConsumer {
    fn drop(&mut self) {
        self.membership.lock().is_closing = true;
        self.membership.wake_thread();
    }
}
