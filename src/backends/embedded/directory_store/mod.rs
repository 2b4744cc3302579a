//! The archive's objects as files of a directory, laid out by their keys.
//!
//! An object is written under another name, synced, and given its key by a rename that refuses a
//! taken one; then its directory is synced. So a reader sees a whole object or none, at any
//! instant a crash may choose.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::ports::{Created, Error, Kind, ObjectMeta, ObjectStore, Result, crash};

mod listing;

use listing::Listing;

/// Where objects are written before they have their key; no key has a part that begins with a dot.
const UNFINISHED: &str = ".unfinished";
/// Directories known to be durable that are remembered.
const MAX_KNOWN: usize = 4096;
/// Free bytes below which no object is begun.
const RESERVE_BYTES: u64 = 1 << 20;

/// A directory of objects.
#[derive(Debug)]
pub struct DirectoryStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    unfinished: PathBuf,
    counter: AtomicU64,
    /// Directories whose own entry was synced by this process. One that merely exists may have
    /// been made an instant before a crash.
    known: Mutex<HashSet<PathBuf>>,
}

impl DirectoryStore {
    /// Opens the directory, creating it where it does not exist, and removes what a crash left
    /// unfinished. The caller owns the data directory: nobody else writes here.
    ///
    /// # Errors
    /// `Unavailable`, `Full`.
    pub fn open(root: &Path) -> Result<Self> {
        let failed = |e| io_error(&format!("open directory {}", root.display()), e);
        let unfinished = root.join(UNFINISHED);
        fs::create_dir_all(&unfinished).map_err(failed)?;
        for entry in fs::read_dir(&unfinished).map_err(failed)? {
            fs::remove_file(entry.map_err(failed)?.path()).map_err(failed)?;
        }
        sync_directory(root).map_err(failed)?;
        if let Some(parent) = root.parent().filter(|p| !p.as_os_str().is_empty()) {
            sync_directory(parent).map_err(failed)?;
        }
        let inner = Inner {
            known: Mutex::new(HashSet::from([root.to_owned()])),
            root: root.to_owned(),
            unfinished,
            counter: AtomicU64::new(0),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Inner) -> Result<T> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || work(&inner)).await.map_err(|e| {
            Error::new(Kind::Closed, "work on the object directory ended early").with_source(e)
        })?
    }
}

#[async_trait]
impl ObjectStore for DirectoryStore {
    fn is_create_only(&self) -> bool {
        true
    }

    async fn create(&self, key: &str, content: Bytes) -> Result<Created> {
        let key = Key::new(key)?;
        self.run(move |inner| {
            inner.create(&key, &content).map_err(|e| {
                // A directory may have been removed by hand: take none for granted.
                inner.forget_known();
                write_error(&format!("create {key}"), e)
            })
        })
        .await
    }

    async fn get(&self, key: &str) -> Result<Bytes> {
        let key = Key::new(key)?;
        self.run(move |inner| inner.get(&key)).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, max: usize) -> Result<Vec<ObjectMeta>> {
        let listing = Listing::new(prefix, after, max);
        self.run(move |inner| {
            listing.of(&inner.root).map_err(|error| write_error("list objects", error))
        })
        .await
    }

    async fn check(&self) -> Result<()> {
        self.run(Inner::check).await
    }
}

impl Inner {
    fn create(&self, key: &Key, content: &[u8]) -> io::Result<Created> {
        let path = self.root.join(&key.0);
        let folder = path.parent().unwrap_or(&self.root);
        self.make_directory(folder)?;
        if is_object(&path)? {
            // Whoever created it may have died before its name was durable.
            sync_directory(folder)?;
            return Ok(Created::Exists);
        }
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let unfinished = Unfinished(self.unfinished.join(format!("{number}")));
        unfinished.write(content)?;
        crash::point("object.rename.before");
        let created = match rename_new(&unfinished.0, &path) {
            Ok(()) => Created::New,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_object(&path)? => {
                Created::Exists
            }
            Err(error) => return Err(error),
        };
        crash::point("object.rename.after");
        sync_directory(folder)?;
        Ok(created)
    }

    fn forget_known(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|path| path == &self.root);
    }

    /// Makes a directory and its parents, and every name on the way durable.
    fn make_directory(&self, folder: &Path) -> io::Result<()> {
        if self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(folder) {
            return Ok(());
        }
        let parent = folder.parent().unwrap_or(&self.root);
        self.make_directory(parent)?;
        match fs::create_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
            result => result?,
        }
        sync_directory(parent)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KNOWN {
            known.retain(|path| path == &self.root);
        }
        known.insert(folder.to_owned());
        Ok(())
    }

    fn get(&self, key: &Key) -> Result<Bytes> {
        let path = self.root.join(&key.0);
        let what = || format!("read {key}");
        let read = match is_object(&path) {
            Ok(true) => fs::read(&path),
            Ok(false) => Err(io::ErrorKind::NotFound.into()),
            Err(error) => Err(error),
        };
        read.map(Bytes::from).map_err(|e| io_error(&what(), e))
    }

    fn check(&self) -> Result<()> {
        let what = format!("write to {}", self.root.display());
        rustix::fs::access(&self.unfinished, rustix::fs::Access::WRITE_OK)
            .map_err(|e| write_error(&what, e.into()))?;
        let space = rustix::fs::statvfs(&self.root).map_err(|e| write_error(&what, e.into()))?;
        if space.f_bavail.saturating_mul(space.f_frsize) < RESERVE_BYTES {
            return Err(Error::new(Kind::Full, format!("no space left for {what}")));
        }
        Ok(())
    }
}

