//! Dead letters go back to where they failed, as often as one likes.

use std::sync::Arc;

use evp::backends::memory::{Faults, Faulty};
use evp::jobs::dead_letters::{
    DeadLetters, DeadLettersRequest, DeadLettersResponse, Letter, LetterFilter,
};
use evp::model::{EventId, Record, RecordBatch, Stage};
use evp::ports::Kind;

use crate::sandbox::{Sandbox, events};

async fn letters(sandbox: &Sandbox, include_resolved: bool) -> Vec<Letter> {
    let filter = LetterFilter { include_resolved, ..LetterFilter::default() };
    let request = DeadLettersRequest::List { filter, after: None, limit: 100 };
    match sandbox.run::<DeadLetters>(request).await.unwrap() {
        DeadLettersResponse::Letters { letters, .. } => letters,
        other => panic!("{other:?}"),
    }
}

async fn redrive(sandbox: &Sandbox, ids: &[&str], dry_run: bool) -> (u64, Vec<String>) {
    let ids = ids.iter().map(|id| (*id).to_owned()).collect();
    let filter = LetterFilter { ids, ..LetterFilter::default() };
    let request = DeadLettersRequest::Redrive { filter, id: "r".to_owned(), dry_run };
    match sandbox.run::<DeadLetters>(request).await.unwrap() {
        DeadLettersResponse::Redriven { redriven, unknown, .. } => (redriven, unknown),
        other => panic!("{other:?}"),
    }
}

/// The same installation with a sink that fails on demand.
fn faulty(sandbox: Sandbox, faults: &Faults) -> Sandbox {
    let mut context = sandbox.context.clone();
    context.ports.sink = Arc::new(Faulty::new(context.ports.sink.clone(), faults));
    Sandbox { context, ..sandbox }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_the_store_refused_becomes_a_row_once_it_can() {
    let faults = Faults::new();
    let sandbox = faulty(Sandbox::new(), &faults);
    faults.fail_on(&EventId::new("e-0003").unwrap(), Kind::Data, u64::MAX);
    sandbox.accept(&events(8)).await;
    let found = letters(&sandbox, false).await;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].stage, found[0].redrives), (Stage::Worker, 0));
    assert_eq!(sandbox.assert_clean().await.books.dead_lettered, 1);

    let origin = found[0].origin.to_string();
    // It fails again: the same letter, one redrive more.
    assert_eq!(redrive(&sandbox, &[], true).await.0, 1);
    assert_eq!(redrive(&sandbox, &[], false).await.0, 1);
    sandbox.drain().await;
    let again = letters(&sandbox, false).await;
    assert_eq!((again.len(), again[0].redrives, again[0].origin), (1, 1, found[0].origin));
    sandbox.assert_clean().await;

    faults.clear();
    let (redriven, unknown) = redrive(&sandbox, &[&origin, "nothing"], false).await;
    assert_eq!((redriven, unknown), (1, vec!["nothing".to_owned()]));
    // Twice before anybody looked is once.
    redrive(&sandbox, &[&origin], false).await;
    sandbox.drain().await;
    assert!(letters(&sandbox, false).await.is_empty());
    assert_eq!(letters(&sandbox, true).await.len(), 1);
    let report = sandbox.assert_clean().await;
    assert_eq!((report.books.stored, report.books.dead_lettered), (8, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_the_store_refused_goes_back_to_the_decisions() {
    let faults = Faults::new();
    let sandbox = faulty(Sandbox::new(), &faults);
    sandbox.accept(&events(1)).await;
    // The same event again: the store refuses the decision that it is a duplicate.
    faults.fail_on(&EventId::new("e-0000").unwrap(), Kind::Data, u64::MAX);
    sandbox.accept(&events(1)).await;
    let refused = letters(&sandbox, false).await;
    assert_eq!((refused.len(), refused[0].topic.as_str()), (1, "decisions"));

    assert_eq!(redrive(&sandbox, &[], false).await.0, 1);
    sandbox.drain().await;
    let again = letters(&sandbox, false).await;
    assert_eq!((again.len(), again[0].redrives, again[0].topic.as_str()), (1, 1, "decisions"));
    assert_eq!(
        (&again[0].error_type, &again[0].value),
        (&refused[0].error_type, &refused[0].value)
    );
    sandbox.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raw_record_that_is_no_event_goes_back_without_being_accepted_twice() {
    let sandbox = Sandbox::new();
    let record = Record {
        key: "k".into(),
        value: "no JSON".into(),
        timestamp: sandbox.context.ports.clock.now(),
        headers: evp::model::Headers::new(),
    };
    let topic = &sandbox.context.settings.topics.raw;
    sandbox.context.ports.log.append(topic, RecordBatch::of(&record)).await.unwrap();
    sandbox.drain().await;
    assert_eq!(letters(&sandbox, false).await[0].stage, Stage::Processor);
    sandbox.assert_clean().await;
    redrive(&sandbox, &[], false).await;
    sandbox.drain().await;
    let report = sandbox.assert_clean().await;
    assert_eq!((report.books.accepted, report.books.dead_lettered), (1, 1));
    sandbox.forget_raw().await;
    sandbox.assert_clean().await;
}
