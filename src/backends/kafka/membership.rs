//! One membership in a group: the thread that polls librdkafka, and what it shares with the
//! consumer that the role holds.
//!
//! The thread never stops polling for long, so that the membership stands while the role is busy or
//! paused: with its buffer full it holds the partitions and polls on. A rebalance runs on this
//! thread too: revoked partitions are offered to the role and given up once it polls again, or
//! after `kafka.revoke_timeout`.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::Message;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, TopicPartitionList};
use tokio::sync::Notify;

use super::meta::Meta;
use super::producer::log_line;
use super::record::{self, Copier};
use super::seats::Seat;
use super::{config, errors};
use crate::model::{ConsumedRecord, GroupId, Offset, Partition, Topic, TopicId, TopicPartition};
use crate::ports::{Assignment, Error, Kind, Polled, Result};
use crate::settings::Kafka;

/// Bytes read and not yet taken by the role; past it the thread takes no more.
const BUFFER_BYTES: usize = 4 << 20;
/// Records of one turn of the thread.
const TURN: usize = 1000;
/// One wait for something to come.
const WAIT: Duration = Duration::from_millis(100);
/// How long a full buffer waits for the role before the partitions are held.
const HOLD_AFTER: Duration = Duration::from_secs(1);
/// How often the identity of the topics is looked at.
const IDENTITY_CHECK: Duration = Duration::from_secs(10);
/// How long it may take to find out where new partitions begin, before the member joins again.
const START: Duration = Duration::from_secs(30);
/// How long one look at brokers may take on this thread.
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
    /// The next offset, where it is known.
    next: Option<i64>,
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

/// The rebalances of a client, on the thread that polls it.
pub(super) struct Rebalances {
    membership: Arc<Membership>,
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
            let starts = self.membership.starts(list, || client.assignment_lost());
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
    committed: Option<i64>,
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

