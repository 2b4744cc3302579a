//! One batch in one transaction: rows, roll-ups of the rows really inserted, decisions, dead
//! letters, outcome counts and the group's position.
//!
//! Of one origin a row beats a dead letter beats a decision (design, rule 5): whatever comes, and in
//! whatever order, the weaker gives way and the counts move with it. Three things come after a dead
//! letter: its event as a row, which resolves it; its event under an id that another origin stored
//! meanwhile, which resolves it too and leaves the decision `duplicate`; and the next failure of a
//! redrive, which opens it again. A copy of what is there already is a redelivery.

use rusqlite::{CachedStatement, Connection, OptionalExtension, Transaction, params};

use super::text::{OriginText, Stamp, origin as origin_column};
use crate::backends::ledger::Ledger;
use crate::backends::storable::plain;
use crate::backends::tally::Rollups;
use crate::model::{DeadLetter, Decision, EventId, Origin, Outcome, Timestamp};
use crate::ports::{Applied, SinkBatch, StoreEvent};

const INSERT_ROW: &str = "
    INSERT INTO raw_events (event_id, origin, shape, event_type, user_id, campaign_id, geo_country,
        device_type, channel, tags, created_at, received_at, ip_address, meta_data, replay_id,
        restored, stored_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
    ON CONFLICT DO NOTHING";

const INSERT_DECISION: &str = "
    INSERT INTO event_decisions (origin, event_id, outcome, reason, client_ip, received_at,
        decided_at, replay_id, restored)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
    ON CONFLICT DO NOTHING";

/// A letter of the same origin is replaced: the newer failure carries the newer bytes, the oldest
/// first failure and the most attempts stay.
const PUT_LETTER: &str = "
    INSERT INTO dead_letters (origin, event_id, shape, stage, reason, error_type, attempts,
        first_failed_at, last_failed_at, original_topic, original_partition, original_offset,
        received_at, client_ip, redrives, replay_id, restored, key, value)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)
    ON CONFLICT (origin) DO UPDATE SET
        event_id = excluded.event_id, shape = excluded.shape, stage = excluded.stage,
        reason = excluded.reason, error_type = excluded.error_type,
        attempts = max(attempts, excluded.attempts),
        first_failed_at = min(first_failed_at, excluded.first_failed_at),
        last_failed_at = excluded.last_failed_at, original_topic = excluded.original_topic,
        original_partition = excluded.original_partition,
        original_offset = excluded.original_offset, received_at = excluded.received_at,
        client_ip = excluded.client_ip, redrives = excluded.redrives,
        replay_id = excluded.replay_id, restored = excluded.restored, key = excluded.key,
        value = excluded.value, resolved_at = NULL";

/// Applies the batch; the caller commits.
pub(super) fn apply(
    transaction: &Transaction<'_>,
    batch: &SinkBatch,
    now: Timestamp,
) -> rusqlite::Result<Applied> {
    let mut step = Step::begin(transaction, now)?;
    let mut rollups = Rollups::default();
    for item in &batch.events {
        if step.event(item)? {
            rollups.add(&item.event);
        }
    }
    for (decision, replay_id, restored) in &batch.decisions {
        step.decision(decision, replay_id.as_deref(), *restored)?;
    }
    for letter in &batch.dead_letters {
        step.dead_letter(letter)?;
    }
    super::rollup::write(rollups, transaction)?;
    if let Some(group) = &batch.group {
        let positions = batch.progress.iter().map(|p| (&p.assignment.at, p.next));
        super::positions::write(transaction, group, positions)?;
    }
    super::books::write(&step.ledger, transaction)
}

/// A batch on its way through the tables.
struct Step<'t> {
    transaction: &'t Connection,
    insert_row: CachedStatement<'t>,
    now: Stamp,
    /// No origin beyond it has a decision or a dead letter. Origins are minted in order, so this
    /// spares nearly every new row the search for a weaker outcome.
    weaker_until: Option<Origin>,
    ledger: Ledger,
}

/// A dead letter as it stands before another word on its origin.
struct Letter {
    redrives: i64,
    last_failed_at: String,
    is_open: bool,
    restored: bool,
}

