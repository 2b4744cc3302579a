//! Replay brings back what was accepted, once, from this archive or another's.

use std::path::PathBuf;
use std::sync::Arc;

use evp::backends::memory::{Faults, Faulty};
use evp::jobs::replay::{Replay, ReplayRequest, ReplayResponse, ReplaySource};
use evp::model::{EventId, Outcome, Timestamp};
use evp::ports::{Kind, TimeRange};
use evp::roles::archiver::Archiver;
use evp::roles::processor::Processor;
use evp::roles::{Ending, Stop};
use evp::runtime::shutdown::CancellationToken;

use crate::sandbox::{ADDRESS, START, Sandbox, event, events};

fn request(id: &str) -> ReplayRequest {
    ReplayRequest {
        id: id.to_owned(),
        resume: false,
        source: ReplaySource::Archive { prefix: None },
        range: None,
        include: Vec::new(),
        reprocess: false,
        dry_run: false,
        rate: None,
    }
}

async fn replay(sandbox: &Sandbox, request: ReplayRequest) -> ReplayResponse {
    let answer = sandbox.run::<Replay>(request).await.unwrap();
    sandbox.drain().await;
    answer
}

/// Rows, duplicates, and events over the limit.
async fn installation() -> Sandbox {
    let sandbox = Sandbox::with(|settings| settings.processor.ip_rate_limit_per_min = 40);
    sandbox.send(&events(30)).await;
    sandbox.send(&events(5)).await;
    let hot: Vec<_> = (100..150).map(|number| event(number, "click", "198.51.100.9")).collect();
    sandbox.accept(&hot).await;
    sandbox
}

/// The same in three archive objects.
async fn spread() -> Sandbox {
    let sandbox = Sandbox::with(|settings| settings.processor.ip_rate_limit_per_min = 40);
    sandbox.accept(&events(30)).await;
    sandbox.accept(&events(5)).await;
    let hot: Vec<_> = (100..150).map(|number| event(number, "click", "198.51.100.9")).collect();
    sandbox.accept(&hot).await;
    sandbox
}

