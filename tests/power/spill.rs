//! The spill log's own power cuts: no broker answers, so that all that a collector acknowledges lies
//! in its spill log alone when the power goes.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use evp::backends::embedded::{EmbeddedLog, EmbeddedLogOptions};
use evp::model::{HeaderName, Offset, Topic, TopicPartition};
use evp::ports::{EventLog, SystemClock};
use evp::settings::Log;
use rustix::process::Signal;

use crate::harness::load::{Load, Sent};
use crate::harness::server::{Server, eventually, pause};
use crate::{Disk, cuts};

const RAW: &str = "raw-events";

/// A collector on its own, whose broker is not there.
fn collector(data_dir: &Path) -> Server {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let variables = [
        ("EVP_PROFILE", "cluster"),
        ("KAFKA_BROKERS", &nobody.to_string()),
        ("EVP__SPILL__AFTER", "200ms"),
        ("EVP__LOG__SEGMENT_BYTES", "256KiB"),
        ("EVP__LOG__RESERVE_BYTES", "8MiB"),
    ];
    // An earlier life's addresses must not be taken for this one's.
    let own = data_dir.join("collector");
    let _first_time = std::fs::remove_file(own.join("listen.json"));
    let mut server = Server::spawn_as(&["serve", "collector"], data_dir, &[], &variables);
    let said = server.said();
    eventually(60, || format!("ready: {said}"), || server.find_address(&own) && server.is_ready());
    server
}

/// Every event id in the spill log.
async fn spilled(data_dir: &Path) -> BTreeSet<String> {
    let raw = Topic::from(RAW);
    let log = EmbeddedLog::open(EmbeddedLogOptions {
        directory: data_dir.join("collector/spill/log"),
        settings: Log::default(),
        topics: vec![raw.clone()],
        door: raw.clone(),
        readers: Vec::new(),
        keepers: Vec::new(),
        clock: Arc::new(SystemClock),
    })
    .unwrap();
    let mut ids = BTreeSet::new();
    for partition in log.describe(&raw).await.unwrap().partitions {
        let at = TopicPartition::new(raw.clone(), partition.partition);
        let mut from = partition.low;
        while from < partition.high {
            let records = log.read(&at, from, 1000).await.unwrap();
            from = records.last().map_or(partition.high, |record| record.offset.next());
            let id = |headers: &evp::model::Headers| {
                headers.text(&HeaderName::EventId).unwrap_or_default().to_owned()
            };
            ids.extend(records.iter().map(|record| id(&record.record.headers)));
        }
        assert!(from >= partition.high && partition.low >= Offset(0));
    }
    log.close();
    ids
}

#[tokio::test]
async fn power_cuts_of_the_spill_log_lose_nothing() {
    let home = tempfile::tempdir().unwrap();
    for cut in 0..cuts() {
        let image = home.path().join("base.img");
        let disk = Disk::format(&image, &home.path().join("base"));
        let server = collector(&disk.data_dir());
        let load = Load::start(&server.url, &format!("spilled{cut}"), 4);
        eventually(30, || "an answer".to_owned(), || load.answered() > 0);
        pause(200 + (cut * 271) % 1700);
        server.signal(Signal::STOP);
        let copy = home.path().join("copy.img");
        std::fs::copy(&image, &copy).unwrap();
        server.kill();
        let mut sent: Sent = load.stop();
        drop(disk);
        // The next life goes on in the same log.
        let disk = Disk::mount(&copy, &home.path().join("copy"));
        let server = collector(&disk.data_dir());
        let load = Load::start(&server.url, &format!("after{cut}"), 4);
        eventually(30, || "an answer after the cut".to_owned(), || load.answered() > 20);
        sent.extend(load.stop());
        assert!(server.terminate().success());
        assert_eq!(sent.durability.keys().collect::<Vec<_>>(), ["spilled"], "all was spilled");

        let found = spilled(&disk.data_dir()).await;
        let lost: Vec<&String> = sent.acknowledged.difference(&found).take(20).collect();
        assert!(lost.is_empty(), "cut {cut}: acknowledged and not in the spill log: {lost:?}");
        let is_sent = |id: &&String| sent.acknowledged.contains(*id) || sent.unknown.contains(*id);
        let ghosts: Vec<&String> = found.iter().filter(|id| !is_sent(id)).take(20).collect();
        assert!(ghosts.is_empty(), "cut {cut}: in the spill log and never sent: {ghosts:?}");
        println!("cut {cut}: {} spilled and acknowledged, none lost", sent.acknowledged.len());
    }
}
