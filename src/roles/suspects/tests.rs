use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::backends::memory::MemoryState;
use crate::model::{Headers, Record, Rule, RuleTarget, Timestamp, Topic, TopicPartition};
use crate::ports::{Candidate, Limits, Verdict};

const IN_HAND: usize = 100;

fn assignment(partition: i32, generation: u64) -> Assignment {
    let at = TopicPartition::new(Topic::new("t"), Partition(partition));
    Assignment { at, generation }
}

fn topic_id() -> TopicId {
    TopicId::from_bytes([7; 16])
}

fn fetched(assignment: &Assignment, offsets: std::ops::Range<i64>) -> Fetched {
    let records = offsets.map(|offset| ConsumedRecord {
        topic: assignment.at.topic.clone(),
        topic_id: topic_id(),
        partition: assignment.at.partition,
        offset: Offset(offset),
        record: Record {
            key: "k".into(),
            value: "v".into(),
            timestamp: Timestamp::from_millis_clamped(0),
            headers: Headers::new(),
        },
    });
    Fetched { assignment: assignment.clone(), records: records.collect() }
}

async fn mark(suspects: &mut Suspects, state: &dyn State, fetched: &[Fetched]) {
    for part in suspects.unmarked(fetched) {
        let found = suspects.mark(state, &part).await.unwrap();
        suspects.begin(part, found);
    }
}

/// One owner works on these records until it is stopped, or killed at `deadly`; the condemned.
async fn works(
    suspects: &mut Suspects,
    state: &dyn State,
    fetched: Fetched,
    deadly: Option<i64>,
) -> Option<Vec<i64>> {
    mark(suspects, state, std::slice::from_ref(&fetched)).await;
    let assignment = fetched.assignment.clone();
    let mut condemned = Vec::new();
    for step in suspects.steps(vec![fetched]) {
        let offsets: Vec<i64> = step[0].records.iter().map(|record| record.offset.0).collect();
        let is_condemned = suspects.announce(state, &step).await.unwrap();
        if is_condemned {
            condemned.extend(&offsets);
        } else if deadly.is_some_and(|deadly| offsets.contains(&deadly)) {
            return None;
        }
        suspects.passed(state, &assignment, offsets.len()).await.unwrap();
    }
    Some(condemned)
}

fn text(partition: i32) -> String {
    key(topic_id(), Partition(partition))
}

#[tokio::test]
async fn a_deadly_record_is_condemned_after_three_starts_at_it_alone() {
    let state = MemoryState::new();
    let mine = assignment(0, 1);
    let mut kills = 0;
    loop {
        let mut owner = Suspects::new(IN_HAND);
        match works(&mut owner, &state, fetched(&mine, 0..64), Some(40)).await {
            None => kills += 1,
            Some(condemned) => {
                assert_eq!(condemned, [40]);
                owner.end(&state).await.unwrap();
                break;
            }
        }
    }
    assert_eq!(kills, 5, "one in the normal way, one step of several, three alone");
    // 36 records of what may have been in hand were not seen: the next owner is careful with them.
    assert!(state.job_state(&text(0)).await.unwrap().is_some());
}

#[tokio::test]
async fn owners_do_not_touch_each_others_markers() {
    let state = MemoryState::new();
    let (mut one, mut two) = (Suspects::new(IN_HAND), Suspects::new(IN_HAND));
    mark(&mut one, &state, &[fetched(&assignment(0, 1), 0..3)]).await;
    mark(&mut two, &state, &[fetched(&assignment(1, 1), 0..3)]).await;
    one.end(&state).await.unwrap();
    assert!(state.job_state(&text(0)).await.unwrap().is_none());
    assert!(state.job_state(&text(1)).await.unwrap().is_some(), "another's marker went");
    // The second one is killed: who takes over is careful with that partition alone.
    drop(two);
    let mut three = Suspects::new(IN_HAND);
    let both = [fetched(&assignment(0, 1), 3..6), fetched(&assignment(1, 1), 0..3)];
    mark(&mut three, &state, &both).await;
    let steps = three.steps(both.to_vec());
    assert_eq!(steps.len(), 2);
    assert!(!three.is_announced(&steps[0]), "{steps:?}");
    assert_eq!(steps[0][0].assignment.at.partition, Partition(0));
    assert!(three.is_announced(&steps[1]), "{steps:?}");
}

