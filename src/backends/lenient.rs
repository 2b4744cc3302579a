//! A state that lets events pass while the one behind it is away: `processor.without_state = "pass"`.
//!
//! What passes unjudged is neither deduplicated nor limited by the processor; the store still keeps
//! one row an `event_id`, and the rules as last read still block. Only what judging needs is lenient:
//! rules that an operator changes and what jobs remember fail as they do without this.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::model::{Rule, RuleTarget, Timestamp};
use crate::ports::{Candidate, Error, Kind, Limits, Result, State, Verdict};

/// How long a state that was away is not asked: a silent one would hold up every batch.
const REST: Duration = Duration::from_secs(1);

/// What roles remember about an unclean end; nothing is lost by its absence but care.
const MARKERS: &str = "processor.marker";

/// The state behind it, and what is known while it is away.
#[derive(Debug)]
pub struct LenientState {
    inner: Arc<dyn State>,
    /// The rules as last read.
    rules: Mutex<Vec<Rule>>,
    away: Mutex<Option<Away>>,
}

#[derive(Debug)]
struct Away {
    asked_at: Instant,
    why: String,
}

impl LenientState {
    /// Lets pass what `inner` cannot judge.
    #[must_use]
    pub fn new(inner: Arc<dyn State>) -> Self {
        Self { inner, rules: Mutex::default(), away: Mutex::default() }
    }

    fn away(&self) -> MutexGuard<'_, Option<Away>> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it was away a moment ago and is left alone.
    fn rests(&self) -> bool {
        self.away().as_ref().is_some_and(|away| away.asked_at.elapsed() < REST)
    }

    /// Notes what an answer says of the state; the answer, or nothing where it is away.
    fn noted<T>(&self, answer: Result<T>) -> Result<Option<T>> {
        match answer {
            Ok(value) => {
                if self.away().take().is_some() {
                    tracing::info!("the state is back; events are judged again");
                }
                Ok(Some(value))
            }
            Err(error) if is_away(&error) => {
                let away = Away { asked_at: Instant::now(), why: error.chain() };
                if self.away().replace(away).is_none() {
                    tracing::warn!(error = %error.chain(), "the state is away; events pass unjudged");
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// A Redis that cannot keep the state at all is a mistake, and not an outage to be passed over.
fn is_away(error: &Error) -> bool {
    error.kind() == Kind::Unavailable
}

fn unjudged(batch: &[Candidate]) -> Vec<Verdict> {
    let verdict = |candidate: &Candidate| match &candidate.blocked {
        Some(reason) => Verdict::Blocked { reason: reason.clone() },
        None => Verdict::Pass,
    };
    batch.iter().map(verdict).collect()
}

#[async_trait]
impl State for LenientState {
    async fn judge(&self, batch: &[Candidate], limits: &Limits) -> Result<Vec<Verdict>> {
        if self.rests() {
            return Ok(unjudged(batch));
        }
        let judged = self.inner.judge(batch, limits).await;
        Ok(self.noted(judged)?.unwrap_or_else(|| unjudged(batch)))
    }

    async fn rules(&self) -> Result<Vec<Rule>> {
        let known = || self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.rests()
            && let Some(rules) = self.noted(self.inner.rules().await)?
        {
            known().clone_from(&rules);
            return Ok(rules);
        }
        Ok(known().clone())
    }

    async fn put_rule(&self, rule: &Rule) -> Result<Option<Rule>> {
        self.inner.put_rule(rule).await
    }

    async fn remove_rule(&self, target: &RuleTarget) -> Result<Option<Rule>> {
        self.inner.remove_rule(target).await
    }

    async fn sweep(&self, now: Timestamp, mark_ttl: Duration) -> Result<()> {
        self.inner.sweep(now, mark_ttl).await
    }

    async fn job_state(&self, key: &str) -> Result<Option<String>> {
        if !key.starts_with(MARKERS) {
            return self.inner.job_state(key).await;
        }
        if self.rests() {
            return Ok(None);
        }
        Ok(self.noted(self.inner.job_state(key).await)?.flatten())
    }

    async fn put_job_state(&self, key: &str, state: Option<&str>) -> Result<()> {
        if !key.starts_with(MARKERS) {
            return self.inner.put_job_state(key, state).await;
        }
        if !self.rests() {
            self.noted(self.inner.put_job_state(key, state).await)?;
        }
        Ok(())
    }

    fn degraded(&self) -> Option<String> {
        self.away().as_ref().map(|away| format!("events pass unjudged: {}", away.why))
    }

    async fn check(&self) -> Result<()> {
        self.noted(self.inner.check().await).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::memory::MemoryState;
    use crate::backends::memory::faults::{Faults, Faulty};
    use crate::model::{EventId, Origin};

    fn candidate(id: &str, blocked: Option<&str>) -> Candidate {
        Candidate {
            event_id: EventId::new(id).unwrap(),
            origin: Origin::mint(),
            client_ip: None,
            received_at: Timestamp::from_millis_clamped(0),
            is_exempt: false,
            blocked: blocked.map(str::to_owned),
        }
    }

    /// Marks hold before and after; in between an event passes although its id is known, a rule that
    /// is known still blocks, and it is said.
    #[tokio::test]
    async fn what_cannot_be_judged_passes_and_is_said() {
        let faults = Faults::new();
        let state = LenientState::new(Arc::new(Faulty::new(Arc::new(MemoryState::new()), &faults)));
        let limits = Limits { mark_ttl: Duration::from_secs(60), per_minute: None, ban: None };
        let judge = async |blocked| {
            let verdicts = state.judge(&[candidate("a", blocked)], &limits).await;
            verdicts.unwrap().remove(0)
        };
        assert_eq!(judge(None).await, Verdict::Pass);
        assert!(matches!(judge(None).await, Verdict::Duplicate { .. }));
        faults.go_down(Kind::Unavailable);
        assert_eq!(judge(None).await, Verdict::Pass);
        assert!(matches!(judge(Some("rule")).await, Verdict::Blocked { .. }));
        assert!(state.degraded().is_some());
        assert!(state.put_job_state("replay.1", None).await.is_err(), "jobs are told");
        faults.come_up();
        // It is asked again after its rest.
        while judge(None).await == Verdict::Pass {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(matches!(judge(None).await, Verdict::Duplicate { .. }));
        assert_eq!(state.degraded(), None);
    }

    #[tokio::test]
    async fn a_state_that_can_never_work_is_no_outage() {
        let faults = Faults::new();
        let state = LenientState::new(Arc::new(Faulty::new(Arc::new(MemoryState::new()), &faults)));
        faults.go_down(Kind::Conflict);
        let limits = Limits { mark_ttl: Duration::ZERO, per_minute: None, ban: None };
        assert!(state.judge(&[candidate("a", None)], &limits).await.is_err());
    }
}
