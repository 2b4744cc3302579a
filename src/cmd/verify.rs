//! `evp verify`: the proof that nothing was lost and nothing counted twice.

use std::path::{Path, PathBuf};

use crate::jobs::verify::{LedgerReport, Verify as Job, VerifyReport, VerifyRequest, VerifyStatus};
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
/// checksums; and the books. With a LEDGER, which `evp send` and `evp loadgen` write, it also proves,
/// id by id, what the client was told: what was lost, doubled, altered or never sent. Changes
/// nothing. Exit 0: clean. 3: something was found. 1: it could not
/// finish, and nothing is proved.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp verify
  evp verify sent.ledger
  evp verify --wait 2m
  evp verify -o json | jq '.findings[] | {kind, event_id, origin}'")]
pub(super) struct Verify {
    /// A client's ledger to hold against what is here (docs/ledger.md)
    ledger: Option<PathBuf>,
    /// How long to wait until nothing is in flight
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = span)]
    wait: Span,
    /// List at most so many findings; all are counted
    #[arg(long, default_value_t = 1000)]
    limit: usize,
    /// Print the JSON schema of `-o json` and do nothing else
    #[arg(long, exclusive = true)]
    schema: bool,
}

/// The schema of the answer (docs/verify.md).
const SCHEMA: &str = include_str!("../../docs/schemas/verify.json");

impl Verify {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        if self.schema {
            context.ui.line(SCHEMA.trim_end())?;
            return Ok(Finish::Done);
        }
        let ledger = self.ledger.as_deref().map(absolute).transpose()?;
        let (report, is_alone) = context.block_on(async |cancel| {
            let session = Session::open(context).await?;
            let is_alone = session.is_alone();
            // Nobody works on a stopped directory: waiting would change nothing.
            let wait = if is_alone { 0 } else { self.wait.0.as_millis() };
            let request = VerifyRequest {
                wait_ms: u64::try_from(wait).unwrap_or(u64::MAX),
                limit: self.limit,
                ledger: ledger.clone(),
            };
            let report = session.run::<Job>(request, &context.ui.progress("verify"), cancel).await;
            let report = report.map_err(|error| match (&ledger, session.is_remote()) {
                (Some(path), true) => error.hint(format!(
                    "the server that works on the data directory does this: it must be able to \
                     read {}",
                    path.display()
                )),
                _ => error,
            });
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

/// The ledger as another process finds it.
fn absolute(path: &Path) -> Result<PathBuf, CmdError> {
    path.canonicalize().map_err(|error| {
        let what = format!("cannot read the ledger {}", path.display());
        CmdError::caused(Kind::Failed, what, error)
    })
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
        ("of other archives, not restored", origins.not_restored),
        ("origins compared", origins.accepted),
        ("archive objects", sources.event_objects + sources.decision_objects),
        ("archived records", sources.archived_records),
        ("records in the log", sources.log_records),
    ];
    ui.table(&["what", "count"], lines.map(|(what, n)| vec![what.to_owned(), n.to_string()]))?;
    if let Some(ledger) = &report.ledger {
        print_ledger(ui, ledger)?;
    }
    let total: u64 = report.totals.values().sum();
    if total == 0 {
        return ui.line("clean: every accepted event has exactly one outcome");
    }
    let kinds: Vec<String> =
        report.totals.iter().map(|(kind, count)| format!("{count} {}", kind.as_str())).collect();
    ui.line(&format!("{total} findings: {}", kinds.join(", ")))
}

fn print_ledger(ui: &Ui, ledger: &LedgerReport) -> Result<(), CmdError> {
    let lines = [
        ("sendings", ledger.sendings),
        ("events", ledger.events),
        ("accepted", ledger.accepted),
        ("  stored", ledger.stored),
        ("  dead_lettered", ledger.dead_lettered),
        ("  blocked", ledger.blocked),
        ("  rate_limited", ledger.rate_limited),
        ("  lost", ledger.lost),
        ("rejected", ledger.rejected),
        ("unknown", ledger.unknown),
        ("  there", ledger.unknown_present),
        ("  not there", ledger.unknown_absent),
        ("compared byte by byte", ledger.compared),
        ("altered", ledger.altered),
        ("doubled", ledger.doubled),
        ("ghosts", ledger.ghosts),
        ("not archived", ledger.unarchived),
    ];
    ui.table(&["ledger", "count"], lines.map(|(what, n)| vec![what.to_owned(), n.to_string()]))
}
