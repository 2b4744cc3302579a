//! Marks: which origin of an event came first, found through an index in memory.
//!
//! The table is in the order of arrival. The index holds for every mark 64 bits of a keyed hash of
//! its event id and its place in the table; the row itself has the last word. Where two ids share a
//! hash the older mark is lost, which costs work and no event (`ports::State`).

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use rusqlite::{CachedStatement, Connection, OptionalExtension, Transaction};

use crate::model::{Origin, Timestamp};

/// Marks that the index holds at most, about 145 MB; past it the oldest are given up before their
/// time, and the store finds the duplicate instead.
pub(super) const MAX_MARKS: usize = 7_000_000;
/// Shards of the index, so that none is so large that its growth is felt.
const SHARDS: usize = 64;

/// A mark as it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    pub(super) origin: Origin,
    pub(super) received_at: Timestamp,
}

/// Passes a hash through that is one already.
#[derive(Debug, Default)]
pub(super) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// A map by such a hash.
pub(super) type HashedMap<V> = HashMap<u64, V, BuildHasherDefault<Hashed>>;

/// The index, and where the table ends.
#[derive(Debug)]
pub(super) struct Marks {
    hasher: RandomState,
    shards: Vec<HashedMap<i64>>,
    count: usize,
    next_seq: i64,
    /// A transaction failed and may still have left marks that the index does not know.
    is_behind: bool,
    max: usize,
}

impl Marks {
    /// An index over nothing, for at most so many marks.
    pub(super) fn new(max: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            shards: vec![HashedMap::default(); SHARDS],
            count: 0,
            next_seq: 1,
            is_behind: true,
            max,
        }
    }

    /// Takes in what the table has and the index has not.
    pub(super) fn catch_up(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if !self.is_behind {
            return Ok(());
        }
        let mut select = connection
            .prepare_cached("SELECT seq, event_id FROM marks WHERE seq >= ? ORDER BY seq")?;
        let mut rows = select.query([self.next_seq])?;
        while let Some(row) = rows.next()? {
            let seq = row.get(0)?;
            let hash = self.hash(row.get_ref(1)?.as_str()?);
            self.insert(hash, seq);
            self.next_seq = seq + 1;
        }
        self.is_behind = false;
        Ok(())
    }

    pub(super) fn hash(&self, event_id: &str) -> u64 {
        self.hasher.hash_one(event_id)
    }

    /// The statement that [`find`](Marks::find) takes.
    pub(super) fn select(connection: &Connection) -> rusqlite::Result<CachedStatement<'_>> {
        connection.prepare_cached("SELECT event_id, origin, received_at FROM marks WHERE seq = ?")
    }

    /// The event's mark.
    pub(super) fn find(
        &self,
        select: &mut CachedStatement<'_>,
        hash: u64,
        event_id: &str,
    ) -> rusqlite::Result<Option<Mark>> {
        let Some(seq) = self.shards[shard(hash)].get(&hash) else {
            return Ok(None);
        };
        let mark = select
            .query_row([seq], |row| {
                if row.get_ref(0)?.as_str()? != event_id {
                    return Ok(None);
                }
                let millis = row.get(2)?;
                Ok(Some(Mark {
                    origin: Origin::from_bytes(row.get(1)?),
                    received_at: Timestamp::from_millis_clamped(millis),
                }))
            })
            .optional()?;
        Ok(mark.flatten())
    }

    /// From here to [`committed`](Marks::committed) the table may change without the index.
    pub(super) fn begin(&mut self) {
        self.is_behind = true;
    }

    /// The place of the next mark in the table.
    pub(super) const fn next_seq(&self) -> i64 {
        self.next_seq
    }

    /// The table has these hashes now, from [`next_seq`](Marks::next_seq) on, and lost those.
    pub(super) fn committed(&mut self, added: impl Iterator<Item = u64>, removed: &[(u64, i64)]) {
        for hash in added {
            self.insert(hash, self.next_seq);
            self.next_seq += 1;
        }
        for (hash, seq) in removed {
            let shard = &mut self.shards[shard(*hash)];
            if shard.get(hash) == Some(seq) {
                shard.remove(hash);
                self.count -= 1;
            }
        }
        self.is_behind = false;
    }

    /// Removes the oldest marks from the table so that `more` fit into the index; what the index
    /// must forget once that is committed.
    pub(super) fn make_room(
        &self,
        tx: &Transaction<'_>,
        more: usize,
    ) -> rusqlite::Result<Vec<(u64, i64)>> {
        let excess = (self.count + more).saturating_sub(self.max);
        if excess == 0 { Ok(Vec::new()) } else { self.cut_front(tx, excess, None) }
    }

    /// Removes, of the oldest `window` marks, those received before `before` (or all) from the
    /// table.
    pub(super) fn cut_front(
        &self,
        tx: &Transaction<'_>,
        window: usize,
        before: Option<Timestamp>,
    ) -> rusqlite::Result<Vec<(u64, i64)>> {
        let before = before.map_or(i64::MAX, Timestamp::as_millis);
        let window = i64::try_from(window).unwrap_or(i64::MAX);
        let mut select = tx.prepare_cached(
            "SELECT seq, event_id, received_at < ?2 FROM marks ORDER BY seq LIMIT ?1",
        )?;
        let mut rows = select.query([window, before])?;
        let mut removed = Vec::new();
        while let Some(row) = rows.next()? {
            if row.get(2)? {
                removed.push((self.hash(row.get_ref(1)?.as_str()?), row.get(0)?));
            }
        }
        if let Some((_, last)) = removed.last() {
            tx.prepare_cached("DELETE FROM marks WHERE seq <= ? AND received_at < ?")?
                .execute([*last, before])?;
        }
        Ok(removed)
    }

    fn insert(&mut self, hash: u64, seq: i64) {
        if self.shards[shard(hash)].insert(hash, seq).is_none() {
            self.count += 1;
        }
    }
}

/// The map takes its bits from both ends of the hash; the shard takes some of the middle.
const fn shard(hash: u64) -> usize {
    (hash >> 40) as usize & (SHARDS - 1)
}
