//! What the settings of a Postgres do to the store.

use async_trait::async_trait;

use super::failure::{Failure, bounded};
use super::migrations;
use super::pool::Connection;
use super::store::PostgresStore;
use super::values::instant;
use crate::model::Timestamp;
use crate::ports::{Diagnosis, Doctor, Result, Symptom, clock_skew};

#[async_trait]
impl Doctor for PostgresStore {
    async fn examine(&self, now: Timestamp) -> Diagnosis {
        match self.look(now).await {
            Ok(diagnosis) => diagnosis,
            Err(error) => {
                let advice = "start it, or put right postgres.url and postgres.password";
                Diagnosis::unreachable("postgres", self.pool.place(), error.chain(), advice)
            }
        }
    }
}

impl PostgresStore {
    async fn look(&self, now: Timestamp) -> Result<Diagnosis> {
        let mut diagnosis = Diagnosis::reachable("postgres", self.pool.place());
        let mut lease = self.pool.lease("examine").await?;
        let looked = look(&mut lease.connection, &mut diagnosis, now);
        let looked = bounded(Some(self.options.query_timeout), looked).await;
        lease.end(looked).await?;
        Ok(diagnosis)
    }
}

async fn look(
    connection: &mut Connection,
    diagnosis: &mut Diagnosis,
    now: Timestamp,
) -> std::result::Result<(), Failure> {
    let seen = "SELECT current_setting('server_version'), pg_is_in_recovery(),
                       current_setting('fsync') = 'on', current_setting('full_page_writes') = 'on',
                       clock_timestamp()";
    let row = connection.client.query_one(seen, &[]).await?;
    diagnosis.version = Some(row.try_get(0)?);
    if row.try_get(1)? {
        diagnosis.add(Symptom::error(
            "replica",
            "it is a standby: nothing can be stored",
            "name the primary in postgres.url",
        ));
    }
    let (syncs, whole_pages): (bool, bool) = (row.try_get(2)?, row.try_get(3)?);
    if !syncs || !whole_pages {
        diagnosis.add(Symptom::error(
            "not_durable",
            "fsync or full_page_writes is off: a power cut loses rows whose offsets were committed",
            "set both to on",
        ));
    }
    if let Some(symptom) = clock_skew(instant(&row, 4)?, now) {
        diagnosis.add(symptom);
    }
    let due = migrations::due(&connection.client).await?;
    if due > 0 {
        diagnosis.add(Symptom::error(
            "not_migrated",
            format!("{due} steps of its tables are due: nothing can be stored"),
            "run `evp migrate up`",
        ));
    }
    Ok(())
}
