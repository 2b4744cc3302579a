//! Marks, rates and rules: what the processor judges by, and the memory of long jobs.

use std::fmt::Debug;
use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;

use super::Result;
use crate::model::{EventId, Origin, Rule, RuleTarget, Timestamp};

/// One event as it comes up for judgement.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The event.
    pub event_id: EventId,
    /// This acceptance of it.
    pub origin: Origin,
    /// The client's address; `None` where unknown.
    pub client_ip: Option<IpAddr>,
    /// When it was accepted: the rate counts in this minute, rules hold at this instant.
    pub received_at: Timestamp,
    /// The address is inside `trusted_proxies`: neither limited nor banned.
    pub is_exempt: bool,
    /// The caller's snapshot of the rules blocks the address; the reason. Judged after the mark.
    pub blocked: Option<String>,
}

/// The rules of judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long a mark lives.
    pub mark_ttl: Duration,
    /// Events a minute from one address; `None` is off, and no counter is touched.
    pub per_minute: Option<u32>,
    /// How long an address that crosses the limit is banned; `None` until lifted.
    pub ban: Option<Duration>,
}

/// What was decided on one candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on; its mark stands.
    Pass,
    /// Another origin holds the mark.
    Duplicate {
        /// The origin that was there before.
        first: Origin,
    },
    /// A rule blocks its address.
    Blocked {
        /// Why.
        reason: String,
    },
    /// Its address is over the limit of its minute.
    RateLimited {
        /// Events counted in that minute, this one included.
        count: u64,
        /// This event crossed the limit, and this rule was made for it.
        ban: Option<Box<Rule>>,
    },
}

/// Marks, rates and rules.
///
/// [`judge`](State::judge) follows rule 4 of the design for each event in order: mark, blacklist,
/// rate, new mark. Lost marks may cause work (a second pass, a decision by the store), never the
/// loss of an event nor a second row.
#[async_trait]
pub trait State: Debug + Send + Sync + 'static {
    /// Judges a batch in one step: (1) a mark with the same origin passes again, with another it is
    /// a duplicate, neither is counted; (2) `blocked`, or banned earlier in this batch; (3) the
    /// rate, in the minute of receipt; the event that crosses the limit makes the ban, once;
    /// (4) the mark. One verdict a candidate, in order.
    ///
    /// # Errors
    /// `Unavailable`: nothing of the batch counts, or all of it; judging it again is safe.
    async fn judge(&self, batch: &[Candidate], limits: &Limits) -> Result<Vec<Verdict>>;

    /// All rules, expired ones too until they are swept.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn rules(&self) -> Result<Vec<Rule>>;

    /// Adds a rule or replaces the one with its target; durable before it returns. The rule that
    /// was there before.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn put_rule(&self, rule: &Rule) -> Result<Option<Rule>>;

    /// Takes a rule away; durable before it returns. The rule that was there.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn remove_rule(&self, target: &RuleTarget) -> Result<Option<Rule>>;

    /// Drops marks and rates that ended before `now`, and rules that ended a mark's life before it:
    /// a backlog still meets the rules of its time.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn sweep(&self, now: Timestamp, mark_ttl: Duration) -> Result<()>;

    /// What a job remembered under a key (JSON), or nothing.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn job_state(&self, key: &str) -> Result<Option<String>>;

    /// Remembers (or with `None` forgets) a job's state; durable before it returns.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn put_job_state(&self, key: &str, state: Option<&str>) -> Result<()>;

    /// What an operator should know although batches are answered: that they are not judged.
    fn degraded(&self) -> Option<String> {
        None
    }

    /// `Ok` when a batch could be judged now.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn check(&self) -> Result<()>;
}
