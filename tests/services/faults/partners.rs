//! A second processor and a second worker that join and leave every 3 seconds.

use std::time::Duration;

use rustix::process::Signal;

use super::{Cluster, flowing, load, times};
use crate::harness::server::pause;

#[test]
fn partners_join_and_leave_every_three_seconds() {
    let cluster = Cluster::start();
    let roles = cluster.all();
    let load = load(&roles, "partners");
    for round in 0..times("EVP_JOINS", 3) {
        flowing(&load, 10);
        let joined = ["processor", "worker"].map(|role| cluster.second(role, &format!("{role}-b")));
        pause(3000);
        for mut partner in joined {
            // Every third one has no time to say goodbye.
            if round % 3 == 2 {
                partner.kill();
                continue;
            }
            partner.signal(Signal::TERM);
            let left = partner.wait(Duration::from_secs(60));
            assert!(left.is_some_and(|status| status.success()), "{}", partner.said());
        }
        pause(3000);
    }
    flowing(&load, 10);
    let sent = load.stop();
    cluster.assert_promise(&roles, &sent, "partners joined and left");
}
