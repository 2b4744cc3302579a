//! How fast the next segment is filled with zeros: calmly, so that the synced writes beside it never
//! wait behind much of it, or at once, where it is about to be needed.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Of calm work three quarters are rest: the disk is the log's.
const REST: u32 = 3;
/// One rest at most: a disk that was slow once is not left alone for long.
const LONGEST: Duration = Duration::from_millis(100);

/// The pace of one file. Calm until [`hurry`](Self::hurry) is called.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    is_urgent: Mutex<bool>,
    hurried: Condvar,
}

impl Pace {
    /// Nothing rests from the start.
    pub(crate) fn urgent() -> Self {
        Self { is_urgent: Mutex::new(true), hurried: Condvar::new() }
    }

    /// No rest any more; ends the one under way.
    pub(super) fn hurry(&self) {
        *self.is_urgent.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.hurried.notify_all();
    }

    /// Whether there is no time to rest.
    pub(super) fn is_urgent(&self) -> bool {
        *self.is_urgent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rests after a piece of work that took so long.
    pub(super) fn rest(&self, took: Duration) {
        let is_urgent = self.is_urgent.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = took.saturating_mul(REST).min(LONGEST);
        // Whether it was hurried or rested does not matter.
        drop(self.hurried.wait_timeout_while(is_urgent, rest, |is_urgent| !*is_urgent));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn hurry_ends_a_rest_and_all_that_follow() {
        let pace = Arc::new(Pace::default());
        assert!(!pace.is_urgent());
        let (resting, rests) = channel();
        let thread = {
            let pace = Arc::clone(&pace);
            std::thread::spawn(move || {
                let mut count = 0;
                while !pace.is_urgent() {
                    resting.send(()).unwrap();
                    pace.rest(Duration::from_secs(3600));
                    count += 1;
                }
                pace.rest(Duration::from_secs(3600));
                count
            })
        };
        rests.recv().unwrap();
        pace.hurry();
        assert!(thread.join().unwrap() >= 1);
        assert!(Pace::urgent().is_urgent());
    }
}
