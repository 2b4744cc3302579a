//! A model of rule 5 that a sink is held against under random batches.

use std::collections::HashMap;

use super::samples::{Dice, Fixture, apply, decision, event, letter, must, origin, stored};
use super::sink::{books, outcome};
use crate::model::{DeadLetter, Origin, Outcome};
use crate::ports::{Books, SinkBatch};

/// What must have become of each origin, by rule 5 alone.
#[derive(Default)]
struct Model {
    rows: HashMap<String, u32>,
    outcomes: HashMap<u32, Outcome>,
}

impl Model {
    fn event(&mut self, event_id: &str, number: u32) {
        if self.outcomes.get(&number) == Some(&Outcome::Stored) {
            return;
        }
        if self.rows.contains_key(event_id) {
            let now = self.outcomes.entry(number).or_insert(Outcome::Duplicate);
            if *now == Outcome::DeadLettered {
                *now = Outcome::Duplicate;
            }
            return;
        }
        self.rows.insert(event_id.to_owned(), number);
        self.outcomes.insert(number, Outcome::Stored);
    }

    fn letter(&mut self, number: u32) {
        let now = self.outcomes.entry(number).or_insert(Outcome::DeadLettered);
        if now.is_decision() {
            *now = Outcome::DeadLettered;
        }
    }

    fn books(&self) -> Books {
        let count = |outcome| {
            u64::try_from(self.outcomes.values().filter(|o| **o == outcome).count()).unwrap_or(0)
        };
        Books {
            stored: count(Outcome::Stored),
            duplicate: count(Outcome::Duplicate),
            blocked: count(Outcome::Blocked),
            rate_limited: count(Outcome::RateLimited),
            dead_lettered: count(Outcome::DeadLettered),
            ..Books::default()
        }
    }
}

/// A batch of random words on few origins and few ids, told to the model in the sink's order.
fn random_batch(dice: &mut Dice, model: &mut Model, round: u32) -> SinkBatch {
    let mut batch = SinkBatch::default();
    for _ in 0..dice.below(12) {
        let (number, kind) = (dice.below(60), dice.below(3));
        let mut event = event(&format!("e-{}", dice.below(40)), number);
        event.event_type = ["click", "impression", "conversion"][kind as usize].to_owned();
        event.campaign_id = (dice.below(5) > 0).then(|| format!("c-{}", dice.below(3)));
        let hours = std::time::Duration::from_secs(u64::from(dice.below(4)) * 3600);
        event.created_at = event.created_at.plus(hours);
        model.event(event.event_id.as_str(), number);
        batch.events.push(stored(event));
    }
    for _ in 0..dice.below(4) {
        let number = dice.below(60);
        let outcomes = [Outcome::Duplicate, Outcome::Blocked, Outcome::RateLimited];
        let outcome = outcomes[dice.below(3) as usize];
        model.outcomes.entry(number).or_insert(outcome);
        batch.decisions.push((decision(&format!("e-{number}"), number, outcome), None, false));
    }
    for _ in 0..dice.below(3) {
        let number = dice.below(60);
        model.letter(number);
        // Each is a failure of its own, later than all before.
        let failed = DeadLetter { redrives: round, ..letter(&format!("e-{number}"), number) };
        batch.dead_letters.push(failed);
    }
    batch
}

pub(super) async fn random_batches_end_as_rule_5_says(fixture: Fixture) {
    let name = "random batches end as rule 5 says";
    let (mut dice, mut model) = (Dice(7), Model::default());
    for round in 1..=80 {
        let batch = random_batch(&mut dice, &mut model, round);
        apply(&fixture, &batch, name).await;
        let books = Books { redelivered: 0, ..books(&fixture, name).await };
        assert_eq!(books, model.books(), "{name}: books after round {round}");
    }
    let origins: Vec<Origin> = (0..60).map(origin).collect();
    let found = must(fixture.store.outcomes(&origins).await, name);
    assert_eq!(found.len(), model.outcomes.len(), "{name}: origins with an outcome");
    for number in 0..60 {
        let expected = model.outcomes.get(&number).copied();
        assert_eq!(outcome(&fixture, number, name).await, expected, "{name}: origin {number}");
    }
    let differences = must(fixture.store.audit_rollups(10).await, name);
    assert_eq!(differences, [], "{name}: roll-ups equal their rows");
}