impl<'t> Step<'t> {
    fn begin(transaction: &'t Connection, now: Timestamp) -> rusqlite::Result<Self> {
        let last = |sql| -> rusqlite::Result<Option<Origin>> {
            let mut last = transaction.prepare_cached(sql)?;
            last.query_row([], |row| origin_column(row, 0)).optional()
        };
        let decided = last("SELECT origin FROM event_decisions ORDER BY origin DESC LIMIT 1")?;
        let dead = last("SELECT origin FROM dead_letters ORDER BY origin DESC LIMIT 1")?;
        Ok(Self {
            transaction,
            insert_row: transaction.prepare_cached(INSERT_ROW)?,
            now: Stamp::of(now),
            weaker_until: decided.max(dead),
            ledger: Ledger::default(),
        })
    }

    /// Whether a row was inserted.
    fn event(&mut self, item: &StoreEvent) -> rusqlite::Result<bool> {
        let event = &item.event;
        let origin = OriginText::of(&event.origin);
        if self.insert(item, &origin)? {
            let mut restored = item.restored;
            if self.weaker_until.is_some_and(|until| event.origin <= until)
                && (self.drop_decision(&origin)? | self.resolve_letter(&origin)?)
                && !restored
            {
                restored = true;
                self.run("UPDATE raw_events SET restored = 1 WHERE origin = ?1", &origin)?;
            }
            self.ledger.gain(Outcome::Stored, restored);
            return Ok(true);
        }
        match self.origin_of(&event.event_id)? {
            Some(first) if first != event.origin && !self.has_row(&origin)? => {
                self.duplicate(item, &origin, first)?;
            }
            _ => self.ledger.redelivered(),
        }
        Ok(false)
    }

    fn insert(&mut self, item: &StoreEvent, origin: &OriginText) -> rusqlite::Result<bool> {
        let event = &item.event;
        let tags = event.tags.as_ref().map(serde_json::to_string).transpose();
        let tags = tags.map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
        let inserted = self.insert_row.execute(params![
            event.event_id.as_str(),
            origin,
            event.shape.as_str(),
            event.event_type,
            event.user_id,
            event.campaign_id,
            event.geo_country,
            event.device_type,
            event.channel,
            tags,
            Stamp::of(event.created_at),
            Stamp::of(event.received_at),
            event.ip_address,
            event.meta_data.as_deref().map(serde_json::value::RawValue::get),
            item.replay_id,
            item.restored,
            self.now,
        ])?;
        Ok(inserted == 1)
    }

    /// The store's own decision on an id that another origin stored.
    fn duplicate(
        &mut self,
        item: &StoreEvent,
        origin: &OriginText,
        first: Origin,
    ) -> rusqlite::Result<()> {
        let restored = item.restored | self.resolve_letter(origin)?;
        let event = &item.event;
        let inserted = self.transaction.prepare_cached(INSERT_DECISION)?.execute(params![
            origin,
            event.event_id.as_str(),
            Outcome::Duplicate.as_str(),
            format!("already stored by origin {first}"),
            event.ip_address,
            Stamp::of(event.received_at),
            self.now,
            item.replay_id,
            restored,
        ])?;
        self.decided(inserted == 1, event.origin, Outcome::Duplicate, restored);
        Ok(())
    }

    fn decision(
        &mut self,
        decision: &Decision,
        replay_id: Option<&str>,
        restored: bool,
    ) -> rusqlite::Result<()> {
        let origin = OriginText::of(&decision.origin);
        if self.has_row(&origin)? || self.letter(&origin)?.is_some_and(|letter| letter.is_open) {
            self.ledger.redelivered();
            return Ok(());
        }
        let inserted = self.transaction.prepare_cached(INSERT_DECISION)?.execute(params![
            origin,
            decision.event_id.as_str(),
            decision.outcome.as_str(),
            plain(&decision.reason),
            decision.client_ip.as_deref().map(plain),
            Stamp::of(decision.received_at),
            Stamp::of(decision.decided_at),
            replay_id,
            restored,
        ])?;
        self.decided(inserted == 1, decision.origin, decision.outcome, restored);
        Ok(())
    }

    fn decided(&mut self, is_new: bool, origin: Origin, outcome: Outcome, restored: bool) {
        if is_new {
            self.ledger.gain(outcome, restored);
            self.weaker_until = self.weaker_until.max(Some(origin));
        } else {
            self.ledger.redelivered();
        }
    }

