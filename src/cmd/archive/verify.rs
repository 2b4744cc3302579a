//! `evp archive verify`.

use crate::cmd::ask::{ask, or_dash};
use crate::cmd::context::Context;
use crate::cmd::error::{CmdError, CmdResult, Finish};
use crate::cmd::ui::{Output, Ui};
use crate::jobs::archive::{Archive, ArchiveReport, ArchiveRequest, ArchiveResponse};
use crate::jobs::verify::VerifyStatus;

/// Prove that the archive has every offset that was archived, once and whole; exit 3 with what was
/// found
///
/// Reads every object to its end: footers, checksums and the ranges of each partition up to where
/// the archiver stands. Objects whose keys say their whole range may overlap and are resolved by
/// offset. Changes nothing. `evp verify` compares with the store besides.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp archive verify
  evp archive verify -o json | jq '.findings[] | {kind, object, first, last}'")]
pub(super) struct Verify {
    /// List at most so many findings; all are counted
    #[arg(long, default_value_t = 1000)]
    limit: usize,
}

impl Verify {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        let request = ArchiveRequest::Audit { limit: self.limit };
        let answer = ask::<Archive>(context, "archive", request)?;
        let ArchiveResponse::Report(report) = answer else { return Ok(Finish::Done) };
        if report.unknown_offsets > 0 {
            context.ui.warn(format!(
                "{} offsets are covered without a record, and the log has them no more to say why",
                report.unknown_offsets
            ));
        }
        context.ui.show(&report, |ui| print(ui, &report))?;
        Ok(Finish::from_good(report.status == VerifyStatus::Clean))
    }
}

fn print(ui: &Ui, report: &ArchiveReport) -> Result<(), CmdError> {
    let is_csv = ui.output() == Output::Csv;
    if !report.findings.is_empty() || is_csv {
        let rows = report.findings.iter().map(|finding| {
            vec![
                finding.kind.as_str().to_owned(),
                or_dash(finding.object.as_deref()),
                or_dash(finding.first),
                or_dash(finding.last),
                finding.detail.clone(),
            ]
        });
        ui.table(&["finding", "object", "first", "last", "detail"], rows)?;
    }
    if is_csv {
        return Ok(());
    }
    let rows = report.partitions.iter().map(|partition| {
        vec![
            format!("{}/{}", partition.topic, partition.partition),
            partition.committed.to_string(),
            partition.objects.to_string(),
            partition.records.to_string(),
        ]
    });
    ui.table(&["partition", "archived below", "objects", "records"], rows)?;
    let total: u64 = report.totals.values().sum();
    if total == 0 {
        return ui.line("clean: every archived offset is there, once");
    }
    let kinds: Vec<String> =
        report.totals.iter().map(|(kind, count)| format!("{count} {}", kind.as_str())).collect();
    ui.line(&format!("{total} findings: {}", kinds.join(", ")))
}
