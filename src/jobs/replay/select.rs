//! What becomes of each archived record: published, left out, or there already.

use std::collections::{HashMap, HashSet};

use super::decided::Decided;
use crate::model::{ConsumedRecord, EventId, Origin, Outcome};
use crate::pipeline::envelope::Envelope;
use crate::ports::{Store, TimeRange};

/// What to do with one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// It is a row already.
    Stored,
    /// It comes back.
    Publish,
    /// It goes too, but its event is another acceptance's row, or comes before it.
    Duplicate,
    /// It was decided so, and such are left out.
    LeftOut(Outcome),
}

/// What the store and the archive say of a batch of records.
pub(super) struct Selection<'s> {
    pub(super) decided: &'s Decided,
    pub(super) include: &'s [Outcome],
    outcomes: HashMap<Origin, Outcome>,
    stored: HashSet<EventId>,
}

impl<'s> Selection<'s> {
    pub(super) async fn of(
        store: &dyn Store,
        envelopes: &[Envelope],
        decided: &'s Decided,
        include: &'s [Outcome],
    ) -> crate::ports::Result<Self> {
        let origins: Vec<Origin> = envelopes.iter().map(|envelope| envelope.origin).collect();
        let outcomes = store.outcomes(&origins).await?;
        let ids: Vec<EventId> =
            envelopes.iter().filter_map(|envelope| envelope.event_id.clone()).collect();
        let stored = store.stored_ids(&ids).await?.into_iter().collect();
        let outcomes = outcomes.into_iter().map(|row| (row.origin, row.outcome)).collect();
        Ok(Self { decided, include, outcomes, stored })
    }

    /// What the store says became of an origin.
    pub(super) fn outcome(&self, origin: Origin) -> Option<Outcome> {
        self.outcomes.get(&origin).copied()
    }

    pub(super) fn choose(&self, envelope: &Envelope) -> Choice {
        let known = self.outcome(envelope.origin);
        if known == Some(Outcome::Stored) {
            return Choice::Stored;
        }
        let decided = known
            .filter(|outcome| outcome.is_decision())
            .or_else(|| self.decided.get(envelope.origin));
        match decided {
            Some(outcome @ (Outcome::Blocked | Outcome::RateLimited))
                if !self.include.contains(&outcome) =>
            {
                Choice::LeftOut(outcome)
            }
            Some(Outcome::Duplicate) => Choice::Duplicate,
            _ => {
                let id = envelope.event_id.as_ref();
                let is_stored = id.is_some_and(|id| self.stored.contains(id));
                if is_stored { Choice::Duplicate } else { Choice::Publish }
            }
        }
    }
}

/// Whether a record was received in the range.
pub(super) fn is_in(range: &TimeRange, record: &ConsumedRecord) -> bool {
    let received_at = Envelope::of(record).received_at;
    range.from <= received_at && received_at < range.to
}
