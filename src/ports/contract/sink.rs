//! What every sink promises: one transaction a batch, one outcome an origin, books that balance.
//!
//! Each function is one behaviour on a fresh, empty store; a failure's message names it.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::outcomes;
use super::samples::{
    Fixture, apply, at, decision, decisions, event, letter, letters, must, origin, rows, stored,
};
use crate::model::{
    CanonicalEvent, DeadLetter, GroupId, Offset, Outcome, Partition, Timestamp, Topic,
    TopicPartition,
};
use crate::ports::{
    Applied, Assignment, Books, DeadLetterFilter, Kind, Progress, SinkBatch, StoreEvent,
};

/// Runs every behaviour, each on a store of its own.
pub async fn all(open: impl AsyncFn() -> Fixture) {
    a_batch_applied_twice_changes_nothing(open().await).await;
    another_origin_of_an_id_is_a_duplicate(open().await).await;
    an_origin_under_another_id_is_a_redelivery(open().await).await;
    a_row_beats_a_dead_letter_beats_a_decision_in_every_order(&open).await;
    a_restored_origin_is_restored_once(&open).await;
    a_dead_letter_is_resolved_by_its_row_and_stays_so(open().await).await;
    a_dead_letter_opens_again_when_its_redrive_fails(open().await).await;
    a_dead_letter_whose_id_was_stored_meanwhile_is_resolved(open().await).await;
    outcomes::random_batches_end_as_rule_5_says(open().await).await;
    what_came_is_kept_byte_for_byte(open().await).await;
    positions_move_with_their_batch_or_not_at_all(open().await).await;
    one_bad_event_undoes_the_batch_and_says_data(open().await).await;
    wording_never_keeps_a_decision_or_a_dead_letter_out(open().await).await;
    an_empty_batch_is_nothing(open().await).await;
}

pub(super) async fn books(fixture: &Fixture, behaviour: &str) -> Books {
    must(fixture.store.books().await, behaviour)
}

pub(super) async fn outcome(fixture: &Fixture, number: u32, behaviour: &str) -> Option<Outcome> {
    let found = must(fixture.store.outcomes(&[origin(number)]).await, behaviour);
    assert!(found.len() <= 1, "{behaviour}: one origin has one outcome, not {found:?}");
    found.first().map(|row| row.outcome)
}

async fn all_letters(fixture: &Fixture, behaviour: &str) -> Vec<crate::ports::DeadLetterRow> {
    let filter = DeadLetterFilter { include_resolved: true, limit: 100, ..Default::default() };
    must(fixture.store.dead_letters(&filter).await, behaviour)
}

async fn a_batch_applied_twice_changes_nothing(fixture: Fixture) {
    let name = "a batch applied twice changes nothing";
    let batch = SinkBatch {
        events: vec![stored(event("e-1", 1)), stored(event("e-2", 2))],
        decisions: vec![
            (decision("e-3", 3, Outcome::Blocked), None, false),
            (decision("e-4", 4, Outcome::RateLimited), None, false),
            (decision("e-1", 5, Outcome::Duplicate), None, false),
        ],
        dead_letters: vec![letter("e-6", 6)],
        ..SinkBatch::default()
    };
    let first = apply(&fixture, &batch, name).await;
    let expected = Applied {
        stored: 2,
        duplicate: 1,
        blocked: 1,
        rate_limited: 1,
        dead_lettered: 1,
        redelivered: 0,
    };
    assert_eq!(first, expected, "{name}: the first time");
    let before = books(&fixture, name).await;
    let again = apply(&fixture, &batch, name).await;
    assert_eq!(again, Applied { redelivered: 6, ..Applied::default() }, "{name}: the second time");
    let after = books(&fixture, name).await;
    assert_eq!(after, Books { redelivered: 6, ..before }, "{name}: books");
    let hour = must(fixture.store.campaign_hour("c-1").await, name);
    assert_eq!(hour.map(|h| (h.total_events, h.total_clicks)), Some((2, 2)), "{name}: roll-up");
    assert_eq!(must(fixture.store.audit_rows(None, 10).await, name).len(), 2, "{name}: rows");
}

async fn another_origin_of_an_id_is_a_duplicate(fixture: Fixture) {
    let name = "another origin of an id is a duplicate";
    let one_batch = rows([event("e-1", 1), event("e-1", 2)]);
    let applied = apply(&fixture, &one_batch, name).await;
    assert_eq!((applied.stored, applied.duplicate), (1, 1), "{name}: in one batch");
    let applied = apply(&fixture, &rows([event("e-1", 3)]), name).await;
    assert_eq!((applied.stored, applied.duplicate), (0, 1), "{name}: in a later batch");
    for (number, expected) in [(1, Outcome::Stored), (2, Outcome::Duplicate)] {
        assert_eq!(outcome(&fixture, number, name).await, Some(expected), "{name}: {number}");
    }
    let hour = must(fixture.store.campaign_hour("c-1").await, name);
    assert_eq!(hour.map(|h| h.total_events), Some(1), "{name}: duplicates count in no roll-up");
}

