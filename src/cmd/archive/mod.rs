//! `evp archive`: the objects in which every accepted event lies.

mod cat;
mod ls;
mod verify;

use clap::Subcommand;

use super::context::Context;
use super::error::CmdResult;

/// See what is in the archive and prove that it is whole
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp archive ls events/2015/05/17/
  evp archive cat events/2015/05/17/….ndjson.zst --values
  evp archive verify")]
pub(super) struct Archive {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ls(ls::Ls),
    Cat(cat::Cat),
    Verify(verify::Verify),
}

impl Archive {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        match self.command {
            Command::Ls(leaf) => leaf.run(context),
            Command::Cat(leaf) => leaf.run(context),
            Command::Verify(leaf) => leaf.run(context),
        }
    }
}
