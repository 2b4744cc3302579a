//! Why a request failed, and what that asks of the caller.

use s3::error::S3Error;

use crate::ports::{Error, Kind};

/// Bytes of a store's own words that are repeated.
const MAX_WORDS: usize = 300;

/// A request that did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The store answered with an error.
    #[error("the store answered {status}{}", words(.code, .message))]
    Answer {
        /// HTTP status; 200 where only the body says that it is an error.
        status: u16,
        /// The error's name, such as `NoSuchBucket`; empty where there is none.
        code: String,
        /// What the store says of it.
        message: String,
    },
    /// There was no answer, or none that can be read.
    #[error("no answer that can be used")]
    NoAnswer(#[source] S3Error),
    /// The answer is not what S3 answers.
    #[error("the store's answer cannot be true: {0}")]
    Untrue(String),
    /// An object is larger than what is read.
    #[error("the object is larger than s3.max_object_bytes, {0}")]
    TooLarge(u64),
    /// There is no client to ask with.
    #[error("the settings of the object store are of no use")]
    Setup(#[source] S3Error),
}

fn words(code: &str, message: &str) -> String {
    match (code, message) {
        ("", "") => String::new(),
        (code, "") => format!(" {code}"),
        (code, message) => format!(" {code}: {message}"),
    }
}

impl Failure {
    /// The failure that an answer's body describes.
    pub(super) fn of_body(status: u16, body: &str) -> Self {
        // Only these two: a signature error repeats the key and the text that was signed.
        let (code, message) = (element(body, "Code"), element(body, "Message"));
        Self::Answer { status, code, message }
    }

    /// Whether the same request may fare better in a moment.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Answer { status, .. } => matches!(*status, 200 | 408 | 409 | 425 | 429 | 500..),
            Self::NoAnswer(_) | Self::Untrue(_) => true,
            Self::TooLarge(_) | Self::Setup(_) => false,
        }
    }

    /// Whether the bucket is not there.
    pub(super) fn is_no_bucket(&self) -> bool {
        matches!(self, Self::Answer { code, .. } if code == "NoSuchBucket")
    }

    /// Whether the object is not there. HEAD has no body to say so.
    pub(super) fn is_no_object(&self) -> bool {
        matches!(self, Self::Answer { status: 404, code, .. } if code != "NoSuchBucket")
    }

    /// What the caller may do.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Answer { status: 507, .. } => Kind::Full,
            Self::Answer { code, .. }
                if code.contains("StorageFull") || code.contains("QuotaExceeded") =>
            {
                Kind::Full
            }
            Self::Answer { status: 413, .. } => Kind::Data,
            Self::Answer { status: 400, code, .. }
                if code == "KeyTooLongError" || code.ends_with("InvalidObjectName") =>
            {
                Kind::Data
            }
            _ if self.is_no_object() => Kind::NotFound,
            Self::TooLarge(_) => Kind::Data,
            // Wrong keys and missing rights too: an operator mends them, and nothing is lost by
            // waiting.
            _ => Kind::Unavailable,
        }
    }

    /// The port's error; `what` says what failed on what.
    pub(super) fn into_error(self, what: impl Into<String>) -> Error {
        Error::new(self.kind(), what).with_source(self)
    }
}

impl From<S3Error> for Failure {
    fn from(error: S3Error) -> Self {
        match error {
            S3Error::HttpFailWithBody(status, body) => Self::of_body(status, &body),
            error => Self::NoAnswer(error),
        }
    }
}

/// The text of an element of an error's document.
fn element(body: &str, name: &str) -> String {
    let inner = || {
        let (_, rest) = body.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(text, _)| text.trim())
    };
    let text = inner().unwrap_or_default();
    text.chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect()
}

/// Whether bytes are an error's document where an object was asked for: some stores and proxies
/// notice a failure only after they said 200.
pub(super) fn is_error_document(body: &[u8]) -> bool {
    let head = &body[..body.len().min(512)];
    let Ok(text) = std::str::from_utf8(head) else { return false };
    let text = text.trim_start();
    (text.starts_with("<?xml") || text.starts_with("<Error>")) && text.contains("<Error>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(code: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>no\nsuch</Message>\
             <AWSAccessKeyId>AKIA</AWSAccessKeyId></Error>"
        )
    }

    #[test]
    fn what_a_store_answers_is_sorted_by_what_helps() {
        let kind = |status, code| Failure::of_body(status, &body(code)).kind();
        assert_eq!(kind(404, "NoSuchKey"), Kind::NotFound);
        assert_eq!(kind(404, "NoSuchBucket"), Kind::Unavailable);
        assert_eq!(kind(403, "SignatureDoesNotMatch"), Kind::Unavailable);
        assert_eq!(kind(507, "XMinioStorageFull"), Kind::Full);
        assert_eq!(kind(503, "SlowDown"), Kind::Unavailable);
        assert_eq!(kind(400, "KeyTooLongError"), Kind::Data);
        assert_eq!(Failure::of_body(404, "").kind(), Kind::NotFound);
        assert!(Failure::of_body(503, "").may_pass() && !Failure::of_body(403, "").may_pass());
    }

    #[test]
    fn only_the_name_and_the_message_of_an_error_are_repeated() {
        let text = Failure::of_body(403, &body("AccessDenied")).to_string();
        assert_eq!(text, "the store answered 403 AccessDenied: nosuch");
    }

    #[test]
    fn an_error_is_told_from_an_object() {
        assert!(is_error_document(body("InternalError").as_bytes()));
        assert!(!is_error_document(b"{\"a\":\"<Error>\"}"));
        assert!(!is_error_document(&[0x28, 0xb5, 0x2f, 0xfd]));
    }
}
