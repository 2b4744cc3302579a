//! Marks: duplicates, redeliveries, their end.

use std::time::Duration;

use super::super::Behaviour;
use super::{DAY, OFF, Subject, THREE, at, event, events, judge, words};
use crate::ports::{Candidate, Limits, Verdict};

pub(super) async fn run(subject: &dyn Subject) {
    first_passes_second_is_duplicate(subject).await;
    redelivery_passes(subject).await;
    in_one_batch(subject).await;
    a_mark_ends(subject).await;
    outlive_the_process(subject).await;
    many_at_once(subject).await;
    a_refused_event_leaves_no_mark(subject).await;
    sweeping_takes_ended_marks_only(subject).await;
}

async fn first_passes_second_is_duplicate(subject: &dyn Subject) {
    let be = Behaviour("a second origin of an event id is a duplicate of the first");
    let state = subject.fresh().await;
    let first = event("e", at(0));
    be.same(judge(be, &*state, std::slice::from_ref(&first), &OFF).await, vec![Verdict::Pass]);
    for seconds in [0, 5, 86_399] {
        let verdicts = judge(be, &*state, &[event("e", at(seconds))], &OFF).await;
        be.same(verdicts, vec![Verdict::Duplicate { first: first.origin }]);
    }
    // Ids are told apart to the last byte.
    let others = [event("E", at(0)), event("e ", at(0)), event("f", at(0))];
    be.same(judge(be, &*state, &others, &OFF).await, vec![Verdict::Pass; 3]);
}

async fn redelivery_passes(subject: &dyn Subject) {
    let be = Behaviour("a redelivery passes again");
    let state = subject.fresh().await;
    let batch = events("e", 10, at(0));
    for _ in 0..3 {
        be.same(judge(be, &*state, &batch, &OFF).await, vec![Verdict::Pass; 10]);
    }
    // Also in other batches than the first time.
    for part in [&batch[..4], &batch[3..]] {
        be.same(judge(be, &*state, part, &OFF).await, vec![Verdict::Pass; part.len()]);
    }
}

async fn in_one_batch(subject: &dyn Subject) {
    let be = Behaviour("a batch is judged in order, each after the one before");
    let state = subject.fresh().await;
    let first = event("e", at(0));
    let batch = [first.clone(), event("e", at(0)), first.clone(), event("f", at(0))];
    let expected = vec![
        Verdict::Pass,
        Verdict::Duplicate { first: first.origin },
        Verdict::Pass,
        Verdict::Pass,
    ];
    be.same(judge(be, &*state, &batch, &OFF).await, expected.clone());
    be.same(judge(be, &*state, &batch, &OFF).await, expected);
    be.empty(&judge(be, &*state, &[], &OFF).await);
}

async fn a_mark_ends(subject: &dyn Subject) {
    let be = Behaviour("a mark holds by the times of receipt until its end, then a new one");
    let state = subject.fresh().await;
    let limits = Limits { mark_ttl: Duration::from_secs(100), ..OFF };
    let next = event("e", at(100));
    be.same(words(be, &*state, &[event("e", at(0))], &limits).await, vec!["pass"]);
    be.same(words(be, &*state, &[event("e", at(99))], &limits).await, vec!["duplicate"]);
    be.same(words(be, &*state, std::slice::from_ref(&next), &limits).await, vec!["pass"]);
    let verdicts = judge(be, &*state, &[event("e", at(199))], &limits).await;
    be.same(verdicts, vec![Verdict::Duplicate { first: next.origin }]);
}

async fn outlive_the_process(subject: &dyn Subject) {
    let be = Behaviour("marks outlive the process");
    let mut state = subject.fresh().await;
    let batch = events("e", 50, at(0));
    judge(be, &*state, &batch, &OFF).await;
    state = subject.reopened(state).await;
    be.same(judge(be, &*state, &batch, &OFF).await, vec![Verdict::Pass; 50]);
    let again = words(be, &*state, &events("e", 50, at(1)), &OFF).await;
    be.same(again, vec!["duplicate"; 50]);
    be.same(words(be, &*state, &[event("new", at(1))], &OFF).await, vec!["pass"]);
    state = subject.reopened(state).await;
    be.same(words(be, &*state, &[event("new", at(2))], &OFF).await, vec!["duplicate"]);
}

async fn many_at_once(subject: &dyn Subject) {
    let be = Behaviour("a large batch is judged whole");
    let state = subject.fresh().await;
    let batch = events("e", 3000, at(0));
    be.same(judge(be, &*state, &batch, &OFF).await, vec![Verdict::Pass; 3000]);
    let again = words(be, &*state, &events("e", 3000, at(1)), &OFF).await;
    be.same(again.iter().filter(|word| *word == "duplicate").count(), 3000);
}

async fn a_refused_event_leaves_no_mark(subject: &dyn Subject) {
    let be = Behaviour("a blocked or limited event leaves no mark");
    let state = subject.fresh().await;
    let blocked = Candidate { blocked: Some("rule".to_owned()), ..event("e", at(0)) };
    let verdicts = judge(be, &*state, &[blocked], &OFF).await;
    be.same(verdicts, vec![Verdict::Blocked { reason: "rule".to_owned() }]);
    be.same(words(be, &*state, &[event("e", at(1))], &OFF).await, vec!["pass"]);
    let nothing = Limits { per_minute: Some(0), ..THREE };
    be.same(words(be, &*state, &[event("f", at(0))], &nothing).await, vec!["banned at 1"]);
    be.same(words(be, &*state, &[event("f", at(2))], &OFF).await, vec!["pass"]);
}

async fn sweeping_takes_ended_marks_only(subject: &dyn Subject) {
    let be = Behaviour("sweeping takes no mark that still holds");
    let state = subject.fresh().await;
    judge(be, &*state, &events("old", 20, at(0)), &OFF).await;
    judge(be, &*state, &events("new", 20, at(50)), &OFF).await;
    // Several partitions do not come in the order of receipt.
    judge(be, &*state, &events("late", 20, at(1)), &OFF).await;
    let now = at(60).plus(DAY);
    be.ok(state.sweep(at(40).plus(DAY), DAY).await);
    let again = words(be, &*state, &events("new", 20, at(70)), &OFF).await;
    be.same(again, vec!["duplicate"; 20]);
    let old = words(be, &*state, &events("old", 20, now), &OFF).await;
    be.same(old, vec!["pass"; 20]);
    be.ok(state.sweep(now.plus(DAY).plus(DAY), DAY).await);
    be.same(words(be, &*state, &[event("new-1", now)], &OFF).await, vec!["pass"]);
}
