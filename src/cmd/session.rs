//! Reaching the data: through the process that owns the directory, or by owning it.
//!
//! A data directory has one owner. Where a server owns it, jobs are asked of that server through
//! `admin.sock`; where nobody does, the command takes the directory for itself. Where another
//! command holds it, this one waits a little.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::jobs::{Job, JobContext, ProgressSink};
use crate::roles::RoleDeps;
use crate::roles::launch;
use crate::runtime::health::Health;
use crate::runtime::shutdown::CancellationToken;
use crate::settings::Settings;
use crate::wire::{self, OpenMode, WireError, Wired};

use super::admin::Owner;
use super::context::Context;
use super::error::{CmdError, Kind};
use super::server;

/// How long a command waits for another's end, or for a server that is starting.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long one attempt to own the directory waits before the server is looked for again.
const ATTEMPT: Duration = Duration::from_millis(200);

/// How loud the parts of the pipeline are in a command.
const LOG_LEVEL: &str = "warn";

/// A way to run jobs on a data directory.
#[derive(Debug)]
pub struct Session(Reach);

#[derive(Debug)]
enum Reach {
    /// The server that owns it is asked.
    Remote(Owner),
    /// This process owns it.
    Local(Box<Owned>),
}

#[derive(Debug)]
struct Owned {
    context: JobContext,
    wired: Wired,
}

impl Session {
    /// Reaches the data directory of the settings.
    ///
    /// # Errors
    /// Exit 1 where there is no such directory or somebody else holds it and cannot be asked.
    pub async fn open(context: &Context) -> Result<Self, CmdError> {
        let settings = context.settings()?;
        let until = Instant::now() + PATIENCE;
        loop {
            if settings.backend.needs_directory()
                && let Some(owner) = Owner::find(&settings.data_dir)
            {
                return Ok(Self(Reach::Remote(owner)));
            }
            match own(Arc::clone(&settings)).await? {
                Ok(wired) => {
                    context.start_logs(&settings.telemetry, LOG_LEVEL)?;
                    let ports = wired.ports.clone();
                    let context = JobContext { ports, settings };
                    return Ok(Self(Reach::Local(Box::new(Owned { context, wired }))));
                }
                Err(WireError::Locked { .. }) if Instant::now() < until => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether nothing but this command works on the data: it owns the directory that they lie in.
    /// On a cluster other processes do, whoever asks.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        matches!(&self.0, Reach::Local(owned) if owned.context.settings.backend.needs_directory())
    }

    /// Whether jobs run in the server that owns the directory.
    #[must_use]
    pub const fn is_remote(&self) -> bool {
        matches!(self.0, Reach::Remote(_))
    }

    /// Runs a job to its end.
    ///
    /// # Errors
    /// What the job failed with.
    pub async fn run<J: Job>(
        &self,
        request: J::Request,
        progress: &dyn ProgressSink,
        cancel: CancellationToken,
    ) -> Result<J::Response, CmdError> {
        match &self.0 {
            Reach::Remote(owner) => owner.run::<J>(&request, progress, cancel).await,
            Reach::Local(owned) => Ok(J::run(&owned.context, request, progress, cancel).await?),
        }
    }

    /// Runs the roles until everything in the topics has ended, on a directory that no server
    /// works on; nothing where one does, or where the roles are processes of a cluster.
    ///
    /// # Errors
    /// What a role failed with.
    pub async fn drain(&self, cancel: CancellationToken) -> Result<(), CmdError> {
        let Reach::Local(owned) = &self.0 else { return Ok(()) };
        if !self.is_alone() {
            return Ok(());
        }
        let JobContext { ports, settings } = owned.context.clone();
        let deps = RoleDeps { ports, settings, health: Health::new() };
        Ok(launch::drain(&deps, cancel).await?)
    }

    /// Ends the session: what it holds is made durable and given up.
    ///
    /// # Errors
    /// None today; a directory's keeper may have some.
    pub async fn close(self) -> Result<(), CmdError> {
        if let Reach::Local(owned) = self.0 {
            drop(owned.context);
            server::close(owned.wired).await;
        }
        Ok(())
    }
}

/// Tries to own the directory. No command but `serve` makes one.
async fn own(settings: Arc<Settings>) -> Result<Result<Wired, WireError>, CmdError> {
    let mode = OpenMode { create: false, lock_wait: ATTEMPT, instance: None };
    tokio::task::spawn_blocking(move || wire::open(&settings, &mode))
        .await
        .map_err(|error| CmdError::new(Kind::Bug, error))
}
