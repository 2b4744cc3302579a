//! Verify is clean on what is right, and finds and names each thing that is bent.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use evp::jobs::JobContext;
use evp::jobs::verify::{FindingKind, Verify, VerifyRequest, VerifyStatus};
use evp::roles::Role;
use evp::roles::launch::RoleSet;
use evp::runtime::shutdown::CancellationToken;
use evp::runtime::tasks;

use crate::damage::{self, Bent};
use crate::sandbox::{ADDRESS, Sandbox, event, events};

const BEHIND_THE_DOOR: [Role; 3] = [Role::Processor, Role::Archiver, Role::Worker];

/// An installation with every outcome: rows, duplicates, and over the limit.
async fn installation() -> Sandbox {
    let sandbox = Sandbox::with(|settings| settings.processor.ip_rate_limit_per_min = 40);
    sandbox.send(&events(30)).await;
    sandbox.send(&events(5)).await;
    let hot: Vec<_> = (100..150).map(|number| event(number, "click", "198.51.100.9")).collect();
    sandbox.accept(&hot).await;
    sandbox
}

#[async_trait]
impl Bent for Sandbox {
    fn context(&self) -> &JobContext {
        &self.context
    }

    async fn sql(&self, text: &str) -> u64 {
        u64::try_from(Self::sql(self, text)).unwrap()
    }

    fn json_replaced(&self, column: &str, from: &str, to: &str) -> String {
        format!("replace({column}, '{from}', '{to}')")
    }

    fn blob(&self, text: &str) -> String {
        format!("CAST('{text}' AS BLOB)")
    }

    async fn put_object(&self, key: &str, content: Bytes) {
        let path = self.directory.path().join("archive").join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    async fn remove_object(&self, key: &str) {
        std::fs::remove_file(self.directory.path().join("archive").join(key)).unwrap();
    }

    async fn forget_raw(&self) {
        Self::forget_raw(self).await;
    }
}

macro_rules! case {
    ($name:ident) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            damage::$name(&installation().await).await;
        }
    };
}
crate::every_damage!(case);

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_installation_is_clean() {
    Sandbox::new().assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_events_in_flight_it_does_not_finish() {
    let sandbox = installation().await;
    sandbox.send(&[event(900, "click", ADDRESS)]).await;
    let report = sandbox.verify().await;
    assert_eq!(report.status, VerifyStatus::Unfinished);
    let reason = report.reason.unwrap();
    assert!(reason.contains("processor-group has 1 records of raw-events ahead"), "{reason}");
    sandbox.drain().await;
    sandbox.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_archive_it_says_what_it_could_not_compare() {
    let sandbox = Sandbox::with(|settings| settings.archive.enabled = false);
    sandbox.accept(&events(10)).await;
    let report = sandbox.assert_clean().await;
    assert_eq!(report.notes.len(), 1);
    sandbox.forget_raw().await;
    sandbox.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_past_the_limit_are_counted() {
    let sandbox = installation().await;
    sandbox.sql("DELETE FROM raw_events");
    let request = VerifyRequest { wait_ms: 0, limit: 10, ledger: None };
    let report = sandbox.run::<Verify>(request).await.unwrap();
    assert_eq!(report.findings.len(), 10);
    assert!(report.truncated);
    assert_eq!(report.totals[&FindingKind::Missing], 70);
}

/// Nobody waits for a moment that never comes: what had been accepted is audited while more comes.
#[tokio::test(flavor = "multi_thread")]
async fn an_installation_that_is_never_still_is_audited_up_to_a_moment() {
    let sandbox = Sandbox::with(|settings| settings.archive.flush_events = 500);
    sandbox.accept(&events(60)).await;
    sandbox.sql("DELETE FROM raw_events WHERE event_id = 'e-0003'");
    let set = RoleSet::build(&BEHIND_THE_DOOR, &sandbox.deps()).unwrap();
    let stop = CancellationToken::new();
    let roles = tasks::spawn("roles", set.run(stop.clone()));
    let ended = AtomicBool::new(false);
    let feeding = async {
        let mut number = 1000;
        while !ended.load(Ordering::Relaxed) {
            sandbox.send(&[event(number, "click", ADDRESS)]).await;
            number += 1;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        number - 1000
    };
    let auditing = async {
        let report =
            sandbox.run::<Verify>(VerifyRequest { wait_ms: 60_000, limit: 10, ledger: None }).await;
        ended.store(true, Ordering::Relaxed);
        report.unwrap()
    };
    let (sent, report) = tokio::join!(feeding, auditing);
    assert!(sent > 100, "nothing came in meanwhile");
    assert_eq!(report.notes.len(), 1, "it found a still moment: {report:#?}");
    assert_eq!(report.status, VerifyStatus::Findings, "{report:#?}");
    let kinds: Vec<_> = report.totals.keys().copied().collect();
    assert_eq!(kinds, [FindingKind::Missing, FindingKind::Rollup], "{report:#?}");
    assert_eq!(report.totals[&FindingKind::Missing], 1);
    assert!(report.origins.accepted >= 60);
    stop.cancel();
    roles.await.unwrap().unwrap();
}
