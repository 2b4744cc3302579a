//! One request at a time by rust-s3, and what came back as it is.

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use s3::creds::Credentials;
use s3::error::S3Error;
use s3::{Bucket, BucketConfiguration, Region};

use super::failure::{Failure, is_error_document};
use crate::settings::S3;

/// What became of a PUT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    /// It stands there now.
    Made,
    /// The key was taken.
    Taken,
}

/// A page of a listing.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) objects: Vec<(String, u64)>,
    /// Where there is more: how to ask for it.
    pub(super) next: Option<String>,
}

/// The bucket, spoken to.
pub(super) struct Client {
    bucket: Bucket,
    /// Signs nothing into its text.
    url: String,
    max_object_bytes: u64,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Client {
    /// Prepares; nothing is sent yet.
    pub(super) fn new(settings: &S3) -> Result<Self, Failure> {
        // The library's own repetitions are of a process-wide number; ours are by setting.
        s3::set_retries(0);
        let mut bucket = Bucket::new(&settings.bucket, region(settings), credentials(settings)?)
            .map_err(Failure::Setup)?;
        if settings.path_style {
            bucket.set_path_style();
        }
        bucket.set_request_timeout(Some(settings.timeout.0));
        let url = bucket.url();
        Ok(Self { bucket: *bucket, url, max_object_bytes: settings.max_object_bytes.0 })
    }

    /// Where the bucket is.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Puts an object; `if_free` asks the store to refuse a taken key.
    pub(super) async fn put(
        &self,
        key: &str,
        content: &Bytes,
        if_free: bool,
    ) -> Result<Put, Failure> {
        let mut request = self.bucket.put_object_builder(key, content);
        if if_free {
            request = request.with_header("if-none-match", "*")?;
        }
        let answer = match request.execute().await {
            Ok(answer) => answer,
            // One release of MinIO answered 304 where S3 answers 412.
            Err(S3Error::HttpFailWithBody(412 | 304, _)) if if_free => return Ok(Put::Taken),
            Err(error) => return Err(error.into()),
        };
        let status = answer.status_code();
        if !(200..300).contains(&status) {
            return Err(Failure::of_body(status, ""));
        }
        if is_of(content, answer.headers().get("etag")) {
            return Ok(Put::Made);
        }
        self.prove(key, content.len()).await
    }

    /// A 2xx whose ETag is not the content's digest: a store that encrypts, or an error dressed as
    /// success. What stands there decides.
    async fn prove(&self, key: &str, bytes: usize) -> Result<Put, Failure> {
        match self.bucket.head_object(key).await {
            Ok((head, _))
                if head.content_length.is_some_and(|n| usize::try_from(n) == Ok(bytes)) =>
            {
                Ok(Put::Made)
            }
            Ok((head, _)) => Err(Failure::Untrue(format!(
                "it said that {bytes} bytes are stored, and has {} under that key",
                head.content_length
                    .map_or_else(|| "an unknown number".to_owned(), |n| n.to_string())
            ))),
            Err(error) => {
                let failure = Failure::from(error);
                if failure.is_no_object() {
                    let text = "it said that the object is stored, and does not have it";
                    return Err(Failure::Untrue(text.to_owned()));
                }
                Err(failure)
            }
        }
    }

    /// Reads an object whole.
    pub(super) async fn get(&self, key: &str) -> Result<Bytes, Failure> {
        let mut answer = self.bucket.get_object_stream(key).await?;
        if !(200..300).contains(&answer.status_code) {
            return Err(Failure::of_body(answer.status_code, ""));
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.bytes().next().await {
            let chunk = chunk?;
            if (body.len() + chunk.len()) as u64 > self.max_object_bytes {
                return Err(Failure::TooLarge(self.max_object_bytes));
            }
            body.extend_from_slice(&chunk);
        }
        if is_error_document(&body) {
            return Err(Failure::of_body(200, &String::from_utf8_lossy(&body)));
        }
        Ok(body.freeze())
    }

    /// Headers of the answer to a read of a small object, by lower-case name.
    pub(super) async fn headers_of(&self, key: &str) -> Result<HashMap<String, String>, Failure> {
        let answer = self.bucket.get_object(key).await?;
        let headers = answer.headers();
        Ok(headers.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect())
    }

    /// One page of keys below a prefix: after a key, or where the page before ended.
    pub(super) async fn page(
        &self,
        prefix: &str,
        after: Option<&str>,
        token: Option<&str>,
        max: usize,
    ) -> Result<Page, Failure> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        let token = token.map(str::to_owned);
        let (listed, status) = self.bucket.list_page(prefix, None, token, after, Some(max)).await?;
        if !(200..300).contains(&status) {
            return Err(Failure::of_body(status, ""));
        }
        if listed.name != self.bucket.name {
            return Err(Failure::Untrue("its listing is of another bucket".to_owned()));
        }
        let next = if listed.is_truncated { listed.next_continuation_token } else { None };
        if listed.is_truncated && next.is_none() {
            return Err(Failure::Untrue("its listing breaks off".to_owned()));
        }
        let objects = listed.contents.into_iter().map(|object| (object.key, object.size)).collect();
        Ok(Page { objects, next })
    }

    /// Makes the bucket; one that stands there already is as good.
    pub(super) async fn make_bucket(&self) -> Result<(), Failure> {
        let (name, region) = (self.bucket.name(), self.bucket.region());
        let credentials = self.bucket.credentials().await?;
        // No ACL: stores without them refuse the header, the others are private anyway.
        let settings = BucketConfiguration::public();
        let made = if self.bucket.is_path_style() {
            Bucket::create_with_path_style(&name, region, credentials, settings).await
        } else {
            Bucket::create(&name, region, credentials, settings).await
        };
        match made.map_err(Failure::from) {
            Ok(made) if made.success() => Ok(()),
            Ok(made) => Err(Failure::of_body(made.response_code, &made.response_text)),
            Err(Failure::Answer { status: 409, code, .. }) if code.starts_with("BucketAlready") => {
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }
}

fn region(settings: &S3) -> Region {
    let known = settings.region.parse::<Region>().ok();
    let amazon = known.filter(|known| !matches!(known, Region::Custom { .. }));
    match (&settings.endpoint, amazon) {
        (None, Some(amazon)) => amazon,
        _ => Region::Custom { region: settings.region.clone(), endpoint: settings.url() },
    }
}

fn credentials(settings: &S3) -> Result<Credentials, Failure> {
    let Some(access) = &settings.access_key else {
        return Credentials::anonymous().map_err(|error| Failure::Setup(error.into()));
    };
    let secret = settings.secret_key.as_ref().map(crate::settings::Secret::expose);
    let token = settings.session_token.as_ref().map(crate::settings::Secret::expose);
    Credentials::new(Some(access.as_str()), secret, None, token, None)
        .map_err(|error| Failure::Setup(error.into()))
}

/// Whether an ETag is the MD5 of the content, as that of a plain PUT is: then the store has digested
/// these very bytes.
fn is_of(content: &Bytes, etag: Option<&String>) -> bool {
    etag.is_some_and(|etag| {
        let etag = etag.trim().trim_start_matches("W/").trim_matches('"');
        etag.eq_ignore_ascii_case(&format!("{:x}", md5::compute(content)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(settings: S3) -> String {
        Client::new(&settings).unwrap().url().to_owned()
    }

    #[test]
    fn the_bucket_stands_in_the_path_or_in_the_host() {
        let endpoint = Some("store:9000".to_owned());
        let settings = S3 { endpoint, bucket: "b".to_owned(), ..S3::default() };
        assert_eq!(url(settings.clone()), "http://store:9000/b");
        assert_eq!(url(S3 { path_style: false, ..settings }), "http://b.store:9000");
        let amazon = S3 { bucket: "b".to_owned(), region: "eu-west-1".to_owned(), ..S3::default() };
        let amazon = S3 { path_style: false, ..amazon };
        assert_eq!(url(amazon.clone()), "https://b.s3-eu-west-1.amazonaws.com");
        let newer = S3 { region: "xx-new-9".to_owned(), ..amazon };
        assert_eq!(url(newer), "https://b.s3.xx-new-9.amazonaws.com");
    }

    #[test]
    fn a_client_shows_no_secret() {
        let settings = S3 {
            access_key: Some("name".to_owned()),
            secret_key: Some("hunter2".into()),
            ..S3::default()
        };
        let client = Client::new(&settings).unwrap();
        assert!(!format!("{client:?}").contains("hunter2"));
    }

    #[test]
    fn an_etag_proves_the_bytes_only_as_their_digest() {
        let content = Bytes::from_static(b"x");
        let etag = |text: &str| is_of(&content, Some(&text.to_owned()));
        assert!(etag("\"9dd4e461268c8034f5c8564e155c67a6\""));
        assert!(!etag("\"9dd4e461268c8034f5c8564e155c67a7\"") && !etag(""));
        assert!(!is_of(&content, None));
    }
}
