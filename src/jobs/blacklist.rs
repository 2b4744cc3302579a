//! The blacklist: rules in the state store, typed by an operator.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Job, JobContext, JobError, ProgressSink};
use crate::model::{Rule, RuleSource, RuleTarget, Timestamp};
use crate::runtime::shutdown::CancellationToken;

/// What is asked of the blacklist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum BlacklistRequest {
    /// Block an address or a network.
    Add {
        /// What to block.
        target: RuleTarget,
        /// Why, in the operator's words.
        reason: Option<String>,
        /// How long, in milliseconds; for good where absent.
        ttl_ms: Option<u64>,
        /// Until when, where no duration is given.
        until: Option<Timestamp>,
        /// Change nothing, only say what would change.
        dry_run: bool,
    },
    /// Let an address or a network in again.
    Remove {
        /// What to let in.
        target: RuleTarget,
        /// Change nothing, only say what would change.
        dry_run: bool,
    },
    /// Take rules over as they are: all of them or, where one cannot be, none.
    Import {
        /// Them.
        rules: Vec<Rule>,
        /// Change nothing, only say what would change.
        dry_run: bool,
    },
    /// All rules.
    List {
        /// Those that have expired and are not swept yet, too.
        include_expired: bool,
    },
    /// Whether an address is blocked now.
    Check {
        /// Which.
        address: IpAddr,
    },
}

/// What became of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum BlacklistResponse {
    /// A rule was added or would be.
    Added {
        /// The rule as it stands now.
        rule: Rule,
        /// The one with the same target that it replaced.
        replaced: Option<Rule>,
        /// Nothing was changed.
        dry_run: bool,
    },
    /// A rule was taken away or would be.
    Removed {
        /// The rule; `None` where there was none.
        rule: Option<Rule>,
        /// Other rules that still block the target.
        still_blocked_by: Vec<Rule>,
        /// Nothing was changed.
        dry_run: bool,
    },
    /// Rules were taken over or would be.
    Imported {
        /// Targets that had no rule.
        added: u64,
        /// Targets whose rule was another one.
        replaced: u64,
        /// Rules that stood already.
        unchanged: u64,
        /// Rules that are over.
        expired: u64,
        /// Nothing was changed.
        dry_run: bool,
    },
    /// The rules.
    Rules {
        /// By target.
        rules: Vec<Rule>,
    },
    /// Whether the address is blocked.
    Checked {
        /// The address.
        address: IpAddr,
        /// The rules that hold for it now, the narrowest first.
        rules: Vec<Rule>,
        /// The network of `http.trusted_proxies` that the address lies in: no rule holds for it.
        trusted_proxy: Option<String>,
    },
}

/// The job `blacklist`.
#[derive(Debug, Clone, Copy)]
pub struct Blacklist;

#[async_trait]
impl Job for Blacklist {
    const NAME: &'static str = "blacklist";
    type Request = BlacklistRequest;
    type Response = BlacklistResponse;

    async fn run(
        context: &JobContext,
        request: BlacklistRequest,
        _progress: &dyn ProgressSink,
        _cancel: CancellationToken,
    ) -> Result<BlacklistResponse, JobError> {
        match request {
            BlacklistRequest::Add { target, reason, ttl_ms, until, dry_run } => {
                refuse_trusted(context, &target)?;
                refuse_long(reason.as_deref(), &target)?;
                let now = context.ports.clock.now();
                let end = ttl_ms.map(|ttl| now.plus(Duration::from_millis(ttl))).or(until);
                if end.is_some_and(|end| end <= now) {
                    return Err(JobError::Request(format!(
                        "a rule for {target} until then is over"
                    )));
                }
                let rule = Rule {
                    target,
                    reason,
                    source: RuleSource::Operator,
                    created_at: now,
                    expires_at: end,
                };
                add(context, rule, dry_run).await
            }
            BlacklistRequest::Remove { target, dry_run } => remove(context, target, dry_run).await,
            BlacklistRequest::Import { rules, dry_run } => import(context, rules, dry_run).await,
            BlacklistRequest::List { include_expired } => {
                let now = context.ports.clock.now();
                let mut rules = rules(context).await?;
                rules.retain(|rule| include_expired || rule.holds_at(now));
                rules.sort_by_key(|rule| rule.target);
                Ok(BlacklistResponse::Rules { rules })
            }
            BlacklistRequest::Check { address } => {
                let address = address.to_canonical();
                let now = context.ports.clock.now();
                let trusted = &context.settings.http.trusted_proxies;
                Ok(BlacklistResponse::Checked {
                    address,
                    rules: holding(rules(context).await?, address, now),
                    trusted_proxy: trusted
                        .iter()
                        .find(|network| network.contains(&address))
                        .map(ToString::to_string),
                })
            }
        }
    }
}

