//! State on a real Redis.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use evp::backends::redis::RedisState;
use evp::model::{EventId, Origin, Rule, RuleSource, RuleTarget, Timestamp};
use evp::ports::contract::state::{Subject, run};
use evp::ports::{Candidate, Clock, Kind, Limits, State, SystemClock, Verdict};
use evp::settings::{Redis, Secret, Span};
use redis::FromRedisValue;
use rustix::process::Signal;

use crate::servers::{Running, redis, redis_with};

const DAY: Duration = Duration::from_secs(86_400);
const OFF: Limits = Limits { mark_ttl: DAY, per_minute: None, ban: None };

fn settings(server: &Running) -> Redis {
    Redis { addr: format!("localhost:{}", server.port), ..Redis::default() }
}

fn open(settings: &Redis) -> Arc<RedisState> {
    RedisState::open(settings, Arc::new(SystemClock)).unwrap()
}

/// What an operator types into redis-cli.
async fn cli<T: FromRedisValue>(server: &Running, line: &str) -> T {
    let url = format!("redis://127.0.0.1:{}", server.port);
    let client = redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut words = line.split(' ');
    let mut command = redis::cmd(words.next().unwrap());
    for word in words {
        command.arg(word);
    }
    command.query_async(&mut connection).await.unwrap()
}

fn event(id: &str) -> Candidate {
    Candidate {
        event_id: EventId::new(id).unwrap(),
        origin: Origin::mint(),
        client_ip: Some(IpAddr::from([203, 0, 113, 1])),
        received_at: SystemClock.now(),
        is_exempt: false,
        blocked: None,
    }
}

fn events(name: &str, count: usize) -> Vec<Candidate> {
    (0..count).map(|n| event(&format!("{name}-{n}"))).collect()
}

async fn targets(state: &RedisState) -> Vec<String> {
    state.rules().await.unwrap().iter().map(|rule| rule.target.to_string()).collect()
}

struct OnRedis(Running);

#[async_trait]
impl Subject for OnRedis {
    async fn fresh(&self) -> Arc<dyn State> {
        cli::<()>(&self.0, "FLUSHALL").await;
        open(&settings(&self.0))
    }

