//! `evp dlq ls`.

use super::StageArg;
use crate::cmd::ask::{ask, or_dash, short};
use crate::cmd::context::Context;
use crate::cmd::error::{CmdResult, Finish};
use crate::jobs::dead_letters::{
    DeadLetters, DeadLettersRequest, DeadLettersResponse, LetterFilter,
};
use crate::model::Origin;

/// List dead letters, the oldest first
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp dlq ls
  evp dlq ls --stage worker -o ndjson | jq -r .event_id")]
pub(super) struct Ls {
    /// Only those that failed there
    #[arg(long, value_enum)]
    stage: Option<StageArg>,
    /// Those too whose event has become a row since
    #[arg(long)]
    resolved: bool,
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    limit: u64,
    /// Go on behind this origin, the last one of the page before
    #[arg(long, value_name = "ORIGIN")]
    after: Option<Origin>,
}

impl Ls {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        let filter = LetterFilter {
            ids: Vec::new(),
            stage: self.stage.map(StageArg::stage),
            include_resolved: self.resolved,
        };
        let request = DeadLettersRequest::List { filter, after: self.after, limit: self.limit };
        let answer = ask::<DeadLetters>(context, "dead letters", request)?;
        let DeadLettersResponse::Letters { letters, truncated } = answer else {
            return Ok(Finish::Done);
        };
        let headers = ["event_id", "stage", "error", "attempts", "redrives", "failed", "reason"];
        context.ui.list(&headers, &letters, |letter| {
            vec![
                or_dash(letter.event_id.as_ref()),
                letter.stage.as_str().to_owned(),
                letter.error_type.clone(),
                letter.attempts.to_string(),
                letter.redrives.to_string(),
                letter.last_failed_at.to_string(),
                short(&letter.reason, 60),
            ]
        })?;
        if letters.is_empty() {
            context.ui.note("no dead letters");
        }
        if truncated && let Some(last) = letters.last() {
            context.ui.note(format!("there are more: --after {}", last.origin));
        }
        Ok(Finish::Done)
    }
}
