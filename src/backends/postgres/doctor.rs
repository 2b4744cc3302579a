//! What can be said of a Postgres that is the store.

use std::collections::BTreeMap;
use std::time::Instant;

use async_trait::async_trait;

use super::connect::Server;
use super::migrations::{self, Standing};
use crate::model::Timestamp;
use crate::ports::{Diagnosis, Doctor, Result, Symptom, clock_skew, time_now};
use crate::settings::Postgres;

/// What is asked of the server, in one round trip.
///
/// What a session of ours finds, and not what it was told: the defaults are `reset_val`.
const ASKED: &str = "SELECT name, reset_val FROM pg_settings WHERE name IN ('server_version', 'fsync', \
    'full_page_writes', 'synchronous_commit', 'max_connections', 'ssl') \
    UNION ALL SELECT 'now', (extract(epoch FROM clock_timestamp()) * 1000)::bigint::text \
    UNION ALL SELECT 'recovery', pg_is_in_recovery()::text \
    UNION ALL SELECT 'encrypted', coalesce((SELECT ssl::text FROM pg_stat_ssl \
        WHERE pid = pg_backend_pid()), 'false') \
    UNION ALL SELECT 'local', (inet_server_addr() IS NULL OR inet_server_addr() << '127.0.0.0/8' \
        OR inet_server_addr() = '::1')::text";

/// Looks at Postgres.
#[derive(Debug)]
pub struct PostgresDoctor {
    server: Server,
    connections: usize,
    creates: bool,
}

impl PostgresDoctor {
    /// Looks at the server of these settings.
    ///
    /// # Errors
    /// `Conflict` for settings that cannot be read.
    pub fn new(settings: &Postgres) -> Result<Self> {
        Ok(Self {
            server: Server::new(settings)?,
            connections: settings.max_connections,
            creates: settings.create_tables,
        })
    }

    async fn ask(&self) -> Result<(BTreeMap<String, String>, Standing)> {
        let told = |failure: super::failure::Failure| failure.told("examine", &self.server.place);
        let (client, _driver) = self.server.connect().await.map_err(told)?;
        let rows = client.query(ASKED, &[]).await.map_err(|error| told(error.into()))?;
        let standing = migrations::standing(&client).await.map_err(told)?;
        Ok((rows.iter().map(|row| (row.get(0), row.get(1))).collect(), standing))
    }
}

#[async_trait]
impl Doctor for PostgresDoctor {
    async fn examine(&self, now: Timestamp) -> Diagnosis {
        let begun = Instant::now();
        let (facts, standing) = match self.ask().await {
            Ok(answer) => answer,
            Err(error) => {
                let (why, place) = (error.chain(), &self.server.place);
                let advice = unreachable_advice(&why);
                return Diagnosis::unreachable("postgres", place, why, advice);
            }
        };
        let mut diagnosis = Diagnosis::reachable("postgres", &self.server.place);
        diagnosis.version = facts.get("server_version").cloned();
        symptoms(&facts, self.connections).into_iter().for_each(|seen| diagnosis.add(seen));
        tables(standing, self.creates).into_iter().for_each(|seen| diagnosis.add(seen));
        let theirs = facts.get("now").and_then(|text| text.parse().ok());
        let theirs = theirs.and_then(Timestamp::from_millis);
        if let Some(skew) = theirs.and_then(|theirs| clock_skew(theirs, time_now(now, begun))) {
            diagnosis.add(skew);
        }
        diagnosis
    }
}

fn unreachable_advice(why: &str) -> &'static str {
    let why = why.to_ascii_lowercase();
    if why.contains("authentication failed") || why.contains("password missing") {
        "set the user and the password in postgres.url (DB_URL), or postgres.password"
    } else if why.contains("certificate") || why.contains("tls") {
        "set sslmode and sslrootcert in postgres.url to what the server has"
    } else if why.contains("database") && why.contains("does not exist") {
        "CREATE DATABASE, or name another in postgres.url (DB_URL)"
    } else {
        "start Postgres, or set postgres.url (DB_URL)"
    }
}

/// How the tables stand to this program.
fn tables(standing: Standing, are_made: bool) -> Option<Symptom> {
    let Standing { version, newest } = standing;
    let up = "evp migrate up";
    if version == newest {
        return None;
    }
    Some(if version > newest {
        Symptom::error(
            "newer_tables",
            format!(
                "the tables are of version {version}, and this evp knows {newest}: it uses none"
            ),
            "run the evp that made them, or a newer one",
        )
    } else if are_made {
        let what = if version == 0 {
            "no tables yet; a worker makes them before its first batch".to_owned()
        } else {
            format!("the tables are of version {version} of {newest}; a worker upgrades them")
        };
        Symptom::note("not_migrated", what, up)
    } else {
        Symptom::error(
            "not_migrated",
            format!("the tables are of version {version}, and this evp needs {newest}: it waits"),
            up,
        )
    })
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
        seen.push(Symptom::note(
            "commits_before_durable",
            "synchronous_commit is off; evp turns it on for its own sessions, others lose what they \
             committed",
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
    use crate::ports::Severity;

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
            ["not_durable", "commits_before_durable", "read_only", "no_tls", "few_connections"]
        );
    }

    #[test]
    fn tables_that_are_made_on_first_use_are_a_note_and_newer_ones_an_error() {
        let of = |version, newest, are_made| {
            tables(Standing { version, newest }, are_made).map(|seen| (seen.code, seen.severity))
        };
        assert_eq!(of(2, 2, true), None);
        let told = |code: &str, severity| Some((code.to_owned(), severity));
        assert_eq!(of(0, 2, true), told("not_migrated", Severity::Note));
        assert_eq!(of(1, 2, false), told("not_migrated", Severity::Error));
        assert_eq!(of(3, 2, true), told("newer_tables", Severity::Error));
    }
}
