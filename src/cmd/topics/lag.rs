//! `evp topics lag`.

use crate::cmd::ask::{ask, or_dash};
use crate::cmd::context::Context;
use crate::cmd::error::{CmdResult, Finish};
use crate::jobs::topics::{LagRow, Topics, TopicsRequest, TopicsResponse};

const HEADERS: [&str; 6] = ["group", "topic", "partition", "committed", "end", "lag"];

/// Show how far each consumer group is behind
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp topics lag
  evp topics lag -o ndjson | jq -s 'map(.lag) | add'")]
pub(super) struct Lag {}

impl Lag {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        let answer = ask::<Topics>(context, "topics", TopicsRequest::Lag)?;
        if let TopicsResponse::Lag { partitions } = answer {
            context.ui.list(&HEADERS, &partitions, cells)?;
        }
        Ok(Finish::Done)
    }
}

fn cells(row: &LagRow) -> Vec<String> {
    vec![
        row.at.group.to_string(),
        row.at.topic.to_string(),
        row.at.partition.to_string(),
        or_dash(row.at.committed),
        row.at.high.to_string(),
        row.lag.to_string(),
    ]
}