    fn dead_letter(&mut self, letter: &DeadLetter) -> rusqlite::Result<()> {
        let origin = OriginText::of(&letter.origin);
        let known = self.letter(&origin)?;
        let failure = &letter.failure;
        let is_new = known.as_ref().is_none_or(|known| {
            (i64::from(letter.redrives), failure.last_failed_at.to_string())
                > (known.redrives, known.last_failed_at.clone())
        });
        if !is_new || self.has_row(&origin)? {
            self.ledger.redelivered();
            return Ok(());
        }
        let was_restored = known.as_ref().is_some_and(|known| known.restored);
        let restored = letter.restored | self.drop_decision(&origin)? | was_restored;
        self.put_letter(letter, &origin, restored)?;
        self.weaker_until = self.weaker_until.max(Some(letter.origin));
        if known.is_some_and(|known| known.is_open) {
            self.ledger.failed_again(was_restored, restored);
        } else {
            self.ledger.gain(Outcome::DeadLettered, restored);
        }
        Ok(())
    }

    fn put_letter(
        &self,
        letter: &DeadLetter,
        origin: &OriginText,
        restored: bool,
    ) -> rusqlite::Result<()> {
        let failure = &letter.failure;
        self.transaction.prepare_cached(PUT_LETTER)?.execute(params![
            origin,
            letter.event_id.as_ref().map(EventId::as_str),
            letter.shape.map(crate::model::Shape::as_str),
            failure.stage.as_str(),
            plain(&failure.reason),
            plain(&failure.error_type),
            failure.attempts,
            Stamp::of(failure.first_failed_at),
            Stamp::of(failure.last_failed_at),
            letter.original.topic.as_str(),
            letter.original.partition.0,
            letter.original_offset.0,
            Stamp::of(letter.received_at),
            letter.client_ip.as_deref().map(plain),
            letter.redrives,
            letter.replay_id,
            restored,
            &letter.key[..],
            &letter.value[..],
        ])?;
        Ok(())
    }

    /// Takes away the decision on an origin that gets a stronger outcome; whether it was restored.
    fn drop_decision(&mut self, origin: &OriginText) -> rusqlite::Result<bool> {
        let dropped = self
            .transaction
            .prepare_cached(
                "DELETE FROM event_decisions WHERE origin = ?1 RETURNING outcome, restored",
            )?
            .query_row([origin], |row| {
                Ok((super::text::parsed(row, 0, "an outcome")?, row.get::<_, bool>(1)?))
            })
            .optional()?;
        if let Some((outcome, restored)) = dropped {
            self.ledger.lose(outcome, restored);
        }
        Ok(dropped.is_some_and(|(_, restored)| restored))
    }

    /// Closes the open dead letter of an origin that got another outcome; whether it was restored.
    fn resolve_letter(&mut self, origin: &OriginText) -> rusqlite::Result<bool> {
        let resolved = self
            .transaction
            .prepare_cached(
                "UPDATE dead_letters SET resolved_at = ?2 WHERE origin = ?1 AND resolved_at IS NULL
                 RETURNING restored",
            )?
            .query_row(params![origin, self.now], |row| row.get::<_, bool>(0))
            .optional()?;
        if let Some(restored) = resolved {
            self.ledger.lose(Outcome::DeadLettered, restored);
        }
        Ok(resolved.unwrap_or(false))
    }

    fn letter(&self, origin: &OriginText) -> rusqlite::Result<Option<Letter>> {
        self.transaction
            .prepare_cached(
                "SELECT redrives, last_failed_at, resolved_at IS NULL, restored
                   FROM dead_letters WHERE origin = ?1",
            )?
            .query_row([origin], |row| {
                Ok(Letter {
                    redrives: row.get(0)?,
                    last_failed_at: row.get(1)?,
                    is_open: row.get(2)?,
                    restored: row.get(3)?,
                })
            })
            .optional()
    }

    /// The origin of the row of that id.
    fn origin_of(&self, id: &EventId) -> rusqlite::Result<Option<Origin>> {
        self.transaction
            .prepare_cached("SELECT origin FROM raw_events WHERE event_id = ?1")?
            .query_row([id.as_str()], |row| origin_column(row, 0))
            .optional()
    }

    fn has_row(&self, origin: &OriginText) -> rusqlite::Result<bool> {
        self.transaction
            .prepare_cached("SELECT 1 FROM raw_events WHERE origin = ?1")?
            .exists([origin])
    }

    fn run(&self, sql: &str, origin: &OriginText) -> rusqlite::Result<()> {
        self.transaction.prepare_cached(sql)?.execute([origin]).map(drop)
    }
}
