//! The store's three lists in the order of their origins, page by page.

use std::collections::VecDeque;

use super::digest::digest;
use crate::model::{Origin, Outcome};
use crate::ports::{DeadLetterFilter, Result, Store};

const PAGE: usize = 2000;

/// A row, as far as it is compared.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) origin: Origin,
    pub(super) event_id: String,
    pub(super) digest: Option<[u8; 16]>,
    pub(super) is_replayed: bool,
}

/// A decision or dead letter.
#[derive(Debug)]
pub(super) struct Other {
    pub(super) origin: Origin,
    pub(super) event_id: String,
    /// `None` for a dead letter that is resolved.
    pub(super) outcome: Option<Outcome>,
    pub(super) is_replayed: bool,
}

/// The outcomes of one origin.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    pub(super) row: Option<Row>,
    pub(super) letter: Option<Other>,
    pub(super) decision: Option<Other>,
}

impl Outcomes {
    /// What counts: a row beats a dead letter beats a decision (design, rule 5).
    pub(super) fn outcome(&self) -> Option<Outcome> {
        if self.row.is_some() {
            return Some(Outcome::Stored);
        }
        let letter = self.letter.as_ref().and_then(|letter| letter.outcome);
        letter.or_else(|| self.decision.as_ref().and_then(|decision| decision.outcome))
    }

    pub(super) fn event_id(&self) -> &str {
        let other = || self.letter.as_ref().or(self.decision.as_ref());
        match &self.row {
            Some(row) => &row.event_id,
            None => other().map_or("", |other| &other.event_id),
        }
    }

    pub(super) fn is_replayed(&self) -> bool {
        self.row.as_ref().is_some_and(|row| row.is_replayed)
            || [&self.letter, &self.decision]
                .into_iter()
                .any(|other| other.as_ref().is_some_and(|other| other.is_replayed))
    }
}

/// Pages through one list.
#[derive(Debug)]
struct Pages<T> {
    page: VecDeque<T>,
    after: Option<Origin>,
    is_over: bool,
}

impl<T> Pages<T> {
    const fn new() -> Self {
        Self { page: VecDeque::new(), after: None, is_over: false }
    }

    fn wants(&self) -> bool {
        self.page.is_empty() && !self.is_over
    }

    fn fill(&mut self, page: impl Iterator<Item = T>, origin: impl Fn(&T) -> Origin) {
        self.page.extend(page);
        match self.page.back() {
            Some(last) => self.after = Some(origin(last)),
            None => self.is_over = true,
        }
    }

    fn take(&mut self, wanted: Origin, origin: impl Fn(&T) -> Origin) -> Option<T> {
        let is_it = self.page.front().is_some_and(|first| origin(first) == wanted);
        if is_it { self.page.pop_front() } else { None }
    }
}

/// All three lists side by side.
#[derive(Debug)]
pub(super) struct OutcomeStream {
    rows: Pages<Row>,
    letters: Pages<Other>,
    decisions: Pages<Other>,
}

impl OutcomeStream {
    pub(super) const fn new() -> Self {
        Self { rows: Pages::new(), letters: Pages::new(), decisions: Pages::new() }
    }

    /// The smallest origin that has something; `None` at the end.
    pub(super) async fn peek(&mut self, store: &dyn Store) -> Result<Option<Origin>> {
        if self.rows.wants() {
            let page = store.audit_rows(self.rows.after, PAGE).await?;
            let rows = page.into_iter().map(|(event, replay)| Row {
                origin: event.origin,
                event_id: event.event_id.as_str().to_owned(),
                digest: digest(&event),
                is_replayed: replay.is_some(),
            });
            self.rows.fill(rows, |row| row.origin);
        }
        if self.decisions.wants() {
            let page = store.audit_decisions(self.decisions.after, PAGE).await?;
            let decisions = page.into_iter().map(|(decision, replay)| Other {
                origin: decision.origin,
                event_id: decision.event_id.as_str().to_owned(),
                outcome: Some(decision.outcome),
                is_replayed: replay.is_some(),
            });
            self.decisions.fill(decisions, |decision| decision.origin);
        }
        if self.letters.wants() {
            let filter = DeadLetterFilter {
                include_resolved: true,
                after: self.letters.after,
                limit: PAGE as u64,
                ..DeadLetterFilter::default()
            };
            let page = store.dead_letters(&filter).await?;
            let letters = page.into_iter().map(|row| Other {
                origin: row.letter.origin,
                event_id: row.letter.event_id.map(String::from).unwrap_or_default(),
                outcome: row.resolved_at.is_none().then_some(Outcome::DeadLettered),
                is_replayed: row.letter.replay_id.is_some(),
            });
            self.letters.fill(letters, |letter| letter.origin);
        }
        let first = |others: &Pages<Other>| others.page.front().map(|other| other.origin);
        let heads = [
            self.rows.page.front().map(|row| row.origin),
            first(&self.letters),
            first(&self.decisions),
        ];
        Ok(heads.into_iter().flatten().min())
    }

    /// Takes everything of that origin, which a peek said or which is below it.
    pub(super) fn take(&mut self, origin: Origin) -> Outcomes {
        Outcomes {
            row: self.rows.take(origin, |row| row.origin),
            letter: self.letters.take(origin, |letter| letter.origin),
            decision: self.decisions.take(origin, |decision| decision.origin),
        }
    }
}
