//! Asking whether what a role writes to can be used: before its first record, and now and then while
//! nothing comes. Nobody should have to send an event to learn that it could not be judged, archived
//! or stored.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use super::{Feed, Halt};
use crate::ports::Result as PortResult;

/// Between two questions of an idle role. One to an S3 store is a listing that is paid for.
const ASK_EVERY: Duration = Duration::from_secs(10);

impl Feed {
    /// Waits until a check works, for as long as it takes; the role is ready then.
    pub(in crate::roles) async fn open<T, F>(
        &mut self,
        doing: &str,
        check: impl FnMut() -> F,
    ) -> Result<T, Halt>
    where
        F: Future<Output = PortResult<T>>,
    {
        let found = self.insist(doing, check).await?;
        self.asked_at = Instant::now();
        self.voice.ready();
        Ok(found)
    }

    /// Called when idle with nothing in hand: asks again after a while, and waits where the answer is
    /// no, as the role would with its next record.
    pub(in crate::roles) async fn ask<F>(
        &mut self,
        doing: &str,
        check: impl FnMut() -> F,
    ) -> Result<(), Halt>
    where
        F: Future<Output = PortResult<()>>,
    {
        if self.asked_at.elapsed() < ASK_EVERY || self.stop.is_asked() {
            return Ok(());
        }
        self.insist(doing, check).await?;
        self.asked_at = Instant::now();
        Ok(())
    }
}
