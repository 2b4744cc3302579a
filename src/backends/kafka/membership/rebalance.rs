//! Partitions that come and go: where reading a new one begins, and how an old one is given up.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, TopicPartitionList};

use super::super::producer::log_line;
use super::super::{errors, meta};
use super::{Member, Membership, MembershipOptions, Part, Revoking, WAIT, places};
use crate::model::{Offset, Topic, TopicId, TopicPartition};
use crate::ports::{Assignment, Polled};

/// How long it may take to find out where new partitions begin, before the member joins again.
const START: Duration = Duration::from_secs(30);

/// The rebalances of a client, on the thread that polls it.
pub(in crate::backends::kafka) struct Rebalances {
    pub(super) membership: Arc<Membership>,
}

impl ClientContext for Rebalances {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log_line(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, group = %self.membership.options.group, "librdkafka");
    }
}

impl ConsumerContext for Rebalances {
    fn rebalance(
        &self,
        client: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        self.membership.epoch.fetch_add(1, Ordering::AcqRel);
        let cooperates = matches!(client.rebalance_protocol(), RebalanceProtocol::Cooperative);
        let done = if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            let starts = self.membership.starts(client, list);
            // Where it is not known from where to read, nothing is read.
            let none = TopicPartitionList::new();
            let list = if starts.is_some() { &*list } else { &none };
            let done =
                if cooperates { client.incremental_assign(list) } else { client.assign(list) };
            match starts {
                Some(starts) => self.membership.assigned(starts),
                None => self.membership.lock().is_adrift = true,
            }
            done
        } else {
            self.membership.revoked(list, client.assignment_lost());
            if cooperates { client.incremental_unassign(list) } else { client.unassign() }
        };
        if let Err(error) = done {
            tracing::warn!(%error, group = %self.membership.options.group, "rebalance failed");
        }
        self.membership.epoch.fetch_add(1, Ordering::AcqRel);
    }
}

type Ids = Vec<(Topic, TopicId)>;
type Positions = HashMap<TopicPartition, Offset>;

/// Where reading a partition begins.
struct Start {
    at: TopicPartition,
    topic_id: TopicId,
    /// The group's position, where it has one.
    committed: Option<i64>,
}

impl Start {
    /// The first record that the group has not finished with, still there or not: where it has no
    /// position, the first that there ever was.
    fn next(&self) -> i64 {
        self.committed.unwrap_or(0)
    }
}

impl Membership {
    /// Identities of the topics and the group's positions in these partitions, asked until they are
    /// told; `None` where that takes too long. Nothing stands in for them: positions that librdkafka
    /// would look up by name may be those of an earlier topic.
    fn positions(&self, client: &Member, places: &[TopicPartition]) -> Option<(Ids, Positions)> {
        let MembershipOptions { group, topics, meta, .. } = &self.options;
        let limit = self.options.settings.request_timeout.0;
        let until = Instant::now() + START;
        loop {
            let asked = meta.identities(topics, limit).and_then(|identities| {
                let ids: Ids =
                    topics.iter().cloned().zip(identities.iter().map(|found| found.id)).collect();
                let positions = meta::committed(client.client(), places, &ids, limit)
                    .map_err(|code| errors::error(meta::cannot_read(group), code))?;
                Ok((ids, positions))
            });
            let error = match asked {
                Ok(found) => return Some(found),
                Err(error) => error,
            };
            tracing::info!(%group, error = error.chain(), "cannot tell yet where reading begins");
            let mut state = self.lock();
            state.down = Some(error.chain());
            self.news.notify_one();
            if state.is_closing || client.assignment_lost() || Instant::now() >= until {
                return None;
            }
            drop(self.room.wait_timeout(state, WAIT));
        }
    }

