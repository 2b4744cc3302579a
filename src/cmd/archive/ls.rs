//! `evp archive ls`.

use crate::cmd::ask::{ask, or_dash};
use crate::cmd::context::Context;
use crate::cmd::error::{CmdResult, Finish};
use crate::jobs::archive::{Archive, ArchiveRequest, ArchiveResponse, ObjectRow};

/// List objects in the order of their keys
///
/// A key names its first offset; `last` is `-` where it does not name the last one too. That stands
/// in the object's footer, which `evp archive verify` reads.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp archive ls
  evp archive ls decisions/
  evp archive ls events/2015/05/ --limit 100000 -o csv")]
pub(super) struct Ls {
    /// Only keys that begin so
    #[arg(default_value = "", hide_default_value = true)]
    prefix: String,
    /// At most so many
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Go on behind this key, the last one of the page before
    #[arg(long, value_name = "KEY")]
    after: Option<String>,
}

impl Ls {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let request = ArchiveRequest::List { prefix: self.prefix, after: self.after, limit };
        let answer = ask::<Archive>(context, "archive", request)?;
        let ArchiveResponse::Objects { objects, truncated } = answer else {
            return Ok(Finish::Done);
        };
        let headers = ["size", "partition", "first", "last", "key"];
        context.ui.list(&headers, &objects, row)?;
        if truncated && let Some(last) = objects.last() {
            context.ui.note(format!("there are more: --after {}", last.key));
        }
        Ok(Finish::Done)
    }
}

fn row(object: &ObjectRow) -> Vec<String> {
    let range = object.range.as_ref();
    vec![
        object.size_bytes.to_string(),
        or_dash(range.map(|range| range.partition)),
        or_dash(range.map(|range| range.first)),
        or_dash(range.and_then(|range| range.last)),
        object.key.clone(),
    ]
}
