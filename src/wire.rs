//! Settings to ports: the only file that knows backends. `backend.*` chooses one for each port; what
//! is embedded lies in the data directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::backends::embedded::state::StateDb;
use crate::backends::embedded::{
    Checkpoints, DataDirectory, DirectoryDoctor, DirectoryError, DirectoryStore, EmbeddedLog,
    EmbeddedLogOptions, StoreDb, StoreOptions,
};
use crate::backends::kafka::{KafkaDoctor, KafkaLog, KafkaLogOptions};
use crate::backends::lenient::LenientState;
use crate::backends::postgres::{
    Options as PostgresOptions, PostgresDoctor, PostgresMigrations, PostgresStore,
};
use crate::backends::redis::{RedisDoctor, RedisState};
use crate::backends::s3::{S3Doctor, S3Store};
use crate::backends::spill::{DRAINER, SpillLog, SpillOptions};
use crate::model::{GroupId, Stage};
use crate::ports::{
    self, Clock, DeadLetterTopic, Doctor, Error, EventLog, Kind, Migrations, ObjectStore, Ports,
    Sink, State, Store, SystemClock,
};
use crate::settings::{
    DurabilityMode, LogBackend, ObjectBackend, Settings, StateBackend, StoreBackend, WithoutState,
};

/// How the ports are opened.
#[derive(Debug, Clone)]
pub struct OpenMode {
    /// Make the data directory where it is missing. Only `serve` does, for an embedded pipeline.
    pub create: bool,
    /// How long to wait for its owner to go.
    pub lock_wait: Duration,
    /// The process that opens them runs roles; `None` for a command, which has no directory of its
    /// own and spills nothing.
    pub instance: Option<Instance>,
}

/// A process that runs roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its name, after its roles: the folder that it has in the data directory where nothing of the
    /// pipeline is embedded.
    pub name: String,
    /// Whether it accepts events and so may spill them.
    pub collects: bool,
}

/// So many processes of the same roles find a folder each in one data directory.
const MAX_INSTANCES: usize = 64;

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
    log: OpenLog,
    directory: Option<DataDirectory>,
}

impl Wired {
    /// The directory that this process owns; a command on a cluster owns none.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_ref().map(DataDirectory::path)
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

/// The log as it must be closed.
#[derive(Debug)]
enum OpenLog {
    Embedded(Arc<EmbeddedLog>),
    Kafka { log: Arc<KafkaLog>, spill: Option<Arc<SpillLog>> },
}

impl OpenLog {
    fn port(&self) -> Arc<dyn EventLog> {
        match self {
            Self::Embedded(log) => log.clone(),
            Self::Kafka { log, spill: None } => log.clone(),
            Self::Kafka { spill: Some(spill), .. } => spill.clone(),
        }
    }

    fn close(&self) {
        match self {
            Self::Embedded(log) => log.close(),
            Self::Kafka { log, spill } => {
                if let Some(spill) = spill {
                    spill.close();
                }
                log.close();
            }
        }
    }
}

/// Opens the ports that the settings name. Blocks: on the lock, and on files. Servers are not
/// waited for: a port whose server is away answers `Unavailable` when it is used.
///
/// # Errors
/// See [`WireError`].
pub fn open(settings: &Settings, mode: &OpenMode) -> Result<Wired, WireError> {
    open_with_clock(settings, mode, Arc::new(SystemClock))
}

/// The same by a clock of the caller's.
///
/// # Errors
/// See [`WireError`].
pub fn open_with_clock(
    settings: &Settings,
    mode: &OpenMode,
    clock: Arc<dyn Clock>,
) -> Result<Wired, WireError> {
    let directory = directory(settings, mode)?;
    let wiring = Wiring {
        settings,
        clock: &clock,
        folder: directory.as_ref().map(DataDirectory::path),
        instance: mode.instance.as_ref(),
    };
    let mut keepers: Vec<Arc<dyn Checkpoints>> = Vec::new();
    // The store comes first: it owns the worker's group alone, the other keeper owns the rest.
    let (sink, store) = wiring.store(&mut keepers)?;
    let state = wiring.state(&mut keepers)?;
    let objects = wiring.objects()?;
    let log = match settings.backend.log {
        LogBackend::Embedded => OpenLog::Embedded(wiring.embedded_log(keepers)?),
        LogBackend::Kafka => wiring.kafka_log()?,
    };
    let ports = Ports { log: log.port(), state, objects, sink, store, clock };
    Ok(Wired { ports, log, directory })
}

/// Takes the directory that this process needs: the data directory itself where something of the
/// pipeline lies in it, else a folder of its own in it, or none.
fn directory(settings: &Settings, mode: &OpenMode) -> Result<Option<DataDirectory>, WireError> {
    let shared = &settings.data_dir;
    if settings.backend.needs_directory() {
        let own = DataDirectory::acquire(shared, mode.create, mode.lock_wait)?;
        return Ok(Some(own));
    }
    let Some(instance) = &mode.instance else { return Ok(None) };
    let first = shared.join(&instance.name);
    if instance.collects {
        // Spilled events wait in it: a second collector must not start beside them unseen.
        return Ok(Some(DataDirectory::acquire(&first, true, mode.lock_wait)?));
    }
    let next = (2..=MAX_INSTANCES).map(|n| shared.join(format!("{}-{n}", instance.name)));
    for folder in std::iter::once(first.clone()).chain(next) {
        match DataDirectory::acquire(&folder, true, Duration::ZERO) {
            Err(DirectoryError::Locked { .. }) => {}
            taken => return Ok(Some(taken?)),
        }
    }
    Ok(Some(DataDirectory::acquire(&first, true, mode.lock_wait)?))
}

/// One store, as it is written and as it is read.
type BothSides = (Arc<dyn Sink>, Arc<dyn Store>);

/// A dependency's name, and who looks at it.
pub type NamedDoctor = (String, Arc<dyn Doctor>);

/// What every port is made from.
struct Wiring<'s> {
    settings: &'s Settings,
    clock: &'s Arc<dyn Clock>,
    folder: Option<&'s Path>,
    instance: Option<&'s Instance>,
}

