//! The places of this process in its groups: each membership has the smallest number that is free, so
//! that a static member which joins again, or a process which starts again, has the name that the
//! coordinator knows.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::GroupId;

/// All places that are taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Seats {
    taken: Arc<Mutex<HashMap<GroupId, BTreeSet<u64>>>>,
}

impl Seats {
    /// Takes a place.
    pub(super) fn take(&self, group: &GroupId) -> Seat {
        let mut all = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = all.entry(group.clone()).or_default();
        let number = (0..).find(|number| !taken.contains(number)).unwrap_or(u64::MAX);
        taken.insert(number);
        Seat { seats: self.clone(), group: group.clone(), number, is_free: AtomicBool::new(false) }
    }
}

/// One place; free again when it is dropped, or said to be.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Seats,
    group: GroupId,
    number: u64,
    is_free: AtomicBool,
}

impl Seat {
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// The membership has ended.
    pub(super) fn free(&self) {
        if self.is_free.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut all = self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = all.get_mut(&self.group) {
            taken.remove(&self.number);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.free();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_joins_again_has_the_number_it_had() {
        let seats = Seats::default();
        let (one, other) = (GroupId::new("one"), GroupId::new("other"));
        let (first, second) = (seats.take(&one), seats.take(&one));
        assert_eq!((first.number(), second.number(), seats.take(&other).number()), (0, 1, 0));
        first.free();
        let again = seats.take(&one);
        assert_eq!(again.number(), 0);
        // Dropped after another has its place: that one keeps it.
        drop(first);
        assert_eq!(seats.take(&one).number(), 2);
    }
}
