//! The archive holds every raw record once, whatever happens to the archiver.

use std::time::Duration;

use evp::model::{Partition, Topic};
use evp::pipeline::archive_format::{Kind, segment_key};
use evp::ports::Kind as ErrorKind;
use evp::roles::Role;

use crate::sandbox::{Sandbox, small};

#[tokio::test]
async fn an_object_whose_create_was_not_answered_is_adopted() {
    let sandbox = Sandbox::memory(small());
    for n in 0..1000 {
        sandbox.accept(&format!("e-{n}"), "198.51.100.7").await;
    }
    for _ in 0..3 {
        sandbox.faults.objects.lose_answer_of_next(1, ErrorKind::Unavailable);
        sandbox.faults.objects.pass_next(3);
    }
    sandbox.run_to_the_end().await;
    sandbox.assert_promise().await;
}

/// A log whose positions are lost: the archiver begins at 0 again and meets its own objects, cut
/// at other places than it would cut now.
#[tokio::test]
async fn objects_of_an_earlier_life_are_adopted_whatever_their_cut() {
    let mut settings = small();
    settings.archive.flush_events = 70;
    let first = Sandbox::memory(settings.clone());
    for n in 0..500 {
        first.accept(&format!("e-{n}"), "198.51.100.7").await;
    }
    first.run_to_the_end().await;
    settings.archive.flush_events = 110;
    settings.groups.archiver = "archiver-again".into();
    let again = Sandbox::on(settings, first.ports.clone(), first.clock.clone());
    again.adopt_accepted(first.accepted());
    let keys = |sandbox: &Sandbox| {
        let objects = sandbox.ports.objects.clone();
        async move { objects.list("", None, 1000).await.unwrap() }
    };
    let before = keys(&first).await;
    again.run_to_the_end().await;
    assert_eq!(keys(&again).await, before);
    again.assert_promise().await;
}

#[tokio::test]
async fn a_damaged_object_is_left_alone_and_nothing_is_held_up() {
    let sandbox = Sandbox::memory(small());
    let raw: &Topic = &sandbox.settings.topics.raw;
    let id = sandbox.ports.log.describe(raw).await.unwrap().id;
    let now = sandbox.ports.clock.now();
    let key = segment_key(Kind::Events, now, (id, Partition(0)), evp::model::Offset(0), None);
    sandbox.ports.objects.create(&key, "damaged".into()).await.unwrap();
    for n in 0..10 {
        sandbox.accept(&format!("e-{n}"), "198.51.100.7").await;
    }
    sandbox.run_to_the_end().await;
    sandbox.assert_promise().await;
    assert_eq!(sandbox.ports.objects.get(&key).await.unwrap(), "damaged");
}

#[tokio::test]
async fn positions_are_committed_only_behind_objects() {
    let sandbox = Sandbox::memory(small());
    sandbox.faults.objects.go_down(ErrorKind::Unavailable);
    let started = sandbox.start_roles(&[Role::Archiver]);
    for n in 0..400 {
        sandbox.accept(&format!("e-{n}"), "198.51.100.7").await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let settings = &sandbox.settings;
    let committed =
        sandbox.ports.log.committed(&settings.groups.archiver, &settings.topics.raw).await.unwrap();
    assert_eq!(committed, []);
    assert!(!sandbox.health.is_ready());
    sandbox.faults.objects.come_up();
    started.stop().await.unwrap();
    sandbox.run_to_the_end().await;
    sandbox.assert_promise().await;
}