async fn rules(context: &JobContext) -> Result<Vec<Rule>, JobError> {
    context.ports.state.rules().await.map_err(|source| JobError::port("read the rules", source))
}

/// The rules that hold for an address, the narrowest first.
fn holding(mut rules: Vec<Rule>, address: IpAddr, now: Timestamp) -> Vec<Rule> {
    rules.retain(|rule| rule.holds_at(now) && rule.target.contains(address));
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.target.network().prefix_len()));
    rules
}

/// A rule over a trusted proxy would read like a ban and do nothing (design, rule 14).
fn refuse_trusted(context: &JobContext, target: &RuleTarget) -> Result<(), JobError> {
    let network = target.network();
    let covered = context
        .settings
        .http
        .trusted_proxies
        .iter()
        .find(|trusted| trusted.contains(&network) || network.contains(*trusted));
    match covered {
        Some(trusted) => Err(JobError::Request(format!(
            "{target} covers the trusted proxy {trusted}, and addresses in http.trusted_proxies are \
             never blocked; block the client's address behind it"
        ))),
        None => Ok(()),
    }
}

/// Each event that a rule blocks carries its reason on.
fn refuse_long(reason: Option<&str>, target: &RuleTarget) -> Result<(), JobError> {
    let checked = Rule::check_reason(reason.unwrap_or_default());
    checked.map_err(|error| JobError::Request(format!("a rule for {target}: {error}")))
}

async fn add(
    context: &JobContext,
    rule: Rule,
    dry_run: bool,
) -> Result<BlacklistResponse, JobError> {
    let replaced = if dry_run {
        rules(context).await?.into_iter().find(|other| other.target == rule.target)
    } else {
        let put = context.ports.state.put_rule(&rule).await;
        put.map_err(|source| JobError::port(format!("write the rule {}", rule.target), source))?
    };
    Ok(BlacklistResponse::Added { rule, replaced, dry_run })
}

async fn import(
    context: &JobContext,
    new: Vec<Rule>,
    dry_run: bool,
) -> Result<BlacklistResponse, JobError> {
    for rule in &new {
        refuse_trusted(context, &rule.target)?;
        refuse_long(rule.reason.as_deref(), &rule.target)?;
    }
    let now = context.ports.clock.now();
    let standing: BTreeMap<RuleTarget, Rule> =
        rules(context).await?.into_iter().map(|rule| (rule.target, rule)).collect();
    // Of two for one target the later line counts.
    let new: BTreeMap<RuleTarget, Rule> = new.into_iter().map(|rule| (rule.target, rule)).collect();
    let (mut added, mut replaced, mut unchanged, mut expired) = (0, 0, 0, 0);
    for (target, rule) in new {
        if !rule.holds_at(now) {
            expired += 1;
            continue;
        }
        match standing.get(&target) {
            Some(other) if *other == rule => {
                unchanged += 1;
                continue;
            }
            Some(_) => replaced += 1,
            None => added += 1,
        }
        if !dry_run {
            add(context, rule, false).await?;
        }
    }
    Ok(BlacklistResponse::Imported { added, replaced, unchanged, expired, dry_run })
}

async fn remove(
    context: &JobContext,
    target: RuleTarget,
    dry_run: bool,
) -> Result<BlacklistResponse, JobError> {
    let rule = if dry_run {
        rules(context).await?.into_iter().find(|other| other.target == target)
    } else {
        let removed = context.ports.state.remove_rule(&target).await;
        removed.map_err(|source| JobError::port(format!("remove the rule {target}"), source))?
    };
    let now = context.ports.clock.now();
    let mut still_blocked_by = rules(context).await?;
    still_blocked_by.retain(|other| {
        other.target != target
            && other.holds_at(now)
            && other.target.network().contains(&target.network())
    });
    Ok(BlacklistResponse::Removed { rule, still_blocked_by, dry_run })
}