    /// Identities of the topics and the group's positions in them, asked until they are told; `None`
    /// where that takes too long. Nothing stands in for them: positions that librdkafka would look
    /// up by name may be those of an earlier topic.
    fn positions(&self, is_lost: impl Fn() -> bool) -> Option<(Ids, Positions)> {
        let MembershipOptions { group, topics, meta, .. } = &self.options;
        let limit = self.options.settings.request_timeout.0;
        let until = Instant::now() + START;
        loop {
            let asked = meta.identities(topics, limit).and_then(|identities| {
                let ids: Ids =
                    topics.iter().cloned().zip(identities.iter().map(|found| found.id)).collect();
                let positions = meta.positions(group, &ids, limit)?;
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
            if state.is_closing || is_lost() || Instant::now() >= until {
                return None;
            }
            drop(self.room.wait_timeout(state, WAIT));
        }
    }

    /// Where the partitions of a new assignment begin; the list is told so too.
    fn starts(
        &self,
        list: &mut TopicPartitionList,
        is_lost: impl Fn() -> bool,
    ) -> Option<Vec<Start>> {
        let topics = &self.options.topics;
        let (ids, committed) = self.positions(is_lost)?;
        let mut starts = Vec::new();
        let assigned: Vec<TopicPartition> = places(list, topics).collect();
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
        for Start { at, topic_id, committed } in starts {
            let begins = gaps.iter().find_map(|gap| match gap {
                Polled::Gap { at: gapped, to, .. } if *gapped == at => Some(to.0),
                _ => None,
            });
            let next = begins.or(committed);
            state.parts.insert(at.clone(), Part { generation, topic_id, next });
            assignments.push(Assignment { at, generation });
        }
        state.control.push_back(Polled::Assigned(assignments));
        state.control.extend(gaps);
        state.down = None;
        drop(state);
        self.news.notify_one();
    }

    /// The partitions whose committed offset retention has passed.
    fn gaps(&self, starts: &[Start]) -> Vec<Polled> {
        let until = Instant::now() + self.options.settings.request_timeout.0;
        let mut gaps = Vec::new();
        for start in starts {
            let left = until.saturating_duration_since(Instant::now());
            let Some(from) = start.committed.filter(|_| !left.is_zero()) else { continue };
            match self.options.meta.bounds(&start.at, left) {
                Ok((low, _)) if low > from => {
                    gaps.push(Polled::Gap {
                        at: start.at.clone(),
                        from: Offset(from),
                        to: Offset(low),
                    });
                }
                Ok(_) => {}
                // The first record tells it too.
                Err(error) => tracing::debug!(at = %start.at, error = error.chain(), "bounds"),
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

/// Why the thread lets a client go.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Closing,
    /// The client cannot go on, or what it reads is not what it was: a new one joins.
    Again,
}

/// Runs until the membership is closed. The body of its thread.
pub(super) fn run(membership: &Arc<Membership>, first: Arc<Member>) {
    let mut client = Some(first);
    while let Some(joined) = client.take() {
        membership.lock().client = Some(Arc::clone(&joined));
        let end = Thread::new(membership, &joined).serve();
        membership.lock().client = None;
        if end == End::Again {
            membership.lose_all();
        }
        // The last one to let it go leaves the group.
        drop(joined);
        while end == End::Again && client.is_none() && !membership.lock().is_closing {
            match membership.client() {
                Ok(next) => client = Some(next),
                Err(error) => {
                    let mut state = membership.lock();
                    state.down = Some(error.chain());
                    let waited = membership.room.wait_timeout(state, Duration::from_secs(1));
                    drop(waited);
                }
            }
        }
    }
    membership.options.seat.free();
    membership.lock().has_ended = true;
    membership.news.notify_one();
}

/// What the thread remembers between turns.
struct Thread<'m> {
    membership: &'m Membership,
    client: &'m Member,
    copier: Copier,
    epoch: u64,
    /// The partitions as of that epoch.
    parts: HashMap<TopicPartition, Part>,
    /// The partition of the last record: most come in runs.
    last: Option<TopicPartition>,
    full_since: Option<Instant>,
    is_held: bool,
    /// The epoch of what is held.
    held_epoch: u64,
    looked_at: Instant,
    /// Something speaks for a topic that was made again.
    is_doubted: bool,
}

impl<'m> Thread<'m> {
    fn new(membership: &'m Membership, client: &'m Member) -> Self {
        Self {
            membership,
            client,
            copier: Copier::default(),
            epoch: u64::MAX,
            parts: HashMap::new(),
            last: None,
            full_since: None,
            is_held: false,
            held_epoch: u64::MAX,
            looked_at: Instant::now(),
            is_doubted: false,
        }
    }

    fn serve(&mut self) -> End {
        loop {
            let state = self.membership.lock();
            if state.is_closing {
                return End::Closing;
            }
            if state.bytes >= BUFFER_BYTES {
                let since = *self.full_since.get_or_insert_with(Instant::now);
                if since.elapsed() < HOLD_AFTER {
                    drop(self.membership.room.wait_timeout(state, WAIT));
                    continue;
                }
                drop(state);
                self.hold(true);
            } else {
                drop(state);
                self.full_since = None;
                self.hold(false);
            }
            if let Some(end) = self.turn() {
                return end;
            }
        }
    }

    /// Stops fetching, or goes on. Never resumes what is not held: what came in a rebalance since is
    /// held first.
    fn hold(&mut self, is_held: bool) {
        let epoch = self.membership.epoch.load(Ordering::Acquire);
        let is_new = epoch != self.held_epoch;
        if is_held == self.is_held && !(is_held && is_new) {
            return;
        }
        let done = self.client.assignment().and_then(|list| {
            if is_held || is_new {
                self.client.pause(&list)?;
            }
            if is_held { Ok(()) } else { self.client.resume(&list) }
        });
        match done {
            Ok(()) => (self.is_held, self.held_epoch) = (is_held, epoch),
            Err(error) => tracing::debug!(%error, is_held, "holding partitions"),
        }
    }

    /// Takes what is there, waiting a little for the first.
    fn turn(&mut self) -> Option<End> {
        let mut chunks: Vec<Chunk> = Vec::new();
        let mut bytes = 0;
        let mut wait = WAIT;
        for _ in 0..TURN {
            match self.client.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    self.refresh();
                    bytes += self.take(&message, &mut chunks);
                }
                Some(Err(error)) => {
                    if let Some(end) = self.failed(&error) {
                        return Some(end);
                    }
                    break;
                }
            }
            if bytes >= BUFFER_BYTES / 4 {
                break;
            }
            wait = Duration::ZERO;
        }
        if self.is_doubted && !chunks.is_empty() && self.is_remade() {
            // What was just read is of the new topic and would bear the identity of the old one.
            return Some(End::Again);
        }
        self.hand_over(chunks);
        self.look()
    }

    fn refresh(&mut self) {
        let epoch = self.membership.epoch.load(Ordering::Acquire);
        if epoch != self.epoch {
            let state = self.membership.lock();
            self.parts.clone_from(&state.parts);
            self.epoch = epoch;
            self.last = None;
        }
    }

    /// Puts a message into its partition's chunk; its bytes.
    fn take(
        &mut self,
        message: &rdkafka::message::BorrowedMessage<'_>,
        chunks: &mut Vec<Chunk>,
    ) -> usize {
        let (topic, partition) = (message.topic(), Partition(message.partition()));
        let is_last = |at: &TopicPartition| at.partition == partition && at.topic.as_str() == topic;
        if !self.last.as_ref().is_some_and(is_last) {
            self.last = self.parts.keys().find(|at| is_last(at)).cloned();
        }
        let Some(at) = self.last.as_ref() else { return 0 };
        let Some(part) = self.parts.get_mut(at) else { return 0 };
        let offset = message.offset();
        let next = part.next.replace(offset + 1);
        if next.is_some_and(|next| offset < next) {
            // Back to an earlier place: perhaps it is another topic by now.
            self.is_doubted = true;
        }
        if let Some(next) = next
            && offset > next
            && let Ok((low, _)) = self.membership.options.meta.bounds(at, LOOK)
            && low > next
        {
            let (from, to) = (Offset(next), Offset(low.min(offset)));
            let gap = Polled::Gap { at: at.clone(), from, to };
            self.membership.lock().control.push_back(gap);
        }
        let record = self.copier.record(message, &at.topic, part.topic_id);
        let bytes = record::size(&record);
        let generation = part.generation;
        let of_it = |chunk: &&mut Chunk| {
            chunk.assignment.generation == generation && chunk.assignment.at == *at
        };
        match chunks.iter_mut().rev().find(of_it) {
            Some(chunk) => chunk.records.push_back(record),
            None => chunks.push(Chunk {
                assignment: Assignment { at: at.clone(), generation },
                records: VecDeque::from([record]),
            }),
        }
        bytes
    }

    /// Gives the role what was taken; what went in a rebalance meanwhile is dropped.
    fn hand_over(&self, chunks: Vec<Chunk>) {
        if chunks.is_empty() {
            return;
        }
        let mut state = self.membership.lock();
        for chunk in chunks {
            if state.current(&chunk.assignment).is_none() {
                continue;
            }
            state.bytes += chunk.records.iter().map(record::size).sum::<usize>();
            if let Some(part) = state.parts.get_mut(&chunk.assignment.at) {
                part.next = chunk.records.back().map(|record| record.offset.0 + 1);
            }
            match state.chunks.back_mut() {
                Some(last) if last.assignment == chunk.assignment => {
                    last.records.extend(chunk.records);
                }
                _ => state.chunks.push_back(chunk),
            }
        }
        state.down = None;
        drop(state);
        self.membership.news.notify_one();
    }

    fn failed(&mut self, error: &KafkaError) -> Option<End> {
        let group = &self.membership.options.group;
        if let KafkaError::MessageConsumptionFatal(code) = error {
            tracing::error!(%group, %code, "the member cannot go on and joins again");
            let state = self.membership.lock();
            drop(self.membership.room.wait_timeout(state, Duration::from_secs(1)));
            return Some(End::Again);
        }
        let code = error.rdkafka_error_code();
        tracing::debug!(%group, %error, "consuming");
        if matches!(code, Some(Code::AllBrokersDown | Code::BrokerTransportFailure)) {
            self.ping();
        } else if matches!(
            code,
            Some(Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed)
        ) {
            self.membership.lock().down = Some(error.to_string());
        } else if code.is_some_and(|code| errors::kind(code) == Kind::NotFound) {
            self.is_doubted = true;
        }
        None
    }

    /// Finds out whether brokers are there.
    fn ping(&self) {
        let pinged = self.membership.options.meta.ping(LOOK);
        self.membership.lock().down = pinged.err().map(|error| error.chain());
        self.membership.news.notify_one();
    }

    /// Looks now and then whether brokers are back and topics are still the same.
    fn look(&mut self) -> Option<End> {
        let is_down = {
            let mut state = self.membership.lock();
            if std::mem::take(&mut state.is_adrift) {
                drop(self.membership.room.wait_timeout(state, Duration::from_secs(1)));
                return Some(End::Again);
            }
            state.down.is_some()
        };
        let is_soon = is_down || self.is_doubted;
        let every = if is_soon { Duration::from_secs(1) } else { IDENTITY_CHECK };
        if self.looked_at.elapsed() < every {
            return None;
        }
        if is_down {
            self.ping();
        } else if self.is_remade() {
            return Some(End::Again);
        }
        self.looked_at = Instant::now();
        None
    }

    /// Whether a topic is known to be another one now. Where nobody tells, doubts stay.
    fn is_remade(&mut self) -> bool {
        self.refresh();
        let options = &self.membership.options;
        if self.parts.is_empty() || options.meta.identities(&options.topics, LOOK).is_err() {
            return false;
        }
        self.is_doubted = false;
        let remade = self.parts.iter().find(|(at, part)| {
            options.meta.heard(&at.topic).is_some_and(|heard| heard.id != part.topic_id)
        });
        if let Some((at, part)) = remade {
            tracing::warn!(topic = %at.topic, was = %part.topic_id,
                "the topic was deleted and made again; reading begins at its start");
        }
        remade.is_some()
    }
}

/// The client, where the membership has one now.
pub(super) fn joined(state: &State) -> Result<Arc<Member>> {
    let none = || Error::new(Kind::Unavailable, "the member is joining again");
    state.client.clone().ok_or_else(none)
}
