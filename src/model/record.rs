//! Records: what lies in a topic, each alone. Several in one encoding are a [`RecordBatch`].
//!
//! [`RecordBatch`]: super::RecordBatch

use bytes::Bytes;

use super::{HeaderName, Offset, Partition, Timestamp, Topic, TopicId};

/// A record's headers in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers(pub(super) Vec<(HeaderName, Bytes)>);

impl Headers {
    /// No headers.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The first value under that name.
    #[must_use]
    pub fn get(&self, name: &HeaderName) -> Option<&Bytes> {
        self.0.iter().find(|(header, _)| header == name).map(|(_, value)| value)
    }

    /// The first value under that name, where it is UTF-8.
    #[must_use]
    pub fn text(&self, name: &HeaderName) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Sets a header, replacing every earlier one of that name.
    pub fn set(&mut self, name: HeaderName, value: impl Into<Bytes>) {
        self.remove(&name);
        self.0.push((name, value.into()));
    }

    /// Takes a header away.
    pub fn remove(&mut self, name: &HeaderName) {
        self.0.retain(|(header, _)| header != name);
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &Bytes)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(HeaderName, Bytes)> for Headers {
    fn from_iter<I: IntoIterator<Item = (HeaderName, Bytes)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

/// One record without its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Chooses the partition.
    pub key: Bytes,
    /// The content.
    pub value: Bytes,
    /// When it was made.
    pub timestamp: Timestamp,
    /// What travels beside the content.
    pub headers: Headers,
}

/// A record and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumedRecord {
    /// Its topic.
    pub topic: Topic,
    /// That topic's incarnation.
    pub topic_id: TopicId,
    /// Its partition.
    pub partition: Partition,
    /// Its offset.
    pub offset: Offset,
    /// The record.
    pub record: Record,
}
