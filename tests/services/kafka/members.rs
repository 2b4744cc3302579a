//! Single members of a group on a real broker: one that is paused, one that was stopped and wakes as
//! a zombie, and several of one process.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use evp::backends::memory::{self, MemoryObjectStore, MemoryState};
use evp::model::{RecordBatchBuilder, Shape};
use evp::pipeline::envelope::RequestEnvelope;
use evp::ports::{Clock, Ports, SystemClock};
use evp::roles::launch::RoleSet;
use evp::roles::{Role, RoleDeps};
use evp::runtime::health::Health;
use evp::runtime::shutdown::CancellationToken;
use evp::settings::Settings;
use rustix::process::{Pid, Signal, kill_process};

use super::groups::{Member, PATIENCE, TICK, committed, numbers, open_as, until};
use super::*;

/// The role asks for nothing over longer than `max.poll.interval.ms`, with more waiting than the
/// membership reads ahead: it is still a member after that, and each record comes once.
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_role_stays_a_member_past_the_poll_interval() {
    let (topic, group) = (Topic::new("paused"), GroupId::new("paused"));
    let (_broker, port) = started().await;
    let log = open_as(port, 1, &topic, |settings| {
        settings.session_timeout = "6s".parse().unwrap();
        settings.properties = vec!["max.poll.interval.ms=7000".to_owned()];
    });
    let large = |n: u32| format!("{n:01024}");
    for start in (0..8000).step_by(1000) {
        log.append(&topic, batch((start..start + 1000).map(large))).await.unwrap();
    }
    let mut consumer = log.consumer(&group, std::slice::from_ref(&topic)).await.unwrap();
    let taken = take(consumer.as_mut(), 100).await;
    let (assignment, last) = taken.last().unwrap();
    let progress = Progress { assignment: assignment.clone(), next: last.offset.next() };
    consumer.set_paused(true);
    // The interval itself is what is waited for.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let polled = consumer.poll(1, TICK).await.unwrap();
    assert!(matches!(polled, Polled::Idle), "{polled:?}");
    consumer.commit(std::slice::from_ref(&progress)).await.unwrap();
    assert_eq!(committed(&log, &group, &topic).await, progress.next.0);
    consumer.set_paused(false);
    let rest = take(consumer.as_mut(), 8000 - taken.len()).await;
    let offsets: Vec<i64> = rest.iter().map(|(_, record)| record.offset.0).collect();
    assert_eq!(offsets, (progress.next.0..8000).collect::<Vec<_>>());
}

const ZOMBIE: &str = "EVP_TEST_ZOMBIE_PORT";

fn mortal(port: u16, topic: &Topic) -> Arc<KafkaLog> {
    open_as(port, 1, topic, |settings| settings.session_timeout = "6s".parse().unwrap())
}

