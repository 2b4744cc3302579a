//! The worker on a backlog in Kafka, into Postgres, beside `psql \copy` of the rows that it stored.

use std::time::{Duration, Instant};

use crate::bench::Bench;
use crate::follow::{Compared, Run, follow};
use crate::process::{pause, tree_cpu_seconds, wait};
use crate::processor::judged;
use crate::report::{Goal, Report, Row, figure, head};
use crate::stand::Stand;

/// What `\copy` fills: the rows' own table anew, and one without what only queries need.
const TABLES: [(&str, &str); 2] = [
    ("with_indexes", "(LIKE raw_events INCLUDING ALL)"),
    ("with_key", "(LIKE raw_events, PRIMARY KEY (event_id))"),
];

pub fn run(bench: &mut Bench) -> Report {
    let stand = bench.stand();
    let processed = judged(stand);
    stand.evp(&["migrate", "up"]);
    let [mut same, mut key] = std::array::from_fn(|_| Compared::default());
    for round in 0..stand.scale.rounds {
        let ours = store(stand, processed, round);
        for ((table, made), compared) in TABLES.into_iter().zip([&mut same, &mut key]) {
            compared.add(&ours, copy(stand, table, made));
        }
    }
    let goal = Goal::AtLeast(0.40, Some(0.55));
    let mut details = vec![
        format!("rows a CPU-second of the worker itself, median: {}", figure(same.role.median())),
        head(
            "\nBeside a table with its primary key only, which is less than the worker keeps",
            &["what", "evp, median", "`COPY`, median", "ratio, median", "ratio, worst round"],
        ),
    ];
    for (what, compared) in
        [("rows/s", &key.by_clock), ("rows a CPU-s of Postgres", &key.by_server)]
    {
        let (ours, beside) = (figure(compared.ours.median()), figure(compared.beside.median()));
        let (median, worst) = (compared.ratios.median(), compared.ratios.least());
        details.push(format!("| {what} | {ours} | {beside} | {median:.2} | {worst:.2} |"));
    }
    let what = "worker, idempotent with roll-ups";
    Report {
        rows: vec![
            Row::ratio(format!("{what}: rows/s"), "`COPY`", same.by_clock, goal),
            Row::ratio(format!("{what}: rows a CPU-s of Postgres"), "`COPY`", same.by_server, goal),
        ],
        details,
        note: "\
Floor: one `psql \\copy` of the very rows, without roll-ups, into an empty table with the same columns and
all the indexes of `raw_events`, by the clock and by CPU of all Postgres processes.",
        ..Report::default()
    }
}

fn postgres(stand: &Stand) -> f64 {
    tree_cpu_seconds(stand.postgres.pid())
}

/// Stores what was judged in an empty store.
fn store(stand: &Stand, processed: &str, round: usize) -> Run {
    let (_, events) = stand.backlog();
    let all = "raw_events, campaign_stats, event_decisions, dead_letters, outcome_counts";
    stand.sql(&format!("TRUNCATE {all}"));
    stand.sql("CHECKPOINT");
    let group = format!("worker-{round}");
    let settings = [("EVP__TOPICS__PROCESSED", processed), ("EVP__GROUPS__WORKER", &group)];
    let role = stand.role("worker", &settings);
    // Of the transactions of the worker: the roll-ups change with the rows.
    let stored = || {
        let sum = stand.sql("SELECT coalesce(sum(total_events), 0) FROM campaign_stats");
        pause(Duration::from_millis(40));
        sum.parse().unwrap_or(0)
    };
    let ours = follow(events, &role, || postgres(stand), stored);
    assert!(
        wait(Duration::from_secs(60), || stored() >= events),
        "not all rows come: {} of {events}",
        stored()
    );
    role.stop();
    let counted = stand.sql("SELECT count(*) FROM raw_events");
    assert_eq!(counted, events.to_string(), "one row an event, counted once in the roll-ups");
    stand.sql(&format!("\\copy raw_events TO '{}'", rows_file(stand)));
    ours
}

fn rows_file(stand: &Stand) -> String {
    stand.home().join("rows.copy").display().to_string()
}

/// Rows a second, and a CPU-second of Postgres.
fn copy(stand: &Stand, table: &str, made: &str) -> (f64, f64) {
    let (_, events) = stand.backlog();
    stand.sql(&format!("CREATE TABLE {table} {made}"));
    stand.sql("CHECKPOINT");
    pause(Duration::from_millis(300));
    let (began, before) = (Instant::now(), postgres(stand));
    stand.sql(&format!("\\copy {table} FROM '{}'", rows_file(stand)));
    let seconds = began.elapsed().as_secs_f64();
    // Its backend ends a moment after psql does; looked at between, its time is nobody's.
    pause(Duration::from_millis(300));
    let cpu = postgres(stand) - before;
    stand.sql(&format!("DROP TABLE {table}"));
    (events as f64 / seconds, events as f64 / cpu)
}
