//! `evp verify`: the proof that nothing was lost and nothing counted twice.

use crate::jobs::verify::{Verify as Job, VerifyReport, VerifyRequest, VerifyStatus};
use crate::settings::Span;

use super::ask::{or_dash, span};
use super::context::Context;
use super::error::{CmdError, CmdResult, Finish, Kind};
use super::session::Session;
use super::ui::{Output, Ui};

/// Prove that every accepted event has exactly one outcome; exit 3 with what was found
///
/// Compares, origin by origin, what was accepted (the archive, and what the log still holds) with
/// the rows, dead letters and decisions; the roll-ups with the rows; the archive's ranges and
/// checksums; and the books. Changes nothing. Exit 0: clean. 3: something was found. 1: it could not
/// finish, and nothing is proved.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp verify
  evp verify --wait 2m
  evp verify -o json | jq '.findings[] | {kind, event_id, origin}'")]
pub(super) struct Verify {
    /// How long to wait until nothing is in flight
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = span)]
    wait: Span,
    /// List at most so many findings; all are counted
    #[arg(long, default_value_t = 1000)]
    limit: usize,
}

impl Verify {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        let (report, is_alone) = context.block_on(async |cancel| {
            let session = Session::open(context).await?;
            let is_alone = session.is_alone();
            // Nobody works on a stopped directory: waiting would change nothing.
            let wait = if is_alone { 0 } else { self.wait.0.as_millis() };
            let request = VerifyRequest {
                wait_ms: u64::try_from(wait).unwrap_or(u64::MAX),
                limit: self.limit,
            };
            let report = session.run::<Job>(request, &context.ui.progress("verify"), cancel).await;
            session.close().await?;
            Ok((report?, is_alone))
        })?;
        if report.status == VerifyStatus::Unfinished {
            if context.ui.output().is_machine() {
                context.ui.show(&report, |_| Ok(()))?;
            }
            let reason = report.reason.as_deref().unwrap_or("no reason given");
            let error = CmdError::new(Kind::Failed, format!("could not finish: {reason}"));
            return Err(if is_alone {
                error.hint("nobody works on this directory; `evp serve` finishes what is in flight")
            } else {
                error.hint("--wait gives it more time")
            });
        }
        for note in &report.notes {
            context.ui.warn(note);
        }
        context.ui.show(&report, |ui| print(ui, &report))?;
        Ok(Finish::from_good(report.status == VerifyStatus::Clean))
    }
}

fn print(ui: &Ui, report: &VerifyReport) -> Result<(), CmdError> {
    let is_csv = ui.output() == Output::Csv;
    if !report.findings.is_empty() || is_csv {
        let rows = report.findings.iter().map(|finding| {
            vec![
                finding.kind.as_str().to_owned(),
                or_dash(finding.event_id.as_deref()),
                or_dash(finding.origin),
                or_dash(finding.object.as_deref()),
                finding.detail.clone(),
            ]
        });
        ui.table(&["finding", "event_id", "origin", "object", "detail"], rows)?;
    }
    if is_csv {
        return Ok(());
    }
    let (books, origins, sources) = (&report.books, &report.origins, &report.sources);
    let lines = [
        ("accepted", books.accepted),
        ("restored", books.restored),
        ("stored", books.stored),
        ("duplicate", books.duplicate),
        ("blocked", books.blocked),
        ("rate_limited", books.rate_limited),
        ("dead_lettered", books.dead_lettered),
        ("in_flight", books.in_flight),
        ("origins compared", origins.accepted),
        ("archive objects", sources.event_objects + sources.decision_objects),
        ("archived records", sources.archived_records),
        ("records in the log", sources.log_records),
    ];
    ui.table(&["what", "count"], lines.map(|(what, n)| vec![what.to_owned(), n.to_string()]))?;
    let total: u64 = report.totals.values().sum();
    if total == 0 {
        return ui.line("clean: every accepted event has exactly one outcome");
    }
    let kinds: Vec<String> =
        report.totals.iter().map(|(kind, count)| format!("{count} {}", kind.as_str())).collect();
    ui.line(&format!("{total} findings: {}", kinds.join(", ")))
}
