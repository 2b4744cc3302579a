//! What a batch does to the books, whatever store keeps them.

use crate::model::Outcome;
use crate::ports::{Applied, Books};

/// What a transaction does to the counts.
#[derive(Debug, Default)]
pub(in crate::backends) struct Ledger {
    stored: i64,
    duplicate: i64,
    blocked: i64,
    rate_limited: i64,
    dead_lettered: i64,
    restored: i64,
    redelivered: i64,
    applied: Applied,
}

impl Ledger {
    /// An origin has its first outcome, or a stronger one than it had.
    pub(in crate::backends) fn gain(&mut self, outcome: Outcome, restored: bool) {
        *self.count_of(outcome) += 1;
        self.restored += i64::from(restored);
        match outcome {
            Outcome::Stored => self.applied.stored += 1,
            Outcome::Duplicate => self.applied.duplicate += 1,
            Outcome::Blocked => self.applied.blocked += 1,
            Outcome::RateLimited => self.applied.rate_limited += 1,
            Outcome::DeadLettered | Outcome::Rejected => self.applied.dead_lettered += 1,
        }
    }

    /// An origin's outcome gives way to a stronger one.
    pub(in crate::backends) fn lose(&mut self, outcome: Outcome, restored: bool) {
        *self.count_of(outcome) -= 1;
        self.restored -= i64::from(restored);
    }

    /// An origin whose dead letter is open failed once more.
    pub(in crate::backends) fn failed_again(&mut self, was_restored: bool, restored: bool) {
        self.restored += i64::from(restored) - i64::from(was_restored);
        self.redelivered();
    }

    /// A copy of an origin that has its outcome already.
    pub(in crate::backends) fn redelivered(&mut self) {
        self.redelivered += 1;
        self.applied.redelivered += 1;
    }

    fn count_of(&mut self, outcome: Outcome) -> &mut i64 {
        match outcome {
            Outcome::Stored => &mut self.stored,
            Outcome::Duplicate => &mut self.duplicate,
            Outcome::Blocked => &mut self.blocked,
            Outcome::RateLimited => &mut self.rate_limited,
            // Nothing accepted is ever `rejected`; the sink refuses it before it comes here.
            Outcome::DeadLettered | Outcome::Rejected => &mut self.dead_lettered,
        }
    }

    /// The counts that move, by name, always in one order.
    pub(in crate::backends) fn changes(&self) -> impl Iterator<Item = (&'static str, i64)> {
        [
            ("stored", self.stored),
            ("duplicate", self.duplicate),
            ("blocked", self.blocked),
            ("rate_limited", self.rate_limited),
            ("dead_lettered", self.dead_lettered),
            ("restored", self.restored),
            ("redelivered", self.redelivered),
        ]
        .into_iter()
        .filter(|(_, change)| *change != 0)
    }

    /// What the batch did.
    pub(in crate::backends) const fn applied(&self) -> Applied {
        self.applied
    }
}

/// Puts a count that a store keeps by name into the books.
pub(in crate::backends) fn enter(books: &mut Books, name: &str, events: u64) {
    match name {
        "stored" => books.stored = events,
        "duplicate" => books.duplicate = events,
        "blocked" => books.blocked = events,
        "rate_limited" => books.rate_limited = events,
        "dead_lettered" => books.dead_lettered = events,
        "restored" => books.restored = events,
        "redelivered" => books.redelivered = events,
        _ => {}
    }
}
