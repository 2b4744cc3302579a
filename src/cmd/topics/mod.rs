//! `evp topics`: how topics are laid out, and how far their readers are.

mod ensure;
mod lag;
mod ls;

use clap::Subcommand;

use super::context::Context;
use super::error::CmdResult;

/// Look at the topics, make those that are missing, see who is behind
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp topics ensure --profile cluster
  evp topics ls
  evp topics lag -o json")]
pub(super) struct Topics {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ls(ls::Ls),
    Ensure(ensure::Ensure),
    Lag(lag::Lag),
}

impl Topics {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        match self.command {
            Command::Ls(leaf) => leaf.run(context),
            Command::Ensure(leaf) => leaf.run(context),
            Command::Lag(leaf) => leaf.run(context),
        }
    }
}
