//! The roles on the real servers beside peers and floors measured in the same run, interleaved.
//!
//! `cargo bench --bench cluster`; `EVP_BENCH_SHORT=1` for a try in two minutes,
//! `EVP_BENCH_ONLY=collector,stages,memory` for a part. Prints tables and asserts no time; that
//! every acknowledged event is there it does assert. Generator and servers share the machine: the
//! figures a CPU-second count, those a second are only as good as the machine is free.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark may fail")]
#![allow(clippy::print_stdout, reason = "a benchmark's answer goes to stdout")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures for people"
)]
#![allow(missing_debug_implementations, unreachable_pub, reason = "nobody else sees these types")]

mod collector;
mod kafka;
mod load;
mod memory;
mod process;
mod report;
#[path = "../../tests/services/servers.rs"]
#[allow(dead_code, clippy::let_underscore_must_use, reason = "the tests use all of it")]
mod servers;
mod stages;
mod stand;

use stand::{Scale, Stand};

fn main() {
    let set = |name: &str| std::env::var(name).unwrap_or_default();
    let scale = if set("EVP_BENCH_SHORT").is_empty() { Scale::FULL } else { Scale::SHORT };
    let only = set("EVP_BENCH_ONLY");
    let is_wanted = |part: &str| only.is_empty() || only.split(',').any(|name| name == part);
    let mut stand = Stand::start(scale);
    println!("{scale:?}");
    if is_wanted("collector") {
        collector::run(&stand);
    }
    if is_wanted("stages") {
        stages::run(&stand);
    }
    if is_wanted("memory") {
        memory::run(&mut stand);
    }
}