impl Wiring<'_> {
    /// A place in this process's directory.
    fn place(&self, name: &str) -> Result<PathBuf, WireError> {
        let folder = self
            .folder
            .ok_or_else(|| WireError::Missing(self.settings.data_dir.display().to_string()))?;
        Ok(folder.join(name))
    }

    fn store(&self, keepers: &mut Vec<Arc<dyn Checkpoints>>) -> Result<BothSides, WireError> {
        let (settings, clock) = (self.settings, Arc::clone(self.clock));
        let exact_uniques = settings.query.exact_uniques;
        let query_timeout = settings.query.timeout.0;
        match settings.backend.store {
            StoreBackend::Embedded => {
                let worker_group = settings.groups.worker.clone();
                let options = StoreOptions { worker_group, exact_uniques, query_timeout, clock };
                let store = StoreDb::open(&self.place("store.db")?, options)?;
                keepers.push(store.clone());
                Ok((store.clone(), store))
            }
            StoreBackend::Postgres => {
                let options = PostgresOptions { exact_uniques, query_timeout, clock };
                let store = PostgresStore::open(&settings.postgres, options)?;
                Ok((store.clone(), store))
            }
        }
    }

    /// The state. An embedded log keeps positions in `state.db` whoever judges.
    fn state(&self, keepers: &mut Vec<Arc<dyn Checkpoints>>) -> Result<Arc<dyn State>, WireError> {
        let backend = self.settings.backend;
        let is_embedded = backend.state == StateBackend::Embedded;
        let embedded = if is_embedded || backend.log == LogBackend::Embedded {
            let db = StateDb::open(&self.place("state.db")?)?;
            keepers.push(db.clone());
            Some(db)
        } else {
            None
        };
        match embedded {
            Some(db) if is_embedded => Ok(db),
            _ => {
                let redis = RedisState::open(&self.settings.redis, Arc::clone(self.clock))?;
                // A command is told that the state is away, whatever roles do.
                let passes = self.settings.processor.without_state == WithoutState::Pass;
                if passes && self.instance.is_some() {
                    return Ok(Arc::new(LenientState::new(redis)));
                }
                Ok(redis)
            }
        }
    }

    fn objects(&self) -> Result<Arc<dyn ObjectStore>, WireError> {
        match self.settings.backend.objects {
            ObjectBackend::Directory => {
                Ok(Arc::new(DirectoryStore::open(&self.place("archive")?)?))
            }
            ObjectBackend::S3 => Ok(Arc::new(S3Store::new(&self.settings.s3)?)),
        }
    }

    fn embedded_log(
        &self,
        keepers: Vec<Arc<dyn Checkpoints>>,
    ) -> Result<Arc<EmbeddedLog>, WireError> {
        let settings = self.settings;
        Ok(Arc::new(EmbeddedLog::open(EmbeddedLogOptions {
            directory: self.place("log")?,
            settings: settings.log.clone(),
            topics: settings.topics.all().into_iter().cloned().collect(),
            door: settings.topics.raw.clone(),
            readers: settings.readers(),
            keepers,
            clock: Arc::clone(self.clock),
        })?))
    }

    /// Kafka, with a spill log in front of it where this process accepts events.
    fn kafka_log(&self) -> Result<OpenLog, WireError> {
        let settings = self.settings;
        let log = Arc::new(KafkaLog::open(KafkaLogOptions {
            settings: settings.kafka.clone(),
            topics: settings.topics.all().into_iter().cloned().collect(),
        })?);
        let replicated = settings.collector.durability == DurabilityMode::Replicated;
        let collects = self.instance.is_some_and(|instance| instance.collects);
        if !collects || !settings.spill.enabled || replicated {
            return Ok(OpenLog::Kafka { log, spill: None });
        }
        let folder = self.place("spill")?;
        std::fs::create_dir_all(&folder).map_err(|error| {
            let what = format!("cannot make {}", folder.display());
            Error::new(Kind::Unavailable, what).with_source(error)
        })?;
        let raw = settings.topics.raw.clone();
        let spill = Arc::new(EmbeddedLog::open(EmbeddedLogOptions {
            directory: folder.join("log"),
            settings: settings.log.clone(),
            topics: vec![raw.clone()],
            door: raw.clone(),
            readers: vec![(GroupId::new(DRAINER), vec![raw.clone()])],
            keepers: vec![StateDb::open(&folder.join("cursor.db"))?],
            clock: Arc::clone(self.clock),
        })?);
        let primary: Arc<dyn EventLog> = log.clone();
        let dead = DeadLetterTopic::new(&settings.topics.raw_dlq, Stage::Processor, self.clock);
        let dead = dead.before_raw();
        let options = SpillOptions { primary, spill, raw, dead, settings: settings.spill.clone() };
        let spill = Some(Arc::new(SpillLog::open(options)?));
        Ok(OpenLog::Kafka { log, spill })
    }
}

