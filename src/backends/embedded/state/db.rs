//! The state port and the positions, on the writer's thread.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use crate::model::{GroupId, Offset, Rule, RuleTarget, Timestamp, TopicPartition};
use crate::ports::{Candidate, Limits, Result, State, Verdict};

use super::super::Checkpoints;
use super::super::sqlite::{self, Owned, Synchronous, Writer, port_error};
use super::judge::judge;
use super::marks::{MAX_MARKS, Marks};
use super::rates::Rates;
use super::rules::{self, RuleCache};
use super::{offsets, schema};

/// Rows that one turn of a sweep looks at, so that judging never waits long for it.
const SWEEP_ROWS: usize = 5_000;
/// Turns of one sweep.
const SWEEP_TURNS: usize = 100;

/// `state.db`.
///
/// Judgements and positions commit lazily (`synchronous=NORMAL`): what a power cut takes of them
/// is read from the log again. Rules and job states are in no log and commit with `FULL`.
#[derive(Debug)]
pub struct StateDb {
    writer: Writer<Core>,
}

/// What the writer's thread owns.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) connection: Connection,
    pub(super) marks: Marks,
    pub(super) rates: Rates,
    pub(super) rules: RuleCache,
    /// Rows changed by this connection when everything was last durable.
    synced_changes: Option<u64>,
}

impl Owned for Core {
    fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

impl Core {
    /// One lazy transaction.
    fn write<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = work(&tx)?;
        tx.commit()?;
        Ok(value)
    }

    /// One transaction that is on the disk, with everything before it, when this returns.
    fn write_durably<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        sqlite::set_synchronous(&self.connection, Synchronous::Full)?;
        let result = self.write(work);
        sqlite::set_synchronous(&self.connection, Synchronous::Normal)?;
        if result.is_ok() {
            self.synced_changes = Some(self.connection.total_changes());
        }
        result
    }

    /// Makes every commit so far durable. A commit with `FULL` syncs the WAL, and with it all
    /// frames before its own; those of an earlier WAL were synced into the file before it was
    /// begun anew.
    fn sync(&mut self) -> rusqlite::Result<()> {
        if self.synced_changes == Some(self.connection.total_changes()) {
            return Ok(());
        }
        self.write_durably(|tx| tx.execute("UPDATE syncs SET count = count + 1", []).map(drop))
    }

    /// One turn of a sweep; whether another is due.
    fn sweep_turn(&mut self, now: Timestamp, mark_ttl: Duration) -> rusqlite::Result<bool> {
        let Self { connection, marks, rules, .. } = self;
        marks.catch_up(connection)?;
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let ended = now.minus(mark_ttl);
        let removed = marks.cut_front(&tx, SWEEP_ROWS, Some(ended))?;
        let more_rates = Rates::sweep(&tx, now, SWEEP_ROWS)?;
        // As long after its end as an event may wait to be judged by it.
        let changed_rules = rules::sweep(&tx, ended)?;
        marks.begin();
        if changed_rules {
            rules.forget();
        }
        tx.commit()?;
        marks.committed(std::iter::empty(), &removed);
        Ok(!removed.is_empty() || more_rates)
    }
}

impl StateDb {
    /// Opens `state.db`, creating it where it does not exist.
    ///
    /// # Errors
    /// `Unavailable`, `Full`, `Corrupt`; `Conflict` for a file of a newer evp.
    pub fn open(path: &Path) -> Result<Arc<Self>> {
        Self::open_with(path, MAX_MARKS)
    }

    /// The same with another limit of marks.
    pub(super) fn open_with(path: &Path, max_marks: usize) -> Result<Arc<Self>> {
        let mut connection = sqlite::open(path, Synchronous::Normal)?;
        schema::migrate(&mut connection)?;
        let mut marks = Marks::new(max_marks);
        marks
            .catch_up(&connection)
            .map_err(|e| port_error(format!("read the marks of {}", path.display()), e))?;
        let core = Core {
            connection,
            marks,
            rates: Rates::default(),
            rules: RuleCache::default(),
            synced_changes: None,
        };
        Ok(Arc::new(Self { writer: Writer::spawn("state-db", core)? }))
    }

