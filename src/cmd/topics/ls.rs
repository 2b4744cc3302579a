//! `evp topics ls`.

use std::time::Duration;

use crate::cmd::ask::{ask, or_dash};
use crate::cmd::context::Context;
use crate::cmd::error::{CmdResult, Finish};
use crate::jobs::topics::{TopicRow, Topics, TopicsRequest, TopicsResponse};
use crate::settings::Span;

const HEADERS: [&str; 6] =
    ["topic", "partitions", "replication", "min in sync", "retention", "records"];

/// List the topics of the settings
///
/// What a log does not have, an embedded one for example replicas, is a dash.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp topics ls
  evp topics ls -o ndjson")]
pub(super) struct Ls {}

impl Ls {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        let answer = ask::<Topics>(context, "topics", TopicsRequest::List)?;
        if let TopicsResponse::Topics { topics } = answer {
            context.ui.list(&HEADERS, &topics, cells)?;
            for row in topics.iter().filter(|row| row.id.is_none()) {
                context.ui.note(format!("{} is missing; `evp topics ensure` makes it", row.topic));
            }
        }
        Ok(Finish::Done)
    }
}

fn cells(row: &TopicRow) -> Vec<String> {
    vec![
        row.topic.to_string(),
        or_dash(row.partitions),
        or_dash(row.replication),
        or_dash(row.min_in_sync),
        or_dash(row.retention_secs.map(|secs| Span(Duration::from_secs(secs)))),
        row.records.to_string(),
    ]
}