async fn an_origin_under_another_id_is_a_redelivery(fixture: Fixture) {
    let name = "an origin under another id is a redelivery";
    apply(&fixture, &rows([event("e-1", 1), event("e-2", 2)]), name).await;
    let applied = apply(&fixture, &rows([event("e-9", 1), event("e-2", 1)]), name).await;
    assert_eq!(applied, Applied { redelivered: 2, ..Applied::default() }, "{name}");
}

/// One word on origin 1.
fn word(outcome: Outcome) -> SinkBatch {
    match outcome {
        Outcome::Stored => rows([event("e-1", 1)]),
        Outcome::DeadLettered => letters([letter("e-1", 1)]),
        other => decisions([decision("e-1", 1, other)]),
    }
}

async fn a_row_beats_a_dead_letter_beats_a_decision_in_every_order(
    open: &impl AsyncFn() -> Fixture,
) {
    use Outcome::{Blocked, DeadLettered, Duplicate, RateLimited, Stored};
    let name = "a row beats a dead letter beats a decision";
    let orders: [(&[Outcome], Outcome); 12] = [
        (&[Stored, DeadLettered, Blocked], Stored),
        (&[Stored, Blocked, DeadLettered], Stored),
        (&[DeadLettered, Stored, RateLimited], Stored),
        (&[DeadLettered, Blocked, Stored], Stored),
        (&[Duplicate, Stored, DeadLettered], Stored),
        (&[Blocked, DeadLettered, Stored], Stored),
        (&[Blocked, Stored], Stored),
        (&[DeadLettered, Stored], Stored),
        (&[DeadLettered, RateLimited], DeadLettered),
        (&[RateLimited, DeadLettered], DeadLettered),
        (&[Duplicate, Blocked], Duplicate),
        (&[Blocked, RateLimited], Blocked),
    ];
    for (order, expected) in orders {
        let fixture = open().await;
        for outcome in order {
            apply(&fixture, &word(*outcome), name).await;
        }
        assert_eq!(outcome(&fixture, 1, name).await, Some(expected), "{name}: {order:?}");
        let books = Books { redelivered: 0, ..books(&fixture, name).await };
        assert_eq!(books, only(expected), "{name}: books after {order:?}");
        let decided = must(fixture.store.audit_decisions(None, 10).await, name).len();
        assert_eq!(decided, usize::from(expected.is_decision()), "{name}: decisions, {order:?}");
    }
}

/// The books of a single origin.
fn only(outcome: Outcome) -> Books {
    let mut books = Books::default();
    match outcome {
        Outcome::Stored => books.stored = 1,
        Outcome::Duplicate => books.duplicate = 1,
        Outcome::Blocked => books.blocked = 1,
        Outcome::RateLimited => books.rate_limited = 1,
        Outcome::DeadLettered | Outcome::Rejected => books.dead_lettered = 1,
    }
    books
}

async fn a_restored_origin_is_restored_once(open: &impl AsyncFn() -> Fixture) {
    let name = "a restored origin is restored once, whatever becomes of it";
    // Later copies may have lost the mark on their way: the first word on an origin stays.
    for marked in [true, false] {
        let fixture = open().await;
        let decided = SinkBatch {
            decisions: vec![(decision("e-1", 1, Outcome::Blocked), Some("r-1".to_owned()), true)],
            ..SinkBatch::default()
        };
        apply(&fixture, &decided, name).await;
        assert_eq!(books(&fixture, name).await.restored, 1, "{name}: as a decision");
        let failed = DeadLetter { restored: marked, ..letter("e-1", 1) };
        apply(&fixture, &letters([failed]), name).await;
        assert_eq!(books(&fixture, name).await.restored, 1, "{name}: as a dead letter");
        let replay_id = Some("r-1".to_owned());
        let row = StoreEvent { event: event("e-1", 1), replay_id, restored: marked };
        let batch = SinkBatch { events: vec![row], ..SinkBatch::default() };
        apply(&fixture, &batch, name).await;
        apply(&fixture, &batch, name).await;
        let books = books(&fixture, name).await;
        assert_eq!((books.restored, books.stored, books.blocked), (1, 1, 0), "{name}: as a row");
        let rows = must(fixture.store.audit_rows(None, 10).await, name);
        assert_eq!(rows[0].1.as_deref(), Some("r-1"), "{name}: the row knows its replay");
    }
}

