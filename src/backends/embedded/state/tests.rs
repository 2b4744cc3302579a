//! The suite on a file, and what only a file can show.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use proptest::prelude::{Strategy, any, prop};
use rusqlite::Connection;

use super::StateDb;
use crate::backends::embedded::Checkpoints;
use crate::backends::memory::MemoryState;
use crate::model::{EventId, GroupId, Offset, Origin, Partition, Rule, Timestamp, TopicPartition};
use crate::ports::contract::state::{Subject, run};
use crate::ports::{Candidate, Kind, Limits, State, Verdict};

struct Files {
    folder: tempfile::TempDir,
    last: AtomicU32,
}

impl Files {
    fn path(&self) -> PathBuf {
        self.folder.path().join(format!("{}.db", self.last.load(Ordering::Relaxed)))
    }
}

#[async_trait]
impl Subject for Files {
    async fn fresh(&self) -> Arc<dyn State> {
        self.last.fetch_add(1, Ordering::Relaxed);
        StateDb::open(&self.path()).unwrap()
    }

    async fn reopened(&self, state: Arc<dyn State>) -> Arc<dyn State> {
        drop(state);
        StateDb::open(&self.path()).unwrap()
    }
}

#[tokio::test]
async fn passes_the_state_suite() {
    run(&Files { folder: tempfile::tempdir().unwrap(), last: AtomicU32::new(0) }).await;
}

fn temp() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    (folder, path)
}

fn candidate(id: &str, millis: i64) -> Candidate {
    Candidate {
        event_id: EventId::new(id).unwrap(),
        origin: Origin::mint(),
        client_ip: Some(IpAddr::from([198, 51, 100, 1])),
        received_at: Timestamp::from_millis_clamped(millis),
        is_exempt: false,
        blocked: None,
    }
}

const LIMITS: Limits = Limits { mark_ttl: Duration::from_secs(3600), per_minute: None, ban: None };

