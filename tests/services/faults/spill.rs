//! The collector dies while it spills, and while it carries over what it spilled.

use std::time::Duration;

use evp::ports::crash::{POINTS, SPILL_POINTS};

use super::{Cluster, Roles, flowing};
use crate::harness::load::Load;
use crate::harness::server::Server;

/// Small segments, so that a short outage fills some and their removal is seen.
const SMALL: &[(&str, &str)] =
    &[("EVP__LOG__SEGMENT_BYTES", "64KiB"), ("EVP__LOG__RETENTION_CHECK", "300ms")];

/// Replaces the collector by one that dies at that point.
fn doomed(cluster: &Cluster, roles: &mut Roles, point: &str) -> (Server, String) {
    let url = Cluster::kill(roles, "collector");
    let address = url.trim_start_matches("http://").to_owned();
    let target = format!("{point}:2");
    let dies = [("EVP_CRASH_POINT", target.as_str())];
    (cluster.spawn("collector", "collector", &["--listen", &address], &dies), url)
}

fn dies(mut server: Server, point: &str) {
    let ended = server.wait(Duration::from_secs(30));
    assert!(ended.is_some(), "the collector never passed {point}: {}", server.said());
}

#[test]
fn a_collector_that_dies_at_any_point_of_its_spill_log_loses_nothing() {
    let mut cluster = Cluster::start_with(SMALL);
    let mut roles = cluster.all();
    // Seldom: what the outages of three minutes hold back has to be stored within a minute of the last.
    let load = Load::paced(&roles["collector"].url, "spill", 4, 60);
    flowing(&load, 10);
    let of_log = |point: &&&str| point.starts_with("log.");
    let (emptying, filling): (Vec<&str>, Vec<&str>) =
        POINTS.iter().filter(of_log).partition(|point| point.starts_with("log.unlink"));

    cluster.kafka.kill();
    for point in filling {
        let (server, url) = doomed(&cluster, &mut roles, point);
        dies(server, point);
        cluster.again(&mut roles, "collector", &url);
        flowing(&load, 10);
    }
    cluster.kafka.resume();

    for point in SPILL_POINTS.iter().copied().chain(emptying).chain(["checkpoint.before"]) {
        cluster.kafka.kill();
        flowing(&load, 50);
        let (server, url) = doomed(&cluster, &mut roles, point);
        cluster.kafka.resume();
        dies(server, point);
        cluster.again(&mut roles, "collector", &url);
    }
    flowing(&load, 10);
    let sent = load.stop();
    assert!(sent.durability["spilled"] > 0, "nothing was spilled: void");
    cluster.assert_promise(&roles, &sent, "the collector died at each point of its spill log");
}
