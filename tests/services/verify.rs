//! `evp verify` and `evp archive verify` on the servers of a cluster: each kind of damage is found in
//! Postgres, Kafka and S3 as it is on one machine.

use std::time::Duration;

use async_trait::async_trait;
use evp::jobs::verify::{FindingKind, Verify, VerifyRequest, VerifyStatus};
use evp::model::Offset;
use evp::roles::Role;

use crate::cluster::{BEHIND_THE_DOOR, Installation};
use crate::damage::{self, Bent};
use crate::jobs_sandbox::{ADDRESS, event, events};
use crate::witness::{self, Witnessed};

/// An installation with every outcome: rows, duplicates, and over the limit.
async fn installation() -> Installation {
    let installation =
        Installation::new(|settings| settings.processor.ip_rate_limit_per_min = 40).await;
    installation.send(&events(30)).await;
    installation.send(&events(5)).await;
    let hot: Vec<_> = (100..150).map(|number| event(number, "click", "198.51.100.9")).collect();
    installation.send(&hot).await;
    installation.drain().await;
    installation
}

macro_rules! case {
    ($name:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            damage::$name(&installation().await).await;
        }
    };
}
crate::every_damage!(case);

#[async_trait]
impl Witnessed for Installation {
    async fn accept_only(&self, events: &[String]) {
        let events: Vec<_> = events.iter().map(|event| (event.clone(), ADDRESS)).collect();
        self.send(&events).await;
    }

    async fn end(&self) {
        self.drain().await;
    }
}

/// A client's ledger against Kafka, Postgres and S3.
mod ledger {
    use super::{Installation, witness};

    macro_rules! case {
        ($name:ident) => {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                witness::$name(&Installation::new(|_| {}).await).await;
            }
        };
    }
    crate::every_witness!(case);
}

/// Several partitions, two archivers and workers that come and go, and a broker that forgot what is
/// archived: still clean, and what nobody archived before it was forgotten is found.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_archivers_and_retention_change_nothing() {
    let installation = Installation::new(|settings| settings.kafka.partitions = 4).await;
    let (first, second) =
        (installation.start(&BEHIND_THE_DOOR), installation.start(&BEHIND_THE_DOOR));
    for round in 0..6_u32 {
        let some: Vec<_> =
            (round * 50..round * 50 + 50).map(|n| event(n, "click", ADDRESS)).collect();
        installation.send(&some).await;
        if round == 3 {
            installation.start(&[Role::Archiver]).stop().await;
        }
    }
    installation.settled().await;
    first.stop().await;
    second.stop().await;
    let report = installation.assert_clean().await;
    assert_eq!((report.books.accepted, report.origins.accepted), (300, 300));
    let raw = &installation.context.settings.topics.raw;
    let info = installation.context.ports.log.describe(raw).await.unwrap();
    let filled = info.partitions.iter().filter(|one| one.high > Offset(0)).count();
    assert!(filled > 1, "one partition has all: {info:?}");
    // Half of each is forgotten, then everything.
    let half: Vec<_> =
        info.partitions.iter().map(|one| (one.partition, Offset(one.high.0 / 2))).collect();
    installation.forget_below(&half).await;
    installation.assert_clean().await;
    installation.forget_raw().await;
    let report = installation.assert_clean().await;
    assert_eq!((report.sources.log_records, report.origins.accepted), (0, 300));
    assert_eq!(installation.archive_found().await.0, []);
}

/// Records come all the while: the audit ends, and says what it could not compare.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_that_is_never_still_is_audited_up_to_a_moment() {
    let installation =
        Installation::new(|settings| settings.archive.flush_interval = "2s".parse().unwrap()).await;
    installation.send(&events(60)).await;
    installation.drain().await;
    assert_eq!(installation.sql("DELETE FROM raw_events WHERE event_id = 'e-0003'").await, 1);
    let started = installation.start(&BEHIND_THE_DOOR);
    let ended = tokio_util::sync::CancellationToken::new();
    let feeding = async {
        let mut number = 1000;
        while !ended.is_cancelled() {
            installation.send(&[event(number, "click", ADDRESS)]).await;
            number += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        number - 1000
    };
    let auditing = async {
        let report = installation
            .run::<Verify>(VerifyRequest { wait_ms: 60_000, limit: 10, ledger: None })
            .await;
        ended.cancel();
        report
    };
    let (sent, report) = tokio::join!(feeding, auditing);
    assert!(sent > 50, "nothing came in meanwhile");
    assert_eq!(report.notes.len(), 1, "it found a still moment: {report:#?}");
    assert_eq!(report.status, VerifyStatus::Findings, "{report:#?}");
    let kinds: Vec<_> = report.totals.keys().copied().collect();
    assert_eq!(kinds, [FindingKind::Missing, FindingKind::Rollup], "{report:#?}");
    started.stop().await;
}
