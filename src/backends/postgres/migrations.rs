//! The tables, step by step: forward only, safe to run twice and from several places at once.
//!
//! All steps that are due are one transaction under a lock, so that a database is at one version or
//! at the next and never between.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tokio_postgres::Client;

use super::failure::Failure;
use super::pool::Pool;
use super::values::{Stamp, instant};
use crate::model::Timestamp;
use crate::ports::{Clock, Error, Kind, Migration, Migrations, Result};
use crate::settings::Postgres;

/// The steps; position + 1 is the version after it.
const STEPS: &[(&str, &str)] =
    &[("tables", include_str!("../../../migrations/postgres/0001_tables.sql"))];

/// Name of the lock: `evpsteps` read as a number.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7311146996446162035)";

const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS evp_migrations (
        version    integer NOT NULL PRIMARY KEY,
        name       text NOT NULL,
        applied_at timestamptz NOT NULL
    )";

/// The migrations of a Postgres.
pub struct PostgresMigrations {
    pool: Pool,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for PostgresMigrations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresMigrations").field("pool", &self.pool).finish_non_exhaustive()
    }
}

impl PostgresMigrations {
    /// Those of the server of the settings.
    ///
    /// # Errors
    /// `Conflict` for settings that name no server.
    pub fn open(settings: &Postgres, clock: Arc<dyn Clock>) -> Result<Arc<Self>> {
        Ok(Arc::new(Self { pool: Pool::new(settings)?, clock }))
    }
}

#[async_trait]
impl Migrations for PostgresMigrations {
    async fn status(&self) -> Result<Vec<Migration>> {
        steps(&self.pool).await
    }

    async fn up(&self) -> Result<Vec<Migration>> {
        apply_due(&self.pool, self.clock.now()).await
    }
}

/// Every step, applied or due.
pub(super) async fn steps(pool: &Pool) -> Result<Vec<Migration>> {
    let lease = pool.lease("read the migrations of").await?;
    let done = done(&lease.connection.client).await;
    let done = lease.end(done).await?;
    refuse_newer(pool, &done)?;
    Ok(all(&done))
}

/// Applies what is due; what that was.
pub(super) async fn apply_due(pool: &Pool, now: Timestamp) -> Result<Vec<Migration>> {
    let lease = pool.lease("migrate").await?;
    let made = up(&lease.connection.client, Stamp(now)).await;
    let done = lease.end(made).await?;
    refuse_newer(pool, &done.before)?;
    Ok(all(&done.after).into_iter().skip(done.before.len()).collect())
}

/// Versions with the time at which each was applied.
type Done = Vec<(i32, Stamp)>;

struct Made {
    before: Done,
    after: Done,
}

async fn up(client: &Client, now: Stamp) -> std::result::Result<Made, Failure> {
    client.batch_execute("BEGIN; SET LOCAL statement_timeout = 0").await?;
    client.batch_execute(LOCK).await?;
    client.batch_execute(TABLE).await?;
    let before = read(client).await?;
    for (at, (name, sql)) in STEPS.iter().enumerate().skip(before.len()) {
        client.batch_execute(sql).await?;
        let version = i32::try_from(at + 1).unwrap_or(i32::MAX);
        let note = "INSERT INTO evp_migrations (version, name, applied_at) VALUES ($1, $2, $3)";
        client.execute(note, &[&version, name, &now]).await?;
    }
    let after = read(client).await?;
    client.batch_execute("COMMIT").await?;
    Ok(Made { before, after })
}

/// How the tables of a database stand to this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// Of what version they are; 0 where there are none.
    pub(super) version: usize,
    /// The version that this program knows.
    pub(super) newest: usize,
}

/// Looks, and refuses nothing.
pub(super) async fn standing(client: &Client) -> std::result::Result<Standing, Failure> {
    Ok(Standing { version: version(&done(client).await?), newest: STEPS.len() })
}

async fn done(client: &Client) -> std::result::Result<Done, Failure> {
    let there = "SELECT to_regclass('evp_migrations') IS NOT NULL";
    if client.query_one(there, &[]).await?.try_get(0)? {
        read(client).await
    } else {
        Ok(Vec::new())
    }
}

async fn read(client: &Client) -> std::result::Result<Done, Failure> {
    let all = "SELECT version, applied_at FROM evp_migrations ORDER BY version";
    let rows = client.query(all, &[]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, Stamp(instant(row, 1)?)))).collect()
}

/// The newest version that was applied.
fn version(done: &Done) -> usize {
    done.last().map_or(0, |(version, _)| usize::try_from(*version).unwrap_or(usize::MAX))
}

/// A database of a newer evp is left alone.
fn refuse_newer(pool: &Pool, done: &Done) -> Result<()> {
    let version = version(done);
    if version <= STEPS.len() {
        return Ok(());
    }
    let text = format!(
        "the tables in postgres {} are of version {version}, made by a newer evp, and this one knows \
         {}: run the newer evp",
        pool.place(),
        STEPS.len()
    );
    Err(Error::new(Kind::Conflict, text))
}

fn all(done: &Done) -> Vec<Migration> {
    STEPS
        .iter()
        .enumerate()
        .map(|(at, (name, _))| Migration {
            version: u32::try_from(at + 1).unwrap_or(u32::MAX),
            name: (*name).to_owned(),
            applied_at: done.get(at).map(|(_, stamp)| stamp.0),
        })
        .collect()
}
