//! A member that sleeps past its session and wakes when another has its partitions: what it still
//! does counts for nothing.

use std::time::Duration;

use rustix::process::Signal;

use super::{Cluster, InFlight, flowing, load, times};
use crate::harness::load::Sent;
use crate::harness::server::{eventually, pause};

#[test]
fn a_processor_and_a_worker_sleep_past_their_session_and_wake() {
    let cluster = Cluster::start();
    let mut roles = cluster.all();
    let mut sent = Sent::default();
    for role in ["processor", "worker"] {
        let name = format!("{role}-b");
        roles.insert(name.clone(), cluster.second(role, &name));
        let load = load(&roles, &format!("zombie-{role}"));
        let mut in_flight = InFlight::of(&cluster, role);
        for _ in 0..times("EVP_ZOMBIES", 1) {
            let mut void = 0;
            loop {
                flowing(&load, 20);
                in_flight.look();
                roles[role].signal(Signal::STOP);
                if in_flight.unfinished() > 0 {
                    break;
                }
                // Between two batches: that is no strike.
                roles[role].signal(Signal::CONT);
                void += 1;
                assert!(void < 20, "{role}: nothing was in flight in any run");
            }
            // Past the session time-out of 3 s the other one has all partitions and works them off.
            pause(6000);
            roles[role].signal(Signal::CONT);
            flowing(&load, 20);
        }
        sent.extend(load.stop());
        cluster.assert_promise(&roles, &sent, &format!("{role} slept past its session"));
        let mut second = roles.remove(&name).unwrap();
        second.signal(Signal::TERM);
        let left = second.wait(Duration::from_secs(60));
        assert!(left.is_some_and(|status| status.success()), "{}", second.said());
        eventually(30, || roles[role].said(), || roles[role].is_ready());
    }
}
