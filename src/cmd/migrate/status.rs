//! `evp migrate status`.

use crate::cmd::context::Context;
use crate::cmd::error::{CmdError, CmdResult, Finish};
use crate::wire;

/// List every step with the time at which it was applied; exit 3 where one is due
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp migrate status
  evp migrate status -o json")]
pub(super) struct Status {}

impl Status {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        let settings = context.settings()?;
        let steps = context.block_on(async |_cancel| -> Result<_, CmdError> {
            Ok(wire::migrations(&settings)?.status().await?)
        })?;
        context.ui.list(&super::HEADERS, &steps, super::cells)?;
        Ok(Finish::from_good(steps.iter().all(|step| step.applied_at.is_some())))
    }
}
