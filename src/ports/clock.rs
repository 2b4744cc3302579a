//! The time of day as a port, so that tests choose it.

use std::fmt::Debug;

use crate::model::Timestamp;

/// Tells the time of day. It may step backwards; durations are measured with `Instant` instead.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Now, in UTC.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        let since_epoch =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let millis = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis_clamped(millis.saturating_add(offset_millis()))
    }
}

/// By how much a test has set this process's clock wrong: `EVP_CLOCK_OFFSET_FILE` names a file with
/// milliseconds in it, read at every look, so that the clock can be stepped while the process runs.
#[cfg(debug_assertions)]
fn offset_millis() -> i64 {
    static FILE: std::sync::OnceLock<Option<std::ffi::OsString>> = std::sync::OnceLock::new();
    let file = FILE.get_or_init(|| std::env::var_os("EVP_CLOCK_OFFSET_FILE")).as_ref();
    let text = file.and_then(|file| std::fs::read_to_string(file).ok());
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// Nothing: release builds go by the machine's clock.
#[cfg(not(debug_assertions))]
#[inline(always)]
const fn offset_millis() -> i64 {
    0
}
