//! The port on an S3 store: the bucket made on first use, the store's word on conditions tried,
//! failures that may pass tried again a few times.

use std::future::Future;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::client::{Client, Put};
use super::failure::Failure;
use super::listing::Listing;
use crate::ports::{Created, Error, Kind, ObjectMeta, ObjectStore, Result};
use crate::settings::S3;

/// What a request to the store came to.
type Tried<T> = std::result::Result<T, Failure>;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// What is put, twice, to see whether the store refuses a taken key.
pub(super) const PROBE: &str = ".evp/create-only";

const UNKNOWN: u8 = 0;
const CREATE_ONLY: u8 = 1;
const OVERWRITES: u8 = 2;

/// The archive in a bucket.
#[derive(Debug)]
pub struct S3Store {
    client: Client,
    bucket: String,
    create_bucket: bool,
    retries: u32,
    /// Whether the store refuses a taken key.
    conditions: AtomicU8,
    first_use: tokio::sync::Mutex<()>,
}

impl S3Store {
    /// Prepares; nothing is sent yet, so that a role starts while its store is down.
    ///
    /// # Errors
    /// `Unavailable` where the settings can never work.
    pub fn new(settings: &S3) -> Result<Self> {
        let client = Client::new(settings)
            .map_err(|failure| failure.into_error("cannot prepare the object store"))?;
        Ok(Self {
            client,
            bucket: settings.bucket.clone(),
            create_bucket: settings.create_bucket,
            retries: settings.retries,
            conditions: AtomicU8::new(UNKNOWN),
            first_use: tokio::sync::Mutex::new(()),
        })
    }

    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// Repeats a request whose failure may pass.
    async fn patiently<T, F>(&self, mut request: impl FnMut() -> F) -> Tried<T>
    where
        F: Future<Output = Tried<T>>,
    {
        let mut wait = FIRST_WAIT;
        for _ in 0..self.retries {
            match request().await {
                Err(failure) if failure.may_pass() => {
                    tracing::debug!(%failure, "the object store is asked again");
                }
                result => return result,
            }
            tokio::time::sleep(wait).await;
            wait = LONGEST_WAIT.min(wait * 2);
        }
        request().await
    }

    /// Makes the bucket where it is missing and tries what the store does with a taken key; once.
    pub(super) async fn ready(&self) -> Tried<()> {
        if self.conditions.load(Ordering::Acquire) != UNKNOWN {
            return Ok(());
        }
        let _alone = self.first_use.lock().await;
        if self.conditions.load(Ordering::Acquire) != UNKNOWN {
            return Ok(());
        }
        let found = match self.patiently(|| self.probe()).await {
            Err(failure) if failure.is_no_bucket() && self.create_bucket => {
                self.patiently(|| self.client.make_bucket()).await?;
                tracing::info!(bucket = self.bucket, "made the bucket of the archive");
                self.patiently(|| self.probe()).await?
            }
            found => found?,
        };
        if found == OVERWRITES {
            tracing::warn!(
                bucket = self.bucket,
                "the object store overwrites a taken key although asked not to; archive keys say \
                 their whole range instead"
            );
        }
        self.conditions.store(found, Ordering::Release);
        Ok(())
    }

    fn is_unused(&self) -> bool {
        self.create_bucket && self.conditions.load(Ordering::Acquire) == UNKNOWN
    }

    async fn probe(&self) -> Tried<u8> {
        let content = Bytes::from_static(b"whether a taken key is refused\n");
        match self.client.put(PROBE, &content, true).await {
            Ok(Put::Taken) => return Ok(CREATE_ONLY),
            Ok(Put::Made) => {}
            Err(failure) if is_unknown_condition(&failure) => {
                self.client.put(PROBE, &content, false).await?;
                return Ok(OVERWRITES);
            }
            Err(failure) => return Err(failure),
        }
        match self.client.put(PROBE, &content, true).await? {
            Put::Taken => Ok(CREATE_ONLY),
            Put::Made => Ok(OVERWRITES),
        }
    }
}

/// Stores that do not know the condition say so instead of passing over it.
fn is_unknown_condition(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::Answer { status, code, .. }
            if *status == 501 || (*status == 400 && (code == "NotImplemented" || code == "InvalidArgument"))
    )
}

#[async_trait]
impl ObjectStore for S3Store {
    fn is_create_only(&self) -> bool {
        // Before it was tried, the better is said: `create` takes it back before anything is put.
        self.conditions.load(Ordering::Acquire) != OVERWRITES
    }

    async fn create(&self, key: &str, content: Bytes) -> Result<Created> {
        let failed = |failure: Failure| failure.into_error(format!("create object {key}"));
        let was_told = self.is_create_only();
        self.ready().await.map_err(failed)?;
        let if_free = self.is_create_only();
        if was_told && !if_free {
            let text = "the store turned out to overwrite taken keys; ask again with the range";
            return Err(Error::new(Kind::Unavailable, text));
        }
        match self.patiently(|| self.client.put(key, &content, if_free)).await.map_err(failed)? {
            Put::Made => Ok(Created::New),
            Put::Taken => Ok(Created::Exists),
        }
    }

    async fn get(&self, key: &str) -> Result<Bytes> {
        let got = self.patiently(|| self.client.get(key)).await;
        got.map_err(|failure| failure.into_error(format!("read object {key}")))
    }

    async fn list(&self, prefix: &str, after: Option<&str>, max: usize) -> Result<Vec<ObjectMeta>> {
        let Some(mut listing) = Listing::new(prefix, after, max) else { return Ok(Vec::new()) };
        loop {
            let (wanted, token) = (listing.wanted(), listing.token.clone());
            let after = listing.after.filter(|_| token.is_none());
            let ask = || self.client.page(prefix, after, token.as_deref(), wanted);
            let page = match self.patiently(ask).await {
                // Nobody has used it yet, and whoever does makes it. One that was there is missed.
                Err(failure) if failure.is_no_bucket() && self.is_unused() => {
                    return Ok(Vec::new());
                }
                page => page,
            };
            let page = page.map_err(|failure| failure.into_error(format!("list {prefix:?}")))?;
            if !listing.add(page)? {
                return Ok(listing.into_found());
            }
        }
    }

    async fn check(&self) -> Result<()> {
        let reach = async {
            self.ready().await?;
            self.client.page(".evp/", None, None, 1).await.map(drop)
        };
        reach.await.map_err(|failure| failure.into_error(format!("reach bucket {}", self.bucket)))
    }
}
