//! Records of events that failed: what goes to a retry or dead-letter topic and how it reads back.
//!
//! Value and key are never touched; everything about the failure is in headers (contract, "Topics,
//! keys, files, tables"; names without `evp-` are seed 003's).

use bytes::Bytes;

use super::envelope::Envelope;
use crate::model::{
    ConsumedRecord, DeadLetter, Failure, HeaderName, Headers, Offset, Partition, RESTORED, Record,
    Stage, Timestamp, TopicPartition,
};

/// Longest cause in a header, in bytes.
const MAX_REASON_BYTES: usize = 4096;
/// On retries: the topic to which the record goes back.
const RETRY_TOPIC: &str = "evp-retry-topic";

fn other<'h>(headers: &'h Headers, wanted: &str) -> Option<&'h str> {
    let mut found = headers.iter().filter(|(name, _)| match name {
        HeaderName::Other(other) => &**other == wanted,
        _ => false,
    });
    found.next().and_then(|(_, value)| std::str::from_utf8(value).ok())
}

/// The topic in which a waiting record failed.
#[must_use]
pub fn retry_topic(headers: &Headers) -> Option<&str> {
    other(headers, RETRY_TOPIC)
}

/// Whether the record's event was accepted by another installation and came from its archive.
#[must_use]
pub fn is_restored(headers: &Headers) -> bool {
    other(headers, RESTORED) == Some("1")
}

/// The headers of a failed record: its own, with an origin and a time of receipt even where a
/// foreign producer gave none, and where it failed first.
fn failed_headers(failed: &ConsumedRecord, envelope: &Envelope, cause: &Cause<'_>) -> Headers {
    let mut headers = failed.record.headers.clone();
    if envelope.attempts == 0 {
        // A first failure: what an earlier life of a redriven event left behind does not count.
        for name in [
            HeaderName::OriginalTopic,
            HeaderName::OriginalPartition,
            HeaderName::OriginalOffset,
            HeaderName::FirstFailedAt,
            HeaderName::FailedAt,
        ] {
            headers.remove(&name);
        }
    }
    let mut default = |name: HeaderName, value: String| {
        if headers.get(&name).is_none() {
            headers.set(name, value);
        }
    };
    default(HeaderName::Origin, envelope.origin.to_string());
    default(HeaderName::ReceivedAt, envelope.received_at.to_string());
    default(HeaderName::OriginalTopic, failed.topic.to_string());
    default(HeaderName::OriginalPartition, failed.partition.to_string());
    default(HeaderName::OriginalOffset, failed.offset.to_string());
    default(HeaderName::FirstFailedAt, cause.at.to_string());
    default(HeaderName::FailedAt, cause.at.to_string());
    headers.set(HeaderName::Stage, cause.stage.as_str());
    headers.set(HeaderName::ErrorType, cause.error_type.to_owned());
    let reason = &cause.reason[..cause.reason.floor_char_boundary(MAX_REASON_BYTES)];
    headers.set(HeaderName::ErrorMessage, reason.to_owned());
    headers
}

/// One failure of one record.
#[derive(Debug, Clone, Copy)]
pub struct Cause<'c> {
    /// Where.
    pub stage: Stage,
    /// A short machine word.
    pub error_type: &'c str,
    /// In words.
    pub reason: &'c str,
    /// When.
    pub at: Timestamp,
}

/// The dead letter of a record that failed for good.
#[must_use]
pub fn dead_letter_record(failed: &ConsumedRecord, cause: &Cause<'_>) -> Record {
    let envelope = Envelope::of(failed);
    let mut headers = failed_headers(failed, &envelope, cause);
    let now = cause.at.to_string();
    headers.remove(&HeaderName::RetryCount);
    headers.remove(&HeaderName::NotBefore);
    headers.set(HeaderName::Attempts, (envelope.attempts + 1).to_string());
    headers.set(HeaderName::FinalRetryCount, envelope.attempts.to_string());
    headers.set(HeaderName::SentToDlqAt, now);
    Record { timestamp: cause.at, headers, ..failed.record.clone() }
}

/// The record that waits in the retry topic until `due`.
#[must_use]
pub fn retry_record(failed: &ConsumedRecord, cause: &Cause<'_>, due: Timestamp) -> Record {
    let envelope = Envelope::of(failed);
    let mut headers = failed_headers(failed, &envelope, cause);
    let attempts = (envelope.attempts + 1).to_string();
    headers.set(HeaderName::RetryCount, attempts.clone());
    headers.set(HeaderName::Attempts, attempts);
    headers.set(HeaderName::NotBefore, due.to_string());
    headers.set(HeaderName::LastRetryAt, cause.at.to_string());
    headers.set(HeaderName::Other(RETRY_TOPIC.into()), failed.topic.to_string());
    Record { timestamp: cause.at, headers, ..failed.record.clone() }
}

/// The record as it goes back to the processed topic once it is due.
#[must_use]
pub fn due_record(waiting: &Record, now: Timestamp) -> Record {
    let mut record = waiting.clone();
    record.headers.remove(&HeaderName::NotBefore);
    record.headers.remove(&HeaderName::Other(RETRY_TOPIC.into()));
    record.timestamp = now;
    record
}

