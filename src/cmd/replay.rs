//! `evp replay`: from the archive into the pipeline again.

use std::path::PathBuf;

use crate::jobs::replay::{Replay as Job, ReplayRequest, ReplayResponse, ReplaySource};
use crate::model::Outcome;

use super::ask::RangeArgs;
use super::context::Context;
use super::error::{CmdError, CmdResult, Finish, Kind};
use super::session::Session;

/// Bring archived events back
///
/// Events go through the pipeline under their own origins: what is a row already stays as it is,
/// and twice is the same as once. Events that were blocked or over the limit are left out. On a
/// directory that no server works on, the pipeline runs afterwards until everything has ended.
///
/// A range is one of times of receipt. It reads every archive object: what was spilled while the
/// brokers were away lies among events of a later day. Objects of one folder only: --prefix.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp replay --dry-run                          what the whole archive would bring back
  evp replay --from 2026-01-31 --to 2026-02-01
  evp replay --prefix events/2026/01/31/
  evp replay /backup/archive                    from another installation's archive
  evp replay --reprocess --from 2026-01-31      under today's rules")]
pub(super) struct Replay {
    /// Archive files, or directories of them, of any installation; this one's archive where absent
    #[arg(value_name = "FILE", conflicts_with = "prefix")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    range: RangeArgs,
    /// Only archive objects of events whose key begins so
    #[arg(long, value_name = "KEY")]
    prefix: Option<String>,
    /// Bring back events that were decided so, too
    #[arg(long, value_enum, value_delimiter = ',', value_name = "OUTCOME")]
    include: Vec<Include>,
    /// Judge the events again, under today's rules
    #[arg(long, conflicts_with = "include")]
    reprocess: bool,
    /// Publish nothing, say what would come back
    #[arg(long)]
    dry_run: bool,
    /// At most so many records a second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Go on with the interrupted replay of this name, as it was asked then; --rate may be another
    #[arg(long, value_name = "NAME",
          conflicts_with_all = ["files", "from", "to", "prefix", "include", "reprocess", "dry_run"])]
    resume: Option<String>,
    /// On a stopped directory: do not run the pipeline afterwards
    #[arg(long)]
    no_drain: bool,
}

/// Decisions that can be overruled.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
enum Include {
    Blocked,
    RateLimited,
}

impl Replay {
    fn request(&self) -> Result<ReplayRequest, CmdError> {
        let source = if self.files.is_empty() {
            let prefix = self.prefix.as_deref().map(|prefix| {
                let is_whole = prefix.starts_with("events/");
                if is_whole { prefix.to_owned() } else { format!("events/{prefix}") }
            });
            ReplaySource::Archive { prefix }
        } else {
            // A server reads them, which has another working directory.
            let absolute = |path: &PathBuf| {
                std::path::absolute(path).map_err(|error| {
                    let what = format!("cannot find {}", path.display());
                    CmdError::caused(Kind::Failed, what, error)
                })
            };
            let paths = self.files.iter().map(absolute).collect::<Result<_, _>>()?;
            ReplaySource::Files { paths }
        };
        let include = |one: &Include| match one {
            Include::Blocked => Outcome::Blocked,
            Include::RateLimited => Outcome::RateLimited,
        };
        let name = || uuid::Uuid::now_v7().simple().to_string();
        Ok(ReplayRequest {
            id: self.resume.clone().unwrap_or_else(name),
            resume: self.resume.is_some(),
            source,
            range: self.range.range()?,
            include: self.include.iter().map(include).collect(),
            reprocess: self.reprocess,
            dry_run: self.dry_run,
            rate: self.rate,
        })
    }

    pub(super) fn run(self, context: &Context) -> CmdResult {
        let request = self.request()?;
        let drains = !self.dry_run && !self.no_drain;
        let answer = context.block_on(async |cancel| {
            let session = Session::open(context).await?;
            if !self.dry_run {
                let line = context.line(&format!("replay --resume {}", request.id));
                context.ui.note(format!("if it is interrupted: {line}"));
            }
            let progress = context.ui.progress("replay");
            let answer = session.run::<Job>(request, &progress, cancel.clone()).await;
            drop(progress);
            let drained = match &answer {
                Ok(_) if drains => session.drain(cancel).await,
                _ => Ok(()),
            };
            session.close().await?;
            drained?;
            answer
        })?;
        for note in &answer.notes {
            context.ui.warn(note);
        }
        context.ui.show(&answer, |ui| ui.table(&["what", "count"], rows(&answer)))?;
        Ok(Finish::from_good(answer.damaged.is_empty()))
    }
}

fn rows(answer: &ReplayResponse) -> Vec<Vec<String>> {
    let published = if answer.dry_run { "would come back" } else { "published" };
    let lines = [
        ("archive objects", answer.objects),
        ("records in the range", answer.selected),
        (published, answer.published),
        ("already stored", answer.already_stored),
        ("duplicates", answer.duplicates),
        ("left out: blocked", answer.blocked),
        ("left out: rate_limited", answer.rate_limited),
        ("still in flight", answer.in_flight),
        ("dead letters again", answer.unreadable),
        ("decisions restored", answer.decisions),
        ("damaged objects", answer.damaged.len() as u64),
    ];
    lines.map(|(what, count)| vec![what.to_owned(), count.to_string()]).to_vec()
}
