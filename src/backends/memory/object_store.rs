//! Objects in a map.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use crate::ports::{Created, Error, Kind, ObjectMeta, ObjectStore, Result};

/// Objects that live as long as the value.
#[derive(Debug, Default)]
pub struct MemoryObjectStore {
    objects: Mutex<BTreeMap<String, Bytes>>,
}

impl MemoryObjectStore {
    /// Nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ObjectStore for MemoryObjectStore {
    fn is_create_only(&self) -> bool {
        true
    }

    async fn create(&self, key: &str, content: Bytes) -> Result<Created> {
        let mut objects = self.lock();
        if objects.contains_key(key) {
            return Ok(Created::Exists);
        }
        objects.insert(key.to_owned(), content);
        Ok(Created::New)
    }

    async fn get(&self, key: &str) -> Result<Bytes> {
        self.lock()
            .get(key)
            .cloned()
            .ok_or_else(|| Error::new(Kind::NotFound, format!("no object {key:?}")))
    }

    async fn list(&self, prefix: &str, after: Option<&str>, max: usize) -> Result<Vec<ObjectMeta>> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let objects = self.lock();
        Ok(objects
            .range::<str, _>((from, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(max)
            .map(|(key, content)| ObjectMeta { key: key.clone(), size_bytes: content.len() as u64 })
            .collect())
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::contract::object_store::run;

    #[tokio::test]
    async fn passes_the_object_store_suite() {
        run(&MemoryObjectStore::new(), "").await;
    }
}
