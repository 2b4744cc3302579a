//! One membership in a group: the thread that polls librdkafka, and what it shares with the
//! consumer that the role holds.
//!
//! * here: what both share, and where partitions and records stand.
//! * [`rebalance`]: partitions that come and go. [`thread`]: polling, and handing records over.
//! * [`stall`]: whether records wait that the client does not bring.
//!
//! The thread never stops polling for long, so that the membership stands while the role is busy or
//! paused: with its buffer full it holds the partitions and polls on. A rebalance runs on this
//! thread too: revoked partitions are offered to the role and given up once it polls again, or
//! after `kafka.revoke_timeout`.

mod rebalance;
mod stall;
mod thread;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use tokio::sync::Notify;

use super::meta::Meta;
use super::record;
use super::seats::Seat;
use super::{config, errors};
use crate::model::{ConsumedRecord, GroupId, Partition, Topic, TopicId, TopicPartition};
use crate::ports::{Assignment, Error, Kind, Polled, Result};
use crate::settings::Kafka;
use rebalance::Rebalances;
pub(super) use thread::run;

/// One wait for something to come.
const WAIT: Duration = Duration::from_millis(100);
/// How long one look at brokers may take on the thread.
const LOOK: Duration = Duration::from_secs(1);

/// What a membership is made of.
#[derive(Debug)]
pub(super) struct MembershipOptions {
    pub(super) settings: Kafka,
    pub(super) group: GroupId,
    pub(super) topics: Vec<Topic>,
    /// The place of this membership among those of the process in this group.
    pub(super) seat: Seat,
    pub(super) meta: Arc<Meta>,
}

/// A client in the group.
pub(super) type Member = BaseConsumer<Rebalances>;

/// What thread and role share.
pub(super) struct Membership {
    pub(super) options: MembershipOptions,
    state: Mutex<State>,
    /// Wakes the thread.
    room: Condvar,
    /// Wakes the role.
    pub(super) news: Notify,
    /// Counts rebalances, so that the thread knows when what it remembers of partitions is old.
    epoch: AtomicU64,
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership").field("options", &self.options).finish_non_exhaustive()
    }
}

/// One partition that is this member's.
#[derive(Debug, Clone, Copy)]
struct Part {
    generation: u64,
    topic_id: TopicId,
    /// The next offset: the first of the topic where the group has no position.
    next: i64,
}

/// Records of one partition that wait for the role.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) assignment: Assignment,
    pub(super) records: VecDeque<ConsumedRecord>,
}

/// Partitions that are about to go.
#[derive(Debug)]
struct Revoking {
    assignments: Vec<Assignment>,
    is_offered: bool,
    is_released: bool,
}

#[derive(Default)]
pub(super) struct State {
    /// What the role must hear before any record.
    control: VecDeque<Polled>,
    revoking: Option<Revoking>,
    parts: HashMap<TopicPartition, Part>,
    pub(super) chunks: VecDeque<Chunk>,
    bytes: usize,
    generation: u64,
    pub(super) client: Option<Arc<Member>>,
    pub(super) down: Option<String>,
    /// Partitions were given that cannot be read: the member has to join again.
    is_adrift: bool,
    /// Where the member stood still.
    stood: stall::Stands,
    /// Commits that are under way to the coordinator.
    commits: usize,
    pub(super) is_closing: bool,
    pub(super) has_ended: bool,
}

impl State {
    /// What the role must hear now; taking what was offered before gives it up.
    pub(super) fn next_control(&mut self) -> Option<Polled> {
        if let Some(polled) = self.control.pop_front() {
            return Some(polled);
        }
        let revoking = self.revoking.as_mut().filter(|revoking| !revoking.is_offered)?;
        revoking.is_offered = true;
        Some(Polled::Revoking(revoking.assignments.clone()))
    }

    /// The role polls again: what it was offered may go. Whether something was.
    pub(super) fn release(&mut self) -> bool {
        match &mut self.revoking {
            Some(revoking) if revoking.is_offered && !revoking.is_released => {
                revoking.is_released = true;
                true
            }
            _ => false,
        }
    }

    /// A commit of assignments that are current goes to the coordinator. Until
    /// [`committed`](Self::committed) none of them is given up: a commit names its generation when it
    /// is sent, and after a rebalance that would be the next one, in which they are another's.
    pub(super) fn commits(&mut self) {
        self.commits += 1;
    }

    /// It came to its end.
    pub(super) fn committed(&mut self) {
        self.commits = self.commits.saturating_sub(1);
    }

    /// The records' bytes were taken.
    pub(super) fn took(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// The incarnation of an assignment's topic, where the assignment is the current one.
    pub(super) fn current(&self, assignment: &Assignment) -> Option<TopicId> {
        let part = self.parts.get(&assignment.at)?;
        (part.generation == assignment.generation).then_some(part.topic_id)
    }

    fn drop_records(&mut self, gone: &[Assignment]) {
        self.chunks.retain(|chunk| !gone.contains(&chunk.assignment));
        self.bytes = self.chunks.iter().flat_map(|chunk| &chunk.records).map(record::size).sum();
    }

    fn held(&self, list: &TopicPartitionList, topics: &[Topic]) -> Vec<Assignment> {
        places(list, topics)
            .filter_map(|at| {
                let generation = self.parts.get(&at)?.generation;
                Some(Assignment { at, generation })
            })
            .collect()
    }

    fn give_up(&mut self, gone: &[Assignment]) {
        self.drop_records(gone);
        for assignment in gone {
            self.parts.remove(&assignment.at);
        }
    }
}

/// The partitions of a list, by our names.
fn places(list: &TopicPartitionList, topics: &[Topic]) -> impl Iterator<Item = TopicPartition> {
    list.elements().into_iter().filter_map(move |element| {
        let topic = topics.iter().find(|topic| topic.as_str() == element.topic())?;
        Some(TopicPartition::new(topic.clone(), Partition(element.partition())))
    })
}

impl Membership {
    pub(super) fn new(options: MembershipOptions) -> Arc<Self> {
        Arc::new(Self {
            options,
            state: Mutex::default(),
            room: Condvar::new(),
            news: Notify::new(),
            epoch: AtomicU64::new(0),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the thread that the role took something, polled, paused or closes.
    pub(super) fn wake_thread(&self) {
        self.room.notify_all();
    }

    /// Makes a client of this membership.
    pub(super) fn client(self: &Arc<Self>) -> Result<Arc<Member>> {
        let MembershipOptions { settings, group, topics, seat, .. } = &self.options;
        let config = config::member(settings, group.as_str(), seat.number());
        let context = Rebalances { membership: Arc::clone(self) };
        let wrong = |error| errors::wrapped(format!("cannot join group {group}"), error);
        let client = BaseConsumer::from_config_and_context(&config, context).map_err(wrong)?;
        let names: Vec<&str> = topics.iter().map(Topic::as_str).collect();
        client.subscribe(&names).map_err(wrong)?;
        Ok(Arc::new(client))
    }

    /// Everything that is this member's is gone.
    fn lose_all(&self) {
        let mut state = self.lock();
        let gone: Vec<Assignment> = state
            .parts
            .iter()
            .map(|(at, part)| Assignment { at: at.clone(), generation: part.generation })
            .collect();
        state.give_up(&gone);
        if !gone.is_empty() {
            state.control.push_back(Polled::Lost(gone));
        }
        drop(state);
        self.news.notify_one();
    }
}

/// The client, where the membership has one now.
pub(super) fn joined(state: &State) -> Result<Arc<Member>> {
    let none = || Error::new(Kind::Unavailable, "the member is joining again");
    state.client.clone().ok_or_else(none)
}
