//! A few connections, each with its prepared statements.
//!
//! A lease that is dropped closes its connection; only [`Lease::end`] gives it back. So a caller
//! that goes away in the middle of a transaction never hands that transaction to the next one.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinSet;
use tokio_postgres::{Client, Statement};

use super::connect::Server;
use super::failure::Failure;
use super::rows::Straight;
use crate::ports::{Error, Kind, Result};
use crate::settings::Postgres;

/// A session and what is prepared in it.
pub(super) struct Connection {
    /// Speaks to the server.
    pub(super) client: Client,
    statements: HashMap<&'static str, Statement>,
    /// The table that batches are copied into exists.
    pub(super) has_staging: bool,
    /// When batches are copied past it.
    pub(super) straight: Straight,
    _driver: JoinSet<()>,
}

impl Connection {
    /// The statement, prepared once a connection.
    pub(super) async fn statement(
        &mut self,
        sql: &'static str,
    ) -> std::result::Result<Statement, Failure> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }
}

/// The connections of a process.
pub(super) struct Pool {
    server: Server,
    permits: Semaphore,
    idle: Mutex<Vec<Connection>>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("place", &self.server.place).finish_non_exhaustive()
    }
}

impl Pool {
    /// No connection yet.
    ///
    /// # Errors
    /// `Conflict` for settings that name no server.
    pub(super) fn new(settings: &Postgres) -> Result<Self> {
        Ok(Self {
            server: Server::new(settings)?,
            permits: Semaphore::new(settings.max_connections.max(1)),
            idle: Mutex::default(),
        })
    }

    /// Host, port and database, for messages.
    pub(super) fn place(&self) -> &str {
        &self.server.place
    }

    /// A connection, waited for where all are in use.
    ///
    /// # Errors
    /// `Unavailable` where none can be made.
    pub(super) async fn lease(&self, what: &'static str) -> Result<Lease<'_>> {
        let permit = self.permits.acquire().await.map_err(|error| {
            let text = format!("{what} postgres {}: closed", self.server.place);
            Error::new(Kind::Closed, text).with_source(error)
        })?;
        let connection = match self.take() {
            Some(connection) => connection,
            None => {
                let connected = self.server.connect().await;
                let (client, driver) = connected.map_err(|f| self.failed(what, f))?;
                Connection {
                    client,
                    statements: HashMap::new(),
                    has_staging: false,
                    straight: Straight::default(),
                    _driver: driver,
                }
            }
        };
        Ok(Lease { pool: self, what, connection, _permit: permit })
    }

    /// An idle connection that the server has not closed.
    fn take(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|connection| !connection.client.is_closed());
        idle.pop()
    }

    fn put(&self, connection: Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }

    fn failed(&self, what: &str, failure: Failure) -> Error {
        failure.told(what, &self.server.place)
    }
}

/// A connection in use.
pub(super) struct Lease<'p> {
    pool: &'p Pool,
    what: &'static str,
    /// The connection.
    pub(super) connection: Connection,
    _permit: SemaphorePermit<'p>,
}

impl Lease<'_> {
    /// Ends the use: the connection goes back where the work left it clean, or where a rollback
    /// cleans it; else it is closed.
    pub(super) async fn end<T>(self, result: std::result::Result<T, Failure>) -> Result<T> {
        let Self { pool, what, connection, _permit } = self;
        match result {
            Ok(value) => {
                pool.put(connection);
                Ok(value)
            }
            Err(failure) => {
                let is_clean = failure.leaves_connection()
                    && connection.client.batch_execute("ROLLBACK").await.is_ok();
                if is_clean {
                    pool.put(connection);
                }
                Err(pool.failed(what, failure))
            }
        }
    }
}
