//! `evp dlq redrive`.

use super::StageArg;
use crate::cmd::context::Context;
use crate::cmd::error::{CmdError, CmdResult, Finish};
use crate::cmd::session::Session;
use crate::jobs::dead_letters::{
    DeadLetters, DeadLettersRequest, DeadLettersResponse, LetterFilter,
};

/// Put dead letters back into the topic in which they failed
///
/// Each goes back under its own origin: doing it twice is the same as once. On a directory that no
/// server works on, the pipeline runs afterwards until everything has ended.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp dlq redrive --all --dry-run
  evp dlq redrive --id order-4711
  evp dlq redrive --all --stage worker")]
#[command(group = clap::ArgGroup::new("which").required(true).args(["all", "id", "resume"]))]
pub(super) struct Redrive {
    /// All that are not resolved
    #[arg(long)]
    all: bool,
    /// This event id or origin (can be repeated)
    #[arg(long, value_name = "ID")]
    id: Vec<String>,
    /// Only those that failed there
    #[arg(long, value_enum)]
    stage: Option<StageArg>,
    /// Go on with the interrupted run of this name, over all
    #[arg(long, value_name = "NAME")]
    resume: Option<String>,
    /// Change nothing, say how many would go back
    #[arg(long)]
    dry_run: bool,
    /// On a stopped directory: do not run the pipeline afterwards
    #[arg(long)]
    no_drain: bool,
}

impl Redrive {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        let name = self.resume.clone().unwrap_or_else(|| uuid::Uuid::now_v7().simple().to_string());
        let request = DeadLettersRequest::Redrive {
            filter: LetterFilter {
                ids: self.id,
                stage: self.stage.map(StageArg::stage),
                include_resolved: false,
            },
            id: name,
            dry_run: self.dry_run,
        };
        let drains = !self.dry_run && !self.no_drain;
        let answer = context.block_on(async |cancel| {
            let session = Session::open(context).await?;
            let progress = context.ui.progress("redrive");
            let answer = session.run::<DeadLetters>(request, &progress, cancel.clone()).await;
            let drained = match &answer {
                Ok(_) if drains => session.drain(cancel).await,
                _ => Ok(()),
            };
            session.close().await?;
            drained?;
            answer
        })?;
        let DeadLettersResponse::Redriven { redriven, unknown, without_value, dry_run } = &answer
        else {
            return Err(CmdError::failed("the answer is not of this command"));
        };
        context.ui.show(&answer, |ui| {
            let verb = if *dry_run { "would put back" } else { "put back" };
            ui.line(&format!("{verb} {redriven} dead letters"))?;
            if *without_value > 0 {
                ui.warn(format!(
                    "{without_value} dead letters have no value to put back: their records were too large \
                     for the dead-letter topic; the archive has what lay in the raw topic"
                ));
            }
            for id in unknown {
                ui.warn(format!("{id}: no dead letter that is open"));
            }
            Ok(())
        })?;
        Ok(Finish::from_good(unknown.is_empty()))
    }
}
