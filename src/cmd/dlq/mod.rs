//! `evp dlq`: events that could not be stored.

mod export;
mod ls;
mod redrive;
mod show;

use clap::Subcommand;

use crate::model::Stage;

use super::context::Context;
use super::error::CmdResult;

/// See dead letters and put them back
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp dlq ls
  evp dlq show order-4711
  evp dlq redrive --all --dry-run")]
pub(super) struct Dlq {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ls(ls::Ls),
    Show(show::Show),
    Redrive(redrive::Redrive),
    Export(export::Export),
}

impl Dlq {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        match self.command {
            Command::Ls(leaf) => leaf.run(context),
            Command::Show(leaf) => leaf.run(context),
            Command::Redrive(leaf) => leaf.run(context),
            Command::Export(leaf) => leaf.run(context),
        }
    }
}

/// Where an event failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum StageArg {
    /// Reading and judging a raw event
    Processor,
    /// Writing to the store
    Worker,
}

impl StageArg {
    const fn stage(self) -> Stage {
        match self {
            Self::Processor => Stage::Processor,
            Self::Worker => Stage::Worker,
        }
    }
}
