//! Numbers between whole and broken, in one place: rates and shares are `f64`, counts and
//! nanoseconds `u64`.

use std::time::Duration;

/// A count as a number to divide; exact below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^53")]
pub(super) const fn float(count: u64) -> f64 {
    count as f64
}

/// The whole part; 0 for what is negative or no number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of a float saturates"
)]
pub(super) const fn whole(value: f64) -> u64 {
    value as u64
}

/// A length in nanoseconds.
pub(super) fn nanos(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

/// `part` of `all`, 0 where there is nothing.
pub(super) fn share(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { float(part) / float(all) }
}
