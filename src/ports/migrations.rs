//! The tables of a store that keeps them on a server of its own.

use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::Result;
use crate::model::Timestamp;

/// One step of the tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migration {
    /// The version that it leads to; steps go up by one.
    pub version: u32,
    /// What it is about.
    pub name: String,
    /// When it was applied; `None` where it is due.
    pub applied_at: Option<Timestamp>,
}

/// Steps that lead a store's tables to the newest version, forward only.
#[async_trait]
pub trait Migrations: Debug + Send + Sync + 'static {
    /// Every step, applied or due.
    ///
    /// # Errors
    /// `Unavailable`; `Conflict` for tables of a newer evp.
    async fn status(&self) -> Result<Vec<Migration>>;

    /// Applies what is due, all or nothing, and waits for whoever does the same; what was applied.
    ///
    /// # Errors
    /// As [`status`](Self::status).
    async fn up(&self) -> Result<Vec<Migration>>;
}
