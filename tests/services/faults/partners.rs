//! A second processor and a second worker that join and leave every 3 seconds.

use std::time::Duration;

use rustix::process::Signal;

use super::{Cluster, InFlight, flowing, load, times};
use crate::harness::server::pause;

#[test]
fn partners_join_and_leave_every_three_seconds() {
    let cluster = Cluster::start();
    let roles = cluster.all();
    let load = load(&roles, "partners");
    let mut in_flight = ["processor", "worker"].map(|role| InFlight::of(&cluster, role));
    let mut struck = [0; 2];
    for round in 0..times("EVP_JOINS", 3) {
        flowing(&load, 10);
        let joined = ["processor", "worker"].map(|role| cluster.second(role, &format!("{role}-b")));
        pause(3000);
        for (at, mut partner) in joined.into_iter().enumerate() {
            // Every third one has no time to say goodbye.
            in_flight[at].look();
            if round % 3 == 2 {
                partner.kill();
                struck[at] += i32::from(in_flight[at].unfinished() > 0);
                continue;
            }
            partner.signal(Signal::TERM);
            struck[at] += i32::from(in_flight[at].unfinished() > 0);
            let left = partner.wait(Duration::from_secs(60));
            assert!(left.is_some_and(|status| status.success()), "{}", partner.said());
        }
        pause(3000);
    }
    assert!(struck.iter().all(|struck| *struck > 0), "nothing was in flight: void {struck:?}");
    flowing(&load, 10);
    let sent = load.stop();
    cluster.assert_promise(&roles, &sent, "partners joined and left");
}
