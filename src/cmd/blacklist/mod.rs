//! `evp blacklist`: addresses and networks whose events are not passed on.

mod add;
mod check;
mod export;
mod import;
mod ls;
mod rm;

use clap::Subcommand;

use crate::model::{Rule, Timestamp};

use super::ask::or_dash;
use super::context::Context;
use super::error::CmdResult;

/// Block addresses and networks, and let them in again
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp blacklist add 203.0.113.7 --ttl 1h --reason 'click farm'
  evp blacklist ls
  evp blacklist check 203.0.113.7")]
pub(super) struct Blacklist {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Add(add::Add),
    Rm(rm::Rm),
    Ls(ls::Ls),
    Check(check::Check),
    Import(import::Import),
    Export(export::Export),
}

impl Blacklist {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        match self.command {
            Command::Add(leaf) => leaf.run(context),
            Command::Rm(leaf) => leaf.run(context),
            Command::Ls(leaf) => leaf.run(context),
            Command::Check(leaf) => leaf.run(context),
            Command::Import(leaf) => leaf.run(context),
            Command::Export(leaf) => leaf.run(context),
        }
    }
}

const HEADERS: [&str; 5] = ["target", "source", "created", "expires", "reason"];

fn cells(rule: &Rule) -> Vec<String> {
    let source = match rule.source {
        crate::model::RuleSource::Operator => "operator",
        crate::model::RuleSource::Automatic => "automatic",
    };
    // One that somebody typed into redis-cli: nobody knows when.
    let created = (rule.created_at != Timestamp::default()).then(|| rule.created_at.to_string());
    vec![
        rule.target.to_string(),
        source.to_owned(),
        or_dash(created),
        rule.expires_at.map_or_else(|| "never".to_owned(), |at| at.to_string()),
        or_dash(rule.reason.as_deref()),
    ]
}

/// The command that makes a rule again, without the program and its global options.
fn undo_of(rule: &Rule) -> String {
    use std::fmt::Write as _;
    let mut line = format!("blacklist add {}", rule.target);
    if let Some(end) = rule.expires_at {
        // Writing to a String cannot fail.
        let _ok = write!(line, " --until {end}");
    }
    if let Some(reason) = &rule.reason {
        let _ok = write!(line, " --reason '{}'", reason.replace('\'', "'\\''"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RuleSource, RuleTarget};

    #[test]
    fn when_a_rule_was_made_is_not_made_up() {
        let rule = |created_at| Rule {
            target: "1.2.3.4".parse::<RuleTarget>().unwrap(),
            source: RuleSource::Operator,
            reason: None,
            created_at,
            expires_at: None,
        };
        assert_eq!(cells(&rule(Timestamp::default()))[2], "-");
        let known = cells(&rule(Timestamp::from_millis_clamped(1_500_000_000_000)))[2].clone();
        assert_eq!(known, "2017-07-14T02:40:00.000Z");
    }
}
