//! Where a server can be reached: `listen.json` for programs, a few lines for people.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cmd::context::Context;
use crate::cmd::error::{CmdError, Kind};
use crate::model::Timestamp;
use crate::roles::Role;
use crate::roles::launch::RoleSet;

use super::Plan;
use super::sockets::AdminSockets;

/// Its name in the data directory.
pub(super) const FILE: &str = "listen.json";

/// Where a server can be reached; addresses are those bound.
#[derive(Debug, Serialize)]
pub(super) struct Listening {
    pid: u32,
    version: &'static str,
    started_at: Timestamp,
    roles: Vec<&'static str>,
    data_dir: PathBuf,
    /// The collector.
    http: Option<SocketAddr>,
    /// The query role's own listener.
    query: Option<SocketAddr>,
    /// Metrics and health.
    admin: Option<SocketAddr>,
}

impl Listening {
    pub(super) fn of(
        set: &RoleSet,
        plan: &Plan,
        sockets: &AdminSockets,
        directory: &Path,
        started_at: Timestamp,
    ) -> Self {
        let addresses = set.addresses();
        let mut roles = set.roles();
        // On the collector's port the query role has no task of its own, but it answers.
        if plan.roles.contains(&Role::Query) && !roles.contains(&Role::Query) {
            roles.push(Role::Query);
        }
        let of = |role| addresses.iter().find(|(of, _)| *of == role).map(|(_, address)| *address);
        Self {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION"),
            started_at,
            roles: roles.iter().copied().map(Role::as_str).collect(),
            data_dir: directory.canonicalize().unwrap_or_else(|_| directory.to_owned()),
            http: of(Role::Collector),
            query: of(Role::Query),
            admin: sockets.address(),
        }
    }

    /// Writes `listen.json`, whole or not at all.
    pub(super) fn write(&self, directory: &Path) -> Result<(), CmdError> {
        let path = directory.join(FILE);
        let new = directory.join(".listen.json.new");
        let write = || -> io::Result<()> {
            let mut file = File::create(&new)?;
            serde_json::to_writer_pretty(&mut file, self)?;
            file.write_all(b"\n")?;
            std::fs::rename(&new, &path)
        };
        let what = || format!("cannot write {}", path.display());
        write().map_err(|error| CmdError::caused(Kind::Failed, what(), error))
    }

    /// Tells it: lines for people on a terminal, a log line elsewhere, and on stdout the same as
    /// `listen.json` where JSON was asked for.
    pub(super) fn tell(&self, context: &Context) -> Result<(), CmdError> {
        if context.ui.output().is_machine() {
            context.ui.ndjson([self])?;
        }
        if io::stderr().is_terminal() {
            context.ui.note(self.banner());
        } else {
            let text = |address: Option<SocketAddr>| address.map(tracing::field::display);
            tracing::info!(
                http = text(self.http),
                query = text(self.query),
                admin = text(self.admin),
                data_dir = %self.data_dir.display(),
                roles = self.roles.join(","),
                "listening"
            );
        }
        Ok(())
    }

    fn banner(&self) -> String {
        let mut lines = vec![format!("evp {}: {}", self.version, self.roles.join(", "))];
        if let Some(http) = self.http {
            lines.push(format!("  events   http://{http}"));
        }
        if let Some(query) = self.query {
            lines.push(format!("  query    http://{query}"));
        }
        if let Some(admin) = self.admin {
            lines.push(format!("  metrics  http://{admin}/metrics"));
        }
        lines.push(format!("  data     {}", self.data_dir.display()));
        if let Some(http) = self.http {
            let event = r#"{"event_type":"click","user_id":"u1","campaign_id":"c1"}"#;
            lines.push(format!("  try      curl -d '{event}' http://{http}/event"));
        }
        lines.join("\n")
    }
}
