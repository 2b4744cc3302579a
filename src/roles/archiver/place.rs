//! Bringing a segment into the store, or taking over the object that stands there already.
//!
//! A crash after a create and before its commit makes the archiver read the same records again.
//! Their object begins at the same offset and so has the same key: the create is refused, and what
//! stands there is checked line by line and its range adopted.

use bytes::Bytes;

use crate::model::Offset;
use crate::pipeline::archive_format::{ArchiveError, Footer, Segment, SegmentReader};
use crate::ports::{Created, Error, Kind, ObjectStore, Result, crash};

/// Where a segment's records are now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed {
    /// Objects cover everything below.
    pub(super) next: Offset,
    /// Whether an object that was there covers it, or ours.
    pub(super) adopted: bool,
    /// A damaged object stands under the segment's own key; ours has its range in its key.
    pub(super) is_damaged: bool,
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
    placed.map(|placed| Placed { is_damaged: true, ..placed }).ok_or_else(|| {
        Error::new(Kind::Corrupt, format!("objects {own_key} and {key} are both damaged"))
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
        return Ok(Some(Placed { next, adopted: false, is_damaged: false }));
    }
    let object = objects.get(key).await.map_err(|error| match error.kind() {
        // Taken a moment ago and gone now: create again.
        Kind::NotFound => {
            Error::new(Kind::Unavailable, format!("object {key} went away")).with_source(error)
        }
        _ => error,
    })?;
    let footer = match check(object).await? {
        Ok(footer) => footer,
        Err(error) => {
            tracing::error!(key, error = %error, "damaged archive object");
            return Ok(None);
        }
    };
    let own = &segment.footer;
    let is_ours = (footer.topic_id, footer.partition, footer.first)
        == (own.topic_id, own.partition, own.first);
    if !is_ours {
        tracing::error!(key, "the archive object under this key holds another range");
        return Ok(None);
    }
    tracing::info!(key, first = footer.first.0, last = footer.last.0, "archive object adopted");
    Ok(Some(Placed { next: footer.last.next(), adopted: true, is_damaged: false }))
}

/// Reads an object to its end, off the runtime's threads.
async fn check(object: Bytes) -> Result<std::result::Result<Footer, ArchiveError>> {
    let read = move || {
        let mut reader = SegmentReader::open(&object)?;
        for record in reader.by_ref() {
            record?;
        }
        Ok(reader.footer().clone())
    };
    tokio::task::spawn_blocking(read).await.map_err(|error| {
        Error::new(Kind::Unavailable, "cannot check an archive object").with_source(error)
    })
}