/// A file that has no key yet; removed where it never gets one.
struct Unfinished(PathBuf);

impl Unfinished {
    fn write(&self, content: &[u8]) -> io::Result<()> {
        let mut file = File::create(&self.0)?;
        file.write_all(content)?;
        file.sync_all()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After a rename there is nothing; anything else is removed at the next open.
        drop(fs::remove_file(&self.0));
    }
}

/// Gives a file its name where nothing has that name.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // File systems that cannot rename so can link; the old name is removed by its owner.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => fs::hard_link(from, to),
        result => result.map_err(io::Error::from),
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Whether a file is there; a directory or nothing is no object.
fn is_object(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(metadata.is_file()),
        Err(error) if is_absence(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn io_error(what: &str, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Kind::Full,
        io::ErrorKind::NotFound => Kind::NotFound,
        // A key below an object, or an object where a folder of keys is.
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => Kind::Conflict,
        io::ErrorKind::InvalidFilename => Kind::Data,
        _ => Kind::Unavailable,
    };
    Error::new(kind, what).with_source(error)
}

/// The same where an absence is not the object's.
fn write_error(what: &str, error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::NotFound {
        return Error::new(Kind::Unavailable, what).with_source(error);
    }
    io_error(what, error)
}

/// A key that stays inside the directory.
#[derive(Debug)]
struct Key(String);

impl Key {
    fn new(key: &str) -> Result<Self> {
        let is_part =
            |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', '\0']);
        if key.split('/').all(is_part) {
            Ok(Self(key.to_owned()))
        } else {
            Err(Error::new(Kind::Data, format!("{key:?} is no key of an object")))
        }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "object {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::contract::object_store::run;

    fn store() -> (tempfile::TempDir, DirectoryStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = DirectoryStore::open(&folder.path().join("archive")).unwrap();
        (folder, store)
    }

    fn unfinished(store: &DirectoryStore) -> usize {
        fs::read_dir(&store.inner.unfinished).unwrap().count()
    }

    #[tokio::test]
    async fn passes_the_object_store_suite() {
        let (_folder, store) = store();
        run(&store, "").await;
        run(&store, "below/").await;
        assert_eq!(unfinished(&store), 0);
    }

    #[tokio::test]
    async fn keys_stay_inside_the_directory() {
        let (folder, store) = store();
        let long = "x".repeat(300);
        for key in ["", "/etc/x", "../x", "a/../x", "a//x", "a/", ".hidden", "a/.x", "a\0b", &long]
        {
            let error = store.create(key, Bytes::new()).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Data, "{key:?}: {}", error.chain());
        }
        assert_eq!(store.get("../archive/x").await.unwrap_err().kind(), Kind::Data);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(store.list("../", None, 9).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn what_a_crash_left_unfinished_is_removed_and_never_listed() {
        let (_folder, store) = store();
        store.create("a/x", Bytes::from_static(b"x")).await.unwrap();
        fs::write(store.inner.unfinished.join("77"), b"half").unwrap();
        assert_eq!(store.list("", None, 9).await.unwrap().len(), 1);
        let root = store.inner.root.clone();
        let store = DirectoryStore::open(&root).unwrap();
        assert_eq!(unfinished(&store), 0);
        assert_eq!(store.get("a/x").await.unwrap(), Bytes::from_static(b"x"));
        assert_eq!(store.create("a/x", Bytes::from_static(b"y")).await.unwrap(), Created::Exists);
    }

    #[tokio::test]
    async fn a_folder_is_no_object_and_an_object_no_folder() {
        let (_folder, store) = store();
        store.create("a/x", Bytes::new()).await.unwrap();
        assert_eq!(store.create("a", Bytes::new()).await.unwrap_err().kind(), Kind::Conflict);
        assert_eq!(store.create("a/x/y", Bytes::new()).await.unwrap_err().kind(), Kind::Conflict);
        assert_eq!(store.get("a").await.unwrap_err().kind(), Kind::NotFound);
        assert_eq!(store.get("a/x/y").await.unwrap_err().kind(), Kind::NotFound);
        assert_eq!(unfinished(&store), 0);
    }

    #[tokio::test]
    async fn a_directory_that_went_away_is_an_error_and_no_empty_archive() {
        let (_folder, store) = store();
        fs::remove_dir_all(&store.inner.root).unwrap();
        let kinds = [
            store.list("", None, 9).await.unwrap_err().kind(),
            store.check().await.unwrap_err().kind(),
            store.create("a/x", Bytes::new()).await.unwrap_err().kind(),
        ];
        assert_eq!(kinds, [Kind::Unavailable; 3]);
    }

    #[tokio::test]
    async fn a_folder_removed_by_hand_is_made_again() {
        let (_folder, store) = store();
        store.create("a/b/x", Bytes::new()).await.unwrap();
        fs::remove_dir_all(store.inner.root.join("a")).unwrap();
        let error = store.create("a/b/y", Bytes::new()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable);
        assert_eq!(store.create("a/b/y", Bytes::new()).await.unwrap(), Created::New);
    }

    #[test]
    fn a_full_disk_is_full() {
        assert_eq!(io_error("x", io::Error::from(Errno::NOSPC)).kind(), Kind::Full);
        assert_eq!(io_error("x", io::Error::from(Errno::DQUOT)).kind(), Kind::Full);
        assert_eq!(io_error("x", io::Error::from(Errno::IO)).kind(), Kind::Unavailable);
    }
}
