//! What stands in a directory after whatever ended the process before: the torn tail is cut, the
//! damaged middle is put aside, and everything that readers will see is synced first.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::cursor::{Wait, quarantine};
use super::disk::{self, Disk};
use super::partition::Shared;
use super::reader::{Found, FrameReader};
use super::segment::{NEXT_NAME, Segment, Segments, bases_in};
use super::writer::Current;

/// The segment to go on with and the next offset.
pub(super) struct Recovered {
    pub(super) current: Option<Current>,
    pub(super) next: i64,
    /// Damage was found and proven. The proof may be damaged next: the segment is to be sealed, so
    /// that nothing in it is ever taken for a torn tail.
    pub(super) is_damaged: bool,
}

/// The segments in a directory, unread; what a crash left unfinished is removed.
pub(super) fn list(directory: &Path) -> io::Result<Segments> {
    match std::fs::remove_file(directory.join(NEXT_NAME)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut segments = Vec::new();
    for base in bases_in(directory)? {
        let segment = Segment::new(directory, base, 0);
        segment.publish(std::fs::metadata(&segment.path)?.len());
        segments.push(Arc::new(segment));
    }
    Ok(Segments::new(segments))
}

/// Reads the last segment, mends its end, and syncs it.
pub(super) fn last_segment(shared: &Shared, disk: &dyn Disk) -> io::Result<Recovered> {
    let Some(segment) = shared.segments.last() else {
        return Ok(Recovered { current: None, next: 0, is_damaged: false });
    };
    let capacity = segment.end();
    let mut reader = FrameReader::new(File::open(&segment.path)?, shared.seed);
    let mut position = 0;
    let mut next = segment.base;
    let mut is_damaged = false;
    loop {
        match reader.frame_at(position, capacity, Wait::Disk)? {
            Found::Frame(header, _) if header.base >= next => {
                segment.note(header.base, position);
                position += header.frame_bytes();
                next = header.end();
            }
            Found::Frame(..) | Found::Nothing => {
                let Some(resume) = behind_damage(&mut reader, position, capacity, next)? else {
                    break;
                };
                quarantine(shared, &segment, &mut reader, position..resume);
                position = resume;
                is_damaged = true;
            }
        }
    }
    let file = OpenOptions::new().read(true).write(true).open(&segment.path)?;
    let tail = reader.data_end(position, capacity)?;
    if tail > position {
        tracing::warn!(
            segment = %segment.path.display(), at = position, bytes = tail - position,
            "torn tail of the log cut: it was never acknowledged"
        );
        metrics::counter!("evp_log_torn_tail_bytes_total").increment(tail - position);
        disk::zero(&file, position, tail)?;
    }
    // What a killed process wrote may be in the page cache only; nobody reads it before it is safe.
    disk.sync_file(&file)?;
    disk.sync_directory(&shared.directory)?;
    segment.publish(position);
    let current = Some(Current { segment, file, position, capacity });
    Ok(Recovered { current, next, is_damaged })
}

/// Where frames go on behind a hole that had been synced once; `None` where the hole is the end.
///
/// A group is written only after the one before it was synced: a frame of a group that began behind
/// the hole proves that the hole was whole once. Without one it is a write that never finished.
fn behind_damage(
    reader: &mut FrameReader,
    position: u64,
    limit: u64,
    next: i64,
) -> io::Result<Option<u64>> {
    let Some((resume, first)) = reader.search(position, limit, |header| header.base >= next)?
    else {
        return Ok(None);
    };
    if first.base > next && first.group_base() > next {
        return Ok(Some(resume));
    }
    let proof = reader.search(resume, limit, |header| header.group_base() > next)?;
    Ok(proof.map(|_| resume))
}
