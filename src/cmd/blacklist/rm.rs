//! `evp blacklist rm`.

use crate::cmd::ask::ask;
use crate::cmd::context::Context;
use crate::cmd::error::{CmdResult, Finish};
use crate::jobs::blacklist::{Blacklist, BlacklistRequest, BlacklistResponse};
use crate::model::RuleTarget;

/// Let an address or a network in again; exit 3 where there was no such rule
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp blacklist rm 203.0.113.7
  evp blacklist rm 203.0.113.0/24 --dry-run")]
pub(super) struct Rm {
    /// The address or network as `evp blacklist ls` shows it
    target: RuleTarget,
    /// Change nothing, say what would change
    #[arg(long)]
    dry_run: bool,
}

impl Rm {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        let request = BlacklistRequest::Remove { target: self.target, dry_run: self.dry_run };
        let answer = ask::<Blacklist>(context, "blacklist", request)?;
        let BlacklistResponse::Removed { rule, still_blocked_by, dry_run } = &answer else {
            return Ok(Finish::Done);
        };
        context.ui.show(&answer, |ui| {
            match rule {
                Some(rule) => {
                    let verb = if *dry_run { "would remove" } else { "removed" };
                    ui.line(&format!("{verb} {}", rule.target))?;
                    if !dry_run {
                        ui.note(format!("undo: {}", context.line(&super::undo_of(rule))));
                    }
                }
                None => ui.note(format!("there is no rule {}", self.target)),
            }
            for other in still_blocked_by {
                ui.warn(format!("{} is still blocked by {}", self.target, other.target));
            }
            Ok(())
        })?;
        Ok(Finish::from_good(rule.is_some()))
    }
}
