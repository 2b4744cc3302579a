//! The thread of a membership: polls librdkafka, hands records to the role, holds partitions while its
//! buffer is full, and joins again where the client or its topics are not what they were, or where the
//! client brings nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::Message;

use super::super::errors;
use super::super::record::{self, Copier};
use super::stall::{self, Stall, Waiting};
use super::{Chunk, LOOK, Member, Membership, MembershipOptions, Part, WAIT};
use crate::model::{Offset, Partition, TopicPartition};
use crate::ports::{Assignment, Kind, Polled};

/// Bytes read and not yet taken by the role; past it the thread takes no more.
const BUFFER_BYTES: usize = 4 << 20;
/// Records of one turn of the thread.
const TURN: usize = 1000;
/// How long a full buffer waits for the role before the partitions are held.
const HOLD_AFTER: Duration = Duration::from_secs(1);
/// How often the identity of the topics is looked at.
const IDENTITY_CHECK: Duration = Duration::from_secs(10);

/// Why the thread lets a client go.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Closing,
    /// The client cannot go on, or what it reads is not what it was: a new one joins.
    Again,
}

/// Runs until the membership is closed. The body of its thread.
pub(in crate::backends::kafka) fn run(membership: &Arc<Membership>, first: Arc<Member>) {
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
    stall: Stall,
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
            stall: Stall::new(membership.options.settings.stall_timeout.0),
        }
    }

    fn serve(&mut self) -> End {
        loop {
            let state = self.membership.lock();
            if state.is_closing {
                return End::Closing;
            }
            if state.bytes > 0 {
                self.stall.excuse();
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
        let next = std::mem::replace(&mut part.next, offset + 1);
        if offset < next {
            // Back to an earlier place: perhaps it is another topic by now.
            self.is_doubted = true;
        }
        if offset > next
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
            if let Some(part) = state.parts.get_mut(&chunk.assignment.at)
                && let Some(last) = chunk.records.back()
            {
                part.next = last.offset.0 + 1;
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
        if self.stall.is_due() && self.stands_still() {
            return Some(End::Again);
        }
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

    /// Whether records wait that this client does not bring; where is noted.
    fn stands_still(&mut self) -> bool {
        self.refresh();
        let MembershipOptions { meta, group, .. } = &self.membership.options;
        let stood = self.membership.lock().stood.clone();
        let found = stall::waiting(meta, &self.parts, &stood);
        let Some(Waiting { at, next, high }) = self.stall.proven(found) else { return false };
        metrics::counter!("evp_consumer_stalls_total").increment(1);
        tracing::warn!(%group, %at, next, high,
            "records wait and do not come; the member joins again");
        self.membership.lock().stood.insert(at, (next, high));
        true
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
