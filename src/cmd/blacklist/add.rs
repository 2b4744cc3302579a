//! `evp blacklist add`.

use crate::cmd::ask::{ask, instant, span};
use crate::cmd::context::Context;
use crate::cmd::error::{CmdResult, Finish};
use crate::jobs::blacklist::{Blacklist, BlacklistRequest, BlacklistResponse};
use crate::model::{RuleTarget, Timestamp};
use crate::settings::Span;

/// Block an address or a network
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp blacklist add 203.0.113.7
  evp blacklist add 203.0.113.0/24 --ttl 24h --reason 'scraper farm'
  evp blacklist add 2001:db8::/32 --dry-run")]
pub(super) struct Add {
    /// An IP address, or a network like 203.0.113.0/24
    target: RuleTarget,
    /// How long it holds, like 90s, 15m, 1h, 30d; for good where absent
    #[arg(long, value_name = "DURATION", value_parser = span, conflicts_with = "until")]
    ttl: Option<Span>,
    /// Until when it holds
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    until: Option<Timestamp>,
    /// Why, for whoever reads it later; 1024 bytes at most
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Change nothing, say what would change
    #[arg(long)]
    dry_run: bool,
}

impl Add {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        let ttl_ms = self.ttl.map(|ttl| u64::try_from(ttl.0.as_millis()).unwrap_or(u64::MAX));
        let request = BlacklistRequest::Add {
            target: self.target,
            reason: self.reason,
            ttl_ms,
            until: self.until,
            dry_run: self.dry_run,
        };
        let answer = ask::<Blacklist>(context, "blacklist", request)?;
        context.ui.show(&answer, |ui| {
            let BlacklistResponse::Added { rule, replaced, dry_run } = &answer else {
                return Ok(());
            };
            let verb = if *dry_run { "would block" } else { "blocked" };
            let until = rule.expires_at.map_or_else(String::new, |at| format!(" until {at}"));
            ui.line(&format!("{verb} {}{until}", rule.target))?;
            if let Some(old) = replaced {
                ui.note(format!("replaces the rule of {}", old.created_at));
            }
            if !dry_run {
                let undo = match replaced {
                    Some(old) => super::undo_of(old),
                    None => format!("blacklist rm {}", rule.target),
                };
                ui.note(format!("undo: {}", context.line(&undo)));
            }
            Ok(())
        })?;
        Ok(Finish::Done)
    }
}
