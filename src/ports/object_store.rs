//! The archive's objects: created once, never overwritten.

use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;

use super::Result;

/// What became of a create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// The object is durable under its key.
    New,
    /// The key was taken; what stands there is untouched.
    Exists,
}

/// An object's listing entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Its key, `/`-separated.
    pub key: String,
    /// Its size.
    pub size_bytes: u64,
}

/// A store of immutable objects.
///
/// Promises: `New` means durable; a reader sees a whole object or none. Does not promise
/// directories, nor that a listing shows an object that is being created.
#[async_trait]
pub trait ObjectStore: Debug + Send + Sync + 'static {
    /// Whether [`create`](ObjectStore::create) can refuse a taken key; where not, callers use keys
    /// that say their whole range, and `create` may overwrite an object with the same bytes.
    fn is_create_only(&self) -> bool;

    /// Creates an object.
    ///
    /// # Errors
    /// `Unavailable`, `Full`. After an error the object may exist.
    async fn create(&self, key: &str, content: Bytes) -> Result<Created>;

    /// Reads an object whole.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    async fn get(&self, key: &str) -> Result<Bytes>;

    /// Keys under a prefix in ascending order, after `after`, at most `max`.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list(&self, prefix: &str, after: Option<&str>, max: usize) -> Result<Vec<ObjectMeta>>;

    /// `Ok` when an object could be created now.
    ///
    /// # Errors
    /// As [`create`](ObjectStore::create).
    async fn check(&self) -> Result<()>;
}
