//! `evp man`: manual pages.

use std::path::PathBuf;

use clap::Command;

use super::context::Context;
use super::error::{CmdError, CmdResult, Finish, Kind};

/// Print the manual page, or write one page a command
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp man | man -l -
  evp man ~/.local/share/man/man1")]
pub(super) struct Man {
    /// Write all pages into this directory, which must exist
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

impl Man {
    /// `command` is the whole tree; the root gives it, since a leaf must not know the root.
    pub(super) fn run(self, context: &Context, command: Command) -> CmdResult {
        // A page has the examples, with which help leads, at its end.
        let pages = with_examples(command);
        if let Some(directory) = self.directory {
            let what = format!("cannot write manual pages into {}", directory.display());
            clap_mangen::generate_to(pages, &directory)
                .map_err(|error| CmdError::caused(Kind::Failed, what, error))?;
            return Ok(Finish::Done);
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(pages).render(&mut page)?;
        context.ui.bytes(&page)?;
        Ok(Finish::Done)
    }
}

fn with_examples(mut command: Command) -> Command {
    if let Some(examples) = command.get_before_help().cloned() {
        command = command.after_help(examples);
    }
    command.mut_subcommands(with_examples)
}
