//! Reaching Redis: one connection that is made anew when it breaks, each command with a time limit.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::TcpSettings;
use redis::{
    Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, Script, ServerErrorKind, TlsCertificates,
};
use tokio::sync::Mutex;

use crate::ports::{Error, Kind, Result};
use crate::settings::Redis;

/// The oldest Redis whose `SET` has `NX` and `GET` together.
const OLDEST: u64 = 7;

/// A Redis server.
pub(super) struct Link {
    client: Client,
    config: ConnectionManagerConfig,
    /// Host and port, for messages.
    place: String,
    manager: Mutex<Option<ConnectionManager>>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Link {
    /// A server by its settings; nothing is connected yet.
    ///
    /// # Errors
    /// `Conflict` for an address that is none, and for certificates that cannot be read.
    pub(super) fn new(settings: &Redis) -> Result<Self> {
        let info = connection_info(settings)?;
        let place = info.addr().to_string();
        let is_tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        let wrong = |error: RedisError| wrong_settings(&place, error);
        let client = if is_tls {
            let root_cert = settings.tls_ca.as_deref().map(certificates).transpose()?;
            let certificates = TlsCertificates { client_tls: None, root_cert };
            Client::build_with_tls(info, certificates).map_err(wrong)?
        } else {
            Client::open(info).map_err(wrong)?
        };
        // The caller tries again for ever; it is told soon instead of waiting here.
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(50))
            .set_max_delay(Duration::from_millis(500))
            .set_connection_timeout(Some(settings.connect_timeout.0))
            .set_response_timeout(Some(settings.response_timeout.0));
        Ok(Self { client, config, place, manager: Mutex::new(None) })
    }

    /// Runs a command.
    ///
    /// # Errors
    /// `Unavailable`; `Conflict` for a Redis that cannot keep the state.
    pub(super) async fn run<T: FromRedisValue>(&self, what: &str, command: &Cmd) -> Result<T> {
        let mut manager = self.manager(what).await?;
        match command.query_async(&mut manager).await {
            Ok(value) => Ok(value),
            Err(error) => Err(self.failed(what, error).await),
        }
    }

    /// Runs a command that calls the script by its hash, and loads the script where Redis does not
    /// have it.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(super) async fn call<T: FromRedisValue>(
        &self,
        what: &str,
        script: &Script,
        command: &Cmd,
    ) -> Result<T> {
        let mut manager = self.manager(what).await?;
        let answer = match command.query_async(&mut manager).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                match script.load_async(&mut manager).await {
                    Ok(_hash) => command.query_async(&mut manager).await,
                    Err(error) => Err(error),
                }
            }
            answer => answer,
        };
        match answer {
            Ok(value) => Ok(value),
            Err(error) => Err(self.failed(what, error).await),
        }
    }

    /// The connection, made where there is none.
    async fn manager(&self, what: &str) -> Result<ConnectionManager> {
        let mut slot = self.manager.lock().await;
        if let Some(manager) = &*slot {
            return Ok(manager.clone());
        }
        let unavailable = |error| self.error(what, error);
        let made = ConnectionManager::new_with_config(self.client.clone(), self.config.clone());
        let mut manager = made.await.map_err(unavailable)?;
        let info: String =
            redis::cmd("INFO").query_async(&mut manager).await.map_err(unavailable)?;
        self.refuse(&info)?;
        Ok(slot.insert(manager).clone())
    }

    /// Refuses a server that cannot keep the state.
    fn refuse(&self, info: &str) -> Result<()> {
        let of = |name: &str| {
            info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
        };
        let refused = |why: String| {
            Err(Error::new(Kind::Conflict, format!("use redis {}: {why}", self.place)))
        };
        if of("cluster_enabled") == Some("1") {
            return refused("it is a Redis Cluster, and one script spans keys anywhere".to_owned());
        }
        let version = of("redis_version").unwrap_or("0");
        let major = version.split('.').next().and_then(|major| major.parse().ok());
        if major.is_none_or(|major: u64| major < OLDEST) {
            return refused(format!("its version {version} is older than {OLDEST}"));
        }
        Ok(())
    }

    /// The failure for the caller. What is not about input and output may have broken the
    /// connection in ways that the manager does not mend (it keeps a failed login for ever), so it
    /// is given up.
    async fn failed(&self, what: &str, error: RedisError) -> Error {
        if !error.is_io_error() {
            self.manager.lock().await.take();
        }
        self.error(what, error)
    }

    /// Everything that Redis says passes at some time, at the latest when an operator mends it.
    fn error(&self, what: &str, error: RedisError) -> Error {
        Error::new(Kind::Unavailable, format!("{what} redis {}", self.place)).with_source(error)
    }
}

