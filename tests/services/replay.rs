//! `evp replay` from S3 as a process of its own beside the roles of a cluster, killed and resumed.

use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use evp::model::{Offset, TopicPartition};
use evp::ports::SystemClock;
use serde_json::Value;

use crate::cluster::{BEHIND_THE_DOOR, Installation};
use crate::damage::Bent;
use crate::jobs_sandbox::{ADDRESS, event};

fn evp(installation: &Installation, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evp"));
    command
        .env_clear()
        .env("HOME", installation.path("home"))
        .env("PATH", "/usr/bin:/bin")
        .envs(installation.environment())
        .current_dir(installation.path("."))
        .args(arguments);
    command
}

async fn ended(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

async fn answer(installation: &Installation, arguments: &[&str]) -> Value {
    let output = ended(evp(installation, arguments)).await;
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Records of the processed topic.
async fn published(installation: &Installation) -> i64 {
    let topic = &installation.context.settings.topics.processed;
    match installation.context.ports.log.describe(topic).await {
        Ok(info) => info.partitions.iter().map(|one| one.high.0).sum(),
        Err(_) => 0,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_that_is_killed_goes_on_and_twice_is_the_same_as_once() {
    let from = Installation::with_clock(Arc::new(SystemClock), |settings| {
        settings.archive.flush_events = 100;
    })
    .await;
    let sent: Vec<_> = (0..600).map(|number| event(number, "click", ADDRESS)).collect();
    from.send(&sent).await;
    from.send(&sent[..20]).await;
    from.drain().await;
    from.assert_clean().await;

    // Another installation on the same bucket: nothing was ever accepted there.
    let bucket = from.context.settings.s3.bucket.clone();
    let to = Installation::with_clock(Arc::new(SystemClock), |settings| {
        settings.s3.bucket = bucket;
    })
    .await;
    let roles = to.start(&BEHIND_THE_DOOR);
    let none = answer(&to, &["replay", "--from", "2030-01-01", "--dry-run", "-o", "json"]).await;
    assert_eq!(none["selected"], 0);
    let mut first = evp(&to, &["replay", "--rate", "100", "-o", "json"]);
    let mut first = first.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    while published(&to).await < 150 {
        assert!(first.try_wait().unwrap().is_none(), "it ended before it was killed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    first.kill().unwrap();
    let said = first.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    let name = said.split("--resume ").nth(1).unwrap().split_whitespace().next().unwrap();
    let whole = answer(&to, &["replay", "--resume", name, "-o", "json"]).await;
    assert_eq!(whole["selected"], 620, "{whole}");
    // What was published a moment before the kill may be a row by now, and counts as such.
    let count = |member: &str| whole[member].as_u64().unwrap();
    assert_eq!(count("published") + count("already_stored") + count("duplicates"), 620, "{whole}");
    to.settled().await;
    let rows = to.number("SELECT count(*) FROM raw_events").await;
    let decisions = to.number("SELECT count(*) FROM event_decisions").await;
    let rolled = to.number("SELECT sum(total_events) FROM campaign_stats").await;
    assert_eq!((rows, decisions, rolled), (600, 20, 600));

    let twice = answer(&to, &["replay", "-o", "json"]).await;
    assert_eq!(
        (&twice["published"], &twice["already_stored"]),
        (&0.into(), &600.into()),
        "{twice}"
    );
    to.settled().await;
    assert_eq!(to.number("SELECT count(*) FROM raw_events").await, rows);
    let verified = answer(&to, &["verify", "--wait", "30s", "-o", "json"]).await;
    assert_eq!(verified["status"], "clean");
    assert_eq!(verified["books"]["restored"], 620);
    roles.stop().await;

    // Through the raw topic, under today's rules: nothing is archived or accepted again.
    let raw = &from.context.settings.topics.raw;
    let archived = async || {
        let report = answer(&from, &["archive", "verify", "-o", "json"]).await;
        let partitions = report["partitions"].as_array().unwrap();
        let of_raw = partitions.iter().filter(|part| part["topic"] == raw.as_str());
        of_raw.map(|part| part["records"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!(archived().await, 620);
    let roles = from.start(&BEHIND_THE_DOOR);
    answer(&from, &["replay", "--reprocess", "-o", "json"]).await;
    from.settled().await;
    roles.stop().await;
    from.assert_clean().await;
    assert_eq!(from.number("SELECT count(*) FROM raw_events").await, 600);
    let at = TopicPartition::new(raw.clone(), evp::model::Partition(0));
    assert!(!from.context.ports.log.read(&at, Offset(620), 10).await.unwrap().is_empty());
    assert_eq!(archived().await, 620);
}
