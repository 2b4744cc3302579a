//! What becomes of each word of a batch, decided in memory by what the store knows, in the order
//! and by the precedence of rule 5: a row beats a dead letter beats a decision. What comes of it is
//! a list of changes, written in bulk.

use super::known::{Decided, Known, Letter};
use crate::backends::ledger::Ledger;
use crate::backends::tally::Rollups;
use crate::model::{CanonicalEvent, DeadLetter, Decision, Origin, Outcome, Timestamp};
use crate::ports::StoreEvent;

/// A decision to be written.
#[derive(Debug)]
pub(super) struct NewDecision<'b> {
    pub(super) origin: Origin,
    pub(super) event_id: &'b str,
    pub(super) outcome: Outcome,
    pub(super) reason: String,
    pub(super) client_ip: Option<&'b str>,
    pub(super) received_at: Timestamp,
    pub(super) decided_at: Timestamp,
    pub(super) replay_id: Option<&'b str>,
    pub(super) restored: bool,
}

/// A dead letter to be written.
#[derive(Debug)]
pub(super) struct NewLetter<'b> {
    pub(super) letter: &'b DeadLetter,
    pub(super) attempts: u32,
    pub(super) first_failed_at: Timestamp,
    pub(super) restored: bool,
}

/// Changes in the making.
#[derive(Debug)]
pub(super) struct Ruling<'b> {
    pub(super) known: Known,
    pub(super) ledger: Ledger,
    pub(super) rollups: Rollups<'b>,
    /// Rows of this batch that a replay restored although their own word does not say so.
    pub(super) restored_rows: Vec<Origin>,
    /// Decisions of the store that give way.
    pub(super) dropped: Vec<Origin>,
    /// Dead letters of the store that are resolved.
    pub(super) resolved: Vec<Origin>,
    /// New decisions; `None` where a later word took one back.
    pub(super) decisions: Vec<Option<NewDecision<'b>>>,
    /// New or newer dead letters.
    pub(super) letters: Vec<NewLetter<'b>>,
    now: Timestamp,
}

impl<'b> Ruling<'b> {
    pub(super) fn new(known: Known, now: Timestamp) -> Self {
        Self {
            known,
            ledger: Ledger::default(),
            rollups: Rollups::default(),
            restored_rows: Vec::new(),
            dropped: Vec::new(),
            resolved: Vec::new(),
            decisions: Vec::new(),
            letters: Vec::new(),
            now,
        }
    }

    /// The row was inserted.
    pub(super) fn stored(&mut self, item: &'b StoreEvent) {
        let event = &item.event;
        let was_restored = self.drop_decision(event.origin) | self.resolve_letter(event.origin);
        if was_restored && !item.restored {
            self.restored_rows.push(event.origin);
        }
        self.known.add_row(&event.event_id, event.origin);
        self.ledger.gain(Outcome::Stored, item.restored | was_restored);
        self.rollups.add(event);
    }

    /// Whether a row stands in its way.
    pub(super) fn has_conflict(&self, event: &CanonicalEvent) -> bool {
        self.known.rows.contains_key(&event.event_id) || self.known.stored.contains(&event.origin)
    }

    /// The row was not inserted because one [stands in its way](Self::has_conflict): a redelivery, or
    /// an id that another origin stored.
    pub(super) fn refused(&mut self, item: &'b StoreEvent) {
        let event = &item.event;
        match self.known.rows.get(&event.event_id) {
            Some(first) if *first != event.origin && !self.known.stored.contains(&event.origin) => {
                let first = *first;
                self.duplicate(item, first);
            }
            _ => self.ledger.redelivered(),
        }
    }

    /// The store's own decision on an id that another origin stored.
    fn duplicate(&mut self, item: &'b StoreEvent, first: Origin) {
        let event = &item.event;
        let restored = item.restored | self.resolve_letter(event.origin);
        self.decide(NewDecision {
            origin: event.origin,
            event_id: event.event_id.as_str(),
            outcome: Outcome::Duplicate,
            reason: format!("already stored by origin {first}"),
            client_ip: event.ip_address.as_deref(),
            received_at: event.received_at,
            decided_at: self.now,
            replay_id: item.replay_id.as_deref(),
            restored,
        });
    }

