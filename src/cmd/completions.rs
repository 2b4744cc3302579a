//! `evp completions`: the script that teaches a shell our commands.

use super::context::Context;
use super::error::{CmdResult, Finish};

/// Print the completion script of a shell
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp completions bash > ~/.local/share/bash-completion/completions/evp
  evp completions zsh > ~/.zfunc/_evp
  evp completions fish > ~/.config/fish/completions/evp.fish")]
pub(super) struct Completions {
    /// The shell
    shell: clap_complete::Shell,
}

impl Completions {
    /// `command` is the whole tree; the root gives it, since a leaf must not know the root.
    pub(super) fn run(self, context: &Context, mut command: clap::Command) -> CmdResult {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "evp", &mut script);
        context.ui.bytes(&script)?;
        Ok(Finish::Done)
    }
}
