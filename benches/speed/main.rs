//! The speed table: what evp does beside floors and peers measured in the same run, round by round
//! in turn, worst round counting, with the goals that it has to meet.
//!
//! `just bench` or `cargo bench --bench speed`, about 45 minutes. `EVP_BENCH_ONLY=single,log` runs
//! some parts, `EVP_BENCH_SHORT=1` tries them in two rounds of seconds, `EVP_BENCH_DIR` is where
//! data and servers' files lie, `EVP_BIN` another evp than the one that was built with this. Each
//! part is a module: what it measures and what its floor is stands there and below the table.
//!
//! Not what a function costs: that is `just bench-parts`. Nothing here fails for being slow; the
//! table says what is not met. Exit 1 is a part that could not be measured, or a run that is void
//! because the machine was taken away from it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark may fail")]
#![allow(clippy::print_stdout, reason = "a benchmark's answer goes to stdout")]
#![allow(clippy::print_stderr, reason = "how far it is goes to stderr")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures for people"
)]
#![allow(missing_debug_implementations, unreachable_pub, reason = "nobody else sees these types")]

mod acknowledged;
mod bench;
mod children;
mod doors;
mod embedded;
mod floors;
mod follow;
mod judging;
mod kafka;
mod librdkafka;
mod load;
mod log;
mod machine;
mod memory;
mod open_loop;
mod outages;
mod overload;
mod process;
mod processor;
mod report;
mod segments;
#[path = "../../tests/services/servers.rs"]
#[allow(dead_code, clippy::let_underscore_must_use, reason = "the tests use all of it")]
mod servers;
mod single;
mod stand;
mod turns;
mod whole;
mod worker;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use bench::Bench;
use machine::{MOST_STEAL, Machine, Ticks, is_void};
use report::Report;

/// That of the server: floors and generators are to be no slower for theirs.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Part = (&'static str, fn(&mut Bench) -> Report);

/// In the order of the table.
const TABLE: [Part; 9] = [
    ("single", single::run),
    ("acknowledged", acknowledged::run),
    ("open-loop", open_loop::run),
    ("overload", overload::run),
    ("log", log::run),
    ("processor", processor::run),
    ("worker", worker::run),
    ("whole", whole::run),
    ("memory", memory::run),
];
/// Those for which Kafka, Redis, Postgres and MinIO run: last, so that the others have no neighbours.
const ON_SERVERS: [&str; 3] = ["acknowledged", "processor", "worker"];
/// Not in the table; runs where it is named.
const BY_NAME: [Part; 1] = [("outages", outages::run)];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).filter(|text| text != "--bench");
    if let Some(child) = arguments.next() {
        children::run(&child, &arguments.collect::<Vec<_>>());
        return ExitCode::SUCCESS;
    }
    let only = std::env::var("EVP_BENCH_ONLY").unwrap_or_default();
    let named: Vec<&str> = only.split(',').filter(|name| !name.is_empty()).collect();
    let known = || TABLE.iter().chain(&BY_NAME);
    for name in &named {
        if !known().any(|(part, _)| part == name) {
            let names: Vec<&str> = known().map(|(part, _)| *part).collect();
            eprintln!("EVP_BENCH_ONLY: {name:?} is none of {}", names.join(","));
            return ExitCode::from(2);
        }
    }
    let is_wanted =
        |part: &&Part| named.contains(&part.0) || (named.is_empty() && BY_NAME[0].0 != part.0);
    let wanted: Vec<Part> = known().filter(is_wanted).copied().collect();
    measure(&wanted)
}

fn measure(wanted: &[Part]) -> ExitCode {
    let machine = Machine::look();
    let mut bench = Bench::new();
    let begun = Ticks::now();
    let needs_servers = |name: &str| ON_SERVERS.contains(&name) || name == BY_NAME[0].0;
    let mut reports: Vec<(&str, Report)> = Vec::new();
    for round in [false, true] {
        for (name, run) in wanted.iter().filter(|(name, _)| needs_servers(name) == round) {
            let ticks = Ticks::now();
            eprintln!("{name} …");
            let measured = catch_unwind(AssertUnwindSafe(|| run(&mut bench)));
            let mut report = measured.unwrap_or_else(|_| Report::failed(name));
            let steal = ticks.steal_since();
            eprintln!("{name}: {:.0} s, steal {steal:.1} %", ticks.seconds_since());
            report.steal = steal;
            reports.push((name, report));
        }
    }
    let place = |name: &str| wanted.iter().position(|(wanted, _)| *wanted == name);
    reports.sort_by_key(|(name, _)| place(name));
    let steal = begun.steal_since();
    let is_void = is_void(steal);
    machine.print(&bench.scale, steal, begun.seconds_since());
    report::print(&reports);
    if is_void {
        println!(
            "\n**VOID: the host took {steal:.1} % of this machine's time, more than {MOST_STEAL} %.**"
        );
    }
    if is_void || reports.iter().any(|(_, report)| report.has_failed) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
