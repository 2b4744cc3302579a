//! How Redis is reached.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Secret, Span};

/// Redis: marks, rates and rules of the cluster profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Redis {
    /// `host:port`, or a URL `redis://host:port/db` or `rediss://…` without a password in it.
    pub addr: String,
    /// Name to log in with; unset is Redis' default user.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// Number of the database; a URL's own comes before it.
    pub database: u16,
    /// Whether to speak TLS; `rediss://` says it too.
    pub tls: bool,
    /// File with the certificates (PEM) that sign the server's; unset are the public ones.
    pub tls_ca: Option<PathBuf>,
    /// Time for a connection to be made.
    pub connect_timeout: Span,
    /// Time for one answer.
    pub response_timeout: Span,
}

impl Default for Redis {
    fn default() -> Self {
        Self {
            addr: "127.0.0.1:6379".to_owned(),
            username: None,
            password: None,
            database: 0,
            tls: false,
            tls_ca: None,
            connect_timeout: Span::from_secs(2),
            response_timeout: Span::from_secs(5),
        }
    }
}