/// Reads a record of a dead-letter topic. Never fails: what a foreign hand left out is taken from
/// where the record lies.
#[must_use]
pub fn dead_letter_of(record: &ConsumedRecord) -> DeadLetter {
    let envelope = Envelope::of(record);
    let headers = &record.record.headers;
    let text = |name: &HeaderName| headers.text(name);
    let instant = |name: &HeaderName| text(name).and_then(|text| text.parse().ok());
    let last_failed_at = instant(&HeaderName::SentToDlqAt)
        .or_else(|| instant(&HeaderName::FailedAt))
        .unwrap_or(record.record.timestamp);
    let stage = match text(&HeaderName::Stage) {
        Some("processor") => Stage::Processor,
        _ => Stage::Worker,
    };
    let topic = text(&HeaderName::OriginalTopic).map_or_else(|| record.topic.clone(), Into::into);
    let number = |name: &HeaderName| text(name).and_then(|text| text.parse::<i64>().ok());
    let partition = number(&HeaderName::OriginalPartition)
        .and_then(|number| i32::try_from(number).ok())
        .map_or(record.partition, Partition);
    DeadLetter {
        origin: envelope.origin,
        event_id: envelope.event_id,
        shape: envelope.shape,
        failure: Failure {
            stage,
            error_type: text(&HeaderName::ErrorType).unwrap_or("unknown").to_owned(),
            reason: text(&HeaderName::ErrorMessage).unwrap_or("no reason given").to_owned(),
            attempts: envelope.attempts.max(1),
            first_failed_at: instant(&HeaderName::FirstFailedAt).unwrap_or(last_failed_at),
            last_failed_at,
        },
        original: TopicPartition::new(topic, partition),
        original_offset: number(&HeaderName::OriginalOffset).map_or(record.offset, Offset),
        received_at: envelope.received_at,
        client_ip: envelope.client_ip,
        redrives: envelope.redrives,
        replay_id: envelope.replay_id,
        restored: is_restored(headers),
        key: record.record.key.clone(),
        value: record.record.value.clone(),
    }
}

/// A dead letter with nothing in it that a store could refuse, for one that was refused: bytes and
/// identity stay, free texts are cut to printable ASCII.
#[must_use]
pub fn plain(letter: &DeadLetter) -> DeadLetter {
    let clean = |text: &str| -> String {
        text.chars()
            .map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' })
            .take(200)
            .collect()
    };
    let mut letter = letter.clone();
    letter.event_id = None;
    letter.client_ip = None;
    letter.failure.reason = clean(&letter.failure.reason);
    letter.failure.error_type = clean(&letter.failure.error_type);
    letter.key = Bytes::new();
    letter
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TopicId;

    fn record() -> ConsumedRecord {
        let mut headers = Headers::new();
        headers.set(HeaderName::EventId, "e-1");
        headers.set(HeaderName::Other("x-mine".into()), "7");
        ConsumedRecord {
            topic: "processed-events".into(),
            topic_id: TopicId::mint(),
            partition: Partition(2),
            offset: Offset(40),
            record: Record {
                key: "u-1".into(),
                value: Bytes::from_static(b"\xff{"),
                timestamp: Timestamp::from_millis(1000).unwrap(),
                headers,
            },
        }
    }

    fn cause(at: i64, error_type: &str) -> Cause<'_> {
        let at = Timestamp::from_millis(at).unwrap();
        Cause { stage: Stage::Worker, error_type, reason: "it broke", at }
    }

    fn place(record: Record, offset: i64) -> ConsumedRecord {
        ConsumedRecord {
            topic: "elsewhere".into(),
            topic_id: TopicId::mint(),
            partition: Partition(0),
            offset: Offset(offset),
            record,
        }
    }

    #[test]
    fn a_dead_letter_remembers_its_first_failure_over_all_retries() {
        let first = record();
        let waiting =
            retry_record(&first, &cause(2000, "transient"), Timestamp::from_millis(4000).unwrap());
        let text = |record: &Record, name| record.headers.text(&name).map(str::to_owned);
        assert_eq!(text(&waiting, HeaderName::RetryCount).as_deref(), Some("1"));
        assert_eq!(
            text(&waiting, HeaderName::NotBefore).as_deref(),
            Some("1970-01-01T00:00:04.000Z")
        );
        let due = due_record(&waiting, Timestamp::from_millis(4001).unwrap());
        assert_eq!(text(&due, HeaderName::NotBefore), None);
        let dead = dead_letter_record(&place(due, 90), &cause(5000, "max_retries_exhausted"));
        assert_eq!(text(&dead, HeaderName::RetryCount), None);
        assert_eq!(text(&dead, HeaderName::FinalRetryCount).as_deref(), Some("1"));

        let letter = dead_letter_of(&place(dead, 7));
        assert_eq!(letter.origin, Envelope::of(&first).origin);
        assert_eq!(letter.original.to_string(), "processed-events/2");
        assert_eq!(letter.original_offset, Offset(40));
        assert_eq!(letter.failure.attempts, 2);
        assert_eq!(letter.failure.error_type, "max_retries_exhausted");
        assert_eq!(letter.failure.first_failed_at.as_millis(), 2000);
        assert_eq!(letter.failure.last_failed_at.as_millis(), 5000);
        assert_eq!(letter.received_at.as_millis(), 1000);
        assert_eq!((letter.value, letter.key), (first.record.value, first.record.key));
    }

    #[test]
    fn a_foreign_dead_letter_reads_as_one_too() {
        let letter = dead_letter_of(&record());
        assert_eq!(letter.failure.attempts, 1);
        assert_eq!(letter.original_offset, Offset(40));
    }
}