/// Not a test of its own: the member that [`a_zombie_commits_nothing_over_the_new_owner`] stops.
#[expect(clippy::print_stdout, reason = "the other test reads it")]
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the child process of another test"]
async fn zombie_child() {
    let Ok(port) = std::env::var(ZOMBIE) else { return };
    let (topic, group) = (Topic::new("zombie"), GroupId::new("zombie"));
    let log = mortal(port.parse().unwrap(), &topic);
    let mut consumer = log.consumer(&group, std::slice::from_ref(&topic)).await.unwrap();
    let taken = take(consumer.as_mut(), 10).await;
    let assignment = taken[0].0.clone();
    println!("has read");
    let asked = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    asked.await.unwrap().unwrap();
    // Twice: at once, and again when the client has learned that it was thrown out and joined.
    for next in [Offset(3), Offset(4)] {
        let done = consumer.commit(&[Progress { assignment: assignment.clone(), next }]).await;
        println!("commits: {done:?}");
        let mut polls = 0;
        while polls < 50 && !matches!(consumer.poll(1, TICK).await, Ok(Polled::Lost(_))) {
            polls += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zombie_commits_nothing_over_the_new_owner() {
    let (topic, group) = (Topic::new("zombie"), GroupId::new("zombie"));
    let (_broker, port) = started().await;
    let log = mortal(port, &topic);
    log.append(&topic, numbers(0..10)).await.unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["kafka::members::zombie_child", "--exact", "--ignored", "--nocapture"])
        .env(ZOMBIE, port.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let (said, found) = tokio::task::spawn_blocking(move || {
        let found = said.any(|line| line.unwrap().contains("has read"));
        (said, found)
    })
    .await
    .unwrap();
    assert!(found, "the child reads nothing");
    let signal = |signal| {
        kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), signal).unwrap();
    };
    signal(Signal::STOP);
    let mut heir = Member::join(&log, &group, &topic).await;
    until(&mut [&mut heir], "the heir reads", |m| m[0].read.len() >= 10).await;
    log.append(&topic, numbers(10..15)).await.unwrap();
    until(&mut [&mut heir], "the heir reads on", |m| m[0].read.len() >= 15).await;
    assert_eq!(committed(&log, &group, &topic).await, 15);
    signal(Signal::CONT);
    child.stdin.take().unwrap().write_all(b"go on\n").unwrap();
    let reading = tokio::task::spawn_blocking(move || {
        // To the end: a child whose output nobody takes fails.
        said.map(Result::unwrap).collect::<Vec<_>>()
    });
    // The heir goes on as a member: the zombie that joins again shares the group with it.
    let mut reading = std::pin::pin!(reading);
    let said = loop {
        tokio::select! {
            said = &mut reading => break said.unwrap(),
            () = heir.turn() => {}
        }
    };
    assert!(child.wait().unwrap().success(), "{said:?}");
    assert_eq!(said.iter().filter(|line| line.contains("commits: ")).count(), 2, "{said:?}");
    assert_eq!(committed(&log, &group, &topic).await, 15, "{said:?}");
}

/// Two processors and two workers in one process: each with partitions of its own, named in the
/// process's health, and no marker of an unclean end left behind.
#[tokio::test(flavor = "multi_thread")]
async fn several_processors_and_workers_of_one_process_share_the_work() {
    const EVENTS: u32 = 600;
    let (_broker, port) = started().await;
    let mut settings = Settings::default();
    settings.kafka = super::settings(port, 4);
    settings.processor.count = 2;
    settings.worker.count = 2;
    settings.topics.raw = Topic::new("many-raw");
    settings.topics.processed = Topic::new("many-processed");
    settings.groups.processor = GroupId::new("many-processors");
    settings.groups.worker = GroupId::new("many-workers");
    let topics = settings.topics.all().into_iter().cloned().collect();
    let log = KafkaLog::open(KafkaLogOptions { settings: settings.kafka.clone(), topics }).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = memory::store(settings.groups.worker.clone(), Arc::clone(&clock)).unwrap();
    let ports = Ports {
        log: Arc::new(log),
        state: Arc::new(MemoryState::new()),
        objects: Arc::new(MemoryObjectStore::new()),
        sink: Arc::clone(&store) as Arc<dyn evp::ports::Sink>,
        store,
        clock,
    };
    let deps = RoleDeps { ports, settings: Arc::new(settings), health: Health::new() };
    let raw = &deps.settings.topics.raw;
    let mut sent = RecordBatchBuilder::default();
    let request =
        RequestEnvelope::new(deps.ports.clock.now(), Some("192.0.2.1"), Shape::Campaign, None);
    for n in 0..EVENTS {
        let value = format!(
            r#"{{"event_id":"m-{n}","event_type":"click","user_id":"u-{n}","campaign_id":"c"}}"#
        );
        request.push(&mut sent, &format!("m-{n}"), &format!("u-{n}"), value.as_bytes());
    }
    deps.ports.log.append(raw, sent.finish()).await.unwrap();

    let shutdown = CancellationToken::new();
    let set = RoleSet::build(&[Role::Processor, Role::Worker], &deps).unwrap();
    let running = evp::runtime::tasks::spawn("roles", set.run(shutdown.clone()));
    let working = async {
        while deps.ports.store.books().await.unwrap().stored < u64::from(EVENTS)
            || !deps.health.is_ready()
        {
            tokio::time::sleep(TICK).await;
        }
    };
    tokio::time::timeout(PATIENCE, working).await.expect("not all is stored");
    let checks: Vec<String> = deps.health.checks().into_keys().collect();
    assert_eq!(checks, ["processor", "processor-2", "retrier", "worker", "worker-2"]);
    let id = deps.ports.log.describe(raw).await.unwrap().id;
    let marker = |partition: i32| {
        let (state, key) = (&deps.ports.state, format!("processor.marker/{id}/{partition}"));
        async move { state.job_state(&key).await.unwrap() }
    };
    assert!(marker(0).await.is_some(), "no marker while it runs");
    shutdown.cancel();
    running.await.unwrap().unwrap();
    for partition in 0..4 {
        assert_eq!(marker(partition).await, None, "partition {partition}");
    }
    let books = deps.ports.store.books().await.unwrap();
    assert_eq!((books.stored, books.duplicate), (u64::from(EVENTS), 0));
}
