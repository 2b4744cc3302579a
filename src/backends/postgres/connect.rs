//! Settings to one connection: the URL with all that libpq allows in `sslmode`, and what every
//! session is told first.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio::task::JoinSet;
use tokio_postgres::config::{Host, SslMode as ServerSslMode};
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failure::{Failure, bounded};
use super::tls::{self, SslMode};
use crate::ports::{Error, Kind, Result};
use crate::settings::Postgres;

/// What every session is told: our instants are UTC, plans of small statements are not compiled,
/// a transaction that its client forgot ends, and a commit is durable when it returns, since the
/// broker's offsets move after it.
const SESSION: &str = "
    SET TimeZone = 'UTC';
    SET jit = off;
    SET idle_in_transaction_session_timeout = '60s';
    SELECT set_config('synchronous_commit', 'on', false)
     WHERE current_setting('synchronous_commit') = 'off';";

/// How a server is reached.
pub(super) struct Server {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    connect_timeout: Duration,
    session: String,
    /// Host, port and database, for messages.
    pub(super) place: String,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Server {
    /// By the settings; nothing is connected yet.
    ///
    /// # Errors
    /// `Conflict` for a URL that cannot be read.
    pub(super) fn new(settings: &Postgres) -> Result<Self> {
        let url = settings.url.as_ref().map_or(Postgres::DEFAULT_URL, |url| url.expose());
        let parts = split(url)?;
        let mut config: Config =
            parts.rest.parse().map_err(|error| wrong("cannot be read").with_source(error))?;
        if config.get_password().is_none()
            && let Some(password) = &settings.password
        {
            config.password(password.expose());
        }
        let silence = settings.tcp_user_timeout.0;
        config
            .application_name("evp")
            .connect_timeout(settings.connect_timeout.0)
            .tcp_user_timeout(silence)
            .keepalives(true)
            .keepalives_idle(silence)
            .keepalives_interval((silence / 3).max(Duration::from_secs(1)))
            .keepalives_retries(3)
            .ssl_mode(match parts.mode {
                SslMode::Disable => ServerSslMode::Disable,
                SslMode::Prefer => ServerSslMode::Prefer,
                _ => ServerSslMode::Require,
            });
        let tls = tls::connector(parts.mode, parts.root.as_ref())?;
        let limit = settings.statement_timeout.0.as_millis();
        let session = format!("SET statement_timeout = {limit};{SESSION}");
        let place = place(&config);
        Ok(Self { config, tls, connect_timeout: settings.connect_timeout.0, session, place })
    }

    /// A session. The task that drives it ends with the set.
    pub(super) async fn connect(&self) -> std::result::Result<(Client, JoinSet<()>), Failure> {
        bounded(Some(self.connect_timeout * 2), async {
            let mut driver = JoinSet::new();
            let client = match &self.tls {
                None => {
                    let (client, connection) = self.config.connect(NoTls).await?;
                    driver.spawn(drive(connection));
                    client
                }
                Some(tls) => {
                    let (client, connection) = self.config.connect(tls.clone()).await?;
                    driver.spawn(drive(connection));
                    client
                }
            };
            client.batch_execute(&self.session).await?;
            Ok((client, driver))
        })
        .await
    }
}

async fn drive(connection: impl Future<Output = std::result::Result<(), tokio_postgres::Error>>) {
    if let Err(error) = connection.await {
        // Whoever uses the connection is told by its own call.
        tracing::debug!(error = %error, "connection to postgres ended");
    }
}

fn place(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        Some(Host::Unix(path)) => path.display().to_string(),
        None => "localhost".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    format!("{host}:{port}/{}", config.get_dbname().unwrap_or("postgres"))
}

/// A URL without what is read here.
struct Parts {
    rest: String,
    mode: SslMode,
    root: Option<PathBuf>,
}

/// Takes `sslmode` and `sslrootcert` out of a URL or of `key=value` words.
fn split(url: &str) -> Result<Parts> {
    let mut parts = Parts { rest: String::new(), mode: SslMode::Prefer, root: None };
    let is_url = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let (head, tail, mark) = if is_url {
        let (head, tail) = url.split_once('?').unwrap_or((url, ""));
        (head, tail, '&')
    } else {
        ("", url, ' ')
    };
    let mut kept: Vec<&str> = Vec::new();
    for word in tail.split(mark).filter(|word| !is_url || !word.is_empty()) {
        match word.split_once('=') {
            Some(("sslmode", mode)) => {
                parts.mode = SslMode::of(mode).ok_or_else(|| {
                    wrong(
                        "has an unknown sslmode; disable, prefer, require, verify-ca, verify-full",
                    )
                })?;
            }
            Some(("sslrootcert", path)) => {
                let path = percent_decode_str(path).decode_utf8_lossy();
                parts.root = Some(PathBuf::from(path.as_ref()));
            }
            _ => kept.push(word),
        }
    }
    parts.rest = kept.join(&mark.to_string());
    if is_url {
        let mark = if kept.is_empty() { "" } else { "?" };
        parts.rest = format!("{head}{mark}{}", parts.rest);
    }
    Ok(parts)
}

/// What is wrong with the URL, which itself is a secret.
fn wrong(why: &str) -> Error {
    Error::new(Kind::Conflict, format!("postgres.url {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Secret;

    fn server(url: &str) -> Result<Server> {
        Server::new(&Postgres { url: Some(Secret::from(url)), ..Postgres::default() })
    }

    #[test]
    fn every_sslmode_of_libpq_is_taken() {
        let seed = "postgres://postgres:password@localhost:5432/analytics?sslmode=disable";
        let parts = split(seed).unwrap();
        assert_eq!(parts.mode, SslMode::Disable);
        assert_eq!(parts.rest, "postgres://postgres:password@localhost:5432/analytics");
        let full = "postgresql://h/d?sslmode=verify-full&application_name=x&sslrootcert=%2Fca.pem";
        let parts = split(full).unwrap();
        assert_eq!(parts.mode, SslMode::VerifyFull);
        assert_eq!(parts.rest, "postgresql://h/d?application_name=x");
        assert_eq!(parts.root, Some(PathBuf::from("/ca.pem")));
        let words = split("host=h sslmode=require password='a  b'").unwrap();
        assert_eq!((words.mode, &words.rest[..]), (SslMode::Require, "host=h password='a  b'"));
        assert_eq!(split("postgres://h/d").unwrap().mode, SslMode::Prefer);
    }

    #[test]
    fn a_server_is_named_without_its_secrets() {
        let seed = "postgres://postgres:hunter2@db.example:6543/analytics?sslmode=verify-full";
        assert_eq!(server(seed).unwrap().place, "db.example:6543/analytics");
        assert_eq!(Server::new(&Postgres::default()).unwrap().place, "127.0.0.1:5432/analytics");
        for url in ["postgres://u:hunter2@h/d?sslmode=maybe", "postgres://u:hunter2@h/d?x=1"] {
            let Err(error) = server(url) else { panic!("{url}") };
            assert_eq!(error.kind(), Kind::Conflict);
            assert!(!error.chain().contains("hunter2"), "{}", error.chain());
        }
        let missing = server("postgres://h/d?sslmode=verify-full&sslrootcert=/no/such/file");
        assert!(missing.is_err_and(|error| error.chain().contains("/no/such/file")));
    }
}
