//! Runs against servers made for the purpose: one that stalls, one that breaks connections, one that
//! is not there.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::report::Report;
use super::schedule::Load;
use super::{LoadError, Mix, Now, Observer, Plan, Route, Source, run};
use crate::ports::SystemClock;
use crate::runtime::shutdown::CancellationToken;

struct Silent;

impl Observer for Silent {
    fn second(&self, _now: &Now) {}
}

const OK: &[u8] = b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}";

/// A server; `answer` is given the number of the request and says what to write, nothing to end the
/// connection.
fn server(answer: impl Fn(u64) -> Option<Vec<u8>> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let shared = Arc::new((answer, AtomicU64::new(0)));
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || serve(stream, |n| (shared.0)(n), &shared.1));
        }
    });
    address
}

fn serve(mut stream: TcpStream, answer: impl Fn(u64) -> Option<Vec<u8>>, count: &AtomicU64) {
    let mut bytes = [0; 16 << 10];
    while stream.read(&mut bytes).is_ok_and(|count| count > 0) {
        match answer(count.fetch_add(1, Relaxed)) {
            Some(text) => drop(stream.write_all(&text)),
            None => return,
        }
    }
}

fn plan(address: SocketAddr, rate: f64) -> Plan {
    Plan {
        address,
        host: address.to_string(),
        path: "/event".to_owned(),
        headers: Vec::new(),
        route: Route::Event,
        load: Load::flat(rate, Duration::from_millis(1500)),
        batch: 1,
        burst: 1,
        connections: 2,
        threads: 1,
        timeout: Duration::from_secs(5),
        max_waiting: None,
        source: Source::Template(None),
        users: 10,
        size: None,
        mix: Mix { duplicates: 0.0, bad: 0.0, addresses: 0, hot: None, seed: 1 },
        expect: None,
        thresholds: Vec::new(),
        ledger: None,
        scenario: None,
    }
}

fn measured(plan: &Plan) -> Report {
    run(plan, &SystemClock, &Silent, &CancellationToken::new()).unwrap()
}

#[test]
fn a_stall_is_charged_for_all_that_was_due_meanwhile() {
    let stall = Duration::from_millis(500);
    let address = server(move |number| {
        if number == 20 || number == 21 {
            std::thread::park_timeout(stall);
        }
        Some(OK.to_vec())
    });
    let report = measured(&plan(address, 200.0));
    assert_eq!((report.requests.sent, report.requests.answered), (300, 300));
    assert_eq!((report.events.accepted, report.events.errors), (300, 0));
    // Two requests of 300 were slow by themselves; 100 were due while both connections stood.
    assert!(report.service_ms.p99 < 400.0, "{:?}", report.service_ms);
    assert!(report.latency_ms.p90 > 100.0, "{:?}", report.latency_ms);
    assert!(report.latency_ms.p99 > 400.0, "{:?}", report.latency_ms);
    assert!(report.requests.late > 50 && report.requests.waited > 50, "{:?}", report.requests);
    assert!(report.service_ms.min > 0.0, "no answer comes before its request");
    assert_eq!(report.series.iter().map(|second| second.answered).sum::<u64>(), 300);
}

#[test]
fn what_finds_no_connection_and_no_room_is_dropped_and_counted() {
    let address = server(|_| {
        std::thread::park_timeout(Duration::from_millis(200));
        Some(OK.to_vec())
    });
    let plan = Plan { max_waiting: Some(3), ..plan(address, 100.0) };
    let report = measured(&plan);
    assert!(report.requests.dropped > 50, "{:?}", report.requests);
    assert_eq!(report.requests.dropped + report.requests.sent, 150);
}

