//! Each role dies once at each of its named crash points, under load.

use std::time::Duration;

use evp::ports::crash::POINTS;

use super::{Cluster, flowing, load};
use crate::harness::load::Sent;

/// The role that passes a point on a cluster; `None` where only an embedded backend has it.
fn role_of(point: &str) -> Option<&'static str> {
    match point.split('.').next()? {
        "collector" => Some("collector"),
        "state" | "processor" => Some("processor"),
        "archiver" => Some("archiver"),
        "sink" | "worker" | "checkpoint" => Some("worker"),
        // The log's are passed by the spill log (`spill.rs`), the object store's by a directory.
        _ => None,
    }
}

#[test]
fn each_crash_point_is_hit_and_survived() {
    let cluster = Cluster::start();
    let mut roles = cluster.all();
    let mut sent = Sent::default();
    let mut hit = 0;
    for role in ["collector", "processor", "archiver", "worker"] {
        let load = load(&roles, &format!("point-{role}"));
        for point in POINTS.iter().filter(|point| role_of(point) == Some(role)) {
            flowing(&load, 5);
            let url = Cluster::kill(&mut roles, role);
            let address = url.trim_start_matches("http://").to_owned();
            let listen = ["--listen", &address];
            let arguments = if address.is_empty() { &[][..] } else { &listen[..] };
            let target = format!("{point}:3");
            let dies = [("EVP_CRASH_POINT", target.as_str())];
            let mut server = cluster.spawn(role, role, arguments, &dies);
            let ended = server.wait(Duration::from_secs(30));
            assert!(ended.is_some(), "{role} never passed {point}: {}", server.said());
            drop(server);
            cluster.again(&mut roles, role, &url);
            hit += 1;
        }
        flowing(&load, 5);
        sent.extend(load.stop());
        cluster.assert_promise(&roles, &sent, &format!("{role} died at each of its points"));
    }
    assert!(hit >= 15, "only {hit} points belong to a role: the list has other names now");
}
