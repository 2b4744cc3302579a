//! A disk for tests: real files, no waiting for them, failures on demand. It takes no write into a
//! file whose name a power cut could take, nor behind what an earlier process left unsynced.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirEntryExt, FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};

use super::Disk;
use super::pace::Pace;

/// The disk and its switches.
#[derive(Debug)]
pub(crate) struct TestDisk {
    /// So many of the next writes leave their bytes and fail to sync.
    pub(crate) failing_syncs: AtomicU32,
    /// Writes that have begun.
    pub(crate) writes: AtomicU32,
    /// The next write panics.
    pub(crate) is_panicking: AtomicBool,
    /// No new file has room.
    pub(crate) is_full: AtomicBool,
    /// What is said to be free.
    pub(crate) free: AtomicU64,
    /// Names and inodes as of the last syncs of their directories.
    names: Mutex<HashSet<(PathBuf, u64)>>,
    /// Inodes of files that are synced, or were never anybody else's.
    files: Mutex<HashSet<u64>>,
    /// How many syncs may still end; `None` where all may.
    held: Mutex<Option<u32>>,
    released: Condvar,
}

impl Default for TestDisk {
    fn default() -> Self {
        Self {
            failing_syncs: AtomicU32::new(0),
            writes: AtomicU32::new(0),
            is_panicking: AtomicBool::new(false),
            is_full: AtomicBool::new(false),
            free: AtomicU64::new(1 << 40),
            names: Mutex::default(),
            files: Mutex::default(),
            held: Mutex::default(),
            released: Condvar::new(),
        }
    }
}

impl TestDisk {
    /// Lets that many more syncs end and holds the next back; `None` lets all go.
    pub(crate) fn hold(&self, after: impl Into<Option<u32>>) {
        *self.held.lock().unwrap() = after.into();
        self.released.notify_all();
    }

    fn note_synced(&self, file: &File) {
        self.files.lock().unwrap().insert(file.metadata().unwrap().ino());
    }

    /// What is acknowledged in a file is gone with the file's name, or behind a hole in it.
    fn assert_durable(&self, file: &File) {
        let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
        let inode = file.metadata().unwrap().ino();
        assert!(self.files.lock().unwrap().contains(&inode), "{path:?} is not synced");
        let name = (path, inode);
        assert!(self.names.lock().unwrap().contains(&name), "{name:?} is not durable");
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
        self.note_synced(&file);
        Ok(file)
    }

    fn begin_write(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        self.assert_durable(file);
        file.write_all_at(bytes, at)?;
        self.writes.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn finish_write(&self, _file: &File) -> io::Result<()> {
        let held = self.held.lock().unwrap();
        let mut held = self.released.wait_while(held, |held| *held == Some(0)).unwrap();
        *held = held.map(|left| left - 1);
        drop(held);
        assert!(!self.is_panicking.load(Ordering::SeqCst), "injected panic of the writer");
        let failing = self.failing_syncs.load(Ordering::SeqCst);
        if failing > 0 {
            self.failing_syncs.store(failing - 1, Ordering::SeqCst);
            return Err(io::Error::other("injected failure of fsync"));
        }
        Ok(())
    }

    fn sync_file(&self, file: &File) -> io::Result<()> {
        self.note_synced(file);
        Ok(())
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        for entry in std::fs::read_dir(path.canonicalize()?)? {
            let entry = entry?;
            self.names.lock().unwrap().insert((entry.path(), entry.ino()));
        }
        Ok(())
    }

    fn free_bytes(&self, _path: &Path) -> io::Result<u64> {
        Ok(self.free.load(Ordering::SeqCst))
    }
}