fn count(path: &Path, table: &str) -> i64 {
    let connection = Connection::open(path).unwrap();
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn rules_typed_by_hand_take_effect() {
    let (_folder, path) = temp();
    let state = StateDb::open(&path).unwrap();
    assert!(state.rules().await.unwrap().is_empty());
    let shell = Connection::open(&path).unwrap();
    shell
        .execute_batch(
            "INSERT INTO rules (target) VALUES ('203.0.113.9');
             INSERT INTO rules (target, reason, expires_at)
             VALUES ('198.51.100.77/24', 'scraper', '2026-01-02 03:04:05');
             INSERT INTO rules (target) VALUES ('not an address');
             INSERT INTO rules (target, expires_at) VALUES ('203.0.113.1', 'soon');",
        )
        .unwrap();
    let rules = state.rules().await.unwrap();
    let said: Vec<String> = rules.iter().map(|rule| rule.target.to_string()).collect();
    assert_eq!(said, ["198.51.100.0/24", "203.0.113.9"]);
    assert_eq!(rules[0].expires_at.unwrap().to_string(), "2026-01-02T03:04:05.000Z");
    assert!(rules[1].created_at > Timestamp::from_millis(1_700_000_000_000).unwrap());
    // The odd spelling is found by its target.
    let removed = state.remove_rule(&"198.51.100.0/24".parse().unwrap()).await.unwrap();
    assert_eq!(removed.unwrap().reason.as_deref(), Some("scraper"));
    // A reason that no command would take is cut.
    let long = "UPDATE rules SET reason = ?1 WHERE target = '203.0.113.9'";
    assert_eq!(shell.execute(long, ["x".repeat(5000)]).unwrap(), 1);
    let cut = state.rules().await.unwrap()[0].reason.clone().unwrap();
    assert_eq!(cut.len(), Rule::MAX_REASON_BYTES);
    shell.execute("DELETE FROM rules WHERE target = '203.0.113.9'", []).unwrap();
    assert!(state.rules().await.unwrap().is_empty());
}

#[tokio::test]
async fn positions_are_kept_by_group_and_partition() {
    let (_folder, path) = temp();
    let group = GroupId::new("processor-group");
    let at = |partition| TopicPartition::new("raw-events".into(), Partition(partition));
    let state = StateDb::open(&path).unwrap();
    let blocking = move |state: Arc<StateDb>| {
        assert_eq!(state.latest(&group, &at(0)).unwrap(), None);
        assert_eq!(state.durable(&group, &at(0)).unwrap(), None);
        state.commit(&group, &[(at(0), Offset(5)), (at(1), Offset(7))]).unwrap();
        state.commit(&GroupId::new("archiver-group"), &[(at(0), Offset(3))]).unwrap();
        state.commit(&group, &[(at(0), Offset(6))]).unwrap();
        assert_eq!(state.latest(&group, &at(0)).unwrap(), Some(Offset(6)));
        assert_eq!(state.durable(&group, &at(0)).unwrap(), Some(Offset(6)));
        drop(state);
        let state = StateDb::open(&path).unwrap();
        assert_eq!(state.latest(&group, &at(1)).unwrap(), Some(Offset(7)));
        assert_eq!(state.latest(&GroupId::new("archiver-group"), &at(0)).unwrap(), Some(Offset(3)));
    };
    tokio::task::spawn_blocking(move || blocking(state)).await.unwrap();
}

#[tokio::test]
async fn a_position_is_made_durable_once_a_change() {
    let (_folder, path) = temp();
    let state = StateDb::open(&path).unwrap();
    let group = GroupId::new("processor-group");
    let at = TopicPartition::new("raw-events".into(), Partition(0));
    let outside = Connection::open(&path).unwrap();
    let syncs =
        || -> i64 { outside.query_row("SELECT count FROM syncs", [], |row| row.get(0)).unwrap() };
    state.durable(&group, &at).unwrap();
    state.durable(&group, &at).unwrap();
    assert_eq!(syncs(), 1);
    state.commit(&group, &[(at.clone(), Offset(5))]).unwrap();
    state.durable(&group, &at).unwrap();
    state.durable(&group, &at).unwrap();
    assert_eq!(syncs(), 2);
}

#[tokio::test]
async fn a_failed_judgement_changes_nothing_and_is_repeated() {
    let (_folder, path) = temp();
    let state = StateDb::open(&path).unwrap();
    let limits = Limits { per_minute: Some(2), ban: None, ..LIMITS };
    let batch: Vec<Candidate> = (0..3).map(|n| candidate(&format!("e-{n}"), 1000)).collect();
    let shell = Connection::open(&path).unwrap();
    // Fails after marks are written, while the counts are.
    shell
        .execute_batch(
            "CREATE TRIGGER refuse BEFORE INSERT ON rates BEGIN SELECT RAISE(ABORT, 'no'); END",
        )
        .unwrap();
    for _ in 0..3 {
        assert!(state.judge(&batch, &limits).await.is_err());
    }
    assert_eq!(count(&path, "marks") + count(&path, "rules"), 0);
    shell.execute_batch("DROP TRIGGER refuse").unwrap();
    let verdicts = state.judge(&batch, &limits).await.unwrap();
    assert!(matches!(verdicts[..2], [Verdict::Pass, Verdict::Pass]));
    assert!(matches!(verdicts[2], Verdict::RateLimited { count: 3, ban: Some(_) }));
    assert_eq!(count(&path, "marks"), 2);
    let copy = [candidate("e-0", 1001)];
    assert!(matches!(state.judge(&copy, &limits).await.unwrap()[0], Verdict::Duplicate { .. }));
}

#[tokio::test]
async fn past_their_number_the_oldest_marks_go_first() {
    let (_folder, path) = temp();
    let state = StateDb::open_with(&path, 100).unwrap();
    for part in 0..10 {
        let batch: Vec<Candidate> =
            (0..30).map(|n| candidate(&format!("e-{}", part * 30 + n), 1000)).collect();
        state.judge(&batch, &LIMITS).await.unwrap();
    }
    assert_eq!(count(&path, "marks"), 100);
    let judge = async |n: u32| {
        let again = [candidate(&format!("e-{n}"), 1001)];
        state.judge(&again, &LIMITS).await.unwrap().remove(0)
    };
    assert!(matches!(judge(299).await, Verdict::Duplicate { .. }));
    assert!(matches!(judge(200).await, Verdict::Duplicate { .. }));
    assert_eq!(judge(199).await, Verdict::Pass);
}

#[tokio::test]
async fn sweeping_empties_the_tables() {
    let (_folder, path) = temp();
    let state = StateDb::open(&path).unwrap();
    let limits = Limits { per_minute: Some(1_000_000), ..LIMITS };
    for minute in 0..20 {
        let batch: Vec<Candidate> =
            (0..800).map(|n| candidate(&format!("{minute}-{n}"), minute * 60_000)).collect();
        state.judge(&batch, &limits).await.unwrap();
    }
    assert_eq!(count(&path, "marks"), 16_000);
    let now = Timestamp::from_millis(10 * 60_000).unwrap();
    state.sweep(now.plus(LIMITS.mark_ttl), LIMITS.mark_ttl).await.unwrap();
    assert_eq!(count(&path, "marks"), 8000);
    assert_eq!(count(&path, "rates"), 6);
    state.sweep(Timestamp::MAX, LIMITS.mark_ttl).await.unwrap();
    assert_eq!(count(&path, "marks"), 0);
    // The file goes on after it was emptied.
    assert_eq!(state.judge(&[candidate("0-0", 1)], &LIMITS).await.unwrap(), [Verdict::Pass]);
}

#[tokio::test]
async fn a_file_of_the_first_version_is_brought_up_and_keeps_what_it_holds() {
    let (_folder, path) = temp();
    let state = StateDb::open(&path).unwrap();
    state.put_job_state("replay", Some("{}")).await.unwrap();
    drop(state);
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch("CREATE TABLE counters (name TEXT, value INTEGER); PRAGMA user_version = 1")
        .unwrap();
    let state = StateDb::open(&path).unwrap();
    assert_eq!(state.job_state("replay").await.unwrap().as_deref(), Some("{}"));
    let counters = "SELECT count(*) FROM sqlite_schema WHERE name = 'counters'";
    assert_eq!(connection.query_row(counters, [], |row| row.get(0)), Ok(0));
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_left_alone() {
    let (_folder, path) = temp();
    drop(StateDb::open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert_eq!(StateDb::open(&path).unwrap_err().kind(), Kind::Conflict);
}

fn batches() -> impl Strategy<Value = Vec<Vec<(u8, u8, i64, bool)>>> {
    let event = (0..12_u8, 0..3_u8, 0..240_000_i64, any::<bool>());
    prop::collection::vec(prop::collection::vec(event, 0..20), 1..8)
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        cases: 48, failure_persistence: None, ..Default::default()
    })]

    /// Two implementations that share no code agree on every verdict and rule.
    #[test]
    fn judges_as_the_plain_reading_does(batches in batches(), reopen_every in 1..4_usize) {
        let (_folder, path) = temp();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let limits = Limits {
            mark_ttl: Duration::from_secs(60), per_minute: Some(3), ban: Some(Duration::from_secs(30)),
        };
        runtime.block_on(async {
            let plain = MemoryState::new();
            let mut file = StateDb::open(&path).unwrap();
            let mut seen: Vec<Candidate> = Vec::new();
            for (n, batch) in batches.iter().enumerate() {
                let batch: Vec<Candidate> = batch.iter().map(|(id, address, millis, again)| {
                    let fresh = Candidate {
                        client_ip: Some(IpAddr::from([198, 51, 100, *address])),
                        ..candidate(&format!("e-{id}"), *millis)
                    };
                    let past = seen.iter().find(|c| c.event_id == fresh.event_id);
                    if *again { past.cloned().unwrap_or(fresh) } else { fresh }
                }).collect();
                seen.extend(batch.iter().cloned());
                let expected = plain.judge(&batch, &limits).await.unwrap();
                assert_eq!(file.judge(&batch, &limits).await.unwrap(), expected);
                let mut rules = file.rules().await.unwrap();
                rules.sort_by_key(|rule| rule.target);
                assert_eq!(rules, plain.rules().await.unwrap());
                if n % reopen_every == 0 {
                    drop(file);
                    file = StateDb::open(&path).unwrap();
                }
            }
        });
    }
}