async fn a_dead_letter_is_resolved_by_its_row_and_stays_so(fixture: Fixture) {
    let name = "a dead letter is resolved by its row and stays so";
    apply(&fixture, &letters([letter("e-1", 1)]), name).await;
    apply(&fixture, &rows([event("e-1", 1)]), name).await;
    let found = all_letters(&fixture, name).await;
    assert!(found[0].resolved_at.is_some(), "{name}: resolved");
    let newer = DeadLetter { redrives: 3, ..letter("e-1", 1) };
    apply(&fixture, &letters([newer]), name).await;
    let found = all_letters(&fixture, name).await;
    assert!(found[0].resolved_at.is_some(), "{name}: a later copy does not open it");
    let books = books(&fixture, name).await;
    assert_eq!((books.stored, books.dead_lettered), (1, 0), "{name}: books");
}

async fn a_dead_letter_opens_again_when_its_redrive_fails(fixture: Fixture) {
    let name = "a dead letter opens again when its redrive fails";
    apply(&fixture, &letters([letter("e-1", 1)]), name).await;
    let mut again = letter("e-1", 1);
    again.redrives = 1;
    again.failure.attempts = 6;
    again.failure.first_failed_at = at("2026-01-03T00:00:00.000Z");
    again.failure.last_failed_at = at("2026-01-03T00:01:00.000Z");
    again.failure.reason = "still not".to_owned();
    apply(&fixture, &letters([again.clone()]), name).await;
    apply(&fixture, &letters([letter("e-1", 1)]), name).await;
    let found = all_letters(&fixture, name).await;
    assert_eq!(found.len(), 1, "{name}: one an origin");
    let failure = &found[0].letter.failure;
    assert_eq!((found[0].letter.redrives, failure.attempts), (1, 6), "{name}: the newer counts");
    assert_eq!(failure.reason, "still not", "{name}: an old copy does not overwrite it");
    let first = at("2026-01-02T03:05:00.000Z");
    assert_eq!(failure.first_failed_at, first, "{name}: the first failure stays the first");
    assert!(found[0].resolved_at.is_none(), "{name}: open");
    let books = books(&fixture, name).await;
    assert_eq!((books.dead_lettered, books.redelivered), (1, 2), "{name}: books");
}

async fn a_dead_letter_whose_id_was_stored_meanwhile_is_resolved(fixture: Fixture) {
    let name = "a dead letter whose id was stored meanwhile is resolved";
    apply(&fixture, &letters([letter("e-1", 1)]), name).await;
    apply(&fixture, &rows([event("e-1", 2)]), name).await;
    let applied = apply(&fixture, &rows([event("e-1", 1)]), name).await;
    assert_eq!(applied.duplicate, 1, "{name}: the redriven event is a duplicate");
    assert_eq!(outcome(&fixture, 1, name).await, Some(Outcome::Duplicate), "{name}: outcome");
    assert!(all_letters(&fixture, name).await[0].resolved_at.is_some(), "{name}: resolved");
    let applied = apply(&fixture, &letters([letter("e-1", 1)]), name).await;
    assert_eq!(applied.redelivered, 1, "{name}: its own copy does not open it");
    let mut failed = letter("e-1", 1);
    failed.redrives = 1;
    apply(&fixture, &letters([failed]), name).await;
    assert_eq!(outcome(&fixture, 1, name).await, Some(Outcome::DeadLettered), "{name}: reopened");
    let books = books(&fixture, name).await;
    let counts = (books.stored, books.duplicate, books.dead_lettered);
    assert_eq!(counts, (1, 0, 1), "{name}: books");
}

async fn what_came_is_kept_byte_for_byte(fixture: Fixture) {
    let name = "what came is kept byte for byte";
    let texts = [
        "null",
        r#"{"n":123456789012345678901234567890.000100e+400,"z":-0.0}"#,
        "{ \"a\" :\t1 , \"a\":2 }",
        r#"{"half":"\ud800","nul":"\u0000","slash":"\/"}"#,
        "\"ü 🦀 \u{2028} é e\u{301}\"",
        "[]",
    ];
    let mut sent: Vec<CanonicalEvent> = Vec::new();
    for (number, text) in (1..).zip(texts) {
        let Ok(meta_data) = RawValue::from_string(text.to_owned()) else { panic!("{text}") };
        sent.push(CanonicalEvent {
            meta_data: Some(meta_data),
            tags: Some(vec!["ä,\"".to_owned(), String::new(), "\u{0}".to_owned()]),
            channel: Some("web".to_owned()),
            user_id: Some("ユーザー '--".to_owned()),
            ..event(&format!("ключ {number} %/\\"), number)
        });
    }
    sent.push(CanonicalEvent {
        user_id: None,
        campaign_id: None,
        geo_country: None,
        device_type: None,
        ip_address: None,
        tags: Some(Vec::new()),
        created_at: Timestamp::MIN,
        received_at: Timestamp::MAX,
        ..event("bare", 90)
    });
    apply(&fixture, &rows(sent.clone()), name).await;
    let found = must(fixture.store.audit_rows(None, 100).await, name);
    let found: Vec<CanonicalEvent> = found.into_iter().map(|(event, _)| event).collect();
    assert_eq!(found, sent, "{name}");
}

