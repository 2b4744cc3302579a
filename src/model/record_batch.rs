//! Several records packed: how a batch is encoded, made and read.
//!
//! A [`RecordBatch`] is one contiguous encoding of several records: the collector writes a request's
//! events into one, the embedded log stores it as one frame without looking inside, and a consumer
//! gets records whose key, value and headers are slices of the bytes read.
//!
//! Encoding of one record, integers little-endian:
//! `u32 length of what follows | i64 timestamp ms | u16 key length | key | u8 headers |
//! (u8 code | if 255: u8 name length, name | u16 value length | value)* | value to the end`.

use bytes::{BufMut, Bytes};

use super::{HeaderName, Headers, Record, Timestamp};

/// Bytes that are no batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed record batch at byte {at}")]
pub struct MalformedBatch {
    /// Where reading stopped.
    pub at: usize,
}

/// Several records in one contiguous encoding; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordBatch {
    data: Bytes,
    count: u32,
}

impl RecordBatch {
    /// A batch of one record.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        let mut builder =
            RecordBatchBuilder::with_capacity(record.key.len() + record.value.len() + 256);
        builder.push_record(record);
        builder.finish()
    }

    /// A batch of these records in this order.
    #[must_use]
    pub fn of_all<'r>(records: impl IntoIterator<Item = &'r Record>) -> Self {
        let mut builder = RecordBatchBuilder::with_capacity(4096);
        for record in records {
            builder.push_record(record);
        }
        builder.finish()
    }

    /// Takes encoded bytes, after walking over every record once.
    ///
    /// # Errors
    /// When the bytes are no batch of `count` records.
    pub fn from_encoded(data: Bytes, count: u32) -> Result<Self, MalformedBatch> {
        let batch = Self { data, count };
        let mut seen = 0_u32;
        for record in batch.iter() {
            record?;
            seen += 1;
        }
        if seen == count { Ok(batch) } else { Err(MalformedBatch { at: batch.data.len() }) }
    }

    /// Takes bytes that [`encoded`](Self::encoded) gave and a checksum kept; what is malformed all
    /// the same shows in [`iter`](Self::iter).
    #[must_use]
    pub const fn from_checksummed(data: Bytes, count: u32) -> Self {
        Self { data, count }
    }

    /// The encoding.
    #[must_use]
    pub const fn encoded(&self) -> &Bytes {
        &self.data
    }

    /// How many records.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Whether it has no record.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Its records in order, sharing its bytes.
    pub fn iter(&self) -> impl Iterator<Item = Result<Record, MalformedBatch>> + '_ {
        self.views().map(|view| view.map(|view| view.to_record(&self.data)))
    }

    /// Its records in order, read in place: no allocation and no count of owners.
    pub fn views(&self) -> impl Iterator<Item = Result<RecordView<'_>, MalformedBatch>> {
        let mut at = 0;
        let mut failed = false;
        std::iter::from_fn(move || {
            if failed || at >= self.data.len() {
                return None;
            }
            match RecordView::read(&self.data, at) {
                Some((view, next)) => {
                    at = next;
                    Some(Ok(view))
                }
                None => {
                    failed = true;
                    Some(Err(MalformedBatch { at }))
                }
            }
        })
    }
}

/// One record of a batch, in place.
#[derive(Debug, Clone, Copy)]
pub struct RecordView<'b> {
    /// Chooses the partition.
    pub key: &'b [u8],
    /// The content.
    pub value: &'b [u8],
    /// When it was made.
    pub timestamp: Timestamp,
    header_count: u8,
    /// The encoded headers; walked over once already.
    headers: &'b [u8],
}

