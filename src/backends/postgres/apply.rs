//! One batch in one transaction.
//!
//! First the rows, which most of a batch is: copied and inserted in bulk, side by side with other
//! workers. Then a lock that one batch holds at a time, until its commit: under it decisions, dead
//! letters, roll-ups and counts are read and written, so that two batches with words on one origin
//! never miss each other, and hot rows of the roll-ups are never waited for in a circle.

use std::collections::HashSet;

use super::failure::Failure;
use super::known::Known;
use super::pool::Connection;
use super::ruling::Ruling;
use super::{rows, writes};
use crate::model::{EventId, Origin, Timestamp};
use crate::ports::{Applied, SinkBatch, StoreEvent, crash};

/// Name of the lock: `evpbooks` read as a number.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7311146946973985651)";

/// How often a row is tried that is not inserted although neither its id nor its origin is there: what
/// stood in its way may have been deleted between the two looks.
const ATTEMPTS: u32 = 3;

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

/// Which rows of a batch are new.
enum Stored {
    All,
    These(HashSet<Origin>),
}

/// Applies the batch and commits.
pub(super) async fn apply(
    connection: &mut Connection,
    batch: &SinkBatch,
    now: Timestamp,
) -> Result<Applied, Failure> {
    rows::prepare(connection).await?;
    connection.client.batch_execute(BEGIN).await?;
    let places = places(&batch.events);
    let of = |wanted: Place| {
        let both = batch.events.iter().zip(&places);
        both.filter(move |(_, place)| **place == wanted).map(|(item, _)| item)
    };
    let first: Vec<&StoreEvent> = of(Place::First).collect();
    let stored = store(connection, &first, now).await?;
    connection.client.batch_execute(LOCK).await?;

    let is_in = |item: &StoreEvent| match &stored {
        Stored::All => true,
        Stored::These(origins) => origins.contains(&item.event.origin),
    };
    let is_open = |(item, place): &(&StoreEvent, &Place)| match place {
        Place::First => !is_in(item),
        Place::Later => true,
        Place::Repeat => false,
    };
    let both = batch.events.iter().zip(&places);
    let open: Vec<&StoreEvent> = both.filter(is_open).map(|(item, _)| item).collect();
    let known = Known::read(connection, batch, &open).await?;
    let mut ruling = Ruling::new(known, now);
    for item in first.into_iter().filter(|item| is_in(item)) {
        ruling.stored(item);
    }
    for item in open {
        rule_on(connection, &mut ruling, item, now).await?;
    }
    for _ in of(Place::Repeat) {
        ruling.ledger.redelivered();
    }
    for (decision, replay_id, restored) in &batch.decisions {
        ruling.decision(decision, replay_id.as_deref(), *restored);
    }
    for letter in &batch.dead_letters {
        ruling.dead_letter(letter);
    }
    let applied = ruling.ledger.applied();
    writes::write(connection, ruling, now).await?;
    crash::point("sink.commit.before");
    connection.client.batch_execute("COMMIT").await?;
    crash::point("sink.commit.after");
    Ok(applied)
}

/// Stores the rows whose id and origin are new. In a transaction that has done nothing else.
async fn store(
    connection: &mut Connection,
    first: &[&StoreEvent],
    now: Timestamp,
) -> Result<Stored, Failure> {
    if !first.is_empty() && connection.straight.is_due() {
        let are_all_in = match rows::copy_straight(connection, first, now).await {
            Err(failure) if failure.is_taken() => false,
            copied => copied?,
        };
        if are_all_in {
            connection.straight.worked();
            return Ok(Stored::All);
        }
        connection.straight.was_in_vain();
        connection.client.batch_execute("ROLLBACK").await?;
        connection.client.batch_execute(BEGIN).await?;
    }
    let origins = rows::insert(connection, first, now).await?;
    Ok(Stored::These(origins.into_iter().collect()))
}

/// An event that was not inserted with the others.
///
/// An insert waits for whoever is inserting the same id or origin, and the look after it sees what
/// they committed: where neither has a row then, nobody's row stood in the way.
async fn rule_on<'b>(
    connection: &mut Connection,
    ruling: &mut Ruling<'b>,
    item: &'b StoreEvent,
    now: Timestamp,
) -> Result<(), Failure> {
    let event = &item.event;
    let mut attempts = 0;
    while !ruling.has_conflict(event) {
        if attempts == ATTEMPTS {
            // Neither a row nor a decision comes of it: it must not pass for a redelivery.
            let (id, origin) = (event.event_id.clone(), event.origin);
            return Err(Failure::NotInserted { id, origin });
        }
        attempts += 1;
        // An id or origin that comes twice in a batch and stands nowhere yet.
        if rows::insert_one(connection, item, now).await? {
            ruling.stored(item);
            return Ok(());
        }
        let (ids, origins) = ([event.event_id.as_str()], [event.origin]);
        ruling.known.read_rows(connection, &ids, &origins).await?;
    }
    ruling.refused(item);
    Ok(())
}

/// Where an event stands in its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The first of its id and of its origin: no other event of the batch has a say in it.
    First,
    /// It shares one of them with an earlier event.
    Later,
    /// It shares both with one: a redelivery, whatever becomes of that one.
    Repeat,
}

fn places(events: &[StoreEvent]) -> Vec<Place> {
    let mut ids = HashSet::with_capacity(events.len());
    let mut origins = HashSet::with_capacity(events.len());
    let mut firsts = Vec::with_capacity(events.len());
    for item in events {
        firsts.push(ids.insert(&item.event.event_id) & origins.insert(item.event.origin));
    }
    if firsts.iter().all(|first| *first) {
        return vec![Place::First; events.len()];
    }
    // Nothing of a pair comes before the first of its id, so its order does not matter here.
    let both = || events.iter().zip(&firsts);
    let mut pairs: HashSet<_> =
        both().filter(|(_, first)| **first).map(|(item, _)| pair_of(item)).collect();
    both()
        .map(|(item, first)| match (first, *first || pairs.insert(pair_of(item))) {
            (true, _) => Place::First,
            (false, true) => Place::Later,
            (false, false) => Place::Repeat,
        })
        .collect()
}

fn pair_of(item: &StoreEvent) -> (&EventId, Origin) {
    (&item.event.event_id, item.event.origin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::contract::samples::{event, stored};

    #[test]
    fn an_event_is_first_later_or_a_repeat() {
        let of = |pairs: &[(&str, u32)]| {
            let events: Vec<_> = pairs.iter().map(|(id, n)| stored(event(id, *n))).collect();
            places(&events)
        };
        use Place::{First, Later, Repeat};
        assert_eq!(of(&[("a", 1), ("b", 2)]), [First, First]);
        assert_eq!(of(&[("a", 1), ("a", 1), ("a", 1)]), [First, Repeat, Repeat]);
        assert_eq!(of(&[("a", 1), ("a", 2), ("b", 1), ("a", 2)]), [First, Later, Later, Repeat]);
        assert_eq!(of(&[("a", 1), ("a", 2), ("b", 2), ("c", 3)]), [First, Later, Later, First]);
    }
}