/// A member that lost the partition while it lived has not been killed by what it had announced.
#[tokio::test]
async fn slow_owners_condemn_nobody() {
    let state = MemoryState::new();
    let mine = assignment(0, 1);
    let mut killed = Suspects::new(IN_HAND);
    mark(&mut killed, &state, &[fetched(&mine, 0..1)]).await;
    for _ in 0..10 {
        let mut slow = Suspects::new(IN_HAND);
        let stopped = works(&mut slow, &state, fetched(&mine, 0..1), Some(0)).await;
        assert_eq!(stopped, None, "condemned by owners that were slow");
        slow.release(&state, std::slice::from_ref(&mine)).await.unwrap();
    }
}

/// Who lost a partition and hears of it late leaves the new owner's marker alone.
#[tokio::test]
async fn a_late_release_leaves_the_new_owners_marker() {
    let state = MemoryState::new();
    let mine = assignment(0, 1);
    let mut old = Suspects::new(IN_HAND);
    mark(&mut old, &state, &[fetched(&mine, 0..10)]).await;
    let mut new = Suspects::new(IN_HAND);
    assert_eq!(works(&mut new, &state, fetched(&mine, 0..10), Some(5)).await, None);
    let before = state.job_state(&text(0)).await.unwrap();
    old.release(&state, std::slice::from_ref(&mine)).await.unwrap();
    old.end(&state).await.unwrap();
    assert_eq!(state.job_state(&text(0)).await.unwrap(), before);
}

/// A process that loses a partition and gets it again has not ended.
#[tokio::test]
async fn ones_own_marker_is_no_unclean_end() {
    let state = MemoryState::new();
    let mut owner = Suspects::new(IN_HAND);
    mark(&mut owner, &state, &[fetched(&assignment(0, 1), 0..3)]).await;
    mark(&mut owner, &state, &[fetched(&assignment(0, 2), 0..3)]).await;
    assert!(!owner.is_careful());
}

/// Counts what goes to the state.
#[derive(Debug, Default)]
struct Counting {
    inner: MemoryState,
    calls: AtomicUsize,
}

#[async_trait::async_trait]
impl State for Counting {
    async fn judge(&self, batch: &[Candidate], limits: &Limits) -> Result<Vec<Verdict>> {
        self.inner.judge(batch, limits).await
    }

    async fn rules(&self) -> Result<Vec<Rule>> {
        self.inner.rules().await
    }

    async fn put_rule(&self, rule: &Rule) -> Result<Option<Rule>> {
        self.inner.put_rule(rule).await
    }

    async fn remove_rule(&self, target: &RuleTarget) -> Result<Option<Rule>> {
        self.inner.remove_rule(target).await
    }

    async fn sweep(&self, now: Timestamp, mark_ttl: std::time::Duration) -> Result<()> {
        self.inner.sweep(now, mark_ttl).await
    }

    async fn job_state(&self, key: &str) -> Result<Option<String>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.inner.job_state(key).await
    }

    async fn put_job_state(&self, key: &str, state: Option<&str>) -> Result<()> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.inner.put_job_state(key, state).await
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_normal_way_of_work_asks_the_state_once_a_partition() {
    let state = Counting::default();
    let mut owner = Suspects::new(IN_HAND);
    for batch in 0..50 {
        let fetched = fetched(&assignment(0, 1), batch * 10..batch * 10 + 10);
        assert_eq!(works(&mut owner, &state, fetched, None).await, Some(Vec::new()));
    }
    assert_eq!(state.calls.load(Ordering::Relaxed), 2, "a look and a mark");
}
