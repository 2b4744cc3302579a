//! An object store that fails by plan.

use async_trait::async_trait;
use bytes::Bytes;

use super::Faulty;
use crate::ports::{Created, ObjectMeta, ObjectStore, Result};

#[async_trait]
impl<P: ObjectStore + ?Sized> ObjectStore for Faulty<P> {
    fn is_create_only(&self) -> bool {
        self.inner.is_create_only()
    }

    async fn create(&self, key: &str, content: Bytes) -> Result<Created> {
        self.faults.pass("create", [], self.inner.create(key, content)).await
    }

    async fn get(&self, key: &str) -> Result<Bytes> {
        self.faults.pass("get", [], self.inner.get(key)).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, max: usize) -> Result<Vec<ObjectMeta>> {
        self.faults.pass("list", [], self.inner.list(prefix, after, max)).await
    }

    async fn check(&self) -> Result<()> {
        self.faults.pass("check of objects", [], self.inner.check()).await
    }
}