/// A call of a script by its hash; the caller adds the number of keys, keys and arguments.
pub(super) fn call_of(script: &Script, arguments: usize, bytes: usize) -> Cmd {
    let mut command = Cmd::with_capacity(arguments + 3, bytes + 64);
    command.arg("EVALSHA").arg(script.get_hash());
    command
}

fn wrong_settings(
    place: &str,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::new(Kind::Conflict, format!("read the settings of redis {place}")).with_source(error)
}

fn certificates(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| wrong_settings(&path.display().to_string(), error))
}

fn connection_info(settings: &Redis) -> Result<ConnectionInfo> {
    let text = settings.addr.trim();
    let wrong = |why: &str| Error::new(Kind::Conflict, format!("redis.addr: {why}"));
    let parsed = if text.contains("://") {
        text.into_connection_info()
    } else {
        let (host, port) = text.rsplit_once(':').unwrap_or((text, "6379"));
        let port: u16 = port.parse().map_err(|_| wrong("its port is no number"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        ConnectionAddr::Tcp(host.to_owned(), port).into_connection_info()
    };
    let parsed = parsed.map_err(|error| wrong("it is no address").with_source(error))?;
    if parsed.redis_settings().password().is_some() {
        return Err(wrong("a password belongs into redis.password, which is never shown"));
    }
    let addr = match parsed.addr().clone() {
        ConnectionAddr::Tcp(host, port) if settings.tls => {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        }
        ConnectionAddr::TcpTls { insecure: true, .. } => {
            return Err(wrong("#insecure is not taken; redis.tls_ca names who signs"));
        }
        addr => addr,
    };
    let mut login = RedisConnectionInfo::default().set_lib_name("evp", env!("CARGO_PKG_VERSION"));
    let database = match parsed.redis_settings().db() {
        0 => i64::from(settings.database),
        named => named,
    };
    login = login.set_db(database);
    let named = parsed.redis_settings().username().map(str::to_owned);
    if let Some(username) = named.or_else(|| settings.username.clone()) {
        login = login.set_username(username);
    }
    if let Some(password) = &settings.password {
        login = login.set_password(password.expose());
    }
    let silence = settings.response_timeout.0.max(Duration::from_secs(1));
    let tcp = TcpSettings::default().set_nodelay(true).set_user_timeout(silence);
    Ok(parsed.set_addr(addr).set_redis_settings(login).set_tcp_settings(tcp))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Secret;

    fn info(addr: &str, tls: bool) -> Result<ConnectionInfo> {
        let password = Some(Secret::from("hunter2"));
        let settings = Redis { addr: addr.to_owned(), tls, password, ..Redis::default() };
        connection_info(&settings)
    }

    #[test]
    fn addresses_come_as_the_seeds_write_them_and_as_urls() {
        let place = |addr: &str| info(addr, false).unwrap().addr().to_string();
        assert_eq!(place("localhost:6379"), "localhost:6379");
        assert_eq!(place("redis.internal"), "redis.internal:6379");
        assert_eq!(place("[::1]:6380"), "::1:6380");
        let url = info("rediss://user@r.example:7000/3", false).unwrap();
        assert!(matches!(url.addr(), ConnectionAddr::TcpTls { insecure: false, .. }));
        let login = url.redis_settings();
        assert_eq!(
            (login.db(), login.username(), login.password()),
            (3, Some("user"), Some("hunter2"))
        );
        let tls = info("r.example:7000", true).unwrap();
        assert!(matches!(tls.addr(), ConnectionAddr::TcpTls { .. }));
    }

    #[test]
    fn what_is_no_address_or_shows_a_secret_is_refused() {
        for addr in ["host:port", "redis://:pw@h:1", "rediss://h:1#insecure", "http://h"] {
            let error = info(addr, false).unwrap_err();
            assert_eq!(error.kind(), Kind::Conflict, "{addr}");
            assert!(!error.chain().contains("pw"), "{}", error.chain());
        }
    }

    #[test]
    fn a_cluster_and_an_old_redis_are_refused() {
        let link = Link::new(&Redis::default()).unwrap();
        let says = |info: &str| link.refuse(info).map_err(|error| error.kind());
        assert_eq!(says("redis_version:7.0.15\r\ncluster_enabled:0\r\n"), Ok(()));
        assert_eq!(says("redis_version:7.0.15\r\ncluster_enabled:1\r\n"), Err(Kind::Conflict));
        assert_eq!(says("redis_version:6.2.0\r\n"), Err(Kind::Conflict));
        let shown = format!("{link:?}");
        assert!(shown.contains("127.0.0.1:6379"), "{shown}");
    }
}
