//! Parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    evp::cmd::main(std::env::args_os(), evp::settings::Environment::of_process())
}
