//! `evp migrate up`.

use crate::cmd::context::Context;
use crate::cmd::error::{CmdError, CmdResult, Finish};
use crate::wire;

/// Apply every step that is due; safe to run twice and from several places at once
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp migrate up
  evp migrate up --dry-run")]
pub(super) struct Up {
    /// Only say what is due
    #[arg(long)]
    dry_run: bool,
}

impl Up {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        let settings = context.settings()?;
        let steps = context.block_on(async |_cancel| -> Result<_, CmdError> {
            let migrations = wire::migrations(&settings)?;
            if !self.dry_run {
                return Ok(migrations.up().await?);
            }
            let mut due = migrations.status().await?;
            due.retain(|step| step.applied_at.is_none());
            Ok(due)
        })?;
        context.ui.list(&super::HEADERS, &steps, super::cells)?;
        if steps.is_empty() {
            context.ui.note("the tables are up to date");
        }
        Ok(Finish::Done)
    }
}
