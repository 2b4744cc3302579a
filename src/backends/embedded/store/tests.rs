//! The contract on a file and in memory, and what is of SQLite alone.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;

use super::*;
use crate::backends::embedded::Checkpoints;
use crate::model::{GroupId, Offset, Partition, Timestamp, Topic, TopicPartition};
use crate::ports::contract::samples::{
    EXACT_UNIQUES, Fixture, apply, decision, event, letter, rows,
};
use crate::ports::contract::{sink as sink_contract, store as store_contract};
use crate::ports::{
    Assignment, Breakdown, Kind, Progress, Sink, SinkBatch, Store, SystemClock, TimeRange,
};

fn options() -> Options {
    Options {
        worker_group: GroupId::new("worker-group"),
        exact_uniques: EXACT_UNIQUES,
        query_timeout: Duration::from_secs(60),
        clock: Arc::new(SystemClock),
    }
}

async fn in_memory() -> Fixture {
    let db = StoreDb::in_memory(options()).unwrap();
    Fixture { sink: db.clone(), store: db }
}

fn at(path: &Path) -> Fixture {
    let db = StoreDb::open(&path.join("store.db"), options()).unwrap();
    Fixture { sink: db.clone(), store: db }
}

#[tokio::test]
async fn memory_keeps_the_contract_of_a_sink() {
    sink_contract::all(in_memory).await;
}

#[tokio::test]
async fn memory_keeps_the_contract_of_a_store() {
    store_contract::all(in_memory).await;
}

#[tokio::test]
async fn a_file_keeps_the_contract_of_a_sink() {
    let folder = tempfile::tempdir().unwrap();
    sink_contract::all(async || at(tempfile::tempdir_in(folder.path()).unwrap().keep().as_path()))
        .await;
}

#[tokio::test]
async fn a_file_keeps_the_contract_of_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let open = async || at(tempfile::tempdir_in(folder.path()).unwrap().keep().as_path());
    store_contract::all(open).await;
}

fn batch() -> SinkBatch {
    let place = TopicPartition::new(Topic::new("processed-events"), Partition(0));
    let mut batch = rows((0..20).map(|n| event(&format!("e-{n}"), n)));
    batch.decisions.push((decision("e-1", 30, crate::model::Outcome::Duplicate), None, false));
    batch.dead_letters.push(letter("e-31", 31));
    batch.group = Some(GroupId::new("worker-group"));
    let assignment = Assignment { at: place, generation: 1 };
    batch.progress = vec![Progress { assignment, next: Offset(20) }];
    batch
}

#[tokio::test]
async fn everything_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let before = at(folder.path());
    apply(&before, &batch(), "reopening").await;
    let books = before.store.books().await.unwrap();
    drop(before);
    let db = StoreDb::open(&folder.path().join("store.db"), options()).unwrap();
    assert_eq!(db.books().await.unwrap(), books);
    let (group, place) = (GroupId::new("worker-group"), batch().progress[0].assignment.at.clone());
    assert_eq!(db.checkpoint(&group, &place).await.unwrap(), Some(Offset(20)));
    assert!(db.owns(&group) && !db.owns(&GroupId::new("processor-group")));
    assert_eq!(db.latest(&group, &place).unwrap(), Some(Offset(20)));
    assert_eq!(db.durable(&group, &place).unwrap(), Some(Offset(20)));
}

#[tokio::test]
async fn a_position_is_made_durable_once_a_change() {
    let folder = tempfile::tempdir().unwrap();
    let db = StoreDb::open(&folder.path().join("store.db"), options()).unwrap();
    let (group, place) = (GroupId::new("worker-group"), batch().progress[0].assignment.at.clone());
    let outside = Connection::open(folder.path().join("store.db")).unwrap();
    let syncs =
        || -> i64 { outside.query_row("SELECT times FROM syncs", [], |row| row.get(0)).unwrap() };
    db.durable(&group, &place).unwrap();
    db.durable(&group, &place).unwrap();
    assert_eq!(syncs(), 1);
    db.apply(&Arc::new(batch())).await.unwrap();
    db.durable(&group, &place).unwrap();
    db.durable(&group, &place).unwrap();
    assert_eq!(syncs(), 2);
}

