//! Everything known of one id, in bounded memory however often it was sent, and what follows from it.

use super::super::copy::Found;
use super::item::{DecisionKind, Fact, Id};
use crate::jobs::ledger::Answer;
use crate::model::{Origin, Outcome};

/// Different bodies and rows of one id that are told apart; more are only counted.
const KEPT: usize = 16;

/// One body that was sent under the id.
#[derive(Debug)]
struct Body {
    hash: [u8; 32],
    is_accepted: bool,
    /// A record has it.
    is_found: bool,
}

/// One id.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) id: Id,
    accepted: u64,
    rejected: u64,
    unknown: u64,
    /// Distinct numbers among its lines, and the last of them: the lines come in their order.
    pub(super) numbers: u64,
    last_number: Option<u64>,
    first_sent: i64,
    bodies: Vec<Body>,
    /// There were more bodies than are kept: they are not compared.
    is_overfull: bool,
    pub(super) rows: u64,
    kept_rows: Vec<(Origin, Option<[u8; 16]>)>,
    pub(super) open_letters: u64,
    resolved_letters: u64,
    blocked: u64,
    rate_limited: u64,
    duplicates: u64,
    pub(super) copies: u64,
    /// A record whose bytes the ledger does not have.
    strange_copy: Option<Found>,
    /// A record of refused bytes, accepted after they were refused.
    refused_copy: bool,
    /// A row that is not the canonical form of its own record, and where that is.
    altered_row: Option<Found>,
}

impl Known {
    pub(super) const fn new(id: Id) -> Self {
        Self {
            id,
            accepted: 0,
            rejected: 0,
            unknown: 0,
            numbers: 0,
            last_number: None,
            first_sent: i64::MAX,
            bodies: Vec::new(),
            is_overfull: false,
            rows: 0,
            kept_rows: Vec::new(),
            open_letters: 0,
            resolved_letters: 0,
            blocked: 0,
            rate_limited: 0,
            duplicates: 0,
            copies: 0,
            strange_copy: None,
            refused_copy: false,
            altered_row: None,
        }
    }

    /// Takes the next fact; they come in their order.
    pub(super) fn take(&mut self, fact: &Fact) {
        match *fact {
            Fact::Sent { number, answer, hash, sent } => self.sent(number, answer, hash, sent),
            Fact::Row { origin, digest } => {
                self.rows += 1;
                if self.kept_rows.len() < KEPT {
                    self.kept_rows.push((origin, digest));
                }
            }
            Fact::Letter { is_open: true } => self.open_letters += 1,
            Fact::Letter { is_open: false } => self.resolved_letters += 1,
            Fact::Decision { kind: DecisionKind::Blocked } => self.blocked += 1,
            Fact::Decision { kind: DecisionKind::RateLimited } => self.rate_limited += 1,
            Fact::Decision { kind: DecisionKind::Duplicate } => self.duplicates += 1,
            Fact::Copy { origin, hash, digest, found } => self.copy(origin, hash, digest, found),
        }
    }

    fn sent(&mut self, number: u64, answer: Answer, hash: [u8; 32], sent: i64) {
        if self.last_number.replace(number) != Some(number) {
            self.numbers += 1;
        }
        self.first_sent = self.first_sent.min(sent);
        let is_accepted = answer == Answer::Accepted;
        match answer {
            Answer::Accepted => self.accepted += 1,
            Answer::Rejected => self.rejected += 1,
            Answer::Unknown => self.unknown += 1,
        }
        let kept = self.bodies.len();
        match self.bodies.iter_mut().find(|body| body.hash == hash) {
            Some(body) => body.is_accepted |= is_accepted,
            None if kept < KEPT => {
                self.bodies.push(Body { hash, is_accepted, is_found: false });
            }
            None => self.is_overfull = true,
        }
    }

    fn copy(&mut self, origin: Origin, hash: [u8; 32], digest: Option<[u8; 16]>, found: Found) {
        self.copies += 1;
        match self.bodies.iter_mut().find(|body| body.hash == hash) {
            Some(body) => {
                body.is_found = true;
                let since = minted_at(origin).is_some_and(|at| at >= self.first_sent);
                self.refused_copy |= since;
            }
            None => {
                self.strange_copy.get_or_insert(found);
            }
        }
        let is_altered = |(of, row): &(Origin, Option<[u8; 16]>)| *of == origin && *row != digest;
        if self.kept_rows.iter().any(is_altered) {
            self.altered_row.get_or_insert(found);
        }
    }

