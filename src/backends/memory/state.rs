//! Marks, rates and rules in maps: the plain reading of rule 4 that other backends are compared to.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::model::{EventId, Origin, Rule, RuleSource, RuleTarget, Timestamp};
use crate::ports::{Candidate, Limits, Result, State, Verdict};

/// State that lives as long as the value.
#[derive(Debug, Default)]
pub struct MemoryState {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    marks: HashMap<EventId, (Origin, Timestamp)>,
    rates: BTreeMap<(i64, IpAddr), u64>,
    rules: BTreeMap<RuleTarget, Rule>,
    jobs: HashMap<String, String>,
}

impl MemoryState {
    /// Nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn verdict(
        &mut self,
        candidate: &Candidate,
        limits: &Limits,
        banned: &mut HashMap<IpAddr, Rule>,
    ) -> Verdict {
        if let Some((origin, received_at)) = self.marks.get(&candidate.event_id) {
            if *origin == candidate.origin {
                return Verdict::Pass;
            }
            if candidate.received_at < received_at.plus(limits.mark_ttl) {
                return Verdict::Duplicate { first: *origin };
            }
        }
        if !candidate.is_exempt
            && let Some(refusal) = self.refusal(candidate, limits, banned)
        {
            return refusal;
        }
        let mark = (candidate.origin, candidate.received_at);
        self.marks.insert(candidate.event_id.clone(), mark);
        Verdict::Pass
    }

    fn refusal(
        &mut self,
        candidate: &Candidate,
        limits: &Limits,
        banned: &mut HashMap<IpAddr, Rule>,
    ) -> Option<Verdict> {
        if let Some(reason) = &candidate.blocked {
            return Some(Verdict::Blocked { reason: reason.clone() });
        }
        let limit = u64::from(limits.per_minute?);
        let address = candidate.client_ip?.to_canonical();
        if let Some(rule) = banned.get(&address).filter(|r| r.holds_at(candidate.received_at)) {
            return Some(Verdict::Blocked { reason: rule.reason.clone().unwrap_or_default() });
        }
        let count = self.rates.entry((candidate.received_at.minute(), address)).or_default();
        *count += 1;
        let count = *count;
        if count <= limit {
            return None;
        }
        let mut ban = None;
        if count == limit + 1 {
            let rule = Rule {
                target: RuleTarget::address(address),
                reason: Some(format!("more than {limit} events in a minute")),
                source: RuleSource::Automatic,
                created_at: candidate.received_at,
                expires_at: limits.ban.map(|ban| candidate.received_at.plus(ban)),
            };
            match self.rules.get(&rule.target).filter(|standing| outlasts(standing, &rule)) {
                Some(standing) => {
                    banned.insert(address, standing.clone());
                }
                None => {
                    self.rules.insert(rule.target, rule.clone());
                    banned.insert(address, rule.clone());
                    ban = Some(Box::new(rule));
                }
            }
        }
        Some(Verdict::RateLimited { count, ban })
    }
}

/// Whether a rule holds at least as long as another.
fn outlasts(standing: &Rule, new: &Rule) -> bool {
    match (standing.expires_at, new.expires_at) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(standing), Some(new)) => standing >= new,
    }
}

#[async_trait]
impl State for MemoryState {
    async fn judge(&self, batch: &[Candidate], limits: &Limits) -> Result<Vec<Verdict>> {
        let mut inner = self.lock();
        let mut banned = HashMap::new();
        Ok(batch.iter().map(|c| inner.verdict(c, limits, &mut banned)).collect())
    }

    async fn rules(&self) -> Result<Vec<Rule>> {
        Ok(self.lock().rules.values().cloned().collect())
    }

    async fn put_rule(&self, rule: &Rule) -> Result<Option<Rule>> {
        Ok(self.lock().rules.insert(rule.target, rule.clone()))
    }

    async fn remove_rule(&self, target: &RuleTarget) -> Result<Option<Rule>> {
        Ok(self.lock().rules.remove(target))
    }

    async fn sweep(&self, now: Timestamp, mark_ttl: Duration) -> Result<()> {
        let mut inner = self.lock();
        let ended = now.minus(mark_ttl);
        inner.marks.retain(|_, (_, received_at)| *received_at >= ended);
        inner.rules.retain(|_, rule| rule.expires_at.is_none_or(|end| end > ended));
        if let Some(((newest, _), _)) = inner.rates.last_key_value() {
            let over = (*newest).min(now.minute()) - 5;
            inner.rates.retain(|(minute, _), _| *minute >= over);
        }
        Ok(())
    }

    async fn job_state(&self, key: &str) -> Result<Option<String>> {
        Ok(self.lock().jobs.get(key).cloned())
    }

    async fn put_job_state(&self, key: &str, state: Option<&str>) -> Result<()> {
        let mut inner = self.lock();
        match state {
            Some(state) => inner.jobs.insert(key.to_owned(), state.to_owned()),
            None => inner.jobs.remove(key),
        };
        Ok(())
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ports::contract::state::{Subject, run};

    struct Memory;

    #[async_trait]
    impl Subject for Memory {
        async fn fresh(&self) -> Arc<dyn State> {
            Arc::new(MemoryState::new())
        }
    }

    #[tokio::test]
    async fn passes_the_state_suite() {
        run(&Memory).await;
    }
}