    async fn reopened(&self, state: Arc<dyn State>) -> Arc<dyn State> {
        drop(state);
        open(&settings(&self.0))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract_of_a_state() {
    let folder = tempfile::tempdir().unwrap();
    run(&OnRedis(redis(folder.path(), false))).await;
}

#[tokio::test]
async fn what_is_typed_into_the_set_is_a_rule() {
    let folder = tempfile::tempdir().unwrap();
    let server = redis(folder.path(), false);
    let state = open(&settings(&server));
    for typed in ["1.2.3.4", "2001:DB8::1", "10.1.0.0/16", "nonsense"] {
        cli::<()>(&server, &format!("SADD ip_blacklist {typed}")).await;
    }
    assert_eq!(targets(&state).await, ["1.2.3.4", "10.1.0.0/16", "2001:db8::1"]);
    cli::<()>(&server, "SREM ip_blacklist 1.2.3.4").await;
    assert_eq!(targets(&state).await, ["10.1.0.0/16", "2001:db8::1"]);
    // A command takes away what was typed in another spelling.
    let typed: RuleTarget = "2001:db8::1".parse().unwrap();
    assert!(state.remove_rule(&typed).await.unwrap().is_some());
    assert_eq!(targets(&state).await, ["10.1.0.0/16"]);
}

fn rule(target: &str, expires_at: Option<Timestamp>) -> Rule {
    Rule {
        target: target.parse().unwrap(),
        reason: Some("seen in \"logs\"".to_owned()),
        source: RuleSource::Operator,
        created_at: Timestamp::from_millis_clamped(1),
        expires_at,
    }
}

#[tokio::test]
async fn a_rule_lifted_or_ended_leaves_no_words_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let server = redis(folder.path(), false);
    let state = open(&settings(&server));
    let now = SystemClock.now();
    state.put_rule(&rule("1.2.3.4", Some(now.plus(DAY)))).await.unwrap();
    state.put_rule(&rule("10.0.0.0/8", None)).await.unwrap();
    let members: Vec<String> = cli(&server, "SMEMBERS ip_blacklist").await;
    assert_eq!(members, ["1.2.3.4"], "networks live beside the set");
    cli::<()>(&server, "SREM ip_blacklist 1.2.3.4").await;
    assert_eq!(targets(&state).await, ["10.0.0.0/8"]);
    cli::<()>(&server, "SADD ip_blacklist 1.2.3.4").await;
    let typed = &state.rules().await.unwrap()[0];
    assert_eq!((typed.reason.clone(), typed.expires_at), (None, None), "a rule of its own");
    // One that ended is out of the set, holds for what was received before, and can be typed anew.
    state.put_rule(&rule("5.6.7.8", Some(now.minus(Duration::from_secs(1))))).await.unwrap();
    assert!(targets(&state).await.contains(&"5.6.7.8".to_owned()));
    let members: Vec<String> = cli(&server, "SMEMBERS ip_blacklist").await;
    assert_eq!(members, ["1.2.3.4"]);
    assert_eq!(cli::<u64>(&server, "SADD ip_blacklist 5.6.7.8").await, 1);
    let rules = state.rules().await.unwrap();
    let typed = rules.iter().find(|rule| rule.target.to_string() == "5.6.7.8").unwrap();
    assert_eq!(typed.expires_at, None);
}

#[tokio::test]
async fn a_batch_is_one_round_trip_and_its_keys_are_the_contracts() {
    let folder = tempfile::tempdir().unwrap();
    let server = redis(folder.path(), false);
    let state = open(&settings(&server));
    let limits = Limits { per_minute: Some(5000), ..OFF };
    let batch = events("e", 1024);
    state.judge(&batch, &limits).await.unwrap();
    cli::<()>(&server, "CONFIG RESETSTAT").await;
    state.judge(&batch, &limits).await.unwrap();
    let stats: String = cli(&server, "INFO commandstats").await;
    assert!(stats.contains("cmdstat_evalsha:calls=1,"), "{stats}");
    let mark: String = cli(&server, "GET event:id:e-7").await;
    assert!(mark.starts_with(&batch[7].origin.to_string()), "{mark}");
    let life: i64 = cli(&server, "TTL event:id:e-7").await;
    assert!((86_000..=86_400).contains(&life), "{life}");
    let minute = batch[0].received_at.minute();
    let counted = format!("HGET ip:count:{minute}:1 203.0.113.1");
    assert!(cli::<u64>(&server, &counted).await > 0);
    let life: i64 = cli(&server, &format!("TTL ip:count:{minute}:1")).await;
    assert!((1..=600).contains(&life), "{life}");
}

#[tokio::test]
async fn many_addresses_of_one_hash_are_counted_and_banned_in_one_batch() {
    let folder = tempfile::tempdir().unwrap();
    let server = redis(folder.path(), false);
    let state = open(&settings(&server));
    let limits = Limits { per_minute: Some(2), ..OFF };
    let now = SystemClock.now();
    // More than one command names, all with the same ending.
    let batch = |name: &str| -> Vec<Candidate> {
        let one = |n: u8, m: u8| Candidate {
            client_ip: Some(IpAddr::from([10, n, m, 1])),
            received_at: now,
            ..event(&format!("{name}-{n}-{m}"))
        };
        (0..10).flat_map(|n| (0..250).map(move |m| one(n, m))).collect()
    };
    for name in ["a", "b"] {
        assert_eq!(state.judge(&batch(name), &limits).await.unwrap(), vec![Verdict::Pass; 2500]);
    }
    // Sent again under new origins: marks hold, and nothing is counted.
    let again = state.judge(&batch("a"), &limits).await.unwrap();
    assert!(again.iter().all(|verdict| matches!(verdict, Verdict::Duplicate { .. })));
    let third = state.judge(&batch("c"), &limits).await.unwrap();
    assert!(
        third.iter().all(|v| matches!(v, Verdict::RateLimited { count: 3, ban: Some(_) })),
        "{:?}",
        third.iter().find(|v| !matches!(v, Verdict::RateLimited { .. }))
    );
    assert_eq!(state.rules().await.unwrap().len(), 2500);
}

#[tokio::test]
async fn lost_scripts_and_marks_cost_work_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let server = redis(folder.path(), false);
    let state = open(&settings(&server));
    let batch = events("e", 3);
    state.judge(&batch, &OFF).await.unwrap();
    cli::<()>(&server, "SCRIPT FLUSH").await;
    assert_eq!(state.judge(&batch, &OFF).await.unwrap(), vec![Verdict::Pass; 3]);
    cli::<()>(&server, "FLUSHALL").await;
    assert_eq!(state.judge(&batch, &OFF).await.unwrap(), vec![Verdict::Pass; 3]);
    // What another program wrote under the key is no mark of ours.
    cli::<()>(&server, "SET event:id:seed 1").await;
    assert_eq!(state.judge(&[event("seed")], &OFF).await.unwrap(), [Verdict::Pass]);
}

