//! What can be said of a data directory without owning it.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use crate::model::Timestamp;
use crate::ports::{Diagnosis, Doctor, Symptom};
use crate::settings::Settings;

/// What it is called in reports.
const NAME: &str = "data directory";

/// `f_type` of file systems whose locks and syncs other machines may not see.
const NETWORK: &[(i64, &str)] =
    &[(0x6969, "NFS"), (0x517b, "SMB"), (0xff53_4d42, "CIFS"), (0x0102_1997, "9p")];
const MEMORY: &[(i64, &str)] = &[(0x0102_1994, "tmpfs"), (0x8584_58f6, "ramfs")];

/// Looks at a data directory.
#[derive(Debug)]
pub struct DirectoryDoctor {
    path: PathBuf,
    reserve_bytes: u64,
}

impl DirectoryDoctor {
    /// Looks at the directory of these settings.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self { path: settings.data_dir.clone(), reserve_bytes: settings.log.reserve_bytes.0 }
    }

    fn look(&self) -> Diagnosis {
        let address = self.path.display().to_string();
        let found = match fs::metadata(&self.path) {
            Ok(found) if found.is_dir() => found,
            Ok(_) => {
                let advice = "move the file away, or set data_dir";
                return Diagnosis::unreachable(NAME, address, "it is no directory", advice);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let advice = "`evp serve` makes it; or set data_dir to where it is";
                return Diagnosis::unreachable(NAME, address, "it does not exist", advice);
            }
            Err(error) => {
                let advice = "run as the user who owns it";
                return Diagnosis::unreachable(NAME, address, error.to_string(), advice);
            }
        };
        let mut diagnosis = Diagnosis::reachable(NAME, address);
        self.access(&found, &mut diagnosis);
        self.space(&mut diagnosis);
        self.file_system(&mut diagnosis);
        diagnosis
    }

    fn access(&self, found: &fs::Metadata, diagnosis: &mut Diagnosis) {
        let mode = found.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            diagnosis.add(Symptom::warning(
                "open_permissions",
                format!("its mode is {mode:o}: other users of this machine can read events"),
                format!("chmod 700 {}", self.path.display()),
            ));
        }
        if let Err(error) = rustix::fs::access(&self.path, rustix::fs::Access::WRITE_OK) {
            diagnosis.add(Symptom::error(
                "not_writable",
                format!("it cannot be written: {error}; it belongs to user {}", found.uid()),
                "run as the user who owns it",
            ));
        }
        let left = quarantined(&self.path.join("log"));
        if left > 0 {
            diagnosis.add(Symptom::warning(
                "quarantined",
                format!("{left} damaged parts of the log were put aside; their events are missing"),
                "look for a failing disk; `evp verify` names what is missing",
            ));
        }
    }

    fn space(&self, diagnosis: &mut Diagnosis) {
        let Ok(space) = rustix::fs::statvfs(&self.path) else { return };
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        if free < self.reserve_bytes {
            diagnosis.add(Symptom::error(
                "disk_full",
                format!("{} MiB are free, below log.reserve_bytes: events are refused", free >> 20),
                "free space, or move the directory to a larger disk",
            ));
        } else if free < self.reserve_bytes.saturating_mul(4) {
            diagnosis.add(Symptom::warning(
                "disk_low",
                format!(
                    "{} MiB are free; events are refused below {} MiB",
                    free >> 20,
                    self.reserve_bytes >> 20
                ),
                "free space, or move the directory to a larger disk",
            ));
        }
    }

    fn file_system(&self, diagnosis: &mut Diagnosis) {
        let Ok(system) = rustix::fs::statfs(&self.path) else { return };
        let kind = system.f_type;
        let named = |list: &[(i64, &'static str)]| {
            list.iter().find(|(known, _)| *known == kind).map(|(_, name)| *name)
        };
        if let Some(name) = named(MEMORY) {
            diagnosis.add(Symptom::error(
                "volatile",
                format!("it lies on {name}: everything is gone with the next restart"),
                "set data_dir to a directory on a disk",
            ));
        }
        if let Some(name) = named(NETWORK) {
            diagnosis.add(Symptom::warning(
                "network_file_system",
                format!("it lies on {name}, whose locks and syncs may not hold what they promise"),
                "set data_dir to a directory on a local disk",
            ));
        }
    }
}

/// Pieces of `<topic>/<partition>/` that recovery has put aside.
fn quarantined(log: &Path) -> usize {
    let below = |path: PathBuf| {
        fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path())
    };
    let partitions = below(log.to_owned()).flat_map(below);
    partitions.flat_map(|partition| below(partition.join("quarantine"))).count()
}

#[async_trait]
impl Doctor for DirectoryDoctor {
    async fn examine(&self, _now: Timestamp) -> Diagnosis {
        self.look()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(path: &Path) -> (bool, Vec<String>) {
        let settings = Settings { data_dir: path.to_owned(), ..Settings::default() };
        let diagnosis = DirectoryDoctor::new(&settings).look();
        let codes = diagnosis.symptoms.into_iter().map(|symptom| symptom.code);
        // Where tests run the disk may be small or in memory: not what is looked at here.
        let codes = codes.filter(|code| !code.starts_with("disk") && code != "volatile");
        (diagnosis.reachable, codes.collect())
    }

    #[test]
    fn a_directory_is_there_and_private() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        assert_eq!(codes(&path), (false, vec!["unreachable".to_owned()]));
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(codes(&path), (true, vec!["open_permissions".to_owned()]));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(codes(&path), (true, Vec::new()));
        let aside = path.join("log/raw-events/0/quarantine");
        fs::create_dir_all(&aside).unwrap();
        fs::write(aside.join("x"), "").unwrap();
        assert_eq!(codes(&path), (true, vec!["quarantined".to_owned()]));
        let file = parent.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(codes(&file), (false, vec!["unreachable".to_owned()]));
    }
}
