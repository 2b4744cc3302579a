//! What operators and their servers do under a running worker: a server that is read-only for a while,
//! and what they add to our tables.

use std::sync::Arc;

use evp::model::{Outcome, Timestamp};
use evp::ports::contract::samples::{event, origin, rows};
use evp::ports::{Kind, Sink, Store};

use super::{database, fresh, migrated, open, sql};

/// As after a failover by name: a session begins on a server that takes no writes. It is not kept, so
/// that the worker goes on by itself once the name leads to one that does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_began_read_only_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let server = migrated(folder.path()).await;
    let settings = fresh(&server).await;
    let name = database(&settings);
    let store = open(&settings);
    let batch = |number: u32| Arc::new(rows([event(&format!("e-{number}"), number)]));
    assert_eq!(store.apply(&batch(0)).await.unwrap().stored, 1);
    // Of sessions that begin from now on.
    let change = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
    sql(&server, "postgres", &change).await;
    let end = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'evp'";
    sql(&server, "postgres", end).await;
    let mut refusals = 0;
    for attempt in 0.. {
        let error = store.apply(&batch(1)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable, "{}", error.chain());
        refusals += u32::from(error.chain().contains("it is read-only"));
        if refusals == 3 {
            break;
        }
        assert!(attempt < 50, "{}", error.chain());
    }
    let change = format!("ALTER DATABASE {name} RESET default_transaction_read_only");
    sql(&server, "postgres", &change).await;
    assert_eq!(store.apply(&batch(1)).await.unwrap().stored, 1, "in a session that begins anew");
}

/// Rows that somebody else's trigger or index keeps out are refused as data, and never pass for
/// redelivered; others are stored, and one that is there is a redelivery all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_a_trigger_or_an_index_swallows_is_the_datas_fault() {
    const TRIGGER: &str = "
        CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN
            IF new.event_id = ''e-1'' THEN RETURN NULL; END IF; RETURN new; END';
        CREATE TRIGGER swallow BEFORE INSERT ON raw_events FOR EACH ROW EXECUTE FUNCTION swallow()";
    const INDEX: &str = "CREATE UNIQUE INDEX theirs ON raw_events (user_id, created_at)";
    let folder = tempfile::tempdir().unwrap();
    let server = migrated(folder.path()).await;
    for theirs in [TRIGGER, INDEX] {
        let settings = fresh(&server).await;
        sql(&server, &database(&settings), theirs).await;
        let store = open(&settings);
        // The index lets one row of a user and an instant in: e-1 is like e-0.
        let of = |number: u32| {
            let mut event = event(&format!("e-{number}"), number);
            event.user_id = Some(if number == 1 { "u-0".into() } else { format!("u-{number}") });
            event.created_at = Timestamp::from_millis(0).unwrap();
            event
        };
        let batch = |numbers: &[u32]| Arc::new(rows(numbers.iter().map(|number| of(*number))));
        assert_eq!(store.apply(&batch(&[0])).await.unwrap().stored, 1);
        // Straight and staged, as the batches of one session take turns.
        for numbers in [&[1, 2][..], &[1], &[0, 1], &[1, 2, 1], &[1]] {
            let error = store.apply(&batch(numbers)).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Data, "{numbers:?}: {}", error.chain());
            let text = error.chain();
            assert!(text.contains("event e-1 of origin") && text.contains("trigger"), "{text}");
        }
        let applied = store.apply(&batch(&[0, 2])).await.unwrap();
        assert_eq!((applied.stored, applied.redelivered), (1, 1), "what is not swallowed");
        for straight in 3..20 {
            assert_eq!(store.apply(&batch(&[straight])).await.unwrap().stored, 1);
        }
        let error = store.apply(&batch(&[1, 20])).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Data, "after batches that went straight");
        let outcomes = store.outcomes(&(0..21).map(origin).collect::<Vec<_>>()).await.unwrap();
        assert_eq!(outcomes.len(), 19, "nothing of e-1, and nothing of what was with it");
        assert!(outcomes.iter().all(|row| row.outcome == Outcome::Stored));
        assert_eq!(store.books().await.unwrap().stored, 19);
        assert_eq!(store.audit_rollups(10).await.unwrap(), []);
    }
}
