//! Named crash points: where the crash tests end the process.
//!
//! `EVP_CRASH_POINT=worker.apply.after` aborts a debug build at the first pass of that point,
//! `EVP_CRASH_POINT=log.sync.before:40` at the fortieth. Release builds contain none of this.
//! Each point stands on one side of an effect that the promise depends on; the list is [`POINTS`],
//! and a test on the real binary dies at each of them.

/// Every crash point in the code, for the tests to walk over.
pub const POINTS: &[&str] = &[
    "log.append.before",
    "log.append.after",
    "log.sync.before",
    "log.sync.after",
    "log.roll.after",
    "log.unlink.before",
    "log.unlink.after",
    "collector.publish.before",
    "collector.publish.after",
    "state.mark.before",
    "state.mark.after",
    "processor.publish.before",
    "processor.publish.after",
    "processor.commit.before",
    "processor.commit.after",
    "archiver.create.before",
    "archiver.create.after",
    "archiver.commit.after",
    "object.rename.before",
    "object.rename.after",
    "worker.apply.before",
    "sink.commit.before",
    "sink.commit.after",
    "worker.commit.after",
    "checkpoint.before",
    "checkpoint.after",
];

/// The points that only a collector in front of brokers passes, where its spill log is emptied. What
/// fills it are the `log` points of [`POINTS`].
pub const SPILL_POINTS: &[&str] =
    &["spill.carry.before", "spill.carry.after", "spill.commit.after"];

/// Ends the process here when the environment names this point.
#[cfg(debug_assertions)]
pub fn point(name: &'static str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static TARGET: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSES: AtomicU64 = AtomicU64::new(0);

    let target = TARGET.get_or_init(|| {
        let wanted = std::env::var("EVP_CRASH_POINT").ok()?;
        let (name, pass) = wanted.split_once(':').unwrap_or((&wanted, "1"));
        Some((name.to_owned(), pass.parse().unwrap_or(1)))
    });
    if let Some((wanted, pass)) = target
        && wanted == name
        && PASSES.fetch_add(1, Ordering::Relaxed) + 1 >= *pass
    {
        // `abort` runs no destructor and flushes nothing: as close to kill -9 as a process gets.
        std::process::abort();
    }
}

/// Nothing: release builds have no crash points.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn point(_name: &'static str) {}
