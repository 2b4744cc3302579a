//! The books: outcome counts over distinct origins, moved in the transaction that moves an outcome.

use rusqlite::{Connection, params};

use super::text::count;
use crate::backends::ledger::{Ledger, enter};
use crate::ports::{Applied, Books};

/// Adds what changed to the table; what the batch did.
pub(super) fn write(ledger: &Ledger, connection: &Connection) -> rusqlite::Result<Applied> {
    let mut add = connection.prepare_cached(
        "INSERT INTO outcome_counts (outcome, events) VALUES (?1, ?2)
         ON CONFLICT (outcome) DO UPDATE SET events = events + excluded.events",
    )?;
    for (name, change) in ledger.changes() {
        add.execute(params![name, change])?;
    }
    Ok(ledger.applied())
}

/// The counts as they stand.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<Books> {
    let mut books = Books::default();
    let mut all = connection.prepare_cached("SELECT outcome, events FROM outcome_counts")?;
    let mut rows = all.query([])?;
    while let Some(row) = rows.next()? {
        enter(&mut books, row.get_ref(0)?.as_str()?, count(row, 1)?);
    }
    Ok(books)
}