impl<'b> RecordView<'b> {
    fn read(data: &'b [u8], start: usize) -> Option<(Self, usize)> {
        let length = usize::try_from(u32::from_le_bytes(array(data, start)?)).ok()?;
        let body = start.checked_add(4)?;
        let end = body.checked_add(length)?;
        let data = data.get(..end)?;
        let timestamp = Timestamp::from_millis(i64::from_le_bytes(array(data, body)?))?;
        let mut at = body + 8;
        let key = take_field(data, &mut at)?;
        let header_count = *data.get(at)?;
        at += 1;
        let from = at;
        for _ in 0..header_count {
            take_header(data, &mut at)?;
        }
        let headers = data.get(from..at)?;
        Some((Self { key, value: data.get(at..)?, timestamp, header_count, headers }, end))
    }

    /// Names and values in order.
    pub fn headers(&self) -> impl ExactSizeIterator<Item = (&'b str, &'b [u8])> + Clone + use<'b> {
        let (headers, mut at) = (self.headers, 0);
        // Reading cannot fail: `read` walked over the same bytes.
        (0..self.header_count).map(move |_| {
            let (name, value) = take_header(headers, &mut at).unwrap_or((Name::Other(""), &[]));
            (name.as_str(), value)
        })
    }

    /// The record, sharing the bytes that the view looks at.
    fn to_record(self, data: &Bytes) -> Record {
        let mut at = 0;
        // Of its length at once: one allocation an event, not two.
        let mut headers = Vec::with_capacity(usize::from(self.header_count));
        headers.extend((0..self.header_count).filter_map(|_| {
            let (name, value) = take_header(self.headers, &mut at)?;
            Some((name.to_owned(), data.slice_ref(value)))
        }));
        Record {
            key: data.slice_ref(self.key),
            value: data.slice_ref(self.value),
            timestamp: self.timestamp,
            headers: Headers(headers),
        }
    }
}

/// A header's name in place.
enum Name<'b> {
    Known(&'static HeaderName),
    Other(&'b str),
}

impl<'b> Name<'b> {
    fn as_str(&self) -> &'b str {
        match self {
            Self::Known(name) => name.as_str(),
            Self::Other(name) => name,
        }
    }

    fn to_owned(&self) -> HeaderName {
        match self {
            Self::Known(name) => (*name).clone(),
            Self::Other(name) => HeaderName::Other((*name).into()),
        }
    }
}

fn take_header<'b>(data: &'b [u8], at: &mut usize) -> Option<(Name<'b>, &'b [u8])> {
    let code = *data.get(*at)?;
    *at += 1;
    let name = if code == HeaderName::OTHER {
        let length = usize::from(*data.get(*at)?);
        *at += 1;
        Name::Other(std::str::from_utf8(take(data, at, length)?).ok()?)
    } else {
        Name::Known(HeaderName::from_code(code)?)
    };
    Some((name, take_field(data, at)?))
}

fn take_field<'b>(data: &'b [u8], at: &mut usize) -> Option<&'b [u8]> {
    let length = usize::from(u16::from_le_bytes(array(data, *at)?));
    *at += 2;
    take(data, at, length)
}

fn array<const N: usize>(data: &[u8], at: usize) -> Option<[u8; N]> {
    data.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn take<'b>(data: &'b [u8], at: &mut usize, length: usize) -> Option<&'b [u8]> {
    let slice = data.get(*at..at.checked_add(length)?)?;
    *at += length;
    Some(slice)
}

/// Builds a [`RecordBatch`] in one buffer, without an allocation per record.
#[derive(Debug, Default)]
pub struct RecordBatchBuilder {
    buffer: Vec<u8>,
    count: u32,
}

impl RecordBatchBuilder {
    /// The longest key or header value that a record can carry, in bytes; longer ones are cut.
    pub const MAX_FIELD_BYTES: usize = u16::MAX as usize;

