//! The object store of the archive, where that is no directory.

use serde::{Deserialize, Serialize};

use super::{ByteSize, Secret, Span};

/// An S3-compatible store: AWS, MinIO, RustFS, Garage, SeaweedFS, Ceph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct S3 {
    /// Address of the store, with or without a scheme; where unset, AWS's own for the region.
    pub endpoint: Option<String>,
    /// Whether an endpoint without a scheme is reached over TLS.
    pub tls: bool,
    /// The region that requests are signed for.
    pub region: String,
    /// The bucket of the archive.
    pub bucket: String,
    /// Whether a missing bucket is made on first use.
    pub create_bucket: bool,
    /// Whether the bucket stands in the path, or else in the name of the host.
    pub path_style: bool,
    /// Name of the key that requests are signed with; where unset they are not signed.
    pub access_key: Option<String>,
    /// The key itself.
    pub secret_key: Option<Secret>,
    /// Token of keys that are lent for a time.
    pub session_token: Option<Secret>,
    /// Time for one request, its body included.
    pub timeout: Span,
    /// Attempts after the first before a failure is told to whoever asked.
    pub retries: u32,
    /// Bytes of the largest object that is read.
    pub max_object_bytes: ByteSize,
}

impl Default for S3 {
    fn default() -> Self {
        Self {
            endpoint: None,
            tls: false,
            region: "us-east-1".to_owned(),
            bucket: "event-archive".to_owned(),
            create_bucket: true,
            path_style: true,
            access_key: None,
            secret_key: None,
            session_token: None,
            timeout: Span::from_secs(30),
            retries: 3,
            max_object_bytes: ByteSize(256 << 20),
        }
    }
}

impl S3 {
    /// The endpoint with its scheme.
    #[must_use]
    pub fn url(&self) -> String {
        match self.endpoint.as_deref().map(|text| text.trim_end_matches('/')) {
            Some(text) if text.contains("://") => text.to_owned(),
            Some(text) if self.tls => format!("https://{text}"),
            Some(text) => format!("http://{text}"),
            None => format!("https://s3.{}.amazonaws.com", self.region),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_a_scheme_and_no_slash() {
        let url = |endpoint: Option<&str>, tls| {
            S3 { endpoint: endpoint.map(str::to_owned), tls, ..S3::default() }.url()
        };
        assert_eq!(url(Some("minio:9000"), false), "http://minio:9000");
        assert_eq!(url(Some("minio:9000"), true), "https://minio:9000");
        assert_eq!(url(Some("http://minio:9000/"), true), "http://minio:9000");
        assert_eq!(url(None, false), "https://s3.us-east-1.amazonaws.com");
    }
}
