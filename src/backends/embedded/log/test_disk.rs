//! A disk for tests: real files, no waiting for them, failures on demand.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};

use super::Disk;
use super::pace::Pace;

/// The disk and its switches.
#[derive(Debug)]
pub(crate) struct TestDisk {
    /// So many of the next writes leave their bytes and fail to sync.
    pub(crate) failing_syncs: AtomicU32,
    /// The next write panics.
    pub(crate) is_panicking: AtomicBool,
    /// No new file has room.
    pub(crate) is_full: AtomicBool,
    /// What is said to be free.
    pub(crate) free: AtomicU64,
    held: Mutex<bool>,
    released: Condvar,
}

impl Default for TestDisk {
    fn default() -> Self {
        Self {
            failing_syncs: AtomicU32::new(0),
            is_panicking: AtomicBool::new(false),
            is_full: AtomicBool::new(false),
            free: AtomicU64::new(1 << 40),
            held: Mutex::default(),
            released: Condvar::new(),
        }
    }
}

impl TestDisk {
    /// Holds writes back, or lets them go.
    pub(crate) fn hold(&self, held: bool) {
        *self.held.lock().unwrap() = held;
        self.released.notify_all();
    }
}

impl Disk for TestDisk {
    fn create_zeroed(&self, path: &Path, bytes: u64, _pace: &Pace) -> io::Result<File> {
        if self.is_full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(true).open(path)?;
        file.set_len(bytes)?;
        Ok(file)
    }

    fn write_synced(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        let held = self.held.lock().unwrap();
        drop(self.released.wait_while(held, |held| *held).unwrap());
        assert!(!self.is_panicking.load(Ordering::SeqCst), "injected panic of the writer");
        file.write_all_at(bytes, at)?;
        let failing = self.failing_syncs.load(Ordering::SeqCst);
        if failing > 0 {
            self.failing_syncs.store(failing - 1, Ordering::SeqCst);
            return Err(io::Error::other("injected failure of fsync"));
        }
        Ok(())
    }

    fn sync_directory(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn free_bytes(&self, _path: &Path) -> io::Result<u64> {
        Ok(self.free.load(Ordering::SeqCst))
    }
}
