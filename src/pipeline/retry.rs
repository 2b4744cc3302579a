//! When an event that failed alone is tried again, and when it is given up (design, rule 10).

use std::time::Duration;

/// The waits between attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts after the first.
    pub max_attempts: u32,
    /// Wait before the first of them; doubles each time.
    pub initial_delay: Duration,
    /// Longest wait.
    pub max_delay: Duration,
}

impl RetryPolicy {
    /// The wait after an event failed for the `failures`-th time; `None` when it is given up.
    #[must_use]
    pub fn delay_after(&self, failures: u32) -> Option<Duration> {
        if failures > self.max_attempts {
            return None;
        }
        Some(doubled(self.initial_delay, self.max_delay, failures.saturating_sub(1)))
    }
}

/// `first`, doubled so often, at most `longest`.
#[must_use]
pub fn doubled(first: Duration, longest: Duration, times: u32) -> Duration {
    let factor = 1_u32.checked_shl(times).unwrap_or(u32::MAX);
    first.checked_mul(factor).unwrap_or(longest).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_attempts_after_2_4_8_16_and_32_seconds() {
        let seconds = Duration::from_secs;
        let policy =
            RetryPolicy { max_attempts: 5, initial_delay: seconds(2), max_delay: seconds(60) };
        let waits: Vec<_> = (1..=5).map(|failures| policy.delay_after(failures).unwrap()).collect();
        assert_eq!(waits, [2, 4, 8, 16, 32].map(seconds));
        assert_eq!(policy.delay_after(6), None);
        assert_eq!(doubled(seconds(2), seconds(60), 5), seconds(60));
        assert_eq!(doubled(seconds(2), seconds(60), 500), seconds(60));
    }
}