fn numbers(sandbox: &Sandbox) -> Vec<i64> {
    [
        "SELECT count(*) FROM raw_events",
        "SELECT count(*) FROM event_decisions WHERE outcome = 'duplicate'",
        "SELECT count(*) FROM event_decisions WHERE outcome = 'blocked'",
        "SELECT count(*) FROM event_decisions WHERE outcome = 'rate_limited'",
        "SELECT sum(total_events) FROM campaign_stats",
        "SELECT sum(total_clicks) FROM campaign_stats",
    ]
    .map(|text| sandbox.number(text))
    .to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn twice_is_the_same_as_once_and_as_never() {
    let sandbox = installation().await;
    let before = numbers(&sandbox);
    for id in ["one", "two"] {
        let answer = replay(&sandbox, request(id)).await;
        assert_eq!((answer.published, answer.already_stored), (0, 70));
        assert_eq!(answer.blocked + answer.rate_limited, 10);
        assert_eq!(numbers(&sandbox), before);
        sandbox.assert_clean().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_store_gets_its_rows_back() {
    let sandbox = installation().await;
    let before = numbers(&sandbox);
    sandbox.sql("DELETE FROM raw_events WHERE event_id < 'e-0010'");
    let dry = replay(&sandbox, ReplayRequest { dry_run: true, ..request("dry") }).await;
    assert_eq!((dry.published, dry.already_stored, dry.duplicates), (10, 60, 5));
    assert_eq!(sandbox.number("SELECT count(*) FROM raw_events"), 60);
    replay(&sandbox, request("real")).await;
    assert_eq!(sandbox.number("SELECT count(*) FROM raw_events"), before[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_installations_archive_gives_the_same_numbers_and_is_verified() {
    let from = installation().await;
    let to = Sandbox::new();
    let paths = vec![from.directory.path().join("archive")];
    let files = ReplaySource::Files { paths };
    let dry =
        replay(&to, ReplayRequest { source: files.clone(), dry_run: true, ..request("dry") }).await;
    assert_eq!((dry.published, dry.already_stored, dry.decisions), (70, 0, 15));
    for id in ["once", "twice"] {
        replay(&to, ReplayRequest { source: files.clone(), ..request(id) }).await;
        assert_eq!(numbers(&to), numbers(&from));
        let report = to.assert_clean().await;
        assert_eq!((report.books.accepted, report.books.restored), (0, 85));
    }
    // Its own events are accepted beside the restored ones.
    to.accept(&events(40)).await;
    let report = to.assert_clean().await;
    assert_eq!(report.books.accepted, 40);
    assert_eq!(report.books.stored, 80);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_archive_is_replayed_in_place() {
    let from = installation().await;
    let to = Sandbox::new();
    copy(&from.directory.path().join("archive"), &to.directory.path().join("archive"));
    let report = to.assert_clean().await;
    assert_eq!(report.origins.not_restored, 85);
    replay(&to, request("copied")).await;
    assert_eq!(numbers(&to), numbers(&from));
    let report = to.assert_clean().await;
    assert_eq!((report.origins.not_restored, report.books.restored), (0, 85));
    // What was restored is compared with the copied archive, too.
    to.sql("UPDATE raw_events SET user_id = 'somebody' WHERE event_id = 'e-0001'");
    let (_, report) = to.found().await;
    assert!(report.findings[0].detail.ends_with("user_id"), "{report:#?}");
}

fn copy(from: &PathBuf, to: &PathBuf) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_left_out_comes_back_when_included() {
    let sandbox = installation().await;
    let include = vec![Outcome::Blocked, Outcome::RateLimited];
    let answer = replay(&sandbox, ReplayRequest { include, ..request("all") }).await;
    assert_eq!(answer.published, 10);
    assert_eq!(sandbox.number("SELECT count(*) FROM raw_events"), 80);
    assert_eq!(numbers(&sandbox)[2..4], [0, 0]);
    sandbox.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_range_asked_for_comes_back() {
    let sandbox = Sandbox::new();
    sandbox.accept(&events(10)).await;
    sandbox.pass(3 * 24 * 3_600_000);
    sandbox.accept(&[event(50, "click", ADDRESS), event(51, "click", ADDRESS)]).await;
    let day =
        |days: i64| Timestamp::from_millis(START + days * 24 * 3_600_000 - 3_600_000).unwrap();
    let selected = async |from, to| {
        let range = Some(TimeRange { from: day(from), to: day(to) });
        replay(&sandbox, ReplayRequest { range, dry_run: true, ..request("r") }).await.selected
    };
    assert_eq!(selected(0, 1).await, 10);
    assert_eq!(selected(1, 3).await, 0);
    assert_eq!(selected(3, 4).await, 2);
    assert_eq!(selected(0, 9).await, 12);
    let prefix = ReplaySource::Archive { prefix: Some("events/2026/02/03".to_owned()) };
    let answer =
        replay(&sandbox, ReplayRequest { source: prefix, dry_run: true, ..request("p") }).await;
    assert_eq!(answer.selected, 2);
}

const HOUR: i64 = 3_600_000;

/// The sandbox's clock begins at 10:00: this sets it to an hour of the first day, or past 24 to one
/// of the next.
fn set_to(sandbox: &Sandbox, hour: i64) {
    sandbox.pass(START + (hour - 10) * HOUR - sandbox.context.ports.clock.now().as_millis());
}

async fn replay_between(sandbox: &Sandbox, (from, to): (i64, i64)) -> ReplayResponse {
    let at = |hour: i64| Timestamp::from_millis(START + (hour - 10) * HOUR).unwrap();
    let range = Some(TimeRange { from: at(from), to: at(to) });
    replay(sandbox, ReplayRequest { range, ..request("between") }).await
}

/// What was spilled during an outage is carried over between what is live by then, under the time
/// at which it was received: the next object of a partition may begin on an earlier day.
#[tokio::test(flavor = "multi_thread")]
async fn a_range_reads_what_lies_before_an_object_of_an_earlier_day() {
    let sandbox = Sandbox::new();
    set_to(&sandbox, 26);
    sandbox.accept(&events(3)).await;
    set_to(&sandbox, 22);
    sandbox.accept(&[event(50, "click", ADDRESS)]).await;
    assert_eq!(sandbox.files("events").len(), 2);
    sandbox.sql("DELETE FROM raw_events");
    let answer = replay_between(&sandbox, (25, 48)).await;
    assert_eq!((answer.selected, answer.published), (3, 3));
    assert_eq!(sandbox.number("SELECT count(*) FROM raw_events"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_reads_what_lies_in_an_object_of_a_later_day() {
    let sandbox = Sandbox::new();
    set_to(&sandbox, 26);
    sandbox.send(&events(3)).await;
    set_to(&sandbox, 20);
    sandbox.accept(&[event(50, "click", ADDRESS), event(51, "click", ADDRESS)]).await;
    assert_eq!(sandbox.files("events").len(), 1);
    sandbox.sql("DELETE FROM raw_events");
    let answer = replay_between(&sandbox, (10, 22)).await;
    assert_eq!((answer.selected, answer.published), (2, 2));
    assert_eq!(sandbox.number("SELECT count(*) FROM raw_events"), 2);
}

/// Else what was refused would come back as a row.
#[tokio::test(flavor = "multi_thread")]
async fn a_range_reads_decisions_that_lie_before_those_of_an_earlier_day() {
    let sandbox = Sandbox::with(|settings| settings.processor.ip_rate_limit_per_min = 40);
    set_to(&sandbox, 26);
    let hot: Vec<_> = (100..150).map(|number| event(number, "click", "198.51.100.9")).collect();
    sandbox.accept(&hot).await;
    set_to(&sandbox, 22);
    sandbox.accept(&events(1)).await;
    sandbox.accept(&events(1)).await;
    assert_eq!(sandbox.files("decisions").len(), 2);
    sandbox.sql("DELETE FROM event_decisions");
    let answer = replay_between(&sandbox, (25, 48)).await;
    assert_eq!(answer.blocked + answer.rate_limited, 10);
    assert_eq!(sandbox.number("SELECT count(*) FROM raw_events"), 41);
    assert_eq!(refused(&sandbox), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn reprocessing_judges_by_todays_rules_and_the_books_balance() {
    let sandbox = installation().await;
    // The minute of receipt has its count already; today's limit is off.
    let mut settings = (*sandbox.context.settings).clone();
    settings.processor.ip_rate_limit_per_min = 0;
    let relaxed = Sandbox {
        context: evp::jobs::JobContext { settings: Arc::new(settings), ..sandbox.context.clone() },
        ..sandbox
    };
    let state = &relaxed.context.ports.state;
    for rule in state.rules().await.unwrap() {
        state.remove_rule(&rule.target).await.unwrap();
    }
    for id in ["one", "two"] {
        replay(&relaxed, ReplayRequest { reprocess: true, ..request(id) }).await;
        assert_eq!(relaxed.number("SELECT count(*) FROM raw_events"), 80);
        let report = relaxed.assert_clean().await;
        assert_eq!((report.books.accepted, report.books.stored), (85, 80));
        assert_eq!(report.books.blocked + report.books.rate_limited, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reprocessing_another_archive_counts_as_restored() {
    let from = installation().await;
    let to = Sandbox::new();
    let paths = vec![from.directory.path().join("archive")];
    let source = ReplaySource::Files { paths };
    replay(&to, ReplayRequest { source, reprocess: true, ..request("again") }).await;
    let report = to.assert_clean().await;
    assert_eq!((report.books.accepted, report.books.restored), (0, 85));
    assert_eq!((report.books.stored, report.books.duplicate), (80, 5));
    to.forget_raw().await;
    to.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_replay_goes_on_where_it_stopped() {
    use evp::jobs::{Job, JobError, NoProgress};

    let from = spread().await;
    // At the end of an object, and inside of the first, which has 30 events.
    for (rate, published) in [(None, 30), (Some(29), 29)] {
        let to = Sandbox::new();
        let paths = vec![from.directory.path().join("archive")];
        let asked =
            ReplayRequest { source: ReplaySource::Files { paths }, rate, ..request("long") };
        let stopped = CancellationToken::new();
        stopped.cancel();
        let end = Replay::run(&to.context, asked, &NoProgress, stopped).await;
        assert!(matches!(end, Err(JobError::Cancelled(_))), "{end:?}");
        to.drain().await;
        assert_eq!(to.number("SELECT count(*) FROM raw_events"), published);
        let resumed = ReplayRequest { resume: true, ..request("long") };
        let answer = replay(&to, resumed.clone()).await;
        assert_eq!(answer.published, 70);
        assert_eq!(numbers(&to), numbers(&from));
        to.assert_clean().await;
        let ended = to.run::<Replay>(resumed).await;
        assert!(matches!(ended, Err(JobError::Request(_))), "{ended:?}");
    }
}

/// A replay that is told to end does one more step, which is what a second may bring. The first object
/// has 30 events; one that goes on reads it from its beginning.
#[tokio::test(flavor = "multi_thread")]
async fn a_replay_goes_on_at_another_rate_where_one_is_given() {
    use evp::jobs::{Job, JobError, NoProgress};

    let from = spread().await;
    let to = Sandbox::new();
    let paths = vec![from.directory.path().join("archive")];
    let asked = ReplayRequest {
        source: ReplaySource::Files { paths },
        rate: Some(29),
        ..request("faster")
    };
    let resumed = |rate| ReplayRequest { resume: true, rate, ..request("faster") };
    for (asked, published) in [(asked, 29), (resumed(None), 29), (resumed(Some(1000)), 30)] {
        let stopped = CancellationToken::new();
        stopped.cancel();
        let end = Replay::run(&to.context, asked, &NoProgress, stopped).await;
        let Err(JobError::Cancelled(said)) = end else { panic!("{end:?}") };
        assert!(said.starts_with(&format!("{published} events published")), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_goes_on_behind_an_object_that_went_away() {
    use evp::jobs::{Job, JobError, NoProgress};

    let from = spread().await;
    let to = Sandbox::new();
    let paths = vec![from.directory.path().join("archive")];
    let asked = ReplayRequest { source: ReplaySource::Files { paths }, ..request("gone") };
    let stopped = CancellationToken::new();
    stopped.cancel();
    let end = Replay::run(&to.context, asked, &NoProgress, stopped).await;
    assert!(matches!(end, Err(JobError::Cancelled(_))), "{end:?}");
    std::fs::remove_file(from.files("events").remove(0)).unwrap();
    replay(&to, ReplayRequest { resume: true, ..request("gone") }).await;
    assert_eq!(to.number("SELECT count(*) FROM raw_events"), 70);
}

/// The same installation with a log that fails on demand.
fn faulty(sandbox: Sandbox, faults: &Faults) -> Sandbox {
    let mut context = sandbox.context.clone();
    context.ports.log = Arc::new(Faulty::new(context.ports.log.clone(), faults));
    Sandbox { context, ..sandbox }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_whose_publishing_failed_goes_on_before_it() {
    let from = spread().await;
    let faults = Faults::new();
    let to = faulty(Sandbox::new(), &faults);
    let paths = vec![from.directory.path().join("archive")];
    let asked = ReplayRequest { source: ReplaySource::Files { paths }, ..request("refused") };
    faults.fail_on(&EventId::new("e-0000").unwrap(), Kind::Data, 1);
    assert!(to.run::<Replay>(asked).await.is_err());
    replay(&to, ReplayRequest { resume: true, ..request("refused") }).await;
    assert_eq!(numbers(&to), numbers(&from));
    to.assert_clean().await;
}

/// Of two acceptances of one event the first is the row, whatever the clock said.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_stepped_back_puts_no_later_acceptance_first() {
    const DAYS: i64 = 3 * 24 * 3_600_000;
    let from = Sandbox::new();
    from.pass(DAYS);
    from.accept(&events(1)).await;
    from.pass(-DAYS);
    from.accept(&events(1)).await;
    let row = "SELECT CAST(strftime('%s', received_at) AS INTEGER) FROM raw_events";
    assert_eq!(from.number(row), (START + DAYS) / 1000);
    let to = Sandbox::new();
    let paths = vec![from.directory.path().join("archive")];
    replay(&to, ReplayRequest { source: ReplaySource::Files { paths }, ..request("days") }).await;
    assert_eq!(to.number(row), from.number(row));
    assert_eq!(numbers(&to), numbers(&from));
}

/// A role's way to the end of what is there, the others standing still.
fn to_its_end() -> Stop {
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    Stop { shutdown, ending: Ending::Drained }
}

/// One that has archived 50 events, 10 of them over the limit, and judged none of them.
async fn with_archiver_ahead() -> Sandbox {
    let sandbox = Sandbox::with(|settings| settings.processor.ip_rate_limit_per_min = 40);
    sandbox.accept(&events(30)).await;
    let hot: Vec<_> = (100..150).map(|number| event(number, "click", "198.51.100.9")).collect();
    sandbox.send(&hot).await;
    Archiver::build(&sandbox.deps()).unwrap().run(to_its_end()).await.unwrap();
    sandbox
}

fn refused(sandbox: &Sandbox) -> i64 {
    sandbox
        .number("SELECT count(*) FROM event_decisions WHERE outcome IN ('blocked', 'rate_limited')")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_judged_yet_is_left_to_the_processor() {
    for reprocess in [false, true] {
        let sandbox = with_archiver_ahead().await;
        let asked = ReplayRequest { reprocess, ..request("early") };
        let answer = replay(&sandbox, asked).await;
        assert_eq!((answer.selected, answer.already_stored), (80, 30));
        assert_eq!((answer.in_flight, answer.published), (50, 0));
        assert_eq!(sandbox.number("SELECT count(*) FROM raw_events"), 70);
        assert_eq!(refused(&sandbox), 10);
        let report = sandbox.assert_clean().await;
        assert_eq!(report.books.redelivered, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_that_the_worker_has_yet_to_store_are_known() {
    let sandbox = with_archiver_ahead().await;
    Processor::build(&sandbox.deps()).unwrap().run(to_its_end()).await.unwrap();
    assert_eq!(refused(&sandbox), 0);
    let answer = replay(&sandbox, request("early")).await;
    assert_eq!((answer.in_flight, answer.published), (0, 40));
    assert_eq!(answer.blocked + answer.rate_limited, 10);
    assert_eq!(sandbox.number("SELECT count(*) FROM raw_events"), 70);
    assert_eq!(refused(&sandbox), 10);
    sandbox.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_log_lost_before_it_was_judged_comes_back() {
    let sandbox = with_archiver_ahead().await;
    sandbox.forget_raw().await;
    let answer = replay(&sandbox, request("lost")).await;
    assert_eq!((answer.in_flight, answer.published), (0, 50));
    assert_eq!(sandbox.number("SELECT count(*) FROM raw_events"), 80);
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_objects_are_passed_over_and_named() {
    let sandbox = spread().await;
    let file = sandbox.files("events").remove(0);
    let mut content = std::fs::read(&file).unwrap();
    content[60] ^= 1;
    std::fs::write(&file, &content).unwrap();
    let answer = replay(&sandbox, request("damaged")).await;
    assert_eq!(answer.damaged.len(), 1);
    assert_eq!(answer.selected, 55);
}
