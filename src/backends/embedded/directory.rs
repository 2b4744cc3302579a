//! The data directory and who owns it: one process at a time, by `flock` on `evp.lock`, which holds
//! the owner's process id for others to read.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

/// Name of the lock file.
const LOCK: &str = "evp.lock";

/// Pause between two tries to take the lock.
const TRY_EVERY: Duration = Duration::from_millis(20);

/// Why a data directory cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Another process owns it.
    #[error("data directory {directory} is in use by process {}", owner(*pid))]
    Locked {
        /// That process, where it left its id.
        pid: Option<u32>,
        /// The directory.
        directory: String,
    },
    /// It does not exist, and was not to be made.
    #[error("there is no data directory at {0}")]
    Missing(String),
    /// It cannot be made, opened or locked.
    #[error("cannot open data directory {directory}")]
    Io {
        /// The directory.
        directory: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

fn owner(pid: Option<u32>) -> String {
    pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string())
}

/// An owned data directory; dropping it gives it up.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    /// The lock lives as long as this descriptor.
    _lock: File,
}

impl DataDirectory {
    /// Takes a directory, waiting up to `wait` for its owner to go. Blocks.
    ///
    /// # Errors
    /// See [`DirectoryError`].
    pub fn acquire(path: &Path, create: bool, wait: Duration) -> Result<Self, DirectoryError> {
        let name = || path.display().to_string();
        let failed = |source| DirectoryError::Io { directory: name(), source };
        if create {
            make(path).map_err(failed)?;
        } else if !is_one(path) {
            return Err(DirectoryError::Missing(name()));
        }
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut lock = options.open(path.join(LOCK)).map_err(failed)?;
        let started = Instant::now();
        while !try_lock(&lock).map_err(failed)? {
            if started.elapsed() >= wait {
                return Err(DirectoryError::Locked { pid: read_pid(&mut lock), directory: name() });
            }
            pause();
        }
        write_pid(&mut lock).map_err(failed)?;
        Ok(Self { path: path.to_path_buf(), _lock: lock })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Whether a directory is, or was, a data directory: a mistyped path must not be taken for an empty one.
fn is_one(path: &Path) -> bool {
    [LOCK, "store.db", "state.db"].iter().any(|name| path.join(name).exists())
}

/// Makes a directory where it is missing, and its name and those of its parents durable.
fn make(path: &Path) -> io::Result<()> {
    if path.exists() && !path.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let missing = path.ancestors().take_while(|one| !one.as_os_str().is_empty() && !one.exists());
    let missing: Vec<&Path> = missing.collect();
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    for made in missing {
        let parent = made.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

fn try_lock(lock: &File) -> io::Result<bool> {
    match rustix::fs::flock(lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn write_pid(lock: &mut File) -> io::Result<()> {
    lock.rewind()?;
    lock.set_len(0)?;
    writeln!(lock, "{}", std::process::id())
}

fn read_pid(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.rewind().ok()?;
    lock.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Waits on a condition that nobody meets: the caller blocks anyway.
fn pause() {
    let never = Mutex::new(());
    let guard = never.lock().unwrap_or_else(PoisonError::into_inner);
    drop(Condvar::new().wait_timeout(guard, TRY_EVERY));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_second_owner_is_refused_with_the_pid_of_the_first() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let first = DataDirectory::acquire(&path, true, Duration::ZERO).unwrap();
        let refused = DataDirectory::acquire(&path, true, Duration::ZERO).unwrap_err();
        let DirectoryError::Locked { pid, .. } = refused else { panic!("{refused}") };
        assert_eq!(pid, Some(std::process::id()));
        drop(first);
        DataDirectory::acquire(&path, false, Duration::ZERO).unwrap();
    }

    #[test]
    fn a_directory_is_made_private_and_only_when_asked() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let missing = DataDirectory::acquire(&path, false, Duration::ZERO).unwrap_err();
        assert!(matches!(missing, DirectoryError::Missing(_)));
        assert!(!path.exists());
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("notes.txt"), "mine").unwrap();
        let other = DataDirectory::acquire(&path, false, Duration::ZERO).unwrap_err();
        assert!(matches!(other, DirectoryError::Missing(_)), "{other}");
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 1, "nothing was made in it");
        std::fs::remove_dir_all(&path).unwrap();
        let made = DataDirectory::acquire(&path, true, Duration::ZERO).unwrap();
        let mode = std::fs::metadata(made.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
