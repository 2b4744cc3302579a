//! The store: its connections, and the snapshot that each answer reads.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Client;

use super::failure::Failure;
use super::pool::Pool;
use super::tables::Tables;
use crate::ports::{self, Clock};
use crate::settings::Postgres;

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Distinct users counted exactly, a count; beyond it a sketch estimates.
    pub exact_uniques: u64,
    /// How long one answer may take. Audits are not bounded.
    pub query_timeout: Duration,
    /// Tells when rows are stored and letters resolved.
    pub clock: Arc<dyn Clock>,
}

/// The store on Postgres: `Sink` and `Store`.
#[derive(Debug)]
pub struct PostgresStore {
    pub(super) pool: Pool,
    pub(super) tables: Tables,
    pub(super) options: Options,
    pub(super) apply_timeout: Duration,
}

/// How long an answer may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// The query time-out.
    Query,
    /// As long as its caller waits.
    Caller,
}

/// Time above the server's own limit after which a silent server is given up.
const SILENCE: Duration = Duration::from_secs(5);

impl PostgresStore {
    /// A store by the settings; connects with the first call. Its tables are made before the first
    /// batch where the settings say so, else by [`PostgresMigrations`](super::PostgresMigrations).
    ///
    /// # Errors
    /// `Conflict` for settings that name no server.
    pub fn open(settings: &Postgres, options: Options) -> ports::Result<Arc<Self>> {
        let pool = Pool::new(settings)?;
        let tables = Tables::new(settings.create_tables, Arc::clone(&options.clock));
        Ok(Arc::new(Self { pool, tables, options, apply_timeout: settings.apply_timeout.0 }))
    }

    /// How long one statement of an answer may take.
    pub(super) fn limit(&self, bound: Bound) -> Option<Duration> {
        (bound == Bound::Query).then_some(self.options.query_timeout)
    }
}

/// How long the client waits where the server may take `limit` a statement.
pub(super) fn patience(limit: Option<Duration>) -> Option<Duration> {
    limit.map(|limit| limit + SILENCE)
}

/// Begins to read one consistent state, each statement within the limit.
pub(super) async fn begin(client: &Client, limit: Option<Duration>) -> Result<(), Failure> {
    let limit = limit.map_or(0, |limit| limit.as_millis().max(1));
    let begin = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = {limit}"
    );
    Ok(client.batch_execute(&begin).await?)
}
