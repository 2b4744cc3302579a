//! `evp config`: what is set, where, and whether it is right.

mod explain;
mod show;
mod validate;

use clap::Subcommand;
use serde_json::Value;

use super::context::Context;
use super::error::CmdResult;

/// Show, explain and check settings
#[derive(Debug, clap::Args)]
pub(super) struct Config {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Show(show::Show),
    Explain(explain::Explain),
    Validate(validate::Validate),
}

impl Config {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        match self.command {
            Command::Show(leaf) => leaf.run(context),
            Command::Explain(leaf) => leaf.run(context),
            Command::Validate(leaf) => leaf.run(context),
        }
    }
}

/// A value as one would write it after `--set key=`.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
