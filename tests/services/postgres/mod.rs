//! The store on a real Postgres.

use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use evp::backends::postgres::{Options, PostgresMigrations, PostgresStore};
use evp::model::Outcome;
use evp::ports::contract::samples::{
    Dice, EXACT_UNIQUES, Fixture, apply, decision, event, letter, origin, rows,
};
use evp::ports::contract::{sink as sink_contract, store as store_contract};
use evp::ports::{DeadLetterFilter, Kind, Migrations, Sink, SinkBatch, Store, SystemClock};
use evp::settings::{Postgres, Secret, Span};
use rustix::process::Signal;
use tokio::task::JoinSet;
use tokio_postgres::NoTls;

use crate::servers::{Running, postgres};

mod operators;

fn url(server: &Running, database: &str, mode: &str) -> String {
    format!("postgres://postgres:password@localhost:{}/{database}?{mode}", server.port)
}

fn settings(server: &Running, database: &str) -> Postgres {
    let url = url(server, database, "sslmode=disable");
    Postgres { url: Some(Secret::from(&url[..])), ..Postgres::default() }
}

fn open(settings: &Postgres) -> Arc<PostgresStore> {
    let options = Options {
        exact_uniques: EXACT_UNIQUES,
        query_timeout: Duration::from_secs(60),
        clock: Arc::new(SystemClock),
    };
    PostgresStore::open(settings, options).unwrap()
}

fn migrations(settings: &Postgres) -> Arc<PostgresMigrations> {
    PostgresMigrations::open(settings, Arc::new(SystemClock)).unwrap()
}

/// A question that would wait for a lock is answered with a failure within its time, and the server does
/// not go on with it either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_takes_too_long_ends_on_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let server = migrated(folder.path()).await;
    let settings = fresh(&server).await;
    let options = Options {
        exact_uniques: EXACT_UNIQUES,
        query_timeout: Duration::from_millis(300),
        clock: Arc::new(SystemClock),
    };
    let store = PostgresStore::open(&settings, options).unwrap();
    store.apply(&Arc::new(rows([event("e", 0)]))).await.unwrap();
    let address = url(&server, &database(&settings), "sslmode=disable");
    let (client, connection) = tokio_postgres::connect(&address, NoTls).await.unwrap();
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    client.batch_execute("BEGIN; LOCK TABLE dead_letters").await.unwrap();
    let filter = DeadLetterFilter { limit: 10, ..DeadLetterFilter::default() };
    let asked = store.dead_letters(&filter).await;
    assert_eq!(asked.unwrap_err().kind(), Kind::Unavailable);
    // The lock is held all the while: only the server's own limit ends what waits for it.
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    let mut looks = 0;
    while sql(&server, "postgres", waits).await[0][0].as_deref() != Some("0") {
        looks += 1;
        assert!(looks < 50, "a statement waits although nobody waits for it");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    client.batch_execute("COMMIT").await.unwrap();
    assert!(store.dead_letters(&filter).await.unwrap().is_empty());
}

