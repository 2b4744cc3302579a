//! `evp run`: chosen roles in one process.

use crate::roles::Role;

use super::context::Context;
use super::error::CmdResult;
use super::server::{self, Plan, ServerArgs};

/// Run one or more roles in this process
///
/// A worker brings its retrier. The embedded data directory has one owner at a time and must be
/// there already: for a pipeline of its own on one machine, `evp serve` is the command.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp run processor archiver worker          everything behind the collector
  evp run query --listen 127.0.0.1:9111      answer from the store only")]
pub(super) struct Run {
    /// What to run: collector, processor, archiver, worker, retrier, query
    #[arg(required = true, value_name = "ROLE")]
    roles: Vec<Role>,
    #[command(flatten)]
    server: ServerArgs,
}

impl Run {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        let roles = Role::ALL.into_iter().filter(|role| self.roles.contains(role)).collect();
        server::run(context, &Plan { roles, create: false, args: self.server })
    }
}
