//! A client's ledger against a real directory: clean where all is right, and each kind of damage
//! found by name.

use async_trait::async_trait;
use evp::jobs::JobError;
use evp::jobs::ledger::Answer;
use evp::jobs::verify::{FindingKind, Verify, VerifyRequest, VerifyStatus};

use crate::sandbox::{ADDRESS, Sandbox};
use crate::witness::{self, Client, Witnessed, verify};

#[async_trait]
impl Witnessed for Sandbox {
    async fn accept_only(&self, events: &[String]) {
        let events: Vec<_> = events.iter().map(|event| (event.clone(), ADDRESS)).collect();
        let sent = self.send(&events).await;
        assert_eq!(sent.rejected, 0, "{sent:?}");
    }

    async fn end(&self) {
        self.drain().await;
    }
}

macro_rules! case {
    ($name:ident) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            witness::$name(&Sandbox::new()).await;
        }
    };
}
crate::every_witness!(case);

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_or_missing_ledger_proves_nothing_and_says_where() {
    let sandbox = Sandbox::new();
    let ledger = witness::sent(&sandbox).await;
    let refused = async |path: &std::path::Path| {
        let ledger = Some(path.to_owned());
        let request = VerifyRequest { wait_ms: 0, limit: 10, ledger };
        let error: JobError = sandbox.run::<Verify>(request).await.unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", source.unwrap_or_default())
    };
    let whole = std::fs::read_to_string(&ledger.path).unwrap();
    std::fs::write(&ledger.path, whole.replacen("\"accepted\"", "\"acepted\"", 1)).unwrap();
    let said = refused(&ledger.path).await;
    assert!(said.contains("ledger:3: unknown variant `acepted`"), "{said}");
    let said = refused(&ledger.directory.path().join("none")).await;
    assert!(said.contains("cannot read the ledger") && said.contains("none"), "{said}");
}

/// Refused everywhere is no outcome: such an event is neither lost nor a ghost, wherever it was sent.
#[tokio::test(flavor = "multi_thread")]
async fn blocked_and_limited_events_are_not_lost() {
    let sandbox = Sandbox::with(|settings| settings.processor.ip_rate_limit_per_min = 4);
    let mut client = Client::new();
    client.reserve(10);
    sandbox.accept_only(&(0..10).map(witness::text).collect::<Vec<_>>()).await;
    sandbox.end().await;
    for number in 0..10 {
        client.said(number, Answer::Accepted);
    }
    let ledger = client.finish();
    let report = verify(&sandbox, &ledger.path).await;
    assert_eq!(report.status, VerifyStatus::Clean, "{report:#?}");
    let counts = report.ledger.unwrap();
    assert_eq!((counts.accepted, counts.stored, counts.lost), (10, 4, 0));
    assert_eq!(counts.blocked + counts.rate_limited, 6);
    sandbox.sql("DELETE FROM event_decisions");
    let report = verify(&sandbox, &ledger.path).await;
    assert_eq!(report.totals[&FindingKind::Lost], 6);
}

/// What judging a ledger of any length may take, the rest of the test with it.
const MOST_KIB: u64 = 200 << 10;

/// A ledger that does not fit into the memory for sorting, and one event of it in the store. Long, so
/// `just nightly` has it: `cargo test --test jobs -- --ignored ledger`; `EVP_LEDGER_LINES` says how
/// many lines. To be run alone: what is bounded is the whole process.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes a ledger of two million lines"]
async fn a_ledger_larger_than_the_memory_is_judged_line_by_line() {
    let lines = std::env::var("EVP_LEDGER_LINES").map_or(2_000_000, |text| text.parse().unwrap());
    let sandbox = Sandbox::new();
    let mut client = Client::new();
    client.reserve(lines);
    sandbox.accept_only(&[witness::text(3)]).await;
    sandbox.end().await;
    for at in 0..lines {
        // A prime that no number of lines is a multiple of scatters them over all runs.
        let number = at * 1_000_000_007 % lines;
        let answer = if number == 3 { Answer::Accepted } else { Answer::Unknown };
        client.said(number, answer);
    }
    let ledger = client.finish();
    let counts = verify(&sandbox, &ledger.path).await.ledger.unwrap();
    assert!(counts.sort_runs > 1, "everything fitted into memory: {counts:?}");
    assert_eq!(counts.sendings, lines);
    assert_eq!((counts.events, counts.without_line, counts.matched), (lines, 0, 1));
    assert_eq!((counts.accepted, counts.stored, counts.unknown_absent), (1, 1, lines - 1));
    assert_eq!((counts.lost, counts.ghosts, counts.doubled, counts.altered), (0, 0, 0, 0));
    // Of all machines only this one says so.
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
        println!("{lines} lines, {} runs, {peak}", counts.sort_runs);
        let kib = peak.split_whitespace().nth(1).and_then(|text| text.parse().ok());
        assert!(kib.is_some_and(|kib: u64| kib < MOST_KIB), "{peak}");
    }
}