#[test]
fn every_event_is_accounted_for_whatever_comes_back() {
    let address = server(|number| match number % 10 {
        0 => None,
        1 => Some(b"HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n".to_vec()),
        2 => Some(b"HTTP/1.1 429 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec()),
        3 => Some(b"HTTP/1.1 400 X\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_vec()),
        4 => Some(b"nonsense\r\n\r\n".to_vec()),
        _ => Some(OK.to_vec()),
    });
    let plan = Plan { threads: 2, connections: 8, ..plan(address, 200.0) };
    let report = measured(&plan);
    let events = report.events;
    assert_eq!(events.sent, 300);
    assert_eq!(events.accepted + events.rejected + events.rate_limited + events.unknown, 300);
    assert_eq!(events.errors, 300 - events.accepted);
    for status in ["202", "400", "429", "503"] {
        assert!(report.statuses[status] >= 20, "{:?}", report.statuses);
    }
    assert!(report.failures["reset"] >= 20, "{:?}", report.failures);
    assert!(report.failures["malformed"] >= 20, "{:?}", report.failures);
    assert_eq!(
        report.requests.sent - report.requests.answered,
        report.failures.values().sum::<u64>()
    );
}

#[test]
fn an_answer_that_does_not_come_is_a_time_out_and_unknown() {
    let address = server(|_| {
        std::thread::park_timeout(Duration::from_secs(5));
        Some(OK.to_vec())
    });
    let timeout = Duration::from_millis(300);
    let report = measured(&Plan { timeout, connections: 200, ..plan(address, 50.0) });
    assert_eq!((report.events.sent, report.events.unknown), (75, 75));
    assert_eq!(report.failures["timeout"], 75);
    assert!(report.latency_ms.min >= 299.0, "it took at least that long");
}

#[test]
fn a_2xx_without_the_text_that_was_asked_for_is_an_error() {
    let address = server(|_| Some(OK.to_vec()));
    let report = measured(&Plan { expect: Some("accepted".to_owned()), ..plan(address, 20.0) });
    assert_eq!((report.events.errors, report.failures["unexpected"]), (30, 30));
}

#[test]
fn a_run_that_is_stopped_has_a_report() {
    let address = server(|_| Some(OK.to_vec()));
    let cancel = CancellationToken::new();
    cancel.cancel();
    let long = Plan { load: Load::flat(100.0, Duration::from_secs(3600)), ..plan(address, 1.0) };
    let report = run(&long, &SystemClock, &Silent, &cancel).unwrap();
    assert!(report.interrupted && report.seconds < 60.0);
}

#[test]
fn nobody_at_the_target_is_said_before_anything_is_written() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let ledger = directory.path().join("ledger");
    let plan = Plan { ledger: Some(ledger.clone()), ..plan(gone, 10.0) };
    let error = run(&plan, &SystemClock, &Silent, &CancellationToken::new()).unwrap_err();
    assert!(matches!(error, LoadError::Connect { .. }), "{error}");
    assert!(!ledger.exists());
}

#[test]
fn a_ledger_has_a_line_for_every_event_that_was_sent() {
    use crate::jobs::ledger::{Answer, LedgerLine, LedgerReader};
    let address = server(|number| match number % 5 {
        0 => None,
        1 => Some(b"HTTP/1.1 400 X\r\ncontent-length: 0\r\n\r\n".to_vec()),
        _ => Some(OK.to_vec()),
    });
    let directory = tempfile::tempdir().unwrap();
    let ledger = directory.path().join("ledger");
    let mix = Mix { duplicates: 0.1, ..plan(address, 1.0).mix };
    let report = measured(&Plan { ledger: Some(ledger.clone()), mix, ..plan(address, 200.0) });
    let mut reader = LedgerReader::open(&ledger).unwrap();
    let (mut lines, mut numbers) = (0, std::collections::BTreeSet::new());
    let mut answers = std::collections::BTreeMap::<Answer, u64>::new();
    while let Some(line) = reader.next_line().unwrap() {
        if let LedgerLine::Sent(event) = line {
            lines += 1;
            numbers.insert(event.number);
            *answers.entry(event.answer).or_default() += 1;
            assert_eq!(event.answered.is_none(), event.answer == Answer::Unknown);
        }
    }
    let events = report.events;
    assert_eq!((lines, events.sent), (300, 300));
    assert_eq!(numbers.len() as u64, events.sent - events.duplicates);
    assert!(events.duplicates > 0);
    assert_eq!(answers[&Answer::Accepted], events.accepted);
    assert_eq!(answers[&Answer::Rejected], events.rejected);
    assert_eq!(answers[&Answer::Unknown], events.unknown);
    assert!(reader.is_finished());
}
