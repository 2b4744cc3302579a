//! What librdkafka's codes ask of a caller.

use std::time::Duration;

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;

use crate::ports::{Error, Kind};

/// When to come back while brokers do not answer.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A failure with its code.
pub(super) fn error(what: impl Into<String>, code: Code) -> Error {
    let kind = kind(code);
    let error = Error::new(kind, what).with_source(code);
    match kind {
        Kind::Unavailable => error.with_retry_after(RETRY_AFTER),
        Kind::Full => error.with_retry_after(Duration::from_secs(5)),
        _ => error,
    }
}

/// The same from the wrapper's error, which may have no code.
pub(super) fn wrapped(what: impl Into<String>, failed: KafkaError) -> Error {
    let kind = failed.rdkafka_error_code().map_or(Kind::Unavailable, kind);
    Error::new(kind, what).with_source(failed).with_retry_after(RETRY_AFTER)
}

/// What the caller may do about a code.
pub(super) const fn kind(code: Code) -> Kind {
    match code {
        Code::QueueFull => Kind::Full,
        Code::MessageSizeTooLarge
        | Code::InvalidMessage
        | Code::InvalidMessageSize
        | Code::InvalidRecord
        | Code::InvalidTimestamp
        | Code::BadMessage => Kind::Data,
        Code::UnknownTopic
        | Code::UnknownTopicOrPartition
        | Code::UnknownPartition
        | Code::UnknownTopicId
        | Code::InvalidTopic => Kind::NotFound,
        Code::PurgeQueue | Code::PurgeInflight => Kind::Closed,
        // Whatever else there is can be mended outside, without the loss of an event: brokers that
        // are away, replicas that are too few, rights that are not given.
        _ => Kind::Unavailable,
    }
}

/// Whether the code says that the group is sharing out anew, and this member will be told what stays
/// its own: what does can be committed a moment later.
pub(super) const fn is_regrouping(code: Code) -> bool {
    matches!(code, Code::IllegalGeneration | Code::StaleMemberEpoch | Code::RebalanceInProgress)
}

/// Whether the code says that this member has lost what it commits.
pub(super) const fn is_fenced(code: Code) -> bool {
    matches!(
        code,
        Code::UnknownMemberId
            | Code::FencedInstanceId
            | Code::FencedMemberEpoch
            | Code::AssignmentLost
            | Code::UnknownTopicOrPartition
            | Code::UnknownPartition
    )
}
