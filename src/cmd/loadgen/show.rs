//! A run for people: the plan of a dry run, and the table at the end.

use crate::cmd::error::CmdError;
use crate::cmd::ui::{Output, Ui};
use crate::jobs::loadgen::report::{Report, Summary};
use crate::jobs::loadgen::{self, Plan};

/// A count as a number to reckon with.
#[expect(clippy::cast_precision_loss, reason = "seconds of a run")]
pub(super) const fn float(count: u64) -> f64 {
    count as f64
}

/// What would be sent.
pub(super) fn dry_run(ui: &Ui, plan: &Plan) -> Result<(), CmdError> {
    let outline = loadgen::outline(plan);
    let request = loadgen::sample(plan)?;
    if ui.output().is_machine() {
        let body = serde_json::json!({
            "target": format!("http://{}{}", plan.host, plan.path),
            "route": plan.route.as_str(),
            "plan": outline,
            "thresholds": plan.thresholds.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "first_request": request,
        });
        return ui.show(&body, |_| Ok(()));
    }
    let mut rows = vec![
        row("target", format!("http://{}{}", plan.host, plan.path)),
        row("requests", format!("{} of {} events", outline.requests, outline.batch)),
        row("seconds", format!("{:.1}", outline.seconds)),
        row("rate at the start", format!("{:.0} events/s", outline.start_rate)),
    ];
    for stage in &outline.stages {
        rows.push(row("then to", format!("{:.0} events/s in {:.1} s", stage.rate, stage.seconds)));
    }
    if let Some(spike) = outline.spike {
        let text = format!("{:.0} events/s for {:.1} s", spike.rate, spike.seconds);
        rows.push(row("spike in the middle", text));
    }
    rows.extend(plan.thresholds.iter().map(|mark| row("threshold", mark.to_string())));
    ui.table(&["plan", "value"], rows)?;
    ui.note(format!("the first request:\n{request}"));
    Ok(())
}

/// The report in the form that is asked for.
pub(super) fn report(ui: &Ui, report: &Report) -> Result<(), CmdError> {
    match ui.output() {
        Output::Json | Output::Ndjson => ui.show(report, |_| Ok(()))?,
        Output::Table | Output::Csv => {
            ui.table(&["load test", "value"], rows(report))?;
            warn(ui, report);
        }
    }
    Ok(())
}

fn row(name: impl Into<String>, value: impl Into<String>) -> Vec<String> {
    vec![name.into(), value.into()]
}

/// The table: thresholds first, then what was sent, then what it took.
fn rows(report: &Report) -> Vec<Vec<String>> {
    let (requests, events) = (&report.requests, &report.events);
    let mut rows = Vec::new();
    for mark in &report.thresholds {
        let verdict = if mark.holds { "holds" } else { "CROSSED" };
        rows.push(row(&mark.threshold, format!("{verdict}: {}", mark.shown)));
    }
    rows.extend([
        row("target", &report.target),
        row("seconds", format!("{:.1}", report.seconds)),
        row(
            "requests sent",
            format!("{} ({:.1}/s)", requests.sent, report.rate.requests_per_second),
        ),
        row("requests dropped", requests.dropped.to_string()),
        row("requests late", requests.late.to_string()),
        row("events sent", events.sent.to_string()),
        row(
            "events accepted",
            format!("{} ({:.1}/s)", events.accepted, report.rate.accepted_per_second),
        ),
    ]);
    let counts = [
        ("duplicates sent", events.duplicates),
        ("bad events sent", events.bad),
        ("events rejected", events.rejected),
        ("events rate-limited", events.rate_limited),
        ("events unknown", events.unknown),
    ];
    let counts = counts.into_iter().filter(|(_, count)| *count > 0);
    rows.extend(counts.map(|(name, count)| row(name, count.to_string())));
    let share = 100.0 * report.error_share();
    rows.push(row("errors", format!("{} ({share:.4}%)", events.errors)));
    let statuses = report.statuses.iter();
    rows.extend(statuses.map(|(status, count)| row(format!("status {status}"), count.to_string())));
    let failures = report.failures.iter();
    rows.extend(failures.map(|(reason, count)| row(*reason, count.to_string())));
    rows.push(row("latency", times(&report.latency_ms)));
    rows.push(row("service time", times(&report.service_ms)));
    rows.push(row("schedule lag", times(&report.schedule_lag_ms)));
    rows.push(row("generator", format!("{:.2} processors", report.generator.cpus)));
    if let Some(server) = &report.server {
        rows.push(row("server", format!("{:.2} processors", server.cpus)));
    }
    rows
}

fn times(times: &Summary) -> String {
    format!(
        "p50 {:.2}  p90 {:.2}  p99 {:.2}  p99.9 {:.2}  max {:.2} ms",
        times.p50, times.p90, times.p99, times.p999, times.max
    )
}

/// What makes the numbers other than they seem; in JSON it has members of its own.
fn warn(ui: &Ui, report: &Report) {
    if report.generator.late {
        ui.warn(format!(
            "the generator was late by {:.2} ms at the 99th percentile: the schedule was not kept, \
             give it more threads or a machine of its own",
            report.schedule_lag_ms.p99
        ));
    }
    if report.requests.dropped > 0 {
        ui.warn(format!(
            "{} requests were due and never sent; no percentile has them in it",
            report.requests.dropped
        ));
    }
}
