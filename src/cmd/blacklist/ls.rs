//! `evp blacklist ls`.

use crate::cmd::ask::ask;
use crate::cmd::context::Context;
use crate::cmd::error::{CmdResult, Finish};
use crate::jobs::blacklist::{Blacklist, BlacklistRequest, BlacklistResponse};

/// List the rules
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp blacklist ls
  evp blacklist ls -o ndjson | jq -r .target")]
pub(super) struct Ls {
    /// Rules that have expired and are not swept yet, too
    #[arg(long)]
    expired: bool,
}

impl Ls {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        let request = BlacklistRequest::List { include_expired: self.expired };
        let answer = ask::<Blacklist>(context, "blacklist", request)?;
        if let BlacklistResponse::Rules { rules } = answer {
            context.ui.list(&super::HEADERS, &rules, super::cells)?;
            if rules.is_empty() {
                context.ui.note("no rules");
            }
        }
        Ok(Finish::Done)
    }
}
