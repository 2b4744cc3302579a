//! Bringing a segment into the store, or taking over the object that stands there already.
//!
//! A crash after a create and before its commit makes the archiver read the same records again.
//! Their object begins at the same offset and so has the same key: the create is refused, and what
//! stands there is checked line by line and its range adopted, be it shorter or longer than what is
//! in hand. What is damaged, or has other records at the same offsets, is never adopted and never
//! overwritten: the records in hand go beside it, under a key that says their whole range.

use std::collections::HashMap;

use bytes::Bytes;

use crate::model::{Offset, Record};
use crate::pipeline::archive_format::{ArchiveError, Footer, Segment, SegmentReader};
use crate::ports::{Created, Error, Kind, ObjectStore, Result, crash};

/// Where a segment's records are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    /// Objects cover everything below.
    pub(super) next: Offset,
    /// Whether an object that was there covers it, or ours.
    pub(super) adopted: bool,
    /// The segment's own key, where a damaged object has it; ours has its range in its key.
    pub(super) damaged: Option<String>,
}

pub(super) async fn place(objects: &dyn ObjectStore, segment: &Segment) -> Result<Placed> {
    let own_key = segment.key(!objects.is_create_only());
    if let Some(placed) = place_as(objects, segment, &own_key).await? {
        return Ok(placed);
    }
    // Never overwritten: the damaged object stays for `verify` and the operator, ours goes beside.
    tracing::error!(
        key = own_key,
        "the archive has a damaged object under this key; writing these records beside it"
    );
    let key = segment.key(true);
    let placed = place_as(objects, segment, &key).await?;
    placed.map(|placed| Placed { damaged: Some(own_key.clone()), ..placed }).ok_or_else(|| {
        let text = format!("objects {own_key} and {key} are both damaged; move them elsewhere");
        Error::new(Kind::Corrupt, text)
    })
}

/// `None` where a damaged object has the key.
async fn place_as(
    objects: &dyn ObjectStore,
    segment: &Segment,
    key: &str,
) -> Result<Option<Placed>> {
    crash::point("archiver.create.before");
    let created = objects.create(key, segment.bytes.clone()).await?;
    crash::point("archiver.create.after");
    if created == Created::New {
        let next = segment.footer.last.next();
        return Ok(Some(Placed { next, adopted: false, damaged: None }));
    }
    let object = objects.get(key).await.map_err(|error| match error.kind() {
        // Taken a moment ago and gone now: create again.
        Kind::NotFound => {
            Error::new(Kind::Unavailable, format!("object {key} went away")).with_source(error)
        }
        _ => error,
    })?;
    let footer = match check(object, segment).await? {
        Ok(footer) => footer,
        Err(error) => {
            tracing::error!(key, error = %error.chain(), "archive object not adopted");
            return Ok(None);
        }
    };
    tracing::info!(key, first = footer.first.0, last = footer.last.0, "archive object adopted");
    Ok(Some(Placed { next: footer.last.next(), adopted: true, damaged: None }))
}

/// Reads an object to its end, off the runtime's threads: it must be whole, begin where the segment
/// begins, and have the same records as far as both have them.
async fn check(
    object: Bytes,
    segment: &Segment,
) -> Result<std::result::Result<Footer, ArchiveError>> {
    let (own, bytes) = (segment.footer.clone(), segment.bytes.clone());
    let read = move || {
        let mut reader = SegmentReader::open(&object)?;
        let footer = reader.footer().clone();
        if (footer.topic_id, footer.partition, footer.first)
            != (own.topic_id, own.partition, own.first)
        {
            return Err(ArchiveError::Mismatch("it holds another range".to_owned()));
        }
        let mut in_hand: HashMap<Offset, Record> = HashMap::new();
        for record in SegmentReader::open(&bytes)? {
            let record = record?;
            in_hand.insert(record.offset, record.record);
        }
        for record in reader.by_ref() {
            let record = record?;
            let is_other =
                |own: &Record| (&own.key, &own.value) != (&record.record.key, &record.record.value);
            if in_hand.get(&record.offset).is_some_and(is_other) {
                let text = format!("it has another record at offset {}", record.offset);
                return Err(ArchiveError::Mismatch(text));
            }
        }
        Ok(footer)
    };
    tokio::task::spawn_blocking(read).await.map_err(|error| {
        Error::new(Kind::Unavailable, "cannot check an archive object").with_source(error)
    })
}