    async fn run<T, F>(&self, what: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Core) -> rusqlite::Result<T> + Send + 'static,
    {
        self.writer.run(move |core| work(core).map_err(|e| port_error(what, e))).await
    }

    fn run_blocking<T, F>(&self, what: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Core) -> rusqlite::Result<T> + Send + 'static,
    {
        self.writer.run_blocking(move |core| work(core).map_err(|e| port_error(what, e)))
    }
}

#[async_trait]
impl State for StateDb {
    async fn judge(&self, batch: &[Candidate], limits: &Limits) -> Result<Vec<Verdict>> {
        let (batch, limits) = (batch.to_vec(), *limits);
        self.run("judge a batch in state.db", move |core| judge(core, &batch, &limits)).await
    }

    async fn rules(&self) -> Result<Vec<Rule>> {
        self.run("read the rules in state.db", |core| core.rules.all(&core.connection)).await
    }

    async fn put_rule(&self, rule: &Rule) -> Result<Option<Rule>> {
        let rule = rule.clone();
        self.run("write a rule to state.db", move |core| {
            let before = core.write_durably(|tx| {
                let before = rules::remove(tx, &rule.target)?;
                rules::put(tx, &rule)?;
                Ok(before)
            });
            core.rules.forget();
            before
        })
        .await
    }

    async fn remove_rule(&self, target: &RuleTarget) -> Result<Option<Rule>> {
        let target = *target;
        self.run("remove a rule from state.db", move |core| {
            let before = core.write_durably(|tx| rules::remove(tx, &target));
            core.rules.forget();
            before
        })
        .await
    }

    async fn sweep(&self, now: Timestamp, mark_ttl: Duration) -> Result<()> {
        for _ in 0..SWEEP_TURNS {
            let more =
                self.run("sweep state.db", move |core| core.sweep_turn(now, mark_ttl)).await?;
            if !more {
                break;
            }
        }
        Ok(())
    }

    async fn job_state(&self, key: &str) -> Result<Option<String>> {
        let key = key.to_owned();
        self.run("read a job's state in state.db", move |core| {
            core.connection
                .prepare_cached("SELECT state FROM job_state WHERE key = ?")?
                .query_row([key], |row| row.get(0))
                .optional()
        })
        .await
    }

    async fn put_job_state(&self, key: &str, state: Option<&str>) -> Result<()> {
        let (key, state) = (key.to_owned(), state.map(str::to_owned));
        self.run("write a job's state to state.db", move |core| {
            core.write_durably(|tx| {
                match state {
                    Some(state) => tx.execute(
                        "INSERT OR REPLACE INTO job_state (key, state) VALUES (?, ?)",
                        [key, state],
                    )?,
                    None => tx.execute("DELETE FROM job_state WHERE key = ?", [key])?,
                };
                Ok(())
            })
        })
        .await
    }

    async fn check(&self) -> Result<()> {
        // An empty transaction needs the lock that a judgement needs.
        self.run("write to state.db", |core| core.write(|_| Ok(()))).await
    }
}

impl Checkpoints for StateDb {
    /// Every group: whoever keeps the worker's is asked first.
    fn owns(&self, _group: &GroupId) -> bool {
        true
    }

    fn latest(&self, group: &GroupId, at: &TopicPartition) -> Result<Option<Offset>> {
        let (group, at) = (group.clone(), at.clone());
        self.run_blocking("read a position in state.db", move |core| {
            offsets::find(&core.connection, &group, &at)
        })
    }

    fn commit(&self, group: &GroupId, positions: &[(TopicPartition, Offset)]) -> Result<()> {
        let (group, positions) = (group.clone(), positions.to_vec());
        self.run_blocking("commit positions to state.db", move |core| {
            core.write(|tx| offsets::put(tx, &group, &positions))
        })
    }

    fn durable(&self, group: &GroupId, at: &TopicPartition) -> Result<Option<Offset>> {
        let (group, at) = (group.clone(), at.clone());
        self.run_blocking("sync state.db", move |core| {
            core.sync()?;
            offsets::find(&core.connection, &group, &at)
        })
    }
}
