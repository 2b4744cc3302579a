//! Bad events, bad services, bad days.

use std::time::Duration;

use evp::model::{EventId, Outcome};
use evp::ports::Kind;
use evp::roles::{Role, RoleError};
use evp::runtime::health::Condition;
use evp::settings::Settings;

use crate::sandbox::{Sandbox, small};

/// Retries that come soon.
fn impatient() -> Settings {
    let mut settings = small();
    settings.retry.initial_delay = "2ms".parse().unwrap();
    settings.retry.max_delay = "20ms".parse().unwrap();
    settings
}

fn id(text: &str) -> EventId {
    EventId::new(text).unwrap()
}

#[tokio::test]
async fn rows_that_can_never_be_stored_are_found_and_dead_lettered_alone() {
    let sandbox = Sandbox::memory(small());
    for n in 0..500 {
        sandbox.accept(&format!("e-{n}"), "198.51.100.7").await;
    }
    for poison in ["e-0", "e-123", "e-124", "e-499"] {
        sandbox.faults.sink.fail_on(&id(poison), Kind::Data, u64::MAX);
    }
    let started = sandbox.start();
    // The letter of such an event names the event and so is refused too: it is indexed plainly.
    sandbox.settled().await;
    started.stop().await.unwrap();
    let books = sandbox.assert_promise().await;
    assert_eq!((books.stored, books.dead_lettered), (496, 4));
    for row in sandbox.dead_letters().await {
        assert_eq!(row.letter.failure.error_type, "data_error");
        assert!(row.letter.value.starts_with(br#"{"event_id":"#));
    }
}

#[tokio::test]
async fn an_event_that_fails_alone_is_tried_again_and_stored() {
    let sandbox = Sandbox::memory(impatient());
    // One batch of 50 is halved down to it in 7 applications; then twice more, alone.
    sandbox.faults.sink.fail_on(&id("e-7"), Kind::Transient, 9);
    for n in 0..50 {
        sandbox.accept(&format!("e-{n}"), "198.51.100.7").await;
    }
    sandbox.run_to_the_end().await;
    let books = sandbox.assert_promise().await;
    assert_eq!((books.stored, books.dead_lettered), (50, 0));
}

#[tokio::test]
async fn after_six_failures_an_event_is_dead_lettered_and_nobody_waited_for_it() {
    let sandbox = Sandbox::memory(impatient());
    sandbox.faults.sink.fail_on(&id("poison"), Kind::Transient, u64::MAX);
    let started = sandbox.start();
    let poison = sandbox.accept("poison", "198.51.100.7").await;
    let healthy = sandbox.accept("healthy", "198.51.100.7").await;
    while !sandbox.outcomes().await.contains_key(&healthy) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let waiting = &sandbox.settings.topics.retry;
    let dead = &sandbox.settings.topics.processed_dlq;
    let log = &sandbox.ports.log;
    let count = |topic| async move { log.describe(topic).await.unwrap().partitions[0].high.0 };
    assert_eq!(count(dead).await, 0, "the healthy event waited for the other");
    while count(dead).await == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(count(waiting).await, 5, "attempts after the first");
    // From here on the store takes the letter.
    sandbox.faults.sink.clear();
    sandbox.settled().await;
    started.stop().await.unwrap();
    sandbox.assert_promise().await;
    assert_eq!(sandbox.outcomes().await[&poison], Outcome::DeadLettered);
    let letters = sandbox.dead_letters().await;
    let failure = &letters[0].letter.failure;
    assert_eq!((failure.error_type.as_str(), failure.attempts), ("max_retries_exhausted", 6));
}

#[tokio::test]
async fn a_record_that_is_not_due_does_not_hold_up_those_behind_it() {
    let mut settings = impatient();
    settings.retry.initial_delay = "1h".parse().unwrap();
    settings.retry.max_delay = "1h".parse().unwrap();
    let slow = Sandbox::memory(settings);
    slow.faults.sink.fail_on(&id("first"), Kind::Transient, 1);
    let started = slow.start();
    slow.accept("first", "198.51.100.7").await;
    let retry = slow.settings.topics.retry.clone();
    while slow.ports.log.describe(&retry).await.unwrap().partitions[0].high.0 == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    started.stop().await.unwrap();

    slow.faults.sink.fail_on(&id("second"), Kind::Transient, 1);
    let mut held = impatient();
    held.retry.max_delay = "1h".parse().unwrap();
    let mut quick = slow;
    quick.settings = held.into();
    let started = quick.start();
    let second = quick.accept("second", "198.51.100.7").await;
    while !quick.outcomes().await.contains_key(&second) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let group = &quick.settings.groups.retrier;
    assert_eq!(
        quick.ports.log.committed(group, &retry).await.unwrap(),
        [],
        "the first one is still open, so nothing may be committed"
    );
    started.stop().await.unwrap();
}

#[tokio::test]
async fn a_store_that_is_down_for_long_makes_no_dead_letter() {
    for kind in [Kind::Unavailable, Kind::Full] {
        let sandbox = Sandbox::memory(small());
        sandbox.faults.sink.go_down(kind);
        let started = sandbox.start();
        for n in 0..300 {
            sandbox.accept(&format!("e-{n}"), "198.51.100.7").await;
        }
        while sandbox.faults.sink.failed() < 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let checks = sandbox.health.checks();
        let Condition::NotReady(reason) = &checks["worker"].condition else {
            panic!("{checks:?}");
        };
        assert!(reason.contains("write the store"), "{reason}");
        sandbox.faults.sink.come_up();
        sandbox.settled().await;
        assert_eq!(sandbox.health.checks()["worker"].condition, Condition::Ready);
        started.stop().await.unwrap();
        let books = sandbox.assert_promise().await;
        assert_eq!((books.stored, books.dead_lettered), (300, 0));
    }
}

#[tokio::test]
async fn roles_that_wait_end_when_told_to_and_go_on_later() {
    let sandbox = Sandbox::memory(small());
    sandbox.faults.sink.go_down(Kind::Unavailable);
    sandbox.faults.objects.go_down(Kind::Unavailable);
    let started = sandbox.start();
    sandbox.accept("e", "198.51.100.7").await;
    while sandbox.faults.sink.failed() == 0 || sandbox.faults.objects.failed() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    started.stop().await.unwrap();
    sandbox.faults.sink.come_up();
    sandbox.faults.objects.come_up();
    sandbox.run_to_the_end().await;
    assert_eq!(sandbox.assert_promise().await.stored, 1);
}

#[tokio::test]
async fn an_event_that_panics_the_state_or_the_store_is_dead_lettered() {
    let sandbox = Sandbox::memory(small());
    sandbox.faults.state.panic_on(&id("e-3"));
    sandbox.faults.sink.panic_on(&id("e-30"));
    for n in 0..100 {
        sandbox.accept(&format!("e-{n}"), "198.51.100.7").await;
    }
    sandbox.run_to_the_end().await;
    let books = sandbox.assert_promise().await;
    assert_eq!((books.stored, books.dead_lettered), (98, 2));
    for row in sandbox.dead_letters().await {
        assert_eq!(row.letter.failure.error_type, "panic");
    }
}

#[tokio::test]
async fn every_port_may_fail_at_every_call() {
    for seed in 0..3_usize {
        let sandbox = Sandbox::memory(small());
        for n in 0..400 {
            sandbox.accept(&format!("e-{}", n % 390), "198.51.100.7").await;
        }
        for (at, faults) in [
            &sandbox.faults.log,
            &sandbox.faults.state,
            &sandbox.faults.objects,
            &sandbox.faults.sink,
        ]
        .into_iter()
        .enumerate()
        {
            for round in 0..3 {
                faults.pass_next((seed * 7 + at * 3 + round * 5) % 11);
                faults.fail_next(1, Kind::Unavailable);
                faults.pass_next((seed + round) % 4);
                // A poll whose answer is lost would lose records: no client behaves so.
                if at > 0 {
                    faults.lose_answer_of_next(1, Kind::Unavailable);
                }
            }
        }
        sandbox.run_to_the_end().await;
        sandbox.faults.log.clear();
        let books = sandbox.assert_promise().await;
        assert_eq!((books.stored, books.duplicate, books.dead_lettered), (390, 10, 0));
    }
}

/// Each step on an event's way to its retry and to its dead letter meets a log that refuses it once.
#[tokio::test]
async fn failed_events_are_sent_on_although_the_log_was_away() {
    let mut settings = impatient();
    settings.retry.initial_delay = "1h".parse().unwrap();
    settings.retry.max_delay = "1h".parse().unwrap();
    let mut sandbox = Sandbox::memory(settings);
    let topics = sandbox.settings.topics.clone();
    let log = sandbox.ports.log.clone();
    let count = async |topic| log.describe(topic).await.unwrap().partitions[0].high.0;
    for name in ["dead", "late", "well"] {
        sandbox.accept(name, "198.51.100.7").await;
    }
    let started = sandbox.start_roles(&[Role::Processor]);
    while count(&topics.processed).await < 3 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    started.stop().await.unwrap();

    sandbox.faults.sink.fail_on(&id("dead"), Kind::Data, u64::MAX);
    // In the batch, in its half and alone.
    sandbox.faults.sink.fail_on(&id("late"), Kind::Transient, 3);
    for name in ["dead", "late"] {
        sandbox.faults.log.fail_on(&id(name), Kind::Unavailable, 1);
    }
    let started = sandbox.start_roles(&[Role::Worker]);
    let group = &sandbox.settings.groups.worker;
    while log.committed(group, &topics.processed).await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    started.stop().await.unwrap();
    assert_eq!((count(&topics.retry).await, count(&topics.processed_dlq).await), (1, 1));

    // The longest wait is short now, so that it is due.
    sandbox.settings = impatient().into();
    sandbox.faults.sink.clear();
    sandbox.faults.log.fail_on(&id("late"), Kind::Unavailable, 1);
    sandbox.run_to_the_end().await;
    assert!(sandbox.faults.log.failed() >= 3, "nothing was refused");
    let books = sandbox.assert_promise().await;
    assert_eq!((books.stored, books.dead_lettered), (2, 1));
}

/// The archiver's: `archive::positions_are_committed_only_behind_objects`.
#[tokio::test]
async fn positions_are_committed_only_behind_their_effects() {
    let sandbox = Sandbox::memory(small());
    let (topics, groups) = (sandbox.settings.topics.clone(), sandbox.settings.groups.clone());
    for (role, faults, group, topic) in [
        (Role::Processor, &sandbox.faults.log, &groups.processor, &topics.raw),
        (Role::Worker, &sandbox.faults.sink, &groups.worker, &topics.processed),
    ] {
        faults.fail_on(&id("e"), Kind::Unavailable, u64::MAX);
        let started = sandbox.start_roles(&[role]);
        if role == Role::Processor {
            sandbox.accept("e", "198.51.100.7").await;
        }
        let committed = async || sandbox.ports.log.committed(group, topic).await.unwrap();
        // An outage is no refusal, however often it is met.
        while faults.failed() < 4 && committed().await.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(committed().await, [], "{role} committed what stands nowhere");
        faults.clear();
        while committed().await.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        started.stop().await.unwrap();
    }
    sandbox.run_to_the_end().await;
    let books = sandbox.assert_promise().await;
    assert_eq!((books.stored, books.dead_lettered), (1, 0));
}

/// Nobody has to send an event to learn that it could not be judged, archived or stored. An idle role
/// asks every ten seconds.
#[tokio::test]
async fn roles_that_cannot_work_say_so_without_an_event() {
    let each = [Role::Processor, Role::Archiver, Role::Worker].map(async |role| {
        let sandbox = Sandbox::memory(small());
        let faults = match role {
            Role::Processor => &sandbox.faults.state,
            Role::Archiver => &sandbox.faults.objects,
            _ => &sandbox.faults.sink,
        };
        let is = async |wanted: fn(&Condition) -> bool| {
            while !wanted(&sandbox.health.checks()[role.as_str()].condition) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        faults.go_down(Kind::Unavailable);
        let started = sandbox.start_roles(&[role]);
        is(|condition| matches!(condition, Condition::NotReady(_))).await;
        faults.come_up();
        is(|condition| *condition == Condition::Ready).await;
        faults.go_down(Kind::Unavailable);
        is(|condition| matches!(condition, Condition::NotReady(_))).await;
        faults.come_up();
        is(|condition| *condition == Condition::Ready).await;
        started.stop().await.unwrap();
    });
    let all = futures_util::future::join_all(each);
    assert!(tokio::time::timeout(Duration::from_secs(60), all).await.is_ok(), "nothing is said");
}

#[tokio::test]
async fn a_state_that_can_never_work_ends_the_processor_before_its_first_record() {
    let sandbox = Sandbox::memory(small());
    sandbox.faults.state.go_down(Kind::Conflict);
    let ended = sandbox.start_roles(&[Role::Processor]).end().await;
    assert!(matches!(ended, Err(RoleError::Setting(_))), "{ended:?}");
}
