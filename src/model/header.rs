//! Names of record headers (contract, "Topics, keys, files, tables").

/// Name of the header that says, by `1`, that the raw topic of this installation never had the event.
pub const RESTORED: &str = "evp-restored";

/// A record header's name. The closed part costs one byte in the embedded log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HeaderName {
    /// `evp-origin`
    Origin,
    /// `evp-event-id`
    EventId,
    /// `evp-received-at`, RFC 3339
    ReceivedAt,
    /// `evp-client-ip`
    ClientIp,
    /// `evp-shape`
    Shape,
    /// `traceparent`
    Traceparent,
    /// `evp-attempts`
    Attempts,
    /// `evp-not-before`, RFC 3339
    NotBefore,
    /// `evp-replay-id`
    ReplayId,
    /// `evp-redrives`
    Redrives,
    /// `evp-stage`
    Stage,
    /// `evp-first-failed-at`, RFC 3339
    FirstFailedAt,
    /// `retry_count`
    RetryCount,
    /// `error_type`
    ErrorType,
    /// `error_message`
    ErrorMessage,
    /// `original_topic`
    OriginalTopic,
    /// `original_partition`
    OriginalPartition,
    /// `original_offset`
    OriginalOffset,
    /// `failed_at`
    FailedAt,
    /// `last_retry_at`
    LastRetryAt,
    /// `final_retry_count`
    FinalRetryCount,
    /// `sent_to_dlq_at`
    SentToDlqAt,
    /// Any other.
    Other(Box<str>),
}

/// Names by code; the position is the code and never changes.
const KNOWN: [(HeaderName, &str); 22] = [
    (HeaderName::Origin, "evp-origin"),
    (HeaderName::EventId, "evp-event-id"),
    (HeaderName::ReceivedAt, "evp-received-at"),
    (HeaderName::ClientIp, "evp-client-ip"),
    (HeaderName::Shape, "evp-shape"),
    (HeaderName::Traceparent, "traceparent"),
    (HeaderName::Attempts, "evp-attempts"),
    (HeaderName::NotBefore, "evp-not-before"),
    (HeaderName::ReplayId, "evp-replay-id"),
    (HeaderName::Redrives, "evp-redrives"),
    (HeaderName::Stage, "evp-stage"),
    (HeaderName::FirstFailedAt, "evp-first-failed-at"),
    (HeaderName::RetryCount, "retry_count"),
    (HeaderName::ErrorType, "error_type"),
    (HeaderName::ErrorMessage, "error_message"),
    (HeaderName::OriginalTopic, "original_topic"),
    (HeaderName::OriginalPartition, "original_partition"),
    (HeaderName::OriginalOffset, "original_offset"),
    (HeaderName::FailedAt, "failed_at"),
    (HeaderName::LastRetryAt, "last_retry_at"),
    (HeaderName::FinalRetryCount, "final_retry_count"),
    (HeaderName::SentToDlqAt, "sent_to_dlq_at"),
];

impl HeaderName {
    /// The code of [`HeaderName::Other`].
    pub(super) const OTHER: u8 = u8::MAX;

    /// The name as a Kafka tool shows it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(name) => name,
            known => KNOWN[usize::from(known.code())].1,
        }
    }

    /// The header of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        KNOWN
            .iter()
            .find(|(_, known)| *known == name)
            .map_or_else(|| Self::Other(name.into()), |(header, _)| header.clone())
    }

    pub(super) fn from_code(code: u8) -> Option<&'static Self> {
        KNOWN.get(usize::from(code)).map(|(header, _)| header)
    }

    pub(super) const fn code(&self) -> u8 {
        match self {
            Self::Origin => 0,
            Self::EventId => 1,
            Self::ReceivedAt => 2,
            Self::ClientIp => 3,
            Self::Shape => 4,
            Self::Traceparent => 5,
            Self::Attempts => 6,
            Self::NotBefore => 7,
            Self::ReplayId => 8,
            Self::Redrives => 9,
            Self::Stage => 10,
            Self::FirstFailedAt => 11,
            Self::RetryCount => 12,
            Self::ErrorType => 13,
            Self::ErrorMessage => 14,
            Self::OriginalTopic => 15,
            Self::OriginalPartition => 16,
            Self::OriginalOffset => 17,
            Self::FailedAt => 18,
            Self::LastRetryAt => 19,
            Self::FinalRetryCount => 20,
            Self::SentToDlqAt => 21,
            Self::Other(_) => Self::OTHER,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_positions_and_names_come_back() {
        for (position, (header, name)) in KNOWN.iter().enumerate() {
            assert_eq!(usize::from(header.code()), position);
            assert_eq!(HeaderName::from_name(name), *header);
        }
        assert_eq!(HeaderName::from_name("x-mine").as_str(), "x-mine");
    }
}
