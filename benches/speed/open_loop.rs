//! The whole embedded server and its generator on two cores for ten minutes, by a schedule that
//! nothing slows down, and the proof of the ledger afterwards.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::bench::Bench;
use crate::embedded::{Embedded, Generator, generate, number, two_cpus};
use crate::process::program;
use crate::report::{Goal, Report, Row, figure};

/// Single events a second.
const RATE: u32 = 20_000;

pub fn run(bench: &mut Bench) -> Report {
    let server = Embedded::start(bench, &[], &[], two_cpus());
    let ledger = server.home().join("run.ledger");
    let length = bench.scale.open_loop;
    let asked = Generator { rate: RATE, length, ledger: Some(&ledger), cpus: two_cpus() };
    let before = server.process.cpu();
    let (report, most) = generate(&server, &asked);
    let cpu = server.process.cpu() - before;
    let (audit, verdict) = verify(&server, &ledger);
    let p99 = number(&report, "/latency_ms/p99");
    // What was due and never sent got no answer either.
    let errors = number(&report, "/events/errors") + number(&report, "/requests/dropped");
    let lost = number(&audit, "/ledger/lost");
    let mut details = generated(&report);
    details.push(format!(
        "server {:.2} processors, at most {most:.0} MB; generator {:.2} processors",
        cpu / number(&report, "/seconds"),
        number(&report, "/generator/cpus")
    ));
    details.push(audited(&audit, &verdict));
    let what = format!(
        "20,000 single POSTs a second open loop, {} s, whole `evp serve`",
        length.as_secs()
    );
    let none = Goal::AtMost(0.0, None);
    Report {
        rows: vec![
            Row::figure(
                format!("{what}: p99 ms"),
                p99.into(),
                Goal::AtMost(10.0, Some(5.0)),
            ),
            Row::figure("the same: errors, or never sent", errors.into(), none),
            Row::figure("the same: lost by `verify`", lost.into(), none),
        ],
        details,
        note: "\
One round. Latency counts from when a request was due (docs/loadgen.md), so it has in it what the generator
was late. Both processes are held to processors 0 and 1.",
        ..Report::default()
    }
}

/// What the generator says of the run.
fn generated(report: &Value) -> Vec<String> {
    let of = |path| number(report, path);
    let is_late = report.pointer("/generator/late").and_then(Value::as_bool).unwrap_or(true);
    vec![
        format!(
            "accepted {} of {} events, {} a second; dropped {}, unknown {}, rejected {}",
            figure(of("/events/accepted")),
            figure(of("/events/sent")),
            figure(of("/rate/accepted_per_second")),
            figure(of("/requests/dropped")),
            figure(of("/events/unknown")),
            figure(of("/events/rejected"))
        ),
        format!(
            "latency from when due, ms: p50 {:.2}, p95 {:.2}, p99 {:.2}, p99.9 {:.2}, most {:.1}",
            of("/latency_ms/p50"),
            of("/latency_ms/p95"),
            of("/latency_ms/p99"),
            of("/latency_ms/p999"),
            of("/latency_ms/max")
        ),
        format!(
            "of it the generator's own lateness, ms: p50 {:.2}, p99 {:.2}, most {:.1}{}",
            of("/schedule_lag_ms/p50"),
            of("/schedule_lag_ms/p99"),
            of("/schedule_lag_ms/max"),
            if is_late { "; it says itself that it was late" } else { "" }
        ),
    ]
}

fn audited(audit: &Value, verdict: &str) -> String {
    let of = |name: &str| figure(number(audit, &format!("/ledger/{name}")));
    format!(
        "`evp verify`: {verdict}; of {} acknowledged: stored {}, lost {}, doubled {}, altered {}",
        of("accepted"),
        of("stored"),
        of("lost"),
        of("doubled"),
        of("altered")
    )
}

/// Its answer, and how it ended.
fn verify(server: &Embedded, ledger: &Path) -> (Value, String) {
    let done = Command::new(program())
        .args(["verify", "-o", "json", "--wait", "10m", "--data-dir"])
        .arg(server.data_dir())
        .arg(ledger)
        .current_dir(server.home())
        .output()
        .unwrap();
    let verdict = match done.status.code() {
        Some(0) => "clean".to_owned(),
        Some(3) => "SOMETHING WAS FOUND".to_owned(),
        _ => format!("NOTHING PROVED ({})", String::from_utf8_lossy(&done.stderr).trim()),
    };
    (serde_json::from_slice(&done.stdout).unwrap_or_default(), verdict)
}