    /// A builder with room for that many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { buffer: Vec::with_capacity(bytes), count: 0 }
    }

    /// Adds a record from borrowed parts.
    ///
    /// A key or header value over [`Self::MAX_FIELD_BYTES`] is cut: ids and addresses are checked
    /// far below that at the door, and only free error texts can come near.
    pub fn push(
        &mut self,
        key: &[u8],
        value: &[u8],
        timestamp: Timestamp,
        headers: &[(&HeaderName, &[u8])],
    ) {
        self.push_parts(key, value, timestamp, headers.iter().copied());
    }

    /// Adds a record that exists as a value.
    pub fn push_record(&mut self, record: &Record) {
        let headers = record.headers.iter().map(|(name, value)| (name, value.as_ref()));
        self.push_parts(&record.key, &record.value, record.timestamp, headers);
    }

    fn push_parts<'h>(
        &mut self,
        key: &[u8],
        value: &[u8],
        timestamp: Timestamp,
        headers: impl Iterator<Item = (&'h HeaderName, &'h [u8])>,
    ) {
        let start = self.buffer.len();
        self.buffer.put_u32_le(0);
        self.buffer.put_i64_le(timestamp.as_millis());
        put_field(&mut self.buffer, key);
        let count_at = self.buffer.len();
        self.buffer.put_u8(0);
        let mut count = 0_u8;
        for (name, value) in headers.take(usize::from(u8::MAX)) {
            self.buffer.put_u8(name.code());
            if let HeaderName::Other(name) = name {
                let length = name.floor_char_boundary(usize::from(u8::MAX));
                self.buffer.put_u8(u8::try_from(length).unwrap_or(u8::MAX));
                self.buffer.put_slice(&name.as_bytes()[..length]);
            }
            put_field(&mut self.buffer, value);
            count += 1;
        }
        self.buffer[count_at] = count;
        self.buffer.put_slice(value);
        let length = u32::try_from(self.buffer.len() - start - 4).unwrap_or(u32::MAX);
        self.buffer[start..start + 4].copy_from_slice(&length.to_le_bytes());
        self.count += 1;
    }

    /// How many records it has.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// How many bytes it has.
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// The batch.
    #[must_use]
    pub fn finish(self) -> RecordBatch {
        RecordBatch { data: self.buffer.into(), count: self.count }
    }
}

fn put_field(buffer: &mut Vec<u8>, field: &[u8]) {
    let length = u16::try_from(field.len()).unwrap_or(u16::MAX);
    buffer.put_u16_le(length);
    buffer.put_slice(&field[..usize::from(length)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, value: &str) -> Record {
        let mut headers = Headers::new();
        headers.set(HeaderName::Origin, "o-1");
        headers.set(HeaderName::Other("x-mine".into()), "7");
        Record {
            key: Bytes::copy_from_slice(key.as_bytes()),
            value: Bytes::copy_from_slice(value.as_bytes()),
            timestamp: Timestamp::from_millis(1_500).unwrap(),
            headers,
        }
    }

    #[test]
    fn records_come_back_as_they_went_in() {
        let records = [record("k", "v"), record("", ""), record("u-1", "{\"a\":1}")];
        let batch = RecordBatch::of_all(&records);
        let read: Vec<Record> = batch.iter().map(Result::unwrap).collect();
        assert_eq!(read, records);
        for (view, record) in batch.views().map(Result::unwrap).zip(&records) {
            assert_eq!((view.key, view.value), (&record.key[..], &record.value[..]));
            let headers: Vec<_> = view.headers().collect();
            assert_eq!(headers, [("evp-origin", &b"o-1"[..]), ("x-mine", &b"7"[..])]);
        }
        assert!(RecordBatch::from_encoded(batch.encoded().clone(), 3).is_ok());
        assert!(RecordBatch::from_encoded(batch.encoded().clone(), 2).is_err());
    }

    #[test]
    fn every_cut_of_the_encoding_is_an_error_and_no_panic() {
        let batch = RecordBatch::of_all(&[record("key", "value")]);
        for end in 1..batch.encoded().len() {
            assert!(RecordBatch::from_encoded(batch.encoded().slice(..end), 1).is_err());
        }
    }
}