    /// Where the partitions of a new assignment begin; the list is told so too.
    fn starts(&self, client: &Member, list: &mut TopicPartitionList) -> Option<Vec<Start>> {
        let assigned: Vec<TopicPartition> = places(list, &self.options.topics).collect();
        let (ids, committed) = self.positions(client, &assigned)?;
        let mut starts = Vec::new();
        for at in assigned {
            let Some((_, topic_id)) = ids.iter().find(|(topic, _)| *topic == at.topic) else {
                continue;
            };
            let committed = committed.get(&at).map(|offset| offset.0);
            let offset = committed.map_or(rdkafka::Offset::Beginning, rdkafka::Offset::Offset);
            let (topic, partition) = (at.topic.as_str(), at.partition.0);
            if let Err(error) = list.set_partition_offset(topic, partition, offset) {
                tracing::warn!(%at, %error, "cannot set where reading begins");
                return None;
            }
            starts.push(Start { at, topic_id: *topic_id, committed });
        }
        Some(starts)
    }

    fn assigned(&self, starts: Vec<Start>) {
        let gaps = self.gaps(&starts);
        let mut state = self.lock();
        state.generation += 1;
        let generation = state.generation;
        let mut assignments = Vec::new();
        for start in starts {
            let begins = gaps.iter().find_map(|gap| match gap {
                Polled::Gap { at, to, .. } if *at == start.at => Some(to.0),
                _ => None,
            });
            let next = begins.unwrap_or_else(|| start.next());
            let Start { at, topic_id, .. } = start;
            state.parts.insert(at.clone(), Part { generation, topic_id, next });
            assignments.push(Assignment { at, generation });
        }
        state.control.push_back(Polled::Assigned(assignments));
        state.control.extend(gaps);
        state.down = None;
        drop(state);
        self.news.notify_one();
    }

    /// The partitions of which records are gone that the group has not finished with, as far as its
    /// positions tell. Brokers forget those of a group that is away for as long as records stay by
    /// default (7 days): a role that was stopped for longer has none, like one that is new.
    fn gaps(&self, starts: &[Start]) -> Vec<Polled> {
        let until = Instant::now() + self.options.settings.request_timeout.0;
        let mut gaps = Vec::new();
        for start in starts {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let (at, from) = (&start.at, start.next());
            match self.options.meta.bounds(at, left) {
                Ok((low, _)) if low > from => {
                    if start.committed.is_none() {
                        tracing::warn!(group = %self.options.group, %at, low,
                            "no position here: the group is new, or was away for so long that brokers \
                             forgot it; all that is gone counts as not read");
                    }
                    gaps.push(Polled::Gap { at: at.clone(), from: Offset(from), to: Offset(low) });
                }
                Ok(_) => {}
                // The first record tells it too.
                Err(error) => tracing::debug!(%at, error = error.chain(), "bounds"),
            }
        }
        gaps
    }

    fn revoked(&self, list: &TopicPartitionList, is_lost: bool) {
        let mut state = self.lock();
        let gone = state.held(list, &self.options.topics);
        if gone.is_empty() {
            return;
        }
        state.drop_records(&gone);
        let mut is_lost = is_lost;
        if !is_lost && !state.is_closing {
            state.revoking =
                Some(Revoking { assignments: gone.clone(), is_offered: false, is_released: false });
            self.news.notify_one();
            let until = Instant::now() + self.options.settings.revoke_timeout.0;
            loop {
                let left = until.saturating_duration_since(Instant::now());
                let is_released = state.revoking.as_ref().is_none_or(|r| r.is_released);
                if is_released || state.is_closing || left.is_zero() {
                    is_lost = !is_released;
                    break;
                }
                let waited = self.room.wait_timeout(state, left);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            state.revoking = None;
        }
        let until = Instant::now() + self.options.settings.request_timeout.0;
        while state.commits > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.room.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.give_up(&gone);
        if is_lost {
            if !state.is_closing {
                tracing::warn!(group = %self.options.group, partitions = gone.len(),
                    "partitions went before the role had finished with them");
            }
            state.control.push_back(Polled::Lost(gone));
            self.news.notify_one();
        }
    }
}
