//! `evp loadgen`: load on a collector, and what it does to it.

mod args;
mod embedded;
mod html;
mod show;

use std::cell::Cell;
use std::path::PathBuf;

use crate::jobs::loadgen::report::{Report, SCHEMA, Server};
use crate::jobs::loadgen::{self, LoadError, Now, Observer, Plan};
use crate::jobs::{JobProgress, ProgressSink};
use crate::ports::SystemClock;
use crate::runtime::shutdown::CancellationToken;

use super::context::Context;
use super::error::{CmdError, CmdResult, Finish, Kind};
use super::ui::Progress;
use args::{EventArgs, LoadArgs, TargetArgs};
use embedded::Embedded;

/// Put load on a collector and measure it; exit 99 where a threshold is crossed
///
/// Requests are due on a schedule that is fixed before the run, and latency counts from when a
/// request was due: a server that stalls is charged for everything that was due meanwhile. A request
/// that finds no idle connection waits for one and is late; past a bound it is dropped. Both are
/// counted. Ctrl-C ends the run with a report of what was measured. docs/loadgen.md has every word.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp loadgen --url http://localhost:8080 --rate 20000 --duration 10m
  evp loadgen --embedded --rate 5000 --spike 20000:10s --threshold 'p99<10ms'
  evp loadgen --url http://localhost:8080 --stage 500:30s,2000:1m,2000:2m,0:30s --html report.html
  evp loadgen --url http://localhost:8080 --route v1-bulk --batch 100 --rate 20000 --duplicates 0.01
  evp loadgen --url http://localhost:8080 --scenario seed-004 -o json > results.json
  evp loadgen --embedded --rate 2000 --ledger run.ledger --data-dir ./evp-data")]
pub(super) struct Loadgen {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    load: LoadArgs,
    #[command(flatten)]
    events: EventArgs,
    /// A pass mark such as 'p99<10ms', 'errors<1%', 'rate>=19000', 'dropped<1' (can be repeated)
    #[arg(long = "threshold", value_name = "MARK")]
    thresholds: Vec<loadgen::Threshold>,
    /// Write what was sent and what was answered to this file, for `evp verify`
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// Write the report as a page of HTML with plots
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Send nothing: print the plan and the first request
    #[arg(long)]
    dry_run: bool,
    /// Print the schema of the report's JSON
    #[arg(long)]
    schema: bool,
}

impl Loadgen {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        if self.schema {
            context.ui.bytes(SCHEMA.as_bytes())?;
            return Ok(Finish::Done);
        }
        let mut plan = self.plan()?;
        if self.dry_run {
            loadgen::check(&plan)?;
            show::dry_run(&context.ui, &plan)?;
            return Ok(Finish::Done);
        }
        if let Some(path) = &self.html {
            // Before the run, not after it.
            std::fs::write(path, "").map_err(|error| cannot_write(path, error))?;
        }
        let ended = context.block_on(async |cancel| {
            tokio::task::block_in_place(|| self.measure(context, &mut plan, &cancel))
        });
        let report = ended?;
        if let Some(path) = &self.html {
            std::fs::write(path, html::page(&report)).map_err(|error| cannot_write(path, error))?;
        }
        show::report(&context.ui, &report)?;
        verdict(&report)
    }

    fn plan(&self) -> Result<Plan, CmdError> {
        let mut plan = args::plan(&self.target, &self.load, &self.events)?;
        let own = self.load.scenario.map_or(&[][..], |scenario| scenario.thresholds);
        for mark in own.iter().filter(|_| self.thresholds.is_empty()) {
            plan.thresholds
                .push(mark.parse().map_err(|error: String| CmdError::new(Kind::Bug, error))?);
        }
        plan.thresholds.extend(self.thresholds.iter().cloned());
        plan.ledger.clone_from(&self.ledger);
        Ok(plan)
    }

    /// Runs the plan, on a server of its own where that is asked for.
    fn measure(
        &self,
        context: &Context,
        plan: &mut Plan,
        cancel: &CancellationToken,
    ) -> Result<Report, CmdError> {
        loadgen::check(plan)?;
        let embedded = if self.target.embedded {
            let server = Embedded::start(context)?;
            (plan.address, plan.host) = (server.address(), server.address().to_string());
            Some(server)
        } else {
            None
        };
        let before = embedded.as_ref().map_or(0.0, Embedded::cpu_seconds);
        let ran = {
            let total = loadgen::outline(plan).requests;
            let bar = context.ui.progress("loadgen");
            let observer = Line { bar, total, sent: Cell::new(0) };
            loadgen::run(plan, &SystemClock, &observer, cancel)
        };
        let mut report = ran.map_err(CmdError::from)?;
        if let Some(server) = embedded {
            let cpu_seconds = server.cpu_seconds() - before;
            report.server = Some(Server {
                data_dir: server.data_dir().display().to_string(),
                cpu_seconds,
                cpus: cpu_seconds / report.seconds.max(1e-9),
            });
            server.stop()?;
        }
        Ok(report)
    }
}

/// The line that says how a run stands.
struct Line {
    bar: Progress,
    total: u64,
    sent: Cell<u64>,
}

impl Observer for Line {
    fn second(&self, now: &Now) {
        let second = &now.second;
        let message = format!(
            "{} in flight, p50 {:.1} ms, p99 {:.1} ms, {} errors, lag {:.2} ms, {:.0} s left",
            second.in_flight + second.waiting,
            second.p50_ms,
            second.p99_ms,
            second.errors,
            second.lag_p99_ms,
            (now.of - show::float(second.second) - 1.0).max(0.0),
        );
        let done = self.sent.get() + second.sent;
        self.sent.set(done);
        self.bar.report(JobProgress { done, total: Some(self.total), message });
    }
}

/// How a run that was measured ends.
fn verdict(report: &Report) -> CmdResult {
    let crossed: Vec<String> = report
        .crossed()
        .map(|mark| format!("{} is not so: {}", mark.threshold, mark.shown))
        .collect();
    if report.interrupted {
        let said = "interrupted; the report is of what ran until then";
        return Err(CmdError::new(Kind::Interrupted, said));
    }
    if crossed.is_empty() {
        return Ok(Finish::Done);
    }
    let hints = crossed.into_iter();
    Err(hints.fold(CmdError::new(Kind::Threshold, "a threshold was crossed"), CmdError::hint))
}

fn cannot_write(path: &std::path::Path, error: std::io::Error) -> CmdError {
    CmdError::caused(Kind::Failed, format!("cannot write {}", path.display()), error)
}

impl From<LoadError> for CmdError {
    fn from(error: LoadError) -> Self {
        let (kind, hint) = match &error {
            LoadError::Plan(_) => (Kind::Usage, None),
            LoadError::Connect { .. } => (
                Kind::Unavailable,
                Some(
                    "`evp serve` starts a collector on http://127.0.0.1:8080; --url names another, --embedded starts one for the run",
                ),
            ),
            LoadError::Ledger { source, .. } => (
                Kind::Failed,
                (source.kind() == std::io::ErrorKind::AlreadyExists)
                    .then_some("a ledger is never written over; name another file"),
            ),
            LoadError::System { .. } => (Kind::Failed, None),
        };
        hint.into_iter().fold(Self::new(kind, error), Self::hint)
    }
}
