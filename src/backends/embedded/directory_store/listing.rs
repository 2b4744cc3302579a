//! Listing a directory's objects in the order of their keys, without a walk through what is not asked
//! for.

use std::fs;
use std::io;
use std::path::Path;

use super::is_absence;
use crate::ports::ObjectMeta;

/// A walk over the directory in the order of keys.
pub(super) struct Listing {
    prefix: String,
    after: Option<String>,
    max: usize,
    found: Vec<ObjectMeta>,
}

impl Listing {
    /// At most `max` objects whose keys begin with `prefix` and come after `after`.
    pub(super) fn new(prefix: &str, after: Option<&str>, max: usize) -> Self {
        let after = after.map(str::to_owned);
        Self { prefix: prefix.to_owned(), after, max, found: Vec::new() }
    }

    /// The objects of a directory.
    pub(super) fn of(mut self, root: &Path) -> io::Result<Vec<ObjectMeta>> {
        self.walk(root, "")?;
        Ok(self.found)
    }

    /// Lists what lies in a folder; its keys begin with `base`.
    fn walk(&mut self, folder: &Path, base: &str) -> io::Result<()> {
        let mut entries = Vec::new();
        for entry in read_directory(folder, base.is_empty())? {
            let entry = entry?;
            let name = entry.file_name();
            // No key of ours is other than UTF-8.
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else {
                continue;
            };
            let kind = entry.file_type()?;
            // A folder sorts as its keys do: with the slash.
            let key = format!("{base}{name}{}", if kind.is_dir() { "/" } else { "" });
            if self.may_have(&key, kind.is_dir()) {
                entries.push((key, entry, kind.is_dir()));
            }
        }
        entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        for (key, entry, is_folder) in entries {
            if self.found.len() >= self.max {
                break;
            }
            if is_folder {
                self.walk(&entry.path(), &key)?;
                continue;
            }
            match entry.metadata() {
                Ok(metadata) => self.found.push(ObjectMeta { key, size_bytes: metadata.len() }),
                Err(error) if is_absence(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether a key, or some key in a folder, is asked for.
    fn may_have(&self, key: &str, is_folder: bool) -> bool {
        let in_prefix =
            key.starts_with(&self.prefix) || (is_folder && self.prefix.starts_with(key));
        let is_after = self
            .after
            .as_deref()
            .is_none_or(|after| key > after || (is_folder && after.starts_with(key)));
        in_prefix && is_after
    }
}

/// The entries of a folder; none where it went away, except of the root, whose absence is an error.
fn read_directory(
    folder: &Path,
    is_root: bool,
) -> io::Result<impl Iterator<Item = io::Result<fs::DirEntry>>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => Some(entries),
        Err(error) if is_absence(&error) && !is_root => None,
        Err(error) => return Err(error),
    };
    Ok(entries.into_iter().flatten())
}
