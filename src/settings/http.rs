//! Sections of what listens: collector, admin, query.

use std::net::SocketAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::units::{ByteSize, Span};

/// Listener and limits of the collector's port.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Address of the collector; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Threads that accept and answer, each with its own listener; 0 is one a core.
    pub threads: usize,
    /// Time for all request headers to arrive.
    pub header_timeout: Span,
    /// Time for a whole body to arrive.
    pub body_timeout: Span,
    /// Time for an answer to be taken by the client.
    pub write_timeout: Span,
    /// Time an idle keep-alive connection stays open.
    pub idle_timeout: Span,
    /// Time requests may wait for their turn before the collector refuses some with 503; 0 is off.
    pub max_queue_delay: Span,
    /// Open connections at once; further ones wait in the kernel's queue.
    pub max_connections: usize,
    /// Bytes of all request headers together.
    pub max_header_bytes: ByteSize,
    /// Bytes of a body as sent, and again once decoded.
    pub max_body_bytes: ByteSize,
    /// How many times larger a decoded body may be than the encoded one.
    pub max_decoded_ratio: u32,
    /// Peers whose `X-Forwarded-For` and `X-Real-IP` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether `GET /metrics` without a query may answer Prometheus text on a public listener.
    pub public_metrics: bool,
    /// Whether the query routes are mounted on the collector's port; always so in `evp serve`.
    pub mount_query: bool,
    /// Bodies of `/health` and of errors as another system gave them.
    pub compat: Compat,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            threads: 0,
            header_timeout: Span::from_secs(10),
            body_timeout: Span::from_secs(30),
            write_timeout: Span::from_secs(30),
            idle_timeout: Span::from_secs(120),
            max_queue_delay: Span(std::time::Duration::from_millis(200)),
            max_connections: 10_000,
            max_header_bytes: ByteSize(32 << 10),
            max_body_bytes: ByteSize(10 << 20),
            max_decoded_ratio: 100,
            trusted_proxies: [IpNet::from(std::net::IpAddr::from([127, 0, 0, 1])), loopback_v6()]
                .to_vec(),
            public_metrics: false,
            mount_query: false,
            compat: Compat::Native,
        }
    }
}

fn loopback_v6() -> IpNet {
    IpNet::from(std::net::IpAddr::V6(std::net::Ipv6Addr::LOCALHOST))
}

/// Whose bodies `/health`, `/ready` and plain errors have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compat {
    /// Ours: JSON everywhere.
    Native,
    /// Seed 000: `/health` is text `OK`.
    #[serde(rename = "seed-000")]
    Seed000,
    /// Seed 001: `/health` is text `OK`, errors are plain lines.
    #[serde(rename = "seed-001")]
    Seed001,
    /// Seed 003: `/health` is `{"status":"ok"}`.
    #[serde(rename = "seed-003")]
    Seed003,
}

/// Listener of metrics, health and admin calls.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Address; where unset, 127.0.0.1 and the role's own port (9600 collector and embedded, 9601
    /// query, 9602 processor, 9603 archiver, 9604 worker, 9605 retrier).
    pub listen: Option<SocketAddr>,
}

/// Listener of the query role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Query {
    /// Address of the query role; unset in `evp serve`, where the collector's port has the routes.
    pub listen: Option<SocketAddr>,
    /// Longest range that statistics answer for.
    pub max_range: Span,
    /// Most rows or groups in one answer.
    pub max_rows: u64,
    /// Distinct users counted exactly up to here, estimated past it.
    pub exact_uniques: u64,
    /// Time for one query.
    pub timeout: Span,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            listen: None,
            max_range: Span::from_secs(20 * 366 * 24 * 3600),
            max_rows: 1000,
            exact_uniques: 1_000_000,
            timeout: Span::from_secs(10),
        }
    }
}