    pub(super) const fn has_line(&self) -> bool {
        self.accepted + self.rejected + self.unknown > 0
    }

    /// What the client may rely on: the best of its answers.
    pub(super) const fn answer(&self) -> Answer {
        match (self.accepted, self.unknown) {
            (1.., _) => Answer::Accepted,
            (0, 1..) => Answer::Unknown,
            (0, 0) => Answer::Rejected,
        }
    }

    /// Whether the installation knows it.
    pub(super) const fn is_present(&self) -> bool {
        self.rows + self.open_letters + self.resolved_letters + self.decisions() + self.copies > 0
    }

    const fn decisions(&self) -> u64 {
        self.blocked + self.rate_limited + self.duplicates
    }

    /// Its end, the strongest of all its acceptances; a decision `duplicate` is none: it says that
    /// the event ended elsewhere.
    pub(super) const fn end(&self) -> Option<Outcome> {
        if self.rows > 0 {
            Some(Outcome::Stored)
        } else if self.open_letters > 0 {
            Some(Outcome::DeadLettered)
        } else if self.blocked > 0 {
            Some(Outcome::Blocked)
        } else if self.rate_limited > 0 {
            Some(Outcome::RateLimited)
        } else {
            None
        }
    }

    /// What is left of one that has no end.
    pub(super) const fn what_is_left(&self) -> &'static str {
        if self.duplicates > 0 {
            "it is a duplicate of nothing"
        } else if self.resolved_letters > 0 {
            "its dead letter is resolved, but it is no row"
        } else if self.copies > 0 {
            "it is in the archive or the log and nowhere else"
        } else {
            "it is nowhere"
        }
    }

    /// Why it is counted or kept more than once.
    pub(super) fn doubled(&self) -> Option<String> {
        let (rows, letters) = (self.rows, self.open_letters);
        // Each sending of an event that cannot be read is a dead letter of its own.
        let sendings = (self.accepted + self.unknown).max(1);
        if rows > 1 {
            Some(format!("{rows} rows"))
        } else if rows == 1 && letters > 0 {
            Some(format!("a row and {letters} open dead letters"))
        } else if letters > sendings {
            Some(format!("{letters} open dead letters of {sendings} sendings"))
        } else {
            None
        }
    }

    /// How what was archived or stored is not what was sent, and where.
    pub(super) fn altered(&self) -> Option<(&'static str, Option<Found>)> {
        let is_comparable = !self.is_overfull && !self.bodies.is_empty();
        let is_of_run = matches!(self.id, Id::Run(_));
        if let Some(found) = self.strange_copy.filter(|_| is_comparable && is_of_run) {
            return Some(("the record is not the bytes that were sent", Some(found)));
        }
        let is_missed = |body: &Body| body.is_accepted && !body.is_found;
        if is_comparable && self.copies > 0 && self.bodies.iter().any(is_missed) {
            return Some(("no record has the bytes that were sent", None));
        }
        let row = self.altered_row.map(Some)?;
        Some(("the row is not the canonical form of what was sent", row))
    }

    /// Where a refused event is all the same. Of an id of its own others may have sent an event
    /// too, so only a record of the refused bytes, accepted since, tells.
    pub(super) const fn where_refused(&self) -> Option<&'static str> {
        match self.id {
            Id::Own(_) if self.refused_copy => Some("it is in the archive or the log"),
            Id::Own(_) => None,
            Id::Run(_) => self.where_present(),
        }
    }

    /// Where it is.
    pub(super) const fn where_present(&self) -> Option<&'static str> {
        if self.rows > 0 {
            Some("there is a row")
        } else if self.open_letters + self.resolved_letters > 0 {
            Some("there is a dead letter")
        } else if self.decisions() > 0 {
            Some("there is a decision")
        } else if self.copies > 0 {
            Some("it is in the archive or the log")
        } else {
            None
        }
    }
}

/// When an origin was minted at the door, in milliseconds; a foreign producer's does not say.
fn minted_at(origin: Origin) -> Option<i64> {
    let bytes = origin.as_bytes();
    let is_timed = bytes[6] >> 4 == 7;
    let mut millis = [0; 8];
    millis[2..].copy_from_slice(&bytes[..6]);
    is_timed.then(|| i64::from_be_bytes(millis))
}