#[tokio::test]
async fn operators_ask_in_sql() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = at(folder.path());
    apply(&fixture, &batch(), "sql").await;
    let outside = Connection::open(folder.path().join("store.db")).unwrap();
    let top: (String, i64) = outside
        .query_row(
            "SELECT ip_address, COUNT(*) FROM raw_events GROUP BY ip_address
             ORDER BY COUNT(*) DESC LIMIT 10;",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert_eq!(top, ("203.0.113.7".to_owned(), 20));
    let day: String = outside
        .query_row("SELECT strftime('%Y-%m-%d %H', created_at) FROM raw_events", [], |r| r.get(0))
        .unwrap();
    assert_eq!(day, "2026-01-02 03");
    // A weaker outcome that somebody typed beside a stronger one does not show.
    outside
        .execute_batch(
            "INSERT INTO event_decisions SELECT origin, event_id, 'blocked', '', NULL, '', '', NULL, 0
               FROM event_outcomes WHERE outcome <> 'duplicate'",
        )
        .unwrap();
    let outcomes: String = outside
        .query_row(
            "SELECT group_concat(outcome || ' ' || n, ', ') FROM
                 (SELECT outcome, count(*) n FROM event_outcomes GROUP BY 1 ORDER BY 1)",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(outcomes, "dead_lettered 1, duplicate 1, stored 20");
}

#[tokio::test]
async fn a_bent_roll_up_and_a_lost_row_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = at(folder.path());
    apply(&fixture, &batch(), "audit").await;
    let outside = Connection::open(folder.path().join("store.db")).unwrap();
    let audit = async || {
        let found = fixture.store.audit_rollups(100).await.unwrap();
        found.into_iter().map(|d| (d.column, d.rollup, d.rows)).collect::<Vec<_>>()
    };
    assert_eq!(audit().await, []);
    outside.execute("UPDATE campaign_stats SET total_clicks = 19", []).unwrap();
    assert_eq!(audit().await, [("total_clicks".to_owned(), 19, 20)]);
    outside.execute("UPDATE campaign_stats SET total_clicks = 20", []).unwrap();
    outside.execute("DELETE FROM raw_events WHERE event_id = 'e-3'", []).unwrap();
    let expected = [("total_events".to_owned(), 20, 19), ("total_clicks".to_owned(), 20, 19)];
    assert_eq!(audit().await, expected);
    outside.execute("DELETE FROM campaign_stats", []).unwrap();
    let expected = [("total_events".to_owned(), 0, 19), ("total_clicks".to_owned(), 0, 19)];
    assert_eq!(audit().await, expected);
    outside
        .execute(
            "INSERT INTO campaign_stats VALUES ('ghost', '2026-01-01T00:00:00.000Z', 0, 0, 0, 4)",
            [],
        )
        .unwrap();
    assert_eq!(audit().await.len(), 3);
}

#[tokio::test]
async fn damaged_columns_are_read_as_different_values() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = at(folder.path());
    apply(&fixture, &rows([event("e-1", 1)]), "damage").await;
    let outside = Connection::open(folder.path().join("store.db")).unwrap();
    outside.execute("UPDATE raw_events SET meta_data = '{\"a\":', created_at = 'x'", []).unwrap();
    let (found, _) = fixture.store.audit_rows(None, 1).await.unwrap().remove(0);
    assert_eq!(found.meta_data.unwrap().get(), r#""{\"a\":""#);
    assert_eq!(found.created_at, Timestamp::MIN);
    outside.execute("UPDATE raw_events SET shape = 'x'", []).unwrap();
    let error = fixture.store.audit_rows(None, 1).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt, "{}", error.chain());
}

#[tokio::test]
async fn a_query_over_its_time_is_unavailable_and_the_next_one_works() {
    let folder = tempfile::tempdir().unwrap();
    let hasty = Options { query_timeout: Duration::ZERO, ..options() };
    let db = StoreDb::open(&folder.path().join("store.db"), hasty).unwrap();
    db.apply(&Arc::new(rows((0..4000).map(|n| event(&format!("e-{n}"), n))))).await.unwrap();
    let always = TimeRange { from: Timestamp::MIN, to: Timestamp::MAX };
    let error = db.breakdown(None, Breakdown::Ip, always, 10).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.chain().contains("time-out"), "{}", error.chain());
    assert_eq!(db.books().await.unwrap().stored, 4000);
}

#[tokio::test]
async fn a_lock_held_outside_is_unavailable_and_nothing_is_applied() {
    let folder = tempfile::tempdir().unwrap();
    let db = StoreDb::open(&folder.path().join("store.db"), options()).unwrap();
    let quick = |c: &mut Connection| c.busy_timeout(Duration::ZERO).map_err(|e| db::failed("", e));
    db.writer.run_blocking(quick).unwrap();
    let outside = Connection::open(folder.path().join("store.db")).unwrap();
    outside.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(Store::check(&*db).await.map_err(|e| e.kind()), Ok(()), "reading goes on");
    assert_eq!(Sink::check(&*db).await.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(db.apply(&Arc::new(batch())).await.unwrap_err().kind(), Kind::Unavailable);
    outside.execute_batch("COMMIT").unwrap();
    assert_eq!(db.apply(&Arc::new(batch())).await.unwrap().stored, 20);
}
