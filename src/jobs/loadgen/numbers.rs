//! The numbers of a run's events: each is given out once.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Numbers that a worker takes at once, so that it seldom comes back.
const BLOCK: u64 = 1024;

/// What is left to be given out.
#[derive(Debug)]
pub(super) struct Numbers {
    ranges: Mutex<VecDeque<Range<u64>>>,
    left: AtomicU64,
}

impl Numbers {
    /// All there are: for a run without a ledger.
    pub(super) fn unlimited() -> Self {
        let numbers = Self::none();
        numbers.add(0..u64::MAX);
        numbers
    }

    /// None yet: a ledger reserves them.
    pub(super) const fn none() -> Self {
        Self { ranges: Mutex::new(VecDeque::new()), left: AtomicU64::new(0) }
    }

    /// More, which were reserved.
    pub(super) fn add(&self, range: Range<u64>) {
        let count = range.end - range.start;
        let mut ranges = self.ranges.lock().unwrap_or_else(PoisonError::into_inner);
        ranges.push_back(range);
        self.left.fetch_add(count, Relaxed);
    }

    /// How many are left; what a worker took and has not used is not among them.
    pub(super) fn left(&self) -> u64 {
        self.left.load(Relaxed)
    }

    /// At least so many in a row; `None` where there are none yet.
    pub(super) fn take(&self, at_least: u64) -> Option<Range<u64>> {
        let mut ranges = self.ranges.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(range) = ranges.front_mut() {
            let has = range.end - range.start;
            if has >= at_least {
                let count = at_least.max(BLOCK).min(has);
                let taken = range.start..range.start + count;
                range.start += count;
                self.left.fetch_sub(count, Relaxed);
                return Some(taken);
            }
            // Too few in a row for one request: they stay unused.
            self.left.fetch_sub(has, Relaxed);
            ranges.pop_front();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_given_out_once_and_none_where_none_is_reserved() {
        let numbers = Numbers::none();
        assert_eq!(numbers.take(1), None);
        numbers.add(0..1500);
        numbers.add(1500..3000);
        assert_eq!((numbers.take(10), numbers.left()), (Some(0..1024), 1976));
        assert_eq!((numbers.take(10), numbers.left()), (Some(1024..1500), 1500));
        assert_eq!(numbers.take(1400), Some(1500..2900));
        assert_eq!((numbers.take(200), numbers.left()), (None, 0));
    }
}