/// The steps that lead the tables of the settings' Postgres to the newest version. Embedded stores
/// make their tables when they are opened.
///
/// # Errors
/// `Conflict` for settings that name no server.
pub fn migrations(settings: &Settings) -> ports::Result<Arc<dyn Migrations>> {
    let migrations = PostgresMigrations::open(&settings.postgres, Arc::new(SystemClock))?;
    Ok(migrations)
}

/// Who looks at each dependency of these settings, with its name; nothing is opened or reached yet.
///
/// # Errors
/// Where settings are of no use to a backend.
pub fn doctors(settings: &Settings) -> Result<Vec<NamedDoctor>, WireError> {
    let backend = settings.backend;
    let mut doctors: Vec<NamedDoctor> = Vec::new();
    if backend.needs_directory() {
        doctors.push(("data directory".to_owned(), Arc::new(DirectoryDoctor::new(settings))));
    }
    if backend.log == LogBackend::Kafka {
        doctors.push(("kafka".to_owned(), Arc::new(KafkaDoctor::new(settings)?)));
    }
    if backend.state == StateBackend::Redis {
        doctors.push(("redis".to_owned(), Arc::new(RedisDoctor::new(&settings.redis)?)));
    }
    if backend.store == StoreBackend::Postgres {
        doctors.push(("postgres".to_owned(), Arc::new(PostgresDoctor::new(&settings.postgres)?)));
    }
    if backend.objects == ObjectBackend::S3 && settings.archive.enabled {
        doctors.push(("s3".to_owned(), Arc::new(S3Doctor::new(&settings.s3)?)));
    }
    Ok(doctors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Headers, Record, RecordBatch, Timestamp};

    fn settings(directory: &Path) -> Settings {
        Settings { data_dir: directory.join("data"), ..Settings::default() }
    }

    const SERVE: OpenMode = OpenMode { create: true, lock_wait: Duration::ZERO, instance: None };
    const COMMAND: OpenMode = OpenMode { create: false, lock_wait: Duration::ZERO, instance: None };

    #[test]
    fn a_directory_has_one_owner_whose_pid_the_next_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(directory.path());
        let first = open(&settings, &SERVE).unwrap();
        let refused = open(&settings, &SERVE).unwrap_err();
        let WireError::Locked { pid, directory } = &refused else { panic!("{refused}") };
        assert_eq!(*pid, Some(std::process::id()));
        assert_eq!(*directory, settings.data_dir.display().to_string());
        assert!(refused.to_string().contains(&std::process::id().to_string()));
        first.close();
        open(&settings, &COMMAND).unwrap().close();
    }

    #[test]
    fn a_command_makes_no_directory() {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(directory.path());
        assert!(matches!(open(&settings, &COMMAND).unwrap_err(), WireError::Missing(_)));
        assert!(!settings.data_dir.exists());
    }

    #[tokio::test]
    async fn every_group_has_one_keeper_and_records_outlive_the_process() {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(directory.path());
        let wired = open(&settings, &SERVE).unwrap();
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
        let wired = open(&settings, &COMMAND).unwrap();
        for topic in settings.topics.all() {
            let info = wired.ports.log.describe(topic).await.unwrap();
            assert_eq!(info.partitions[0].high.0, 1, "{topic}");
        }
    }
}
