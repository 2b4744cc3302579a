//! What every state does: rule 4 of the design, behaviour by behaviour.

mod marks;
mod memory;
mod rates;
mod rules;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::Behaviour;
use crate::model::{EventId, Origin, Rule, RuleSource, RuleTarget, Timestamp};
use crate::ports::{Candidate, Limits, State, Verdict};

/// A backend as the suite sees it.
#[async_trait]
pub trait Subject: Send + Sync {
    /// A state with nothing in it.
    async fn fresh(&self) -> Arc<dyn State>;

    /// The same state after its process ended and began again; the same value where it does not
    /// outlive its process.
    async fn reopened(&self, state: Arc<dyn State>) -> Arc<dyn State> {
        state
    }
}

/// Runs the suite.
///
/// # Panics
/// When a behaviour does not hold.
pub async fn run(subject: &dyn Subject) {
    marks::run(subject).await;
    rates::run(subject).await;
    rules::run(subject).await;
    memory::run(subject).await;
}

const DAY: Duration = Duration::from_secs(24 * 3600);
const HOUR: Duration = Duration::from_secs(3600);
const OFF: Limits = Limits { mark_ttl: DAY, per_minute: None, ban: None };
const THREE: Limits = Limits { mark_ttl: DAY, per_minute: Some(3), ban: Some(HOUR) };

/// 2026-01-02T03:04:00Z, the start of a minute, and so many seconds.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis_clamped((1_767_323_040 + seconds) * 1000)
}

fn ip(last: u8) -> IpAddr {
    IpAddr::from([203, 0, 113, last])
}

/// An event of address 1 that was just accepted.
fn event(id: &str, received_at: Timestamp) -> Candidate {
    let Ok(event_id) = EventId::new(id) else { panic!("{id:?} is no event id") };
    Candidate {
        event_id,
        origin: Origin::mint(),
        client_ip: Some(ip(1)),
        received_at,
        is_exempt: false,
        blocked: None,
    }
}

fn events(name: &str, count: usize, received_at: Timestamp) -> Vec<Candidate> {
    (0..count).map(|n| event(&format!("{name}-{n}"), received_at)).collect()
}

async fn judge(
    be: Behaviour,
    state: &dyn State,
    batch: &[Candidate],
    limits: &Limits,
) -> Vec<Verdict> {
    let verdicts = be.ok(state.judge(batch, limits).await);
    be.same(verdicts.len(), batch.len());
    verdicts
}

/// A verdict in one word, and the count of a limited one.
fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Pass => "pass".to_owned(),
        Verdict::Duplicate { .. } => "duplicate".to_owned(),
        Verdict::Blocked { .. } => "blocked".to_owned(),
        Verdict::RateLimited { count, ban: None } => format!("limited at {count}"),
        Verdict::RateLimited { count, ban: Some(_) } => format!("banned at {count}"),
    }
}

async fn words(
    be: Behaviour,
    state: &dyn State,
    batch: &[Candidate],
    limits: &Limits,
) -> Vec<String> {
    judge(be, state, batch, limits).await.iter().map(word).collect()
}

fn rule(target: &str, expires_at: Option<Timestamp>) -> Rule {
    let Ok(target) = target.parse::<RuleTarget>() else { panic!("{target:?} is no target") };
    Rule {
        target,
        reason: Some("seen in \"logs\", again".to_owned()),
        source: RuleSource::Operator,
        created_at: at(1),
        expires_at,
    }
}
