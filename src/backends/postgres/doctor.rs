//! What can be said of a Postgres that is the store.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::connect::Server;
use crate::model::Timestamp;
use crate::ports::{Diagnosis, Doctor, Result, Symptom, clock_skew};
use crate::settings::Postgres;

/// What is asked of the server, in one round trip.
const ASKED: &str = "SELECT name, setting FROM pg_settings WHERE name IN ('server_version', 'fsync', \
    'full_page_writes', 'synchronous_commit', 'max_connections', 'ssl') \
    UNION ALL SELECT 'now', (extract(epoch FROM clock_timestamp()) * 1000)::bigint::text \
    UNION ALL SELECT 'recovery', pg_is_in_recovery()::text \
    UNION ALL SELECT 'table', coalesce(to_regclass('raw_events')::text, '') \
    UNION ALL SELECT 'encrypted', coalesce((SELECT ssl::text FROM pg_stat_ssl \
        WHERE pid = pg_backend_pid()), 'false') \
    UNION ALL SELECT 'local', (inet_server_addr() IS NULL OR inet_server_addr() << '127.0.0.0/8' \
        OR inet_server_addr() = '::1')::text";

/// Looks at Postgres.
#[derive(Debug)]
pub struct PostgresDoctor {
    server: Server,
    connections: usize,
}

impl PostgresDoctor {
    /// Looks at the server of these settings.
    ///
    /// # Errors
    /// `Conflict` for settings that cannot be read.
    pub fn new(settings: &Postgres) -> Result<Self> {
        Ok(Self { server: Server::new(settings)?, connections: settings.max_connections })
    }

    async fn ask(&self) -> Result<BTreeMap<String, String>> {
        let told = |failure: super::failure::Failure| failure.told("examine", &self.server.place);
        let (client, _driver) = self.server.connect().await.map_err(told)?;
        let rows = client.query(ASKED, &[]).await.map_err(|error| told(error.into()))?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }
}

#[async_trait]
impl Doctor for PostgresDoctor {
    async fn examine(&self, now: Timestamp) -> Diagnosis {
        let facts = match self.ask().await {
            Ok(facts) => facts,
            Err(error) => {
                let advice = "start Postgres, or set postgres.url (DB_URL) and postgres.password";
                return Diagnosis::unreachable(
                    "postgres",
                    &self.server.place,
                    error.chain(),
                    advice,
                );
            }
        };
        let mut diagnosis = Diagnosis::reachable("postgres", &self.server.place);
        diagnosis.version = facts.get("server_version").cloned();
        symptoms(&facts, self.connections).into_iter().for_each(|seen| diagnosis.add(seen));
        let theirs = facts.get("now").and_then(|text| text.parse().ok());
        let theirs = theirs.and_then(Timestamp::from_millis);
        if let Some(skew) = theirs.and_then(|theirs| clock_skew(theirs, now)) {
            diagnosis.add(skew);
        }
        diagnosis
    }
}

/// What the server's settings do to the promise.
fn symptoms(facts: &BTreeMap<String, String>, connections: usize) -> Vec<Symptom> {
    let fact = |name: &str| facts.get(name).map_or("", String::as_str);
    let mut seen = Vec::new();
    for name in ["fsync", "full_page_writes"] {
        if fact(name) == "off" {
            seen.push(Symptom::error(
                "not_durable",
                format!(
                    "{name} is off: a power cut can take or damage rows that evp has committed"
                ),
                format!("ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf()"),
            ));
        }
    }
    if fact("synchronous_commit") == "off" {
        seen.push(Symptom::error(
            "commits_before_durable",
            "synchronous_commit is off: a crash takes rows whose offsets are committed already",
            "ALTER SYSTEM SET synchronous_commit = on; SELECT pg_reload_conf()",
        ));
    }
    if fact("recovery") == "true" {
        seen.push(Symptom::error(
            "read_only",
            "it is a standby: nothing can be stored",
            "set postgres.url to the primary (target_session_attrs=read-write)",
        ));
    }
    if fact("table").is_empty() {
        seen.push(Symptom::error(
            "not_migrated",
            "there is no table raw_events in this database",
            "evp migrate up",
        ));
    }
    if fact("encrypted") == "false" && fact("local") == "false" {
        seen.push(Symptom::warning(
            "no_tls",
            "events travel in clear text",
            "set sslmode=verify-full in postgres.url",
        ));
    }
    let most: usize = fact("max_connections").parse().unwrap_or(usize::MAX);
    if connections.saturating_mul(4) > most {
        seen.push(Symptom::warning(
            "few_connections",
            format!("max_connections is {most}, and each process may take {connections}"),
            "raise max_connections, or lower postgres.max_connections",
        ));
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(facts: &[(&str, &str)]) -> Vec<String> {
        let facts = facts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        symptoms(&facts.collect(), 8).into_iter().map(|symptom| symptom.code).collect()
    }

    #[test]
    fn settings_are_judged_by_the_promise() {
        let good = [
            ("fsync", "on"),
            ("full_page_writes", "on"),
            ("synchronous_commit", "on"),
            ("recovery", "false"),
            ("table", "raw_events"),
            ("encrypted", "false"),
            ("local", "true"),
            ("max_connections", "100"),
        ];
        assert!(codes(&good).is_empty());
        let bad = [
            ("fsync", "off"),
            ("synchronous_commit", "off"),
            ("recovery", "true"),
            ("encrypted", "false"),
            ("local", "false"),
            ("max_connections", "20"),
        ];
        assert_eq!(
            codes(&bad),
            [
                "not_durable",
                "commits_before_durable",
                "read_only",
                "not_migrated",
                "no_tls",
                "few_connections"
            ]
        );
    }
}
