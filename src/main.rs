//! Parse, run, exit code; and the allocator of the process.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    evp::cmd::main(std::env::args_os(), evp::settings::Environment::of_process())
}
