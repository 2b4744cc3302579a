//! The blacklist: a set that operators type into, and hashes beside it with what a set cannot hold.
//!
//! An address in the set is a rule, with or without words on it. A rule leaves the set when it
//! ends, so that a `SADD` typed later is seen, and waits in the hash of ended rules until no event
//! can meet it any more.

use std::collections::BTreeMap;

use redis::{Script, Value};
use serde::{Deserialize, Serialize};

use super::connection::{Link, call_of};
use crate::model::{Rule, RuleSource, RuleTarget, Timestamp};
use crate::ports::{Error, Kind, Result};

/// Set of addresses.
pub(super) const BLACKLIST: &str = "ip_blacklist";
/// Hash of rules that hold, networks among them.
pub(super) const RULES: &str = "ip_blacklist:rules";
/// Hash of rules that ended.
pub(super) const ENDED: &str = "ip_blacklist:ended";

/// What stands beside an address or network; times in ms since 1970, which scripts compare.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Detail {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    reason: Option<String>,
    source: RuleSource,
    created_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    expires_ms: Option<i64>,
}

/// The beginning of a ban's JSON; the script adds the times and the end.
pub(super) fn ban_head(reason: &str) -> String {
    let reason = serde_json::Value::from(reason);
    format!(r#"{{"reason":{reason},"source":"automatic""#)
}

fn detail_of(rule: &Rule) -> Result<String> {
    let detail = Detail {
        reason: rule.reason.clone(),
        source: rule.source,
        created_ms: rule.created_at.as_millis(),
        expires_ms: rule.expires_at.map(Timestamp::as_millis),
    };
    serde_json::to_string(&detail).map_err(|error| {
        Error::new(Kind::Data, format!("write the rule on {}", rule.target)).with_source(error)
    })
}

/// A rule by what stands beside its target; nothing readable is a rule typed by hand.
fn rule_of(target: RuleTarget, text: &[u8]) -> Rule {
    let at = Timestamp::from_millis_clamped;
    match serde_json::from_slice::<Detail>(text) {
        Ok(detail) => Rule {
            target,
            reason: detail.reason.map(Rule::cut_reason),
            source: detail.source,
            created_at: at(detail.created_ms),
            expires_at: detail.expires_ms.map(at),
        },
        Err(_) => Rule {
            target,
            reason: None,
            source: RuleSource::Operator,
            created_at: Timestamp::default(),
            expires_at: None,
        },
    }
}

/// The rules as last read.
#[derive(Debug, Default)]
pub(super) struct Known {
    state: Vec<u8>,
    rules: Vec<Rule>,
    /// The end of the first rule that holds.
    next_end: Option<Timestamp>,
}

/// The scripts.
#[derive(Debug)]
pub(super) struct Scripts {
    read: Script,
    change: Script,
    sweep: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            read: Script::new(include_str!("read_rules.lua")),
            change: Script::new(include_str!("change_rule.lua")),
            sweep: Script::new(include_str!("sweep_rules.lua")),
        }
    }

    /// All rules.
    pub(super) async fn all(
        &self,
        link: &Link,
        known: &std::sync::Mutex<Known>,
        now: Timestamp,
    ) -> Result<Vec<Rule>> {
        let what = "read the rules in";
        let state = {
            let known = known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let is_due = known.next_end.is_some_and(|end| end <= now);
            if is_due { Vec::new() } else { known.state.clone() }
        };
        let mut command = call_of(&self.read, 6, 128);
        command.arg(3).arg(BLACKLIST).arg(RULES).arg(ENDED);
        command.arg(&state[..]).arg(now.as_millis());
        let reply: Option<Vec<Value>> = link.call(what, &self.read, &command).await?;
        let mut known = known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(reply) = reply {
            *known = read(reply)?;
        }
        Ok(known.rules.clone())
    }

    /// Puts a rule; the one that was there.
    pub(super) async fn put(&self, link: &Link, rule: &Rule) -> Result<Option<Rule>> {
        self.change(link, "write a rule to", &rule.target, &detail_of(rule)?).await
    }

    /// Takes a rule away, also where an operator spelled its target in another way.
    pub(super) async fn remove(&self, link: &Link, target: &RuleTarget) -> Result<Option<Rule>> {
        let what = "remove a rule from";
        let mut removed = self.change(link, what, target, "").await?;
        let mut members = redis::cmd("SMEMBERS");
        members.arg(BLACKLIST);
        let members: Vec<Vec<u8>> = link.run(what, &members).await?;
        for member in members {
            if target_of(&member) == Some(*target) {
                let mut lift = redis::cmd("SREM");
                lift.arg(BLACKLIST).arg(&member[..]);
                let _lifted: u64 = link.run(what, &lift).await?;
                removed.get_or_insert_with(|| rule_of(*target, b""));
            }
        }
        Ok(removed)
    }

    async fn change(
        &self,
        link: &Link,
        what: &str,
        target: &RuleTarget,
        detail: &str,
    ) -> Result<Option<Rule>> {
        let mut command = call_of(&self.change, 6, 256 + detail.len());
        command.arg(3).arg(BLACKLIST).arg(RULES).arg(ENDED).arg(target.to_string()).arg(detail);
        let before: Option<Vec<u8>> = link.call(what, &self.change, &command).await?;
        Ok(before.map(|text| rule_of(*target, &text)))
    }

    /// Drops rules that ended at or before `end`.
    pub(super) async fn sweep(&self, link: &Link, end: Timestamp) -> Result<()> {
        let mut command = call_of(&self.sweep, 5, 128);
        command.arg(3).arg(BLACKLIST).arg(RULES).arg(ENDED).arg(end.as_millis());
        let _swept: i64 = link.call("sweep the rules in", &self.sweep, &command).await?;
        Ok(())
    }
}

