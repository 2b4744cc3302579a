//! State that fails by plan.

use std::time::Duration;

use async_trait::async_trait;

use super::Faulty;
use crate::model::{Rule, RuleTarget, Timestamp};
use crate::ports::{Candidate, Limits, Result, State, Verdict};

#[async_trait]
impl<P: State + ?Sized> State for Faulty<P> {
    async fn judge(&self, batch: &[Candidate], limits: &Limits) -> Result<Vec<Verdict>> {
        let events = batch.iter().map(|candidate| &candidate.event_id);
        self.faults.pass("judge", events, self.inner.judge(batch, limits)).await
    }

    async fn rules(&self) -> Result<Vec<Rule>> {
        self.faults.pass("rules", [], self.inner.rules()).await
    }

    async fn put_rule(&self, rule: &Rule) -> Result<Option<Rule>> {
        self.faults.pass("put rule", [], self.inner.put_rule(rule)).await
    }

    async fn remove_rule(&self, target: &RuleTarget) -> Result<Option<Rule>> {
        self.faults.pass("remove rule", [], self.inner.remove_rule(target)).await
    }

    async fn sweep(&self, now: Timestamp, mark_ttl: Duration) -> Result<()> {
        self.faults.pass("sweep", [], self.inner.sweep(now, mark_ttl)).await
    }

    async fn job_state(&self, key: &str) -> Result<Option<String>> {
        self.faults.pass("job state", [], self.inner.job_state(key)).await
    }

    async fn put_job_state(&self, key: &str, state: Option<&str>) -> Result<()> {
        self.faults.pass("put job state", [], self.inner.put_job_state(key, state)).await
    }

    async fn check(&self) -> Result<()> {
        self.faults.pass("check of state", [], self.inner.check()).await
    }
}
