//! The books of an operator's screen, before and after a crash (design, rule 11).

use serde_json::Value;

use crate::QUICK;
use crate::harness::load::Load;
use crate::harness::server::{Server, eventually};
use crate::harness::{evp, said};

const OUTCOMES: [&str; 5] = ["stored", "duplicate", "blocked", "rate_limited", "dead_lettered"];

/// The gauges, once they have come to rest at so many accepted: they are read every few seconds.
fn screen(server: &Server, accepted: f64) -> Vec<f64> {
    let gauge = |outcome: &str| server.metric(&format!("evp_books{{outcome=\"{outcome}\"}}"));
    let mut books = Vec::new();
    eventually(
        40,
        || format!("the books balance: {}", server.metrics()),
        || {
            let read: Option<Vec<f64>> =
                ["accepted"].into_iter().chain(OUTCOMES).chain(["in_flight"]).map(gauge).collect();
            let Some(read) = read else { return false };
            books = read;
            books[0] == accepted && books[6] == 0.0 && books[0] == books[1..].iter().sum::<f64>()
        },
    );
    books
}

fn report(data_dir: &std::path::Path) -> Value {
    let output = evp(data_dir, &["verify", "--wait", "60s", "-o", "json"]);
    assert!(output.status.success(), "{}", said(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    report["books"].clone()
}

fn number(books: &Value, name: &str) -> f64 {
    books[name].as_f64().unwrap_or_else(|| panic!("{name} in {books}"))
}

fn balanced(books: &Value) {
    let right: f64 = OUTCOMES.iter().map(|outcome| number(books, outcome)).sum();
    assert_eq!(number(books, "accepted"), right + number(books, "in_flight"), "{books}");
}

#[test]
fn the_books_balance_before_and_after_a_crash() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    // Low, so that every outcome but a dead letter occurs.
    let limited: Vec<&str> = QUICK
        .iter()
        .map(|setting| match *setting {
            "processor.ip_rate_limit_per_min=2000" => "processor.ip_rate_limit_per_min=100",
            other => other,
        })
        .collect();
    let server = Server::start_with(&data_dir, &limited, &[]);
    let load = Load::start(&server.url, "b", 3);
    eventually(30, || "300 answers".to_owned(), || load.answered() > 300);
    load.stop();
    let before = report(&data_dir);
    balanced(&before);
    screen(&server, number(&before, "accepted"));
    for outcome in ["stored", "duplicate", "blocked", "rate_limited"] {
        assert!(number(&before, outcome) > 0.0, "{outcome} did not occur: {before}");
    }

    let load = Load::start(&server.url, "c", 3);
    eventually(30, || "100 answers".to_owned(), || load.answered() > 100);
    server.kill();
    load.stop();
    let server = Server::start_with(&data_dir, &limited, &[]);
    let after = report(&data_dir);
    balanced(&after);
    let screen = screen(&server, number(&after, "accepted"));
    for (at, outcome) in OUTCOMES.iter().enumerate() {
        assert_eq!(screen[at + 1], number(&after, outcome), "{outcome}");
        assert!(number(&after, outcome) >= number(&before, outcome), "{outcome} went back");
    }
    assert!(number(&after, "accepted") > number(&before, "accepted"));
    server.kill();
}