fn target_of(member: &[u8]) -> Option<RuleTarget> {
    std::str::from_utf8(member).ok()?.trim().parse().ok()
}

/// The script's reply: state, members, rules, ended rules.
fn read(reply: Vec<Value>) -> Result<Known> {
    let unreadable =
        || Error::new(Kind::Unavailable, "read the rules in redis: its answer is not the script's");
    let [state, members, rules, ended] = <[Value; 4]>::try_from(reply).map_err(|_| unreadable())?;
    let list = |value: Value| -> Result<Vec<Vec<u8>>> {
        redis::from_redis_value(value).map_err(|error| unreadable().with_source(error))
    };
    let Value::BulkString(state) = state else { return Err(unreadable()) };
    let (members, rules, ended) = (list(members)?, list(rules)?, list(ended)?);
    let mut found: BTreeMap<RuleTarget, Rule> = BTreeMap::new();
    let mut next_end: Option<Timestamp> = None;
    let mut add = |rule: Rule| {
        let slot = found.entry(rule.target).or_insert_with(|| rule.clone());
        if outlasts(&rule, slot) {
            *slot = rule;
        }
    };
    let worded: BTreeMap<&[u8], &[u8]> = pairs(&rules).collect();
    for member in &members {
        if worded.contains_key(&member[..]) {
            continue;
        }
        match target_of(member) {
            Some(target) => add(rule_of(target, b"")),
            None => tracing::warn!(
                member = %String::from_utf8_lossy(member),
                "member of {BLACKLIST} ignored: it is no address or network"
            ),
        }
    }
    for (target, text) in pairs(&rules).chain(pairs(&ended)) {
        if let Some(target) = target_of(target) {
            add(rule_of(target, text));
        }
    }
    for (target, text) in pairs(&rules) {
        let end = target_of(target).and_then(|target| rule_of(target, text).expires_at);
        next_end = [next_end, end].into_iter().flatten().min();
    }
    Ok(Known { state, rules: found.into_values().collect(), next_end })
}

fn pairs(flat: &[Vec<u8>]) -> impl Iterator<Item = (&[u8], &[u8])> {
    flat.chunks_exact(2).map(|pair| (&pair[0][..], &pair[1][..]))
}

/// Whether a rule holds longer than another.
fn outlasts(rule: &Rule, other: &Rule) -> bool {
    match (rule.expires_at, other.expires_at) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(end), Some(other)) => end > other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_somebody_typed_is_cut() {
        let target = "203.0.113.7".parse::<RuleTarget>().unwrap();
        let text =
            |reason: &str| format!(r#"{{"reason":"{reason}","source":"operator","created_ms":1}}"#);
        let read = |reason: &str| rule_of(target, text(reason).as_bytes()).reason.unwrap();
        assert_eq!(read("farm"), "farm");
        assert_eq!(read(&"x".repeat(5000)).len(), Rule::MAX_REASON_BYTES);
    }
}
