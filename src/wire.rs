//! Settings to ports: the only file that knows backends. Today there is one profile, embedded: a
//! data directory with a segment log, two SQLite files and the archive.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::backends::embedded::state::StateDb;
use crate::backends::embedded::{
    Checkpoints, DataDirectory, DirectoryError, DirectoryStore, EmbeddedLog, EmbeddedLogOptions,
    StoreDb, StoreOptions,
};
use crate::ports::{Clock, Error, EventLog, Ports, SystemClock};
use crate::settings::Settings;

/// How a data directory is opened.
#[derive(Debug, Clone, Copy)]
pub struct OpenMode {
    /// Make it where it is missing. Only `serve` does.
    pub create: bool,
    /// How long to wait for its owner to go.
    pub lock_wait: Duration,
}

/// Why there are no ports.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Another process owns the data directory.
    #[error(
        "data directory {directory} is in use by process {}",
        pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string())
    )]
    Locked {
        /// That process, where it left its id.
        pid: Option<u32>,
        /// The directory.
        directory: String,
    },
    /// There is no data directory, and this command makes none.
    #[error("there is no data directory at {0}")]
    Missing(String),
    /// The data directory cannot be made, opened or locked.
    #[error("cannot open the data directory")]
    Directory(#[source] DirectoryError),
    /// A backend cannot be opened.
    #[error("cannot open a backend")]
    Port(#[from] Error),
}

impl From<DirectoryError> for WireError {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Locked { pid, directory } => Self::Locked { pid, directory },
            DirectoryError::Missing(directory) => Self::Missing(directory),
            error @ DirectoryError::Io { .. } => Self::Directory(error),
        }
    }
}

/// The ports, and what lives behind them. Dropping it closes all of it; the directory last.
#[derive(Debug)]
pub struct Wired {
    /// One of each port.
    pub ports: Ports,
    log: Arc<EmbeddedLog>,
    directory: DataDirectory,
}

impl Wired {
    /// The data directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Syncs what is queued, ends the threads, gives the directory up. Blocks for as long as that
    /// takes. Clones of the ports that are still held answer `Closed` where they would write.
    pub fn close(self) {
        self.log.close();
        let Self { ports, log, directory } = self;
        drop(ports);
        drop(log);
        drop(directory);
    }
}

/// Opens the ports that the settings name. Blocks: on the lock, and on files.
///
/// # Errors
/// See [`WireError`].
pub fn open(settings: &Settings, mode: OpenMode) -> Result<Wired, WireError> {
    open_with_clock(settings, mode, Arc::new(SystemClock))
}

/// The same by a clock of the caller's.
///
/// # Errors
/// See [`WireError`].
pub fn open_with_clock(
    settings: &Settings,
    mode: OpenMode,
    clock: Arc<dyn Clock>,
) -> Result<Wired, WireError> {
    let directory = DataDirectory::acquire(&settings.data_dir, mode.create, mode.lock_wait)?;
    let path = directory.path();
    let state = StateDb::open(&path.join("state.db"))?;
    let store_options = StoreOptions {
        worker_group: settings.groups.worker.clone(),
        exact_uniques: settings.query.exact_uniques,
        query_timeout: settings.query.timeout.0,
        clock: Arc::clone(&clock),
    };
    let store = StoreDb::open(&path.join("store.db"), store_options)?;
    let objects = DirectoryStore::open(&path.join("archive"))?;
    // The store comes first: it owns the worker's group alone, the other keeper owns the rest.
    let keepers: Vec<Arc<dyn Checkpoints>> = vec![store.clone(), state.clone()];
    let log = Arc::new(EmbeddedLog::open(EmbeddedLogOptions {
        directory: path.join("log"),
        settings: settings.log.clone(),
        topics: settings.topics.all().into_iter().cloned().collect(),
        door: settings.topics.raw.clone(),
        readers: settings.readers(),
        keepers,
        clock: Arc::clone(&clock),
    })?);
    let event_log: Arc<dyn EventLog> = log.clone();
    let ports = Ports {
        log: event_log,
        state,
        objects: Arc::new(objects),
        sink: store.clone(),
        store,
        clock,
    };
    Ok(Wired { ports, log, directory })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Headers, Record, RecordBatch, Timestamp};

    fn settings(directory: &Path) -> Settings {
        Settings { data_dir: directory.join("data"), ..Settings::default() }
    }

    const SERVE: OpenMode = OpenMode { create: true, lock_wait: Duration::ZERO };
    const COMMAND: OpenMode = OpenMode { create: false, lock_wait: Duration::ZERO };

    #[test]
    fn a_directory_has_one_owner_whose_pid_the_next_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(directory.path());
        let first = open(&settings, SERVE).unwrap();
        let refused = open(&settings, SERVE).unwrap_err();
        let WireError::Locked { pid, directory } = &refused else { panic!("{refused}") };
        assert_eq!(*pid, Some(std::process::id()));
        assert_eq!(*directory, settings.data_dir.display().to_string());
        assert!(refused.to_string().contains(&std::process::id().to_string()));
        first.close();
        open(&settings, COMMAND).unwrap().close();
    }

    #[test]
    fn a_command_makes_no_directory() {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(directory.path());
        assert!(matches!(open(&settings, COMMAND).unwrap_err(), WireError::Missing(_)));
        assert!(!settings.data_dir.exists());
    }

    #[tokio::test]
    async fn every_group_has_one_keeper_and_records_outlive_the_process() {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(directory.path());
        let wired = open(&settings, SERVE).unwrap();
        let record = Record {
            key: "k".into(),
            value: "v".into(),
            timestamp: Timestamp::from_millis_clamped(0),
            headers: Headers::new(),
        };
        for topic in settings.topics.all() {
            wired.ports.log.append(topic, RecordBatch::of(&record)).await.unwrap();
        }
        for (group, topics) in settings.readers() {
            let consumer = wired.ports.log.consumer(&group, &topics).await.unwrap();
            consumer.close().await.unwrap();
        }
        wired.close();
        let wired = open(&settings, COMMAND).unwrap();
        for topic in settings.topics.all() {
            let info = wired.ports.log.describe(topic).await.unwrap();
            assert_eq!(info.partitions[0].high.0, 1, "{topic}");
        }
    }
}
