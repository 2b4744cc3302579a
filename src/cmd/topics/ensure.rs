//! `evp topics ensure`.

use crate::cmd::ask::ask;
use crate::cmd::context::Context;
use crate::cmd::error::{CmdResult, Finish};
use crate::jobs::topics::{EnsuredRow, Topics, TopicsRequest, TopicsResponse};

/// Make the topics that are missing
///
/// Partitions, replicas and retention are those of the settings (kafka.partitions,
/// kafka.replication, kafka.min_in_sync, kafka.retention). A topic that is there is never changed:
/// in what it is less than the settings want is said.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp topics ensure --dry-run
  evp topics ensure --set kafka.partitions=12")]
pub(super) struct Ensure {
    /// Say what would be made, and make nothing
    #[arg(long)]
    dry_run: bool,
}

impl Ensure {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        let request = TopicsRequest::Ensure { dry_run: self.dry_run };
        let answer = ask::<Topics>(context, "topics", request)?;
        if let TopicsResponse::Ensured { topics } = answer {
            context.ui.list(&["topic", "state"], &topics, |row| {
                vec![row.topic.to_string(), state(row, self.dry_run)]
            })?;
        }
        Ok(Finish::Done)
    }
}

fn state(row: &EnsuredRow, dry_run: bool) -> String {
    match (row.made, dry_run) {
        (true, true) => "missing, would be made".to_owned(),
        (true, false) => "made".to_owned(),
        _ if row.differences.is_empty() => "as wanted".to_owned(),
        _ => row.differences.join("; "),
    }
}
