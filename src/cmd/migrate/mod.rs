//! `evp migrate`: the tables of a store on a server of its own.

mod status;
mod up;

use clap::Subcommand;

use crate::ports::Migration;

use super::context::Context;
use super::error::CmdResult;

/// Make and upgrade the tables of Postgres
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp migrate status
  evp migrate up
  DB_URL=postgres://postgres:password@localhost:5432/analytics evp migrate up")]
pub(super) struct Migrate {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(up::Up),
    Status(status::Status),
}

impl Migrate {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        match self.command {
            Command::Up(leaf) => leaf.run(context),
            Command::Status(leaf) => leaf.run(context),
        }
    }
}

const HEADERS: [&str; 3] = ["version", "name", "applied"];

fn cells(step: &Migration) -> Vec<String> {
    vec![
        step.version.to_string(),
        step.name.clone(),
        step.applied_at.map_or_else(|| "due".to_owned(), |at| at.to_string()),
    ]
}
