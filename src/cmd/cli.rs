//! The command line: what there is, and where it goes.

use std::ffi::OsString;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::settings::Environment;

use super::archive::Archive;
use super::blacklist::Blacklist;
use super::completions::Completions;
use super::config::Config;
use super::context::{Context, Globals};
use super::dlq::Dlq;
use super::doctor::Doctor;
use super::error::{CmdResult, Kind};
use super::loadgen::Loadgen;
use super::man::Man;
use super::migrate::Migrate;
use super::replay::Replay;
use super::run::Run;
use super::send::Send;
use super::serve::Serve;
use super::stats::Stats;
use super::status::Status;
use super::tail::Tail;
use super::topics::Topics;
use super::ui::Output;
use super::verify::Verify;

/// Collect, archive, deduplicate, store and query events, and prove that none was lost
#[derive(Debug, Parser)]
#[command(
    name = "evp",
    version,
    propagate_version = true,
    disable_help_subcommand = true,
    max_term_width = 100,
    before_help = "Examples:
  evp serve                                   the whole pipeline on ./evp-data
  curl -d '{\"event_type\":\"click\",\"user_id\":\"u1\",\"campaign_id\":\"c1\"}' localhost:8080/event
  evp config show --origin                    what is set, and where"
)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Serve),
    Run(Run),
    Send(Send),
    Stats(Stats),
    Status(Status),
    Blacklist(Blacklist),
    Replay(Replay),
    Verify(Verify),
    Loadgen(Box<Loadgen>),
    Dlq(Dlq),
    Tail(Tail),
    Topics(Topics),
    Migrate(Migrate),
    Archive(Archive),
    Doctor(Doctor),
    Config(Config),
    Completions(Completions),
    Man(Man),
}

impl Command {
    fn run(self, context: &Context) -> CmdResult {
        match self {
            Self::Serve(leaf) => leaf.run(context),
            Self::Run(leaf) => leaf.run(context),
            Self::Send(leaf) => leaf.run(context),
            Self::Stats(leaf) => leaf.run(context),
            Self::Status(leaf) => leaf.run(context),
            Self::Blacklist(parent) => parent.run(context),
            Self::Replay(leaf) => leaf.run(context),
            Self::Verify(leaf) => leaf.run(context),
            Self::Loadgen(leaf) => leaf.run(context),
            Self::Dlq(parent) => parent.run(context),
            Self::Tail(leaf) => leaf.run(context),
            Self::Topics(parent) => parent.run(context),
            Self::Migrate(parent) => parent.run(context),
            Self::Archive(parent) => parent.run(context),
            Self::Doctor(leaf) => leaf.run(context),
            Self::Config(parent) => parent.run(context),
            Self::Completions(leaf) => leaf.run(context, Cli::command()),
            Self::Man(leaf) => leaf.run(context, Cli::command()),
        }
    }
}

/// Parses, runs, and gives the exit code; a panic is exit 70 with a short message.
#[must_use]
pub fn main(args: impl IntoIterator<Item = OsString>, environment: Environment) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    panic::set_hook(Box::new(tell_panic));
    let code = panic::catch_unwind(AssertUnwindSafe(|| run(&args, environment)));
    ExitCode::from(code.unwrap_or(Kind::Bug.code()))
}

fn run(args: &[OsString], environment: Environment) -> u8 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return tell_usage(&error, args),
    };
    let output = cli.globals.output;
    let context = Context::new(cli.globals, environment);
    match cli.command.run(&context) {
        Ok(finish) => finish.code(),
        Err(error) => {
            error.print(output);
            error.kind().code()
        }
    }
}

/// Help and version go to stdout, usage errors to stderr, as JSON where JSON was asked for.
fn tell_usage(error: &clap::Error, args: &[OsString]) -> u8 {
    if error.use_stderr() && wants_json(args) {
        let text = error.render().to_string();
        let text = text.trim().trim_start_matches("error: ").to_owned();
        super::error::CmdError::usage(text).print(Output::Json);
    } else {
        // A reader who went away needs no help.
        drop(error.print());
    }
    u8::try_from(error.exit_code()).unwrap_or(Kind::Usage.code())
}

fn wants_json(args: &[OsString]) -> bool {
    let json = |text: &str| matches!(text, "json" | "ndjson");
    let texts: Vec<&str> = args.iter().filter_map(|arg| arg.to_str()).collect();
    texts.windows(2).any(|pair| matches!(pair[0], "-o" | "--output") && json(pair[1]))
        || texts.iter().any(|text| {
            let value = text.strip_prefix("--output=").or_else(|| text.strip_prefix("-o"));
            value.is_some_and(|value| json(value.trim_start_matches('=')))
        })
}

fn tell_panic(info: &panic::PanicHookInfo<'_>) {
    let text = info.payload_as_str().unwrap_or("no message");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    if tracing::dispatcher::has_been_set() {
        tracing::error!(panic = text, place, "a fault of this program");
    } else {
        // Where stderr is gone there is nobody left to tell.
        drop(writeln!(io::stderr().lock(), "bug: {text} ({place}); please report it"));
    }
}
