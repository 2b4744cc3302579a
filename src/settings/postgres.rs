//! How Postgres is reached.

use serde::{Deserialize, Serialize};

use super::{Secret, Span};

/// Postgres: the store of the cluster profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Postgres {
    /// `postgres://user:password@host:port/database?sslmode=…`, with `sslmode` one of `disable`,
    /// `prefer`, `require`, `verify-ca`, `verify-full`, and `sslrootcert` a file. Unset is
    /// `postgres://postgres@127.0.0.1:5432/analytics`.
    pub url: Option<Secret>,
    /// The password, where the URL has none.
    pub password: Option<Secret>,
    /// Whether a worker applies the steps of the tables that are due before its first batch.
    pub create_tables: bool,
    /// Connections at once of one process.
    pub max_connections: usize,
    /// Time for a connection to be made.
    pub connect_timeout: Span,
    /// Time for one statement of a batch.
    pub statement_timeout: Span,
    /// Time for one batch as a whole; past it its connection is given up and the batch repeated.
    pub apply_timeout: Span,
    /// Time that sent bytes may stay unacknowledged before the connection counts as dead.
    pub tcp_user_timeout: Span,
}

impl Postgres {
    /// The URL where none is set.
    pub const DEFAULT_URL: &'static str = "postgres://postgres@127.0.0.1:5432/analytics";
}

impl Default for Postgres {
    fn default() -> Self {
        Self {
            url: None,
            password: None,
            create_tables: true,
            max_connections: 8,
            connect_timeout: Span::from_secs(5),
            statement_timeout: Span::from_secs(30),
            apply_timeout: Span::from_secs(90),
            tcp_user_timeout: Span::from_secs(15),
        }
    }
}
