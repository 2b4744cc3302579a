//! `evp serve`: the roles that listen, or all of them in one process.

use clap::ValueEnum;

use crate::roles::Role;

use super::context::Context;
use super::error::CmdResult;
use super::server::{self, Plan, ServerArgs};

/// Run the whole pipeline in this process, or one role of it
///
/// Without a role, collector, processor, archiver, worker, retrier and query run together on a data
/// directory, which is made where it is missing. SIGTERM or Ctrl-C stops accepting, brings what was
/// accepted to its end and leaves; a second one leaves at once, and nothing acknowledged is lost.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp serve                                  all roles, http://127.0.0.1:8080, data in ./evp-data
  evp serve --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --data-dir /tmp/a
                                             free ports, to be read from /tmp/a/listen.json
  evp serve collector                        accept events only
  evp serve --profile seed-000               ports, limits and bodies of go-event-pipeline")]
pub(super) struct Serve {
    /// What to run
    #[arg(value_enum, default_value_t = Which::All)]
    role: Which,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    /// Every role
    All,
    Collector,
    Query,
    Processor,
    Archiver,
    Worker,
    Retrier,
}

impl Which {
    fn roles(self) -> Vec<Role> {
        match self {
            Self::All => Role::ALL.to_vec(),
            Self::Collector => vec![Role::Collector],
            Self::Query => vec![Role::Query],
            Self::Processor => vec![Role::Processor],
            Self::Archiver => vec![Role::Archiver],
            Self::Worker => vec![Role::Worker, Role::Retrier],
            Self::Retrier => vec![Role::Retrier],
        }
    }
}

impl Serve {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        let plan = Plan { roles: self.role.roles(), create: true, args: self.server };
        server::run(context, &plan)
    }
}
