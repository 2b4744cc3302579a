use std::sync::Mutex;

use bytes::Bytes;

use super::*;
use crate::backends::memory::{MemoryLog, MemoryObjectStore, MemoryState, store};
use crate::model::{
    ConsumedRecord, Headers, Partition, Record, RecordBatch, Timestamp, TopicId, TopicPartition,
};
use crate::pipeline::lag::PartitionLag;
use crate::ports::{Clock, Ports, SystemClock};
use crate::runtime::health::Health;
use crate::settings::Settings;

/// What was done with the consumer, in order.
type Done = Arc<Mutex<Vec<&'static str>>>;

#[derive(Debug, Default)]
struct Scripted {
    done: Done,
    polls: VecDeque<Polled>,
    refusals: usize,
    is_paused: bool,
    /// Cancelled in the middle of the first poll.
    stops: Option<CancellationToken>,
}

#[async_trait::async_trait]
impl Consumer for Scripted {
    async fn poll(&mut self, _max_records: usize, _max_wait: Duration) -> PortResult<Polled> {
        self.done.lock().unwrap().push(if self.is_paused { "paused poll" } else { "poll" });
        if let Some(stop) = self.stops.take() {
            stop.cancel();
        }
        Ok(self.polls.pop_front().unwrap_or(Polled::Idle))
    }

    async fn commit(&mut self, _progress: &[Progress]) -> PortResult<()> {
        if self.refusals > 0 {
            self.refusals -= 1;
            self.done.lock().unwrap().push("refused");
            return Err(Error::new(Kind::Unavailable, "no coordinator"));
        }
        self.done.lock().unwrap().push("commit");
        Ok(())
    }

    fn set_paused(&mut self, paused: bool) {
        self.is_paused = paused;
    }

    async fn close(self: Box<Self>) -> PortResult<()> {
        Ok(())
    }
}

fn feed(polls: impl IntoIterator<Item = Polled>, refusals: usize) -> (Feed, Done) {
    let settings = Arc::new(Settings::default());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = store(settings.groups.worker.clone(), Arc::clone(&clock)).unwrap();
    let ports = Ports {
        log: Arc::new(MemoryLog::new(settings.topics.all())),
        state: Arc::new(MemoryState::new()),
        objects: Arc::new(MemoryObjectStore::new()),
        sink: Arc::clone(&store) as Arc<dyn crate::ports::Sink>,
        store,
        clock,
    };
    let deps = RoleDeps { ports, settings, health: Health::new() };
    let done = Done::default();
    let polls = polls.into_iter().collect();
    let consumer = Scripted { done: Arc::clone(&done), polls, refusals, ..Scripted::default() };
    let feed = Feed {
        role: Role::Worker,
        log: Arc::clone(&deps.ports.log),
        group: deps.settings.groups.worker.clone(),
        topics: vec![deps.settings.topics.processed.clone()],
        consumer: Box::new(consumer),
        stash: VecDeque::new(),
        assigned: Vec::new(),
        passed: Vec::new(),
        voice: Voice::new(Role::Worker, &deps),
        stop: Stop { shutdown: CancellationToken::new(), ending: Ending::InHand },
        moved_at: Instant::now(),
        asked_at: Instant::now(),
        is_held: false,
        gather: Duration::ZERO,
        rests_until: None,
        has_joined: false,
        seen: Vec::new(),
        joined_in_vain: None,
    };
    (feed, done)
}

fn assignment(partition: i32) -> Assignment {
    let at = TopicPartition::new(Topic::new("processed-events"), Partition(partition));
    Assignment { at, generation: 1 }
}

/// The poll after the one that offered the partitions would give them up.
#[tokio::test]
async fn what_can_be_committed_is_before_partitions_go_though_the_role_waits() {
    let (mut feed, done) = feed([Polled::Revoking(vec![assignment(0)])], 3);
    let progress = Progress { assignment: assignment(0), next: Offset(7) };
    feed.commit(&[progress]).await.unwrap();
    let all = done.lock().unwrap().clone();
    let polls = all.iter().filter(|what| what.ends_with("poll")).count();
    assert_eq!((polls, all.last()), (1, Some(&"commit")), "{all:?}");
    // Then the role hears of it, and only what it asks for after that gives them up.
    let step = feed.next(1, Duration::ZERO).await.unwrap();
    assert!(matches!(step, Step::Revoking(_)), "{step:?}");
    assert_eq!(done.lock().unwrap().len(), all.len());
    feed.next(1, Duration::ZERO).await.unwrap();
    assert_eq!(done.lock().unwrap().last(), Some(&"poll"));
}

