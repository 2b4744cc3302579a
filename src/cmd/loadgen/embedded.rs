//! A server for the run: this program's own `serve` as a child, on a free port. As another process it
//! is measured as what it is, and its processor time is its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use crate::cmd::context::Context;
use crate::cmd::error::{CmdError, Kind};

/// A running server; killed where it is dropped without [`Embedded::stop`].
#[derive(Debug)]
pub(super) struct Embedded {
    child: Child,
    address: SocketAddr,
    data_dir: PathBuf,
    /// Whether the directory was made for the run.
    is_ours: bool,
}

/// What a server says of itself.
#[derive(Deserialize)]
struct Told {
    http: SocketAddr,
}

impl Embedded {
    /// Starts one with the settings that this command was given, and waits until it listens.
    pub(super) fn start(context: &Context) -> Result<Self, CmdError> {
        let own = context.globals().data_dir.clone();
        let is_ours = own.is_none();
        let fresh = || std::env::temp_dir().join(format!("evp-loadgen-{}", uuid::Uuid::now_v7()));
        let data_dir = own.unwrap_or_else(fresh);
        let failed = |error| CmdError::caused(Kind::Failed, "cannot start a server", error);
        let mut child = command(context, &data_dir)?.spawn().map_err(failed)?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { child, address, data_dir, is_ours };
        match serde_json::from_str::<Told>(&line) {
            Ok(told) => server.address = told.http,
            // It has said why on stderr, which is ours.
            Err(_) => return Err(CmdError::failed("the server for the run did not start")),
        }
        Ok(server)
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Processor time that it has used so far; 0 where the system does not say.
    pub(super) fn cpu_seconds(&self) -> f64 {
        let path = format!("/proc/{}/stat", self.child.id());
        let text = std::fs::read_to_string(path).unwrap_or_default();
        // After the name, which may have blanks, user and system time are the 12th and 13th field.
        let fields = text.rsplit_once(')').unwrap_or_default().1;
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: f64 = ticks.filter_map(|field| field.parse::<f64>().ok()).sum();
        // Linux tells them in hundredths of a second, whatever the kernel counts in.
        ticks / 100.0
    }

    /// Lets it bring what it accepted to its end, and removes a directory that was made for the run.
    ///
    /// # Errors
    /// Where it does not end well.
    pub(super) fn stop(mut self) -> Result<(), CmdError> {
        // It may have ended by itself, which the wait tells.
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap_or_default();
        let status = self.child.wait()?;
        if status.success() {
            Ok(())
        } else {
            Err(CmdError::failed(format!("the server for the run ended with {status}")))
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // Both say only that it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
        if self.is_ours {
            drop(std::fs::remove_dir_all(&self.data_dir));
        }
    }
}

/// `evp serve` on free ports.
fn command(context: &Context, data_dir: &Path) -> Result<Command, CmdError> {
    let program = std::env::current_exe()
        .map_err(|error| CmdError::caused(Kind::Failed, "cannot find this program", error))?;
    let mut command = Command::new(program);
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    command.args(["-o", "ndjson", "--set", "telemetry.log_level=warn", "--data-dir"]).arg(data_dir);
    let globals = context.globals();
    if let Some(profile) = &globals.profile {
        command.args(["--profile", profile]);
    }
    if let Some(config) = &globals.config {
        command.arg("--config").arg(config);
    }
    if let Some(file) = &globals.env_file {
        command.arg("--env-file").arg(file);
    }
    for set in &globals.set {
        command.args(["--set", set]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    Ok(command)
}
