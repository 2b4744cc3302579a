//! Whether the tables are those that this program reads and writes: made on first use by whoever
//! stores, waited for by whoever answers, and left alone where a newer evp made them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::migrations;
use super::pool::Pool;
use crate::ports::{Clock, Error, Kind, Result};

/// What is known of the tables.
#[derive(Debug)]
pub(super) struct Tables {
    /// Whether due steps are applied on first use.
    create: bool,
    clock: Arc<dyn Clock>,
    /// They were seen to be right.
    are_known: AtomicBool,
}

impl Tables {
    pub(super) fn new(create: bool, clock: Arc<dyn Clock>) -> Self {
        Self { create, clock, are_known: AtomicBool::new(false) }
    }

    /// Makes sure of them before the first batch, and again once a table was missed.
    ///
    /// # Errors
    /// As [`look`](Self::look); `Unavailable` where they cannot be made.
    pub(super) async fn prepare(&self, pool: &Pool) -> Result<()> {
        if self.are_known.load(Ordering::Acquire) {
            return Ok(());
        }
        if !self.create {
            return self.look(pool).await;
        }
        let made = migrations::apply_due(pool, self.clock.now()).await?;
        for step in made {
            tracing::info!(version = step.version, name = step.name, "step of the tables applied");
        }
        self.are_known.store(true, Ordering::Release);
        Ok(())
    }

    /// Changes nothing.
    ///
    /// # Errors
    /// `Unavailable` where steps are due; `Conflict` for tables of a newer evp.
    pub(super) async fn look(&self, pool: &Pool) -> Result<()> {
        let steps = migrations::steps(pool).await?;
        let due = steps.iter().filter(|step| step.applied_at.is_none()).count();
        if due > 0 {
            let (version, newest) = (steps.len() - due, steps.len());
            let text = format!(
                "the tables in postgres {} are of version {version}, and this evp needs {newest} \
                 (`evp migrate up` makes them)",
                pool.place()
            );
            return Err(Error::new(Kind::Unavailable, text));
        }
        self.are_known.store(true, Ordering::Release);
        Ok(())
    }

    /// A table was missed: what was known no longer holds.
    pub(super) fn forget(&self) {
        self.are_known.store(false, Ordering::Release);
    }
}
