//! How fast the next segment is filled with zeros: piece by piece, as far as the segment before it is
//! filled, so that the disk has no more of it at any moment than the load calls for; or at once,
//! where it is needed now.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The pace of one file. It stands still until [`allow`](Self::allow) or [`set`](Self::set) is called.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes that may be written by now.
    allowed: u64,
    /// Bytes that somebody waits for; 0 where nobody waits.
    wanted: u64,
    urgency: Urgency,
}

/// Whether it is waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Not yet.
    #[default]
    Calm,
    /// All of it is needed at once.
    Urgent,
    /// Nobody needs it any more.
    Dropped,
}

impl Pace {
    /// Nothing waits from the start.
    pub(crate) fn urgent() -> Self {
        let pace = Self::default();
        pace.set(Urgency::Urgent);
        pace
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first `bytes` may be written now.
    pub(super) fn allow(&self, bytes: u64) {
        let mut state = self.state();
        state.allowed = state.allowed.max(bytes);
        if state.wanted > 0 && state.allowed >= state.wanted {
            state.wanted = 0;
            self.changed.notify_one();
        }
    }

    /// Ends the wait under way and all that follow.
    pub(super) fn set(&self, urgency: Urgency) {
        self.state().urgency = urgency;
        self.changed.notify_all();
    }

    /// Waits until the first `bytes` may be written.
    pub(super) fn reach(&self, bytes: u64) -> Urgency {
        let mut state = self.state();
        while state.urgency == Urgency::Calm && state.allowed < bytes {
            state.wanted = bytes;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.urgency
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_piece_waits_until_it_is_allowed_and_not_at_all_once_it_is_urgent() {
        let pace = Arc::new(Pace::default());
        let (reached, reaches) = channel();
        let thread = {
            let pace = Arc::clone(&pace);
            std::thread::spawn(move || {
                for end in [10, 20, 30, u64::MAX] {
                    reached.send((end, pace.reach(end))).unwrap();
                }
            })
        };
        pace.allow(20);
        pace.allow(5);
        assert_eq!(reaches.recv().unwrap(), (10, Urgency::Calm));
        assert_eq!(reaches.recv().unwrap(), (20, Urgency::Calm));
        assert!(reaches.try_recv().is_err());
        pace.allow(30);
        assert_eq!(reaches.recv().unwrap(), (30, Urgency::Calm));
        pace.set(Urgency::Urgent);
        assert_eq!(reaches.recv().unwrap(), (u64::MAX, Urgency::Urgent));
        thread.join().unwrap();
        assert_eq!(Pace::urgent().reach(1), Urgency::Urgent);
    }

    #[test]
    fn one_that_nobody_needs_any_more_stops_waiting() {
        let pace = Arc::new(Pace::default());
        let waiting = Arc::clone(&pace);
        let thread = std::thread::spawn(move || waiting.reach(1));
        pace.set(Urgency::Dropped);
        assert_eq!(thread.join().unwrap(), Urgency::Dropped);
    }
}