#[tokio::test]
async fn a_role_that_waits_polls_often_and_takes_no_records() {
    let (mut feed, done) = feed([], 4);
    feed.commit(&[]).await.unwrap();
    // The fourth wait is longer than a membership may be silent.
    let polls = done.lock().unwrap().iter().filter(|what| **what == "paused poll").count();
    assert!(polls > 4, "{polls} polls in four waits");
    assert!(!done.lock().unwrap().contains(&"poll"), "a poll that may bring records");
}

#[tokio::test]
async fn the_lag_of_others_makes_nobody_join_again() {
    let (mut feed, _) = feed([], 0);
    let topic = Topic::new("processed-events");
    let lag = |partition, committed, high| PartitionLag {
        group: GroupId::new("g"),
        topic: topic.clone(),
        partition: Partition(partition),
        committed: Some(Offset(committed)),
        low: Offset(0),
        high: Offset(high),
    };
    // A member that the group never gave its share waits until the whole group stands still.
    assert_eq!(feed.behind(&[lag(0, 0, 10)]), 0);
    assert_eq!(feed.behind(&[lag(0, 5, 10)]), 0, "somebody works");
    assert_eq!(feed.behind(&[lag(0, 5, 10)]), 5);
    feed.step(Polled::Assigned(Vec::new()));
    assert_eq!(feed.behind(&[lag(0, 5, 10)]), 0, "a share of nothing");
    feed.step(Polled::Assigned(vec![assignment(1)]));
    assert_eq!(feed.behind(&[lag(0, 5, 10), lag(1, 3, 4)]), 1);
}

/// What came between the poll that brought nothing and the stop is part of what a drain reads.
#[tokio::test]
async fn a_poll_that_began_before_the_stop_is_not_the_last() {
    let (mut feed, done) = feed([], 0);
    let stops = Some(feed.stop.shutdown.clone());
    let late = Polled::Records(Vec::new());
    let polls = VecDeque::from([Polled::Idle, late]);
    feed.consumer = Box::new(Scripted { done, polls, stops, ..Scripted::default() });
    let mut steps = Vec::new();
    for _ in 0..3 {
        steps.push(feed.next(1, Duration::ZERO).await.unwrap());
    }
    assert!(matches!(&steps[..], [Step::Idle, Step::Records(_), Step::End]), "{steps:?}");
}

/// A lag that joining again does not end, such as a transaction's marker, must not disturb the group
/// every half minute.
#[tokio::test]
async fn who_joined_again_in_vain_does_not_do_so_again_at_once() {
    let (mut feed, _) = feed([], 0);
    let record = Record {
        key: Bytes::new(),
        value: Bytes::new(),
        timestamp: Timestamp::from_millis_clamped(0),
        headers: Headers::new(),
    };
    feed.log.append(&Topic::new("processed-events"), RecordBatch::of(&record)).await.unwrap();
    let joins_again = async |feed: &mut Feed| {
        (feed.has_joined, feed.assigned) = (true, vec![assignment(0)]);
        feed.moved_at = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
        feed.watch().await.unwrap();
        !feed.has_joined
    };
    assert!(joins_again(&mut feed).await);
    assert!(!joins_again(&mut feed).await);
    feed.log.append(&Topic::new("processed-events"), RecordBatch::of(&record)).await.unwrap();
    assert!(joins_again(&mut feed).await, "something came");
}

fn records(count: i64) -> Polled {
    let topic_id = TopicId::mint();
    let record = |offset| ConsumedRecord {
        topic: Topic::new("processed-events"),
        topic_id,
        partition: Partition(0),
        offset: Offset(offset),
        record: Record {
            key: Bytes::new(),
            value: Bytes::new(),
            timestamp: Timestamp::from_millis_clamped(0),
            headers: Headers::new(),
        },
    };
    let records = (0..count).map(record).collect();
    Polled::Records(vec![Fetched { assignment: assignment(0), records }])
}

/// Few records make the next read wait, half of what was asked for does not, and a stop ends it.
#[tokio::test]
async fn records_gather_after_a_read_that_brought_few() {
    let (feed, _) = feed([records(5), records(4), Polled::Idle, records(1)], 0);
    let hour = Duration::from_secs(3600);
    let mut feed = feed.gathering(hour);
    feed.next(10, hour).await.unwrap();
    assert!(!feed.is_gathering(), "five of ten");
    feed.next(10, hour).await.unwrap();
    assert!(feed.is_gathering(), "four of ten");
    feed.rests_until = None;
    feed.next(10, hour).await.unwrap();
    assert!(!feed.is_gathering(), "nothing: who comes next is not held up");
    feed.next(10, hour).await.unwrap();
    assert!(feed.is_gathering());
    feed.stop.shutdown.cancel();
    assert!(!feed.is_gathering());
    assert!(matches!(feed.next(10, hour).await.unwrap(), Step::End));
}