    /// A decision of the pipeline.
    pub(super) fn decision(
        &mut self,
        decision: &'b Decision,
        replay_id: Option<&'b str>,
        restored: bool,
    ) {
        let origin = decision.origin;
        let is_dead = self.known.letters.get(&origin).is_some_and(|letter| letter.is_open);
        if self.known.stored.contains(&origin) || is_dead {
            self.ledger.redelivered();
            return;
        }
        self.decide(NewDecision {
            origin,
            event_id: decision.event_id.as_str(),
            outcome: decision.outcome,
            reason: decision.reason.clone(),
            client_ip: decision.client_ip.as_deref(),
            received_at: decision.received_at,
            decided_at: decision.decided_at,
            replay_id,
            restored,
        });
    }

    /// The first decision on an origin stays.
    fn decide(&mut self, decision: NewDecision<'b>) {
        let (origin, outcome, restored) = (decision.origin, decision.outcome, decision.restored);
        if self.known.decisions.contains_key(&origin) {
            self.ledger.redelivered();
            return;
        }
        let fresh = Some(self.decisions.len());
        self.decisions.push(Some(decision));
        self.known.decisions.insert(origin, Decided { outcome, restored, fresh });
        self.ledger.gain(outcome, restored);
    }

    /// A failure; the newest of an origin counts.
    pub(super) fn dead_letter(&mut self, letter: &'b DeadLetter) {
        let origin = letter.origin;
        let known = self.known.letters.get(&origin).copied();
        let failure = &letter.failure;
        let age = (letter.redrives, failure.last_failed_at);
        let is_new = known.is_none_or(|known| age > (known.redrives, known.last_failed_at));
        if !is_new || self.known.stored.contains(&origin) {
            self.ledger.redelivered();
            return;
        }
        let was_restored = known.is_some_and(|known| known.restored);
        let restored = letter.restored | self.drop_decision(origin) | was_restored;
        let fresh = self.put_letter(letter, restored, known.and_then(|known| known.fresh));
        let standing = Letter {
            redrives: letter.redrives,
            last_failed_at: failure.last_failed_at,
            is_open: true,
            restored,
            fresh: Some(fresh),
        };
        self.known.letters.insert(origin, standing);
        if known.is_some_and(|known| known.is_open) {
            self.ledger.failed_again(was_restored, restored);
        } else {
            self.ledger.gain(Outcome::DeadLettered, restored);
        }
    }

    /// Writes the letter, over an older one of this batch where there is one; its place.
    fn put_letter(&mut self, letter: &'b DeadLetter, restored: bool, at: Option<usize>) -> usize {
        let failure = &letter.failure;
        let mut new = NewLetter {
            letter,
            attempts: failure.attempts,
            first_failed_at: failure.first_failed_at,
            restored,
        };
        match at.and_then(|at| Some((at, self.letters.get_mut(at)?))) {
            Some((at, older)) => {
                new.attempts = new.attempts.max(older.attempts);
                new.first_failed_at = new.first_failed_at.min(older.first_failed_at);
                *older = new;
                at
            }
            None => {
                self.letters.push(new);
                self.letters.len() - 1
            }
        }
    }

    /// Takes away the decision on an origin that gets a stronger outcome; whether it was restored.
    fn drop_decision(&mut self, origin: Origin) -> bool {
        let Some(decided) = self.known.decisions.remove(&origin) else { return false };
        self.ledger.lose(decided.outcome, decided.restored);
        match decided.fresh.and_then(|at| self.decisions.get_mut(at)) {
            Some(fresh) => *fresh = None,
            None => self.dropped.push(origin),
        }
        decided.restored
    }

    /// Closes the open dead letter of an origin that got another outcome; whether it was restored.
    /// Dead letters come last in a batch, so it is always one of the store.
    fn resolve_letter(&mut self, origin: Origin) -> bool {
        let Some(letter) = self.known.letters.get_mut(&origin).filter(|letter| letter.is_open)
        else {
            return false;
        };
        letter.is_open = false;
        let restored = letter.restored;
        self.resolved.push(origin);
        self.ledger.lose(Outcome::DeadLettered, restored);
        restored
    }
}