#[tokio::test]
async fn an_outage_is_unavailable_and_ends_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = redis(folder.path(), true);
    let quick = Redis { response_timeout: Span(Duration::from_millis(300)), ..settings(&server) };
    let state = open(&quick);
    let batch = events("e", 10);
    state.judge(&batch, &OFF).await.unwrap();
    let unavailable = async |why: &str| {
        for _ in 0..2 {
            let failed = state.judge(&batch, &OFF).await.map_err(|error| error.kind());
            assert_eq!(failed, Err(Kind::Unavailable), "{why}");
            let failed = state.check().await.map_err(|error| error.kind());
            assert_eq!(failed, Err(Kind::Unavailable), "{why}");
        }
    };
    let works = async |why: &str| {
        for attempt in 0.. {
            match state.judge(&batch, &OFF).await {
                Ok(verdicts) => return assert_eq!(verdicts, vec![Verdict::Pass; 10], "{why}"),
                Err(error) => assert!(attempt < 50, "{why}: {}", error.chain()),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    server.kill();
    unavailable("killed").await;
    server.resume();
    works("started again").await;
    server.signal(Signal::STOP);
    unavailable("stopped").await;
    server.signal(Signal::CONT);
    works("going on").await;
    cli::<()>(&server, "REPLICAOF 127.0.0.1 1").await;
    unavailable("read-only").await;
    cli::<()>(&server, "REPLICAOF NO ONE").await;
    works("a master again").await;
}

#[tokio::test]
async fn a_refused_login_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = redis_with(folder.path(), false, &["--requirepass", "hunter2"]);
    let wrong = Redis { password: Some(Secret::from("wrong")), ..settings(&server) };
    let state = open(&wrong);
    for _ in 0..2 {
        let error = state.check().await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable);
        assert!(!error.chain().contains("wrong\""), "{}", error.chain());
    }
    let right = Redis { password: Some(Secret::from("hunter2")), ..settings(&server) };
    open(&right).check().await.unwrap();
    let mut login = redis::Client::open(format!("redis://:hunter2@127.0.0.1:{}", server.port))
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    let mut change = redis::cmd("CONFIG");
    change.arg("SET").arg("requirepass").arg("wrong");
    change.exec_async(&mut login).await.unwrap();
    state.check().await.unwrap();
}

#[tokio::test]
async fn a_redis_cluster_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = redis_with(folder.path(), false, &["--cluster-enabled", "yes"]);
    let error = open(&settings(&server)).check().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    assert!(error.chain().contains("Redis Cluster"), "{}", error.chain());
}
