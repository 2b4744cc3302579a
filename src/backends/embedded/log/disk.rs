//! The few calls by which the log writes to a disk, so that tests can make them fail.
//! Reading is not among them: readers use plain files.

use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use super::pace::{Pace, Urgency};
use super::writeback;

/// Writes to a disk.
pub(crate) trait Disk: Debug + Send + Sync + 'static {
    /// Creates a file of that many zero bytes, written (not only reserved) and synced, so that
    /// later writes change neither its size nor its extents. Bit by bit, as the pace allows: synced at
    /// once, so many bytes would keep everything else on this disk waiting. `Interrupted` where
    /// nobody needs it any more.
    fn create_zeroed(&self, path: &Path, bytes: u64, pace: &Pace) -> io::Result<File>;

    /// Writes all bytes at a position and has the disk begin with them.
    fn begin_write(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()>;

    /// Waits until what was written through this descriptor is durable.
    fn finish_write(&self, file: &File) -> io::Result<()>;

    /// Makes what others wrote into a file durable.
    fn sync_file(&self, file: &File) -> io::Result<()>;

    /// Makes names in a directory durable.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;

    /// Bytes that a file could still take in that directory.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
}

/// The machine's disk.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemDisk;

/// Synced at once. A synced write beside it waits behind it; twice as much at once was no quicker,
/// half of it cost the log 7 % (docs/performance.md).
static ZEROS: [u8; 512 << 10] = [0; 512 << 10];

impl Disk for SystemDisk {
    fn create_zeroed(&self, path: &Path, bytes: u64, pace: &Pace) -> io::Result<File> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        let mut at = 0;
        while at < bytes {
            let end = bytes.min(at + ZEROS.len() as u64);
            let urgency = pace.reach(end);
            if urgency == Urgency::Dropped {
                return Err(io::ErrorKind::Interrupted.into());
            }
            zero(&file, at, end)?;
            if urgency == Urgency::Calm {
                file.sync_data()?;
            }
            at = end;
        }
        file.sync_all()?;
        Ok(file)
    }

    fn begin_write(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        file.write_all_at(bytes, at)?;
        writeback::begin(file, at, bytes.len() as u64);
        Ok(())
    }

    fn finish_write(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_file(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// Writes zeros over a range.
pub(super) fn zero(file: &File, from: u64, to: u64) -> io::Result<()> {
    let mut at = from;
    while at < to {
        let length = usize::try_from(to - at).unwrap_or(usize::MAX).min(ZEROS.len());
        file.write_all_at(&ZEROS[..length], at)?;
        at += length as u64;
    }
    Ok(())
}

/// Whether a failure means that the disk is full.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
