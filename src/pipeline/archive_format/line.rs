//! One line: one record as JSON.
//!
//! `{"topic","partition","offset","timestamp","key","origin","headers":{…},"value"}`; what is not
//! UTF-8 stands under `key_base64`, `headers_base64` and `value_base64` instead.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::{
    ConsumedRecord, HeaderName, Headers, Offset, Origin, Partition, Record, Timestamp, Topic,
    TopicId,
};

#[derive(Serialize)]
struct LineOut<'r> {
    topic: &'r str,
    partition: Partition,
    offset: Offset,
    timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    origin: Origin,
    headers: HeadersOut<'r>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers_base64: Option<BinaryHeadersOut<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

struct HeadersOut<'r>(&'r Headers);

impl Serialize for HeadersOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.0.iter() {
            if let Ok(text) = std::str::from_utf8(value) {
                map.serialize_entry(name.as_str(), text)?;
            }
        }
        map.end()
    }
}

struct BinaryHeadersOut<'r>(&'r Headers);

impl Serialize for BinaryHeadersOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.0.iter() {
            if std::str::from_utf8(value).is_err() {
                map.serialize_entry(name.as_str(), &STANDARD.encode(value))?;
            }
        }
        map.end()
    }
}

/// A text where the bytes are one, else their base64.
fn text_or_base64(bytes: &[u8]) -> (Option<&str>, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text), None),
        Err(_) => (None, Some(STANDARD.encode(bytes))),
    }
}

/// The record's line without its line feed; `None` only where it cannot be written as JSON.
#[must_use]
pub fn line_of(record: &ConsumedRecord) -> Option<String> {
    let mut line = Vec::new();
    write(&mut line, record).ok()?;
    line.pop();
    String::from_utf8(line).ok()
}

/// Appends the record's line, with its line feed.
pub(super) fn write(into: &mut Vec<u8>, record: &ConsumedRecord) -> serde_json::Result<()> {
    let Record { key, value, timestamp, headers } = &record.record;
    let (key, key_base64) = text_or_base64(key);
    let (value, value_base64) = text_or_base64(value);
    let has_binary = headers.iter().any(|(_, value)| std::str::from_utf8(value).is_err());
    let origin = headers
        .text(&HeaderName::Origin)
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| Origin::of_foreign(record.topic_id, record.partition, record.offset));
    let line = LineOut {
        topic: record.topic.as_str(),
        partition: record.partition,
        offset: record.offset,
        timestamp: *timestamp,
        key,
        key_base64,
        origin,
        headers: HeadersOut(headers),
        headers_base64: has_binary.then_some(BinaryHeadersOut(headers)),
        value,
        value_base64,
    };
    serde_json::to_writer(&mut *into, &line)?;
    into.push(b'\n');
    Ok(())
}

#[derive(Deserialize)]
struct LineIn {
    topic: Topic,
    partition: Partition,
    offset: Offset,
    timestamp: Timestamp,
    key: Option<String>,
    key_base64: Option<String>,
    #[serde(default)]
    headers: PairsIn,
    #[serde(default)]
    headers_base64: PairsIn,
    value: Option<String>,
    value_base64: Option<String>,
}

/// An object's members in order, repeated names too: a record may carry a header twice.
#[derive(Default)]
struct PairsIn(Vec<(String, String)>);

impl<'de> Deserialize<'de> for PairsIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = PairsIn;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PairsIn, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(PairsIn(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

fn bytes_of(text: Option<String>, base64: Option<&str>, what: &str) -> Result<Bytes, String> {
    match (text, base64) {
        (Some(text), None) => Ok(text.into()),
        (None, Some(base64)) => STANDARD
            .decode(base64)
            .map(Bytes::from)
            .map_err(|error| format!("{what}_base64: {error}")),
        (None, None) => Err(format!("it has no {what}")),
        (Some(_), Some(_)) => Err(format!("it has its {what} twice")),
    }
}

/// Reads a line; the incarnation of the topic stands in the footer alone.
pub(super) fn read(line: &[u8], topic_id: TopicId) -> Result<ConsumedRecord, String> {
    let line: LineIn = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let mut headers: Vec<(HeaderName, Bytes)> = Vec::with_capacity(line.headers.0.len());
    for (name, value) in line.headers.0 {
        headers.push((HeaderName::from_name(&name), value.into()));
    }
    for (name, value) in line.headers_base64.0 {
        let value = bytes_of(None, Some(&value), &name)?;
        headers.push((HeaderName::from_name(&name), value));
    }
    Ok(ConsumedRecord {
        topic: line.topic,
        topic_id,
        partition: line.partition,
        offset: line.offset,
        record: Record {
            key: bytes_of(line.key, line.key_base64.as_deref(), "key")?,
            value: bytes_of(line.value, line.value_base64.as_deref(), "value")?,
            timestamp: line.timestamp,
            headers: headers.into_iter().collect(),
        },
    })
}