/// What an operator types into psql.
async fn sql(server: &Running, database: &str, line: &str) -> Vec<Vec<Option<String>>> {
    let connected = tokio_postgres::connect(&url(server, database, "sslmode=disable"), NoTls).await;
    let (client, connection) = connected.unwrap();
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let answers = client.simple_query(line).await.unwrap();
    let rows = answers.iter().filter_map(|answer| match answer {
        tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    rows.map(|row| (0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()).collect()
}

/// A database with our tables, and the next one each time.
async fn fresh(server: &Running) -> Postgres {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let database = format!("evp_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    sql(server, "postgres", &format!("CREATE DATABASE {database} TEMPLATE evp")).await;
    settings(server, &database)
}

/// A server with a database `evp` that has our tables.
async fn migrated(folder: &Path) -> Running {
    let server = postgres(folder);
    sql(&server, "postgres", "CREATE DATABASE evp").await;
    migrations(&settings(&server, "evp")).up().await.unwrap();
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contracts_of_a_sink_and_of_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let server = migrated(folder.path()).await;
    let open = async || {
        let store = open(&fresh(&server).await);
        Fixture { sink: store.clone(), store }
    };
    sink_contract::all(open).await;
    store_contract::all(open).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_made_once_however_often_and_from_wherever() {
    let folder = tempfile::tempdir().unwrap();
    let server = postgres(folder.path());
    sql(&server, "postgres", "CREATE DATABASE evp").await;
    let settings = Postgres { create_tables: false, ..settings(&server, "evp") };
    let store = open(&settings);
    let batch = Arc::new(rows([event("e", 0)]));
    for error in [
        Sink::check(&*store).await.unwrap_err(),
        Store::check(&*store).await.unwrap_err(),
        store.apply(&batch).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), Kind::Unavailable, "{}", error.chain());
        assert!(error.chain().contains("evp migrate up"), "{}", error.chain());
    }
    let due = migrations(&settings).status().await.unwrap();
    assert!(due.iter().all(|step| step.applied_at.is_none()) && !due.is_empty());
    let mut several = JoinSet::new();
    for _ in 0..4 {
        let settings = settings.clone();
        several.spawn(async move { migrations(&settings).up().await.unwrap().len() });
    }
    let made: Vec<usize> = several.join_all().await;
    assert_eq!(made.iter().sum::<usize>(), due.len(), "{made:?}");
    assert_eq!(migrations(&settings).up().await.unwrap(), []);
    let done = migrations(&settings).status().await.unwrap();
    assert!(done.iter().all(|step| step.applied_at.is_some()));
    Sink::check(&*store).await.unwrap();
    Store::check(&*store).await.unwrap();
    sql(&server, "evp", "INSERT INTO evp_migrations VALUES (99, 'newer', now())").await;
    let error = migrations(&settings).up().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict, "{}", error.chain());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_stores_makes_the_tables_and_whoever_answers_waits_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let server = postgres(folder.path());
    sql(&server, "postgres", "CREATE DATABASE evp").await;
    let settings = settings(&server, "evp");
    let answering = open(&settings);
    let error = Store::check(&*answering).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{}", error.chain());
    assert!(error.chain().contains("evp migrate up"), "{}", error.chain());
    let none = sql(&server, "evp", "SELECT to_regclass('raw_events')").await;
    assert_eq!(none, [[None]], "who answers makes nothing");
    let mut several = JoinSet::new();
    for number in 0..4 {
        let store = open(&settings);
        several.spawn(async move {
            let batch = Arc::new(rows([event(&format!("e-{number}"), number)]));
            store.apply(&batch).await.unwrap().stored
        });
    }
    assert_eq!(several.join_all().await, [1; 4]);
    Store::check(&*answering).await.unwrap();
    let steps = sql(&server, "evp", "SELECT count(*) FROM evp_migrations").await;
    let known = migrations(&settings).status().await.unwrap().len();
    assert_eq!(steps, [[Some(known.to_string())]], "each step once");

    // Somebody restores an empty database under a running worker.
    let storing = open(&settings);
    Sink::check(&*storing).await.unwrap();
    sql(&server, "evp", "DROP SCHEMA public CASCADE; CREATE SCHEMA public").await;
    let batch = Arc::new(rows([event("e-9", 9)]));
    let missed = storing.apply(&batch).await.unwrap_err();
    assert_eq!(missed.kind(), Kind::Unavailable, "waited out: {}", missed.chain());
    assert_eq!(storing.apply(&batch).await.unwrap().stored, 1, "made again");

    sql(&server, "evp", "INSERT INTO evp_migrations VALUES (99, 'newer', now())").await;
    let late = open(&settings);
    for error in [Sink::check(&*late).await.unwrap_err(), Store::check(&*late).await.unwrap_err()] {
        assert_eq!(error.kind(), Kind::Conflict, "{}", error.chain());
        let text = error.chain();
        assert!(text.contains("version 99") && text.contains("newer evp"), "{text}");
    }
    let rows = sql(&server, "evp", "SELECT count(*) FROM raw_events").await;
    assert_eq!(rows, [[Some("1".to_owned())]], "left alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_copy_leaves_no_answer_to_the_next_batch() {
    let folder = tempfile::tempdir().unwrap();
    let server = postgres(folder.path());
    sql(&server, "postgres", "CREATE DATABASE evp").await;
    let store = open(&settings(&server, "evp"));
    let stored = Arc::new(rows([event("e-0", 0)]));
    assert_eq!(store.apply(&stored).await.unwrap().stored, 1);
    sql(&server, "evp", "ALTER TABLE raw_events RENAME TO away").await;
    let batch = Arc::new(rows([event("e-1", 1)]));
    for round in 0..100 {
        // At once, so that an answer that is still under way would be taken for one of these.
        let missed = store.apply(&batch).await.unwrap_err().chain();
        assert!(missed.contains("does not exist"), "round {round}: {missed}");
    }
    sql(&server, "evp", "ALTER TABLE away RENAME TO raw_events").await;
    assert_eq!(store.apply(&batch).await.unwrap().stored, 1);
}

/// Words on few ids and few origins, as two workers may meet them.
fn contested(dice: &mut Dice, round: u32) -> SinkBatch {
    let mut batch = SinkBatch::default();
    for _ in 0..30 {
        let number = dice.below(200);
        let mut event = event(&format!("e-{}", number % 150), number);
        event.campaign_id = Some(format!("c-{}", dice.below(3)));
        batch.events.extend(rows([event]).events);
    }
    for _ in 0..10 {
        let number = dice.below(200);
        batch.decisions.push((
            decision(&format!("e-{}", number % 150), number, Outcome::Blocked),
            None,
            false,
        ));
    }
    for _ in 0..5 {
        let number = dice.below(200);
        let mut failed = letter(&format!("e-{}", number % 150), number);
        failed.redrives = round;
        batch.dead_letters.push(failed);
    }
    batch
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_workers_on_the_same_events_leave_one_outcome_each_and_exact_books() {
    let folder = tempfile::tempdir().unwrap();
    let server = migrated(folder.path()).await;
    let settings = fresh(&server).await;
    let mut workers = JoinSet::new();
    for worker in 0..4 {
        let store = open(&settings);
        workers.spawn(async move {
            let mut dice = Dice(worker);
            for round in 0..40 {
                store.apply(&Arc::new(contested(&mut dice, round))).await.unwrap();
            }
        });
    }
    workers.join_all().await;
    let store = open(&settings);
    assert_eq!(store.audit_rollups(10).await.unwrap(), []);
    let books = store.books().await.unwrap();
    let origins: Vec<_> = (0..200).map(origin).collect();
    let outcomes = store.outcomes(&origins).await.unwrap();
    assert_eq!(outcomes.len(), 200, "every origin has one outcome");
    let count = |wanted: Outcome| {
        u64::try_from(outcomes.iter().filter(|row| row.outcome == wanted).count()).unwrap()
    };
    let counted =
        [Outcome::Stored, Outcome::Duplicate, Outcome::Blocked, Outcome::DeadLettered].map(count);
    let booked = [books.stored, books.duplicate, books.blocked, books.dead_lettered];
    assert_eq!(booked, counted, "{books:?}");
}

/// Many frames of a copy, of which one row is there already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_batch_that_meets_a_row_is_stored_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = migrated(folder.path()).await;
    let store = open(&fresh(&server).await);
    let batch =
        |numbers: Range<u32>| Arc::new(rows(numbers.map(|n| event(&format!("e-{n:05}"), n))));
    let stored = async |numbers: Range<u32>| {
        let applied = store.apply(&batch(numbers)).await.unwrap();
        (applied.stored, applied.redelivered)
    };
    assert_eq!(stored(4999..5000).await, (1, 0));
    assert_eq!(stored(0..5000).await, (4999, 1), "the last one of the copy");
    for round in 1..10 {
        let new = round * 5000..round * 5000 + 500;
        assert_eq!(stored(new.clone()).await, (500, 0), "staged at first, then straight");
        assert_eq!(stored(new.start..new.end + 1).await, (1, 500));
    }
    assert_eq!(store.audit_rollups(10).await.unwrap(), []);
    assert_eq!(store.books().await.unwrap().stored, 5000 + 9 * 501);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_unavailable_and_ends_by_itself_without_a_second_row() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = migrated(folder.path()).await;
    let settings = Postgres {
        apply_timeout: Span(Duration::from_secs(3)),
        connect_timeout: Span(Duration::from_secs(1)),
        ..fresh(&server).await
    };
    let store = open(&settings);
    let batch = Arc::new(rows((0..500).map(|n| event(&format!("e-{n}"), n))));
    store.apply(&batch).await.unwrap();
    let fails = async |why: &str| {
        let failed = store.apply(&batch).await.map_err(|error| error.kind());
        assert_eq!(failed.err(), Some(Kind::Unavailable), "{why}");
    };
    let works = async |why: &str| {
        for attempt in 0.. {
            match store.apply(&batch).await {
                Ok(applied) => return assert_eq!(applied.stored, 0, "{why}"),
                Err(error) => assert!(attempt < 50, "{why}: {}", error.chain()),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    server.end_with(Signal::QUIT);
    fails("stopped at once").await;
    server.resume();
    works("started again").await;
    let kill =
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()
                AND application_name = 'evp'";
    sql(&server, "postgres", kill).await;
    works("after its sessions were ended").await;
    // A lock held elsewhere is waited for no longer than a statement may take.
    let held = "BEGIN; SELECT pg_advisory_lock(7311146946973985651); SELECT pg_sleep(8)";
    let name = database(&settings);
    let holder = sql(&server, &name, held);
    let waits = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        fails("locked out").await;
    };
    tokio::join!(holder, waits);
    works("let in again").await;
    assert_eq!(store.books().await.unwrap().stored, 500);
    assert_eq!(store.audit_rollups(10).await.unwrap(), []);
}

fn database(settings: &Postgres) -> String {
    let url = settings.url.as_ref().unwrap().expose().to_owned();
    url.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_seeds_sql_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let server = migrated(folder.path()).await;
    let settings = fresh(&server).await;
    let store = open(&settings);
    let fixture = Fixture { sink: store.clone(), store };
    apply(&fixture, &rows((0..20).map(|n| event(&format!("e-{n}"), n))), "sql").await;
    let top = "SELECT ip_address, COUNT(*) FROM raw_events GROUP BY ip_address
               ORDER BY COUNT(*) DESC LIMIT 10;";
    let answer = sql(&server, &database(&settings), top).await;
    assert_eq!(answer, [[Some("203.0.113.7".to_owned()), Some("20".to_owned())]]);
    let outcomes = "SELECT outcome, count(*) FROM event_outcomes GROUP BY 1";
    let answer = sql(&server, &database(&settings), outcomes).await;
    assert_eq!(answer, [[Some("stored".to_owned()), Some("20".to_owned())]]);
}

/// Makes a certificate for `localhost` that signs itself, readable by the server.
fn certificate(folder: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-new", "-x509", "-days", "2", "-nodes", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost", "-keyout"])
        .arg(folder.join("server.key"))
        .arg("-out")
        .arg(folder.join("server.crt"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for (change, to) in [("chown", "nobody"), ("chmod", "600")] {
        let files = [folder.join("server.key"), folder.join("server.crt")];
        assert!(Command::new(change).arg(to).args(files).status().unwrap().success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_sslmode_does_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let server = migrated(folder.path()).await;
    let root = folder.path().join("server.crt");
    let root = root.display();
    let check = async |mode: &str| {
        let url = url(&server, "evp", mode);
        let settings = Postgres { url: Some(Secret::from(&url[..])), ..Postgres::default() };
        Store::check(&*open(&settings)).await.map_err(|error| error.chain())
    };
    assert!(check("sslmode=prefer").await.is_ok(), "falls back to the clear");
    assert!(check("sslmode=require").await.is_err(), "never in the clear");
    certificate(folder.path());
    for (name, file) in [("ssl_key_file", "server.key"), ("ssl_cert_file", "server.crt")] {
        let file = folder.path().join(file);
        let set = format!("ALTER SYSTEM SET {name} = '{}'", file.display());
        sql(&server, "postgres", &set).await;
    }
    sql(&server, "postgres", "ALTER SYSTEM SET ssl = on").await;
    sql(&server, "postgres", "SELECT pg_reload_conf()").await;
    for attempt in 0.. {
        if check("sslmode=require").await.is_ok() {
            break;
        }
        assert!(attempt < 50, "the server speaks TLS");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(check("sslmode=prefer").await.is_ok());
    for mode in ["verify-ca", "verify-full"] {
        let refused = check(&format!("sslmode={mode}")).await;
        assert!(refused.is_err(), "{mode}: no public root signs it");
        let believed = check(&format!("sslmode={mode}&sslrootcert={root}")).await;
        assert_eq!(believed, Ok(()), "{mode}");
    }
    let elsewhere = async |mode: &str| {
        let url = url(&server, "evp", &format!("sslmode={mode}&sslrootcert={root}"));
        let url = url.replace("localhost", "127.0.0.1");
        let settings = Postgres { url: Some(Secret::from(&url[..])), ..Postgres::default() };
        Store::check(&*open(&settings)).await.is_ok()
    };
    assert!(elsewhere("verify-ca").await, "any name");
    assert!(!elsewhere("verify-full").await, "only its own name");
}
