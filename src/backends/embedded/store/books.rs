//! The books: outcome counts over distinct origins, moved in the transaction that moves an outcome.

use rusqlite::{Connection, params};

use super::text::count;
use crate::model::Outcome;
use crate::ports::{Applied, Books};

/// What a transaction does to the counts.
#[derive(Debug, Default)]
pub(super) struct Ledger {
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
    pub(super) fn gain(&mut self, outcome: Outcome, restored: bool) {
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
    pub(super) fn lose(&mut self, outcome: Outcome, restored: bool) {
        *self.count_of(outcome) -= 1;
        self.restored -= i64::from(restored);
    }

    /// An origin whose dead letter is open failed once more.
    pub(super) fn failed_again(&mut self, was_restored: bool, restored: bool) {
        self.restored += i64::from(restored) - i64::from(was_restored);
        self.redelivered();
    }

    /// A copy of an origin that has its outcome already.
    pub(super) fn redelivered(&mut self) {
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

    /// Adds what changed to the table; what the batch did.
    pub(super) fn write(self, connection: &Connection) -> rusqlite::Result<Applied> {
        let mut add = connection.prepare_cached(
            "INSERT INTO outcome_counts (outcome, events) VALUES (?1, ?2)
             ON CONFLICT (outcome) DO UPDATE SET events = events + excluded.events",
        )?;
        for (name, change) in [
            ("stored", self.stored),
            ("duplicate", self.duplicate),
            ("blocked", self.blocked),
            ("rate_limited", self.rate_limited),
            ("dead_lettered", self.dead_lettered),
            ("restored", self.restored),
            ("redelivered", self.redelivered),
        ] {
            if change != 0 {
                add.execute(params![name, change])?;
            }
        }
        Ok(self.applied)
    }
}

/// The counts as they stand.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<Books> {
    let mut books = Books::default();
    let mut all = connection.prepare_cached("SELECT outcome, events FROM outcome_counts")?;
    let mut rows = all.query([])?;
    while let Some(row) = rows.next()? {
        let events = count(row, 1)?;
        match row.get_ref(0)?.as_str()? {
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
    Ok(books)
}
