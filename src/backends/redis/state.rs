//! The state port on Redis.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use redis::{Script, Value, cmd};

use super::connection::Link;
use super::judge;
use super::rules::{Known, Scripts};
use crate::model::{Rule, RuleTarget, Timestamp};
use crate::ports::{Candidate, Clock, Limits, Result, State, Verdict, crash};
use crate::settings::Redis;

const JOBS: &str = "evp:jobs";
const CHECK: &str = "evp:check";

/// State on a Redis server.
pub struct RedisState {
    link: Link,
    clock: Arc<dyn Clock>,
    judge: Script,
    scripts: Scripts,
    known: Mutex<Known>,
}

impl fmt::Debug for RedisState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisState").field("link", &self.link).finish_non_exhaustive()
    }
}

impl RedisState {
    /// State by the settings. Connects with the first call; one that finds a Redis Cluster or a
    /// Redis before 7 answers `Conflict`.
    ///
    /// # Errors
    /// `Conflict` for settings that name no server.
    pub fn open(settings: &Redis, clock: Arc<dyn Clock>) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            link: Link::new(settings)?,
            clock,
            judge: judge::script(),
            scripts: Scripts::new(),
            known: Mutex::default(),
        }))
    }
}

#[async_trait]
impl State for RedisState {
    async fn judge(&self, batch: &[Candidate], limits: &Limits) -> Result<Vec<Verdict>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let command = judge::call(&self.judge, batch, limits);
        crash::point("state.mark.before");
        let replies: Vec<Value> = self.link.call("judge a batch in", &self.judge, &command).await?;
        crash::point("state.mark.after");
        judge::verdicts(batch, limits, &replies)
    }

    async fn rules(&self) -> Result<Vec<Rule>> {
        self.scripts.all(&self.link, &self.known, self.clock.now()).await
    }

    async fn put_rule(&self, rule: &Rule) -> Result<Option<Rule>> {
        self.scripts.put(&self.link, rule).await
    }

    async fn remove_rule(&self, target: &RuleTarget) -> Result<Option<Rule>> {
        self.scripts.remove(&self.link, target).await
    }

    /// Marks and counts end by themselves; rules are dropped here.
    async fn sweep(&self, now: Timestamp, mark_ttl: Duration) -> Result<()> {
        self.scripts.sweep(&self.link, now.minus(mark_ttl)).await
    }

    async fn job_state(&self, key: &str) -> Result<Option<String>> {
        self.link.run("read a job's state in", cmd("HGET").arg(JOBS).arg(key)).await
    }

    async fn put_job_state(&self, key: &str, state: Option<&str>) -> Result<()> {
        let what = "write a job's state to";
        let _changed: u64 = match state {
            Some(state) => self.link.run(what, cmd("HSET").arg(JOBS).arg(key).arg(state)).await?,
            None => self.link.run(what, cmd("HDEL").arg(JOBS).arg(key)).await?,
        };
        Ok(())
    }

    /// Writes, since a Redis that is read-only, full or unable to save still answers reads.
    async fn check(&self) -> Result<()> {
        let mut write = cmd("SET");
        write.arg(CHECK).arg(1).arg("PX").arg(1000);
        self.link.run("write to", &write).await
    }
}
