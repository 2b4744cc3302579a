//! `evp blacklist export`.

use crate::cmd::ask::ask;
use crate::cmd::context::Context;
use crate::cmd::error::{CmdResult, Finish};
use crate::cmd::ui::Output;
use crate::jobs::blacklist::{Blacklist, BlacklistRequest, BlacklistResponse};
use crate::model::{Rule, RuleSource};

/// Columns of the CSV form, which `evp blacklist import` reads.
pub(super) const COLUMNS: [&str; 5] = ["target", "reason", "source", "created_at", "expires_at"];

/// Write all rules out as `evp blacklist import` reads them: CSV, or JSON with -o
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp blacklist export > blacklist.csv
  evp blacklist export -o ndjson > blacklist.ndjson")]
pub(super) struct Export {}

impl Export {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        let Self {} = self;
        let request = BlacklistRequest::List { include_expired: false };
        let answer = ask::<Blacklist>(context, "blacklist", request)?;
        let BlacklistResponse::Rules { rules } = answer else { return Ok(Finish::Done) };
        match context.ui.output() {
            Output::Json => context.ui.json(&rules)?,
            Output::Ndjson => context.ui.ndjson(&rules)?,
            Output::Table | Output::Csv => {
                let text = crate::cmd::ui::csv(&COLUMNS, rules.iter().map(cells));
                context.ui.bytes(text.as_bytes())?;
            }
        }
        Ok(Finish::Done)
    }
}

fn cells(rule: &Rule) -> Vec<String> {
    let source = match rule.source {
        RuleSource::Operator => "operator",
        RuleSource::Automatic => "automatic",
    };
    vec![
        rule.target.to_string(),
        rule.reason.clone().unwrap_or_default(),
        source.to_owned(),
        rule.created_at.to_string(),
        rule.expires_at.map(|at| at.to_string()).unwrap_or_default(),
    ]
}
