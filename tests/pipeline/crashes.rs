//! Everything ends at once, and begins again on what was durable.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use evp::model::{Rule, RuleTarget, Timestamp};
use evp::ports::{Candidate, Limits, Result, State, Verdict};

use crate::sandbox::{Sandbox, small};

#[tokio::test]
async fn crashes_at_any_moment_lose_and_double_nothing() {
    let sandbox = Sandbox::memory(small());
    for round in 0..12_u64 {
        for n in 0..200_u64 {
            sandbox.accept(&format!("e-{}", (n + round * 170)), "198.51.100.7").await;
        }
        short_life(&sandbox, Duration::from_millis(round * 3), round % 2 == 0).await;
    }
    sandbox.run_to_the_end().await;
    let books = sandbox.assert_promise().await;
    assert_eq!(books.dead_lettered, 0);
    assert_eq!(books.stored + books.duplicate, 2400);
}

/// A life that ends at any moment. Three in a row that get nothing done condemn an event, and on a
/// busy machine these would: so some wait until something was judged.
async fn short_life(sandbox: &Sandbox, length: Duration, may_do_nothing: bool) {
    let before = sandbox.judged().await;
    let started = sandbox.start();
    tokio::time::sleep(length).await;
    while !may_do_nothing && sandbox.judged().await == before && sandbox.lag().await > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    started.crash().await;
}

/// Never answers a judgement of one event: to the role like a process that dies of it.
#[derive(Debug)]
struct Deadly {
    inner: Arc<dyn State>,
    event_id: &'static str,
}

#[async_trait]
impl State for Deadly {
    async fn judge(&self, batch: &[Candidate], limits: &Limits) -> Result<Vec<Verdict>> {
        if batch.iter().any(|candidate| candidate.event_id.as_str() == self.event_id) {
            std::future::pending::<()>().await;
        }
        self.inner.judge(batch, limits).await
    }

    async fn rules(&self) -> Result<Vec<Rule>> {
        self.inner.rules().await
    }

    async fn put_rule(&self, rule: &Rule) -> Result<Option<Rule>> {
        self.inner.put_rule(rule).await
    }

    async fn remove_rule(&self, target: &RuleTarget) -> Result<Option<Rule>> {
        self.inner.remove_rule(target).await
    }

    async fn sweep(&self, now: Timestamp, mark_ttl: Duration) -> Result<()> {
        self.inner.sweep(now, mark_ttl).await
    }

    async fn job_state(&self, key: &str) -> Result<Option<String>> {
        self.inner.job_state(key).await
    }

    async fn put_job_state(&self, key: &str, state: Option<&str>) -> Result<()> {
        self.inner.put_job_state(key, state).await
    }

    async fn check(&self) -> Result<()> {
        self.inner.check().await
    }
}

#[tokio::test]
async fn an_event_that_crashes_the_process_is_found_and_only_that_one() {
    let mut sandbox = Sandbox::memory(small());
    let inner = Arc::clone(&sandbox.ports.state);
    sandbox.ports.state = Arc::new(Deadly { inner, event_id: "e-77" });
    for n in 0..300 {
        sandbox.accept(&format!("e-{n}"), "198.51.100.7").await;
    }
    let mut crashes = 0;
    loop {
        let started = sandbox.start();
        let settled = tokio::time::timeout(Duration::from_millis(400), sandbox.settled()).await;
        if settled.is_ok() {
            started.stop().await.unwrap();
            break;
        }
        started.crash().await;
        crashes += 1;
        assert!(crashes < 10, "the event is never found");
    }
    assert_eq!(crashes, 5, "one crash, one step of several, three alone");
    let books = sandbox.assert_promise().await;
    assert_eq!((books.stored, books.dead_lettered), (299, 1));
    let letters = sandbox.dead_letters().await;
    assert_eq!(letters[0].letter.failure.error_type, "crash");
    assert_eq!(letters[0].letter.event_id.as_ref().unwrap().as_str(), "e-77");
}

#[tokio::test]
async fn a_plug_pulled_again_and_again_condemns_nobody() {
    let sandbox = Sandbox::memory(small());
    for n in 0..300 {
        sandbox.accept(&format!("e-{n}"), "198.51.100.7").await;
    }
    for (life, pause) in [1, 4, 2, 3, 5, 1, 2, 6, 3].into_iter().enumerate() {
        short_life(&sandbox, Duration::from_millis(pause), life % 3 < 2).await;
    }
    sandbox.run_to_the_end().await;
    let books = sandbox.assert_promise().await;
    assert_eq!((books.stored, books.dead_lettered), (300, 0));
}
