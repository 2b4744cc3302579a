//! Judging a batch in one transaction (design, rule 4).

use std::collections::HashMap;
use std::net::IpAddr;

use rusqlite::{CachedStatement, Transaction, TransactionBehavior};

use crate::model::{Rule, RuleSource, RuleTarget};
use crate::ports::{Candidate, Limits, Verdict, crash};

use super::db::Core;
use super::marks::{HashedMap, Mark, Marks};
use super::rates::Rates;
use super::rules;

/// Judges the batch, or changes nothing.
pub(super) fn judge(
    core: &mut Core,
    batch: &[Candidate],
    limits: &Limits,
) -> rusqlite::Result<Vec<Verdict>> {
    let Core { connection, marks, rates, rules, .. } = core;
    marks.catch_up(connection)?;
    // What an attempt before this one counted and did not commit.
    rates.forget_uncommitted();
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let ruling = Bench {
        select_mark: Marks::select(&tx)?,
        select_rate: Rates::select(&tx)?,
        tx: &tx,
        marks,
        rates,
        limits,
        batch,
        fresh: HashedMap::default(),
        new_marks: Vec::with_capacity(batch.len()),
        banned: HashMap::new(),
        made_rules: false,
    }
    .hear()?;
    let Ruling { verdicts, new_marks, made_rules } = ruling;
    insert(&tx, marks.next_seq(), batch, &new_marks)?;
    rates.write(&tx)?;
    let removed = marks.make_room(&tx, new_marks.len())?;
    marks.begin();
    if made_rules {
        rules.forget();
    }
    crash::point("state.mark.before");
    tx.commit()?;
    crash::point("state.mark.after");
    marks.committed(new_marks.iter().map(|(hash, _)| *hash), &removed);
    rates.committed();
    Ok(verdicts)
}

/// Where a batch is judged: what stands, and what the batch adds.
struct Bench<'t> {
    tx: &'t Transaction<'t>,
    select_mark: CachedStatement<'t>,
    select_rate: CachedStatement<'t>,
    marks: &'t Marks,
    rates: &'t mut Rates,
    limits: &'t Limits,
    batch: &'t [Candidate],
    /// Marks of this batch: position of the candidate that made it.
    fresh: HashedMap<usize>,
    /// The same in order, with the hash.
    new_marks: Vec<(u64, usize)>,
    /// Addresses that were banned in this batch, or found to be.
    banned: HashMap<IpAddr, Rule>,
    made_rules: bool,
}

/// What came of it.
struct Ruling {
    verdicts: Vec<Verdict>,
    /// Hash and candidate of every mark to be made, in order.
    new_marks: Vec<(u64, usize)>,
    made_rules: bool,
}

impl Bench<'_> {
    fn hear(mut self) -> rusqlite::Result<Ruling> {
        let mut verdicts = Vec::with_capacity(self.batch.len());
        for (position, candidate) in self.batch.iter().enumerate() {
            verdicts.push(self.verdict(position, candidate)?);
        }
        Ok(Ruling { verdicts, new_marks: self.new_marks, made_rules: self.made_rules })
    }

    fn verdict(&mut self, position: usize, candidate: &Candidate) -> rusqlite::Result<Verdict> {
        let hash = self.marks.hash(candidate.event_id.as_str());
        if let Some(mark) = self.mark(hash, candidate)? {
            if mark.origin == candidate.origin {
                return Ok(Verdict::Pass);
            }
            // By the times of receipt, so that the verdict is the same whenever it is made.
            if candidate.received_at < mark.received_at.plus(self.limits.mark_ttl) {
                return Ok(Verdict::Duplicate { first: mark.origin });
            }
        }
        if !candidate.is_exempt
            && let Some(refusal) = self.refusal(candidate)?
        {
            return Ok(refusal);
        }
        self.fresh.insert(hash, position);
        self.new_marks.push((hash, position));
        Ok(Verdict::Pass)
    }

    fn mark(&mut self, hash: u64, candidate: &Candidate) -> rusqlite::Result<Option<Mark>> {
        if let Some(position) = self.fresh.get(&hash) {
            let first = &self.batch[*position];
            if first.event_id == candidate.event_id {
                let mark = Mark { origin: first.origin, received_at: first.received_at };
                return Ok(Some(mark));
            }
        }
        self.marks.find(&mut self.select_mark, hash, candidate.event_id.as_str())
    }

    /// What the blacklist and the rate say against it.
    fn refusal(&mut self, candidate: &Candidate) -> rusqlite::Result<Option<Verdict>> {
        if let Some(reason) = &candidate.blocked {
            return Ok(Some(Verdict::Blocked { reason: reason.clone() }));
        }
        let Some(limit) = self.limits.per_minute else {
            return Ok(None);
        };
        let Some(address) = candidate.client_ip.map(|ip| ip.to_canonical()) else {
            return Ok(None);
        };
        if let Some(rule) = self.banned.get(&address)
            && rule.holds_at(candidate.received_at)
        {
            let reason = rule.reason.clone().unwrap_or_default();
            return Ok(Some(Verdict::Blocked { reason }));
        }
        let count = self.rates.add(&mut self.select_rate, address, candidate.received_at)?;
        let limit = u64::from(limit);
        if count <= limit {
            return Ok(None);
        }
        // Only the event that crosses the limit bans: where an operator lifted the ban, those that
        // follow in the same minute do not bring it back.
        let ban = if count == limit + 1 { self.ban(address, candidate, limit)? } else { None };
        Ok(Some(Verdict::RateLimited { count, ban: ban.map(Box::new) }))
    }

    /// Bans the address, except where a rule stands already that holds at least as long.
    fn ban(
        &mut self,
        address: IpAddr,
        candidate: &Candidate,
        limit: u64,
    ) -> rusqlite::Result<Option<Rule>> {
        let rule = Rule {
            target: RuleTarget::address(address),
            reason: Some(format!("more than {limit} events in a minute")),
            source: RuleSource::Automatic,
            created_at: candidate.received_at,
            expires_at: self.limits.ban.map(|ban| candidate.received_at.plus(ban)),
        };
        let standing = rules::find(self.tx, &rule.target)?;
        if let Some(standing) = standing
            && standing
                .expires_at
                .is_none_or(|end| rule.expires_at.is_some_and(|new_end| end >= new_end))
        {
            self.banned.insert(address, standing);
            return Ok(None);
        }
        rules::put(self.tx, &rule)?;
        self.made_rules = true;
        self.banned.insert(address, rule.clone());
        Ok(Some(rule))
    }
}

fn insert(
    tx: &Transaction<'_>,
    first_seq: i64,
    batch: &[Candidate],
    new_marks: &[(u64, usize)],
) -> rusqlite::Result<()> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO marks (seq, event_id, origin, received_at) VALUES (?, ?, ?, ?)",
    )?;
    for (seq, (_, position)) in (first_seq..).zip(new_marks) {
        let candidate = &batch[*position];
        insert.execute((
            seq,
            candidate.event_id.as_str(),
            candidate.origin.as_bytes(),
            candidate.received_at.as_millis(),
        ))?;
    }
    Ok(())
}
