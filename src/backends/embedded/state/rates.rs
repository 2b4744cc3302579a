//! Events of an address in a minute of receipt.
//!
//! Counted in memory during a batch and written once an address and batch.

use std::collections::HashMap;
use std::net::IpAddr;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Transaction};

use crate::model::Timestamp;

/// Minutes that are kept behind the newest one counted: events of several partitions do not come
/// in the exact order of receipt.
const KEPT_MINUTES: i64 = 5;
/// Counts kept in memory between batches, about 6 MB.
const MAX_CACHED: usize = 65_536;

/// The counts that a batch touched, and those that batches before it did.
#[derive(Debug, Default)]
pub(super) struct Rates {
    counts: HashMap<(i64, IpAddr), Count>,
    touched: Vec<(i64, IpAddr)>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    events: u64,
    is_touched: bool,
}

impl Rates {
    /// The statement that [`add`](Rates::add) takes.
    pub(super) fn select(connection: &Connection) -> rusqlite::Result<CachedStatement<'_>> {
        connection.prepare_cached("SELECT events FROM rates WHERE minute = ? AND ip = ?")
    }

    /// Counts one event; how many its minute has now.
    pub(super) fn add(
        &mut self,
        select: &mut CachedStatement<'_>,
        address: IpAddr,
        received_at: Timestamp,
    ) -> rusqlite::Result<u64> {
        let key = (received_at.minute(), address);
        let count = match self.counts.entry(key) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let events = select
                    .query_row((key.0, key.1.to_string()), |row| row.get(0))
                    .optional()?
                    .unwrap_or(0);
                entry.insert(Count { events, is_touched: false })
            }
        };
        count.events += 1;
        if !count.is_touched {
            count.is_touched = true;
            self.touched.push(key);
        }
        Ok(count.events)
    }

    /// Writes what the batch counted.
    pub(super) fn write(&mut self, tx: &Transaction<'_>) -> rusqlite::Result<()> {
        if self.touched.is_empty() {
            return Ok(());
        }
        let mut upsert = tx.prepare_cached(
            "INSERT INTO rates (minute, ip, events) VALUES (?, ?, ?)
             ON CONFLICT DO UPDATE SET events = excluded.events",
        )?;
        // In about the order of the table, so that neighbours meet in one page.
        self.touched.sort_unstable();
        for key in &self.touched {
            let events = self.counts.get(key).map_or(0, |count| count.events);
            upsert.execute((key.0, key.1.to_string(), events))?;
        }
        Ok(())
    }

    /// The batch is committed: its counts may serve the next one.
    pub(super) fn committed(&mut self) {
        if self.counts.len() > MAX_CACHED {
            self.forget();
            return;
        }
        for key in self.touched.drain(..) {
            if let Some(count) = self.counts.get_mut(&key) {
                count.is_touched = false;
            }
        }
    }

    /// A batch that was counted and not committed leaves nothing behind.
    pub(super) fn forget_uncommitted(&mut self) {
        if !self.touched.is_empty() {
            self.forget();
        }
    }

    /// Forgets all that memory has; the table stands.
    fn forget(&mut self) {
        self.counts.clear();
        self.touched.clear();
    }

    /// Deletes up to `limit` counts of minutes that are over; whether there may be more.
    ///
    /// A minute is over by the receipt of the newest event counted, not by the clock: counts of a
    /// backlog must live until it is judged.
    pub(super) fn sweep(
        tx: &Transaction<'_>,
        now: Timestamp,
        limit: usize,
    ) -> rusqlite::Result<bool> {
        let newest: Option<i64> =
            tx.prepare_cached("SELECT max(minute) FROM rates")?.query_row([], |row| row.get(0))?;
        let Some(newest) = newest else {
            return Ok(false);
        };
        let over = newest.min(now.minute()) - KEPT_MINUTES;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let deleted = tx
            .prepare_cached(
                "DELETE FROM rates WHERE (minute, ip) IN
                 (SELECT minute, ip FROM rates WHERE minute < ? ORDER BY minute, ip LIMIT ?)",
            )?
            .execute([over, limit])?;
        Ok(i64::try_from(deleted).unwrap_or(i64::MAX) >= limit)
    }
}