async fn positions_move_with_their_batch_or_not_at_all(fixture: Fixture) {
    let name = "positions move with their batch or not at all";
    let group = GroupId::new("worker-group");
    let place = TopicPartition::new(Topic::new("processed-events"), Partition(3));
    let positioned = |mut batch: SinkBatch, next| {
        let assignment = Assignment { at: place.clone(), generation: 1 };
        batch.group = Some(group.clone());
        batch.progress = vec![Progress { assignment, next: Offset(next) }];
        batch
    };
    let read = async || must(fixture.sink.checkpoint(&group, &place).await, name);
    assert_eq!(read().await, None, "{name}: at first");
    apply(&fixture, &positioned(rows([event("e-1", 1)]), 5), name).await;
    let kept = read().await;
    let bad = CanonicalEvent { user_id: Some("a\0b".to_owned()), ..event("e-2", 2) };
    let refused = fixture.sink.apply(&Arc::new(positioned(rows([event("e-3", 3), bad]), 9))).await;
    assert!(refused.is_err(), "{name}: NUL is refused");
    assert_eq!(read().await, kept, "{name}: a refused batch moves none");
    // A sink whose log keeps the positions answers `None` always.
    if kept.is_some() {
        assert_eq!(kept, Some(Offset(5)), "{name}: after a batch");
        apply(&fixture, &positioned(SinkBatch::default(), 6), name).await;
        assert_eq!(read().await, Some(Offset(6)), "{name}: without any effect");
        let other = TopicPartition::new(Topic::new("processed-events"), Partition(4));
        let other = must(fixture.sink.checkpoint(&group, &other).await, name);
        assert_eq!(other, None, "{name}: another partition");
    }
}

async fn one_bad_event_undoes_the_batch_and_says_data(fixture: Fixture) {
    let name = "one bad event undoes the batch and says data";
    let bad = CanonicalEvent { event_type: "cl\0ick".to_owned(), ..event("e-2", 2) };
    let batch = Arc::new(rows([event("e-1", 1), bad, event("e-3", 3)]));
    match fixture.sink.apply(&batch).await {
        Err(error) => assert_eq!(error.kind(), Kind::Data, "{name}: {}", error.chain()),
        Ok(applied) => panic!("{name}: applied {applied:?}"),
    }
    assert_eq!(books(&fixture, name).await, Books::default(), "{name}: books");
    assert_eq!(must(fixture.store.audit_rows(None, 10).await, name).len(), 0, "{name}: rows");
    let applied = apply(&fixture, &rows([event("e-1", 1), event("e-3", 3)]), name).await;
    assert_eq!(applied.stored, 2, "{name}: the others pass without it");
}

async fn wording_never_keeps_a_decision_or_a_dead_letter_out(fixture: Fixture) {
    let name = "wording never keeps a decision or a dead letter out";
    let mut worded = letter("e-1", 1);
    worded.failure.reason = "nul \0 in it".to_owned();
    worded.event_id = None;
    worded.shape = None;
    let mut decided = decision("e-2", 2, Outcome::Blocked);
    decided.reason = "\0".to_owned();
    let batch = SinkBatch {
        decisions: vec![(decided, None, false)],
        dead_letters: vec![worded],
        ..SinkBatch::default()
    };
    apply(&fixture, &batch, name).await;
    let books = books(&fixture, name).await;
    assert_eq!((books.blocked, books.dead_lettered), (1, 1), "{name}");
}

async fn an_empty_batch_is_nothing(fixture: Fixture) {
    let name = "an empty batch is nothing";
    let applied = apply(&fixture, &SinkBatch::default(), name).await;
    assert_eq!(applied, Applied::default(), "{name}");
    must(fixture.sink.check().await, name);
    assert_eq!(books(&fixture, name).await, Books::default(), "{name}");
}
