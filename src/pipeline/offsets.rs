//! Which position may be committed when records are finished out of order.

use std::collections::BTreeMap;

use crate::model::Offset;

/// The records of one partition under one assignment that were taken and not yet committed.
#[derive(Debug, Default)]
pub struct OpenOffsets {
    /// Taken offsets; true once done. Done ones at the front are taken off.
    taken: BTreeMap<Offset, bool>,
    next: Option<Offset>,
}

impl OpenOffsets {
    /// A record was taken; its effects are not there yet.
    pub fn take(&mut self, offset: Offset) {
        self.taken.entry(offset).or_insert(false);
    }

    /// A taken record's effects are durable.
    pub fn done(&mut self, offset: Offset) {
        if let Some(is_done) = self.taken.get_mut(&offset) {
            *is_done = true;
        }
        while let Some(entry) = self.taken.first_entry()
            && *entry.get()
        {
            self.next = Some(entry.key().next());
            entry.remove();
        }
    }

    /// The position below which everything taken is done; `None` before the first.
    #[must_use]
    pub const fn committable(&self) -> Option<Offset> {
        self.next
    }

    /// How many records are open or wait behind an open one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.taken.len()
    }

    /// Whether nothing is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_contiguous_prefix_may_be_committed() {
        let mut open = OpenOffsets::default();
        for offset in [3, 4, 7] {
            open.take(Offset(offset));
        }
        assert_eq!(open.committable(), None);
        open.done(Offset(4));
        assert_eq!(open.committable(), None);
        open.done(Offset(3));
        assert_eq!(open.committable(), Some(Offset(5)));
        open.done(Offset(7));
        assert_eq!(open.committable(), Some(Offset(8)));
        open.done(Offset(9));
        assert_eq!(open.committable(), Some(Offset(8)));
        assert!(open.is_empty());
    }
}
