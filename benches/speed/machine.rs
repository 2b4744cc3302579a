//! Where and when it was measured, of which commit, and how much of the machine its host took away.

use std::fs;
use std::process::Command;
use std::time::Instant;

use evp::ports::{Clock, SystemClock};

use crate::bench::Scale;
use crate::process;

/// Said below every table.
pub const HOW: &str = "\
Rounds alternate between ours and what stands beside it, so that both meet the same machine; the worst
round counts. CPU is user and system time of the server's process alone, from /proc. Floors, generators
and librdkafka have the server's allocator.";

/// Of a block of free memory, in powers of two of pages; above it nothing is reported to a host.
const LARGEST_ORDER: u32 = 10;

pub struct Machine {
    lines: Vec<String>,
}

impl Machine {
    pub fn look() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let value = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_once(':').map_or(String::new(), |(_, value)| value.trim().to_owned())
        };
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let memory = value(&read("/proc/meminfo"), "MemTotal");
        let kib: f64 = memory.trim_end_matches(" kB").parse().unwrap_or(f64::NAN);
        let model = value(&read("/proc/cpuinfo"), "model name");
        let kernel = read("/proc/sys/kernel/osrelease");
        let commit = said_by("git", &["rev-parse", "--short=12", "HEAD"]);
        let is_dirty =
            !said_by("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty();
        let state = if is_dirty { ", with changes that are not committed" } else { "" };
        let mut lines = vec![
            format!(
                "machine: {cores} cores of {model}, {:.0} GiB, Linux {}",
                kib / 1024.0 / 1024.0,
                kernel.trim()
            ),
            format!("commit: {commit}{state}"),
            format!("began: {}", SystemClock.now()),
        ];
        // What a guest leaves unused its host may take back (free page reporting). Written again, such
        // memory comes page by page from the host, which the steal does not count.
        let order = read("/sys/module/page_reporting/parameters/page_reporting_order");
        if order.trim().parse().is_ok_and(|order: u32| order <= LARGEST_ORDER) {
            lines.push(
                "memory: THE HOST TAKES BACK WHAT LIES UNUSED; disk caches are slow to fill".into(),
            );
        }
        if process::other_program().is_some() {
            lines.push(
                "evp: ANOTHER BUILD, named by EVP_BIN; the commit is that of the bench".into(),
            );
        }
        Self { lines }
    }

    pub fn print(&self, scale: &Scale, steal: f64, seconds: f64) {
        println!("\n# Speed\n");
        self.lines.iter().for_each(|line| println!("* {line}"));
        let verdict = if is_void(steal) { ": **VOID**" } else { "" };
        println!("* took {seconds:.0} s; steal {steal:.2} %{verdict}");
        let kind = if scale.is_short { "SHORT: a try that proves nothing" } else { "full" };
        println!("* run: {kind}, {} rounds", scale.rounds);
    }
}

fn said_by(program: &str, arguments: &[&str]) -> String {
    let home = env!("CARGO_MANIFEST_DIR");
    let done = Command::new(program).args(arguments).current_dir(home).output();
    done.map_or_else(
        |_| "unknown".into(),
        |done| String::from_utf8_lossy(&done.stdout).trim().into(),
    )
}

/// Per cent of the machine's time that its host took, above which nothing counts.
pub const MOST_STEAL: f64 = 2.0;

pub fn is_void(steal: f64) -> bool {
    steal > MOST_STEAL
}

/// The machine's time so far, as its kernel counts it.
pub struct Ticks {
    all: f64,
    stolen: f64,
    at: Instant,
}

impl Ticks {
    pub fn now() -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        // user nice system idle iowait irq softirq steal; guest time is in user already.
        let fields: Vec<f64> =
            line.split_whitespace().skip(1).take(8).filter_map(|n| n.parse().ok()).collect();
        let stolen = fields.get(7).copied().unwrap_or(0.0);
        Self { all: fields.iter().sum(), stolen, at: Instant::now() }
    }

    /// Per cent of the machine's time since then that went to others than its own system.
    pub fn steal_since(&self) -> f64 {
        let now = Self::now();
        let all = now.all - self.all;
        if all > 0.0 { (now.stolen - self.stolen) * 100.0 / all } else { 0.0 }
    }

    pub fn seconds_since(&self) -> f64 {
        self.at.elapsed().as_secs_f64()
    }
}
