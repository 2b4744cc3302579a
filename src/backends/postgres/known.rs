//! What the store knows of a batch's origins before the batch is ruled on.

use std::collections::{HashMap, HashSet};

use super::failure::Failure;
use super::pool::Connection;
use super::values::{Id, event_id, ids, instant, origin, parsed, small};
use crate::model::{EventId, Origin, Outcome, Timestamp};
use crate::ports::{SinkBatch, StoreEvent};

/// A decision that stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decided {
    pub(super) outcome: Outcome,
    pub(super) restored: bool,
    /// Its place among this batch's own decisions; `None` where the store has it.
    pub(super) fresh: Option<usize>,
}

/// A dead letter that stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Letter {
    pub(super) redrives: u32,
    pub(super) last_failed_at: Timestamp,
    pub(super) is_open: bool,
    pub(super) restored: bool,
    /// Its place among this batch's own letters; `None` where the store has it.
    pub(super) fresh: Option<usize>,
}

/// What is known of ids and origins.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The origin of the row of an id.
    pub(super) rows: HashMap<EventId, Origin>,
    /// Origins that have a row.
    pub(super) stored: HashSet<Origin>,
    pub(super) decisions: HashMap<Origin, Decided>,
    pub(super) letters: HashMap<Origin, Letter>,
}

impl Known {
    /// A row stands.
    pub(super) fn add_row(&mut self, id: &EventId, origin: Origin) {
        self.rows.insert(id.clone(), origin);
        self.stored.insert(origin);
    }

    /// Reads all that the batch can meet. `open` are its events that were not inserted at first.
    pub(super) async fn read(
        connection: &mut Connection,
        batch: &SinkBatch,
        open: &[&StoreEvent],
    ) -> Result<Self, Failure> {
        let mut known = Self::default();
        let ids: Vec<&str> = open.iter().map(|item| item.event.event_id.as_str()).collect();
        let decided = batch.decisions.iter().map(|(decision, ..)| decision.origin);
        let failed = batch.dead_letters.iter().map(|letter| letter.origin);
        let others: Vec<Origin> = decided.chain(failed).collect();
        let origins: Vec<Origin> =
            open.iter().map(|item| item.event.origin).chain(others.iter().copied()).collect();
        if !origins.is_empty() {
            known.read_rows(connection, &ids, &origins).await?;
        }
        known.read_weaker(connection, batch, &others).await?;
        Ok(known)
    }

    /// Reads the rows of ids and of origins.
    pub(super) async fn read_rows(
        &mut self,
        connection: &mut Connection,
        wanted: &[&str],
        origins: &[Origin],
    ) -> Result<(), Failure> {
        let rows = connection
            .statement(
                "SELECT event_id, origin FROM raw_events WHERE event_id = ANY($1)
                 UNION ALL
                 SELECT event_id, origin FROM raw_events WHERE origin = ANY($2)",
            )
            .await?;
        let found = connection.client.query(&rows, &[&wanted, &ids(origins)]).await?;
        for row in &found {
            self.add_row(&event_id(row, 0)?, origin(row, 1)?);
        }
        Ok(())
    }

    /// Reads decisions and dead letters of the batch's origins. Origins are minted in order, so most
    /// batches lie beyond all of them and nothing is searched.
    async fn read_weaker(
        &mut self,
        connection: &mut Connection,
        batch: &SinkBatch,
        others: &[Origin],
    ) -> Result<(), Failure> {
        let last = connection
            .statement(
                "SELECT (SELECT origin FROM event_decisions ORDER BY origin DESC LIMIT 1),
                        (SELECT origin FROM dead_letters ORDER BY origin DESC LIMIT 1)",
            )
            .await?;
        let last = connection.client.query_one(&last, &[]).await?;
        let until = |column| -> Result<Option<Origin>, Failure> {
            Ok(last.try_get::<_, Option<Id>>(column)?.map(|id| id.0))
        };
        let (decided, dead) = (until(0)?, until(1)?);
        let within = |until: Option<Origin>| -> Vec<Id> {
            let events = batch.events.iter().map(|item| &item.event.origin);
            let reached = |origin: &&Origin| until.is_some_and(|until| **origin <= until);
            ids(events.chain(others).filter(reached))
        };
        self.read_decisions(connection, &within(decided)).await?;
        self.read_letters(connection, &within(dead)).await
    }

    async fn read_decisions(
        &mut self,
        connection: &mut Connection,
        origins: &[Id],
    ) -> Result<(), Failure> {
        if origins.is_empty() {
            return Ok(());
        }
        let decisions = connection
            .statement(
                "SELECT origin, outcome, restored FROM event_decisions WHERE origin = ANY($1)",
            )
            .await?;
        for row in &connection.client.query(&decisions, &[&origins]).await? {
            let outcome = parsed(row, 1, "an outcome")?;
            let decided = Decided { outcome, restored: row.try_get(2)?, fresh: None };
            self.decisions.insert(origin(row, 0)?, decided);
        }
        Ok(())
    }

    async fn read_letters(
        &mut self,
        connection: &mut Connection,
        origins: &[Id],
    ) -> Result<(), Failure> {
        if origins.is_empty() {
            return Ok(());
        }
        let letters = connection
            .statement(
                "SELECT origin, redrives, last_failed_at, resolved_at IS NULL, restored
                   FROM dead_letters WHERE origin = ANY($1)",
            )
            .await?;
        for row in &connection.client.query(&letters, &[&origins]).await? {
            let letter = Letter {
                redrives: small(row, 1)?,
                last_failed_at: instant(row, 2)?,
                is_open: row.try_get(3)?,
                restored: row.try_get(4)?,
                fresh: None,
            };
            self.letters.insert(origin(row, 0)?, letter);
        }
        Ok(())
    }
}
