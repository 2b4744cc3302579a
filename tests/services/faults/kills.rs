//! kill -9 of each role in mid-flow, at random instants.

use super::{Cluster, ROLES, flowing, load, times};
use crate::harness::load::Sent;
use crate::harness::server::pause;

#[test]
fn each_role_killed_at_random_loses_and_doubles_nothing() {
    let cluster = Cluster::start();
    let mut roles = cluster.all();
    let mut sent = Sent::default();
    for role in ROLES {
        let load = load(&roles, &format!("kill-{role}"));
        let kills = times("EVP_KILLS", 3);
        let (mut done, mut void) = (0, 0);
        while done < kills {
            flowing(&load, 10);
            // A spread of instants without a random source: the machine's scheduling adds the rest.
            pause(20 + ((done + void) * 367) % 700);
            let unanswered = load.unanswered();
            let url = Cluster::kill(&mut roles, role);
            // Requests that it never answered, or records that it had not finished: without them
            // nothing was in flight, and the run says nothing.
            let was_in_flight = match role {
                "collector" => load.unanswered() > unanswered,
                "query" => true,
                _ => cluster.lag_of(role) > 0,
            };
            cluster.again(&mut roles, role, &url);
            if was_in_flight {
                done += 1;
            } else {
                void += 1;
                assert!(void < 20, "{role}: nothing was in flight in any run");
            }
        }
        flowing(&load, 10);
        sent.extend(load.stop());
        cluster.assert_promise(&roles, &sent, &format!("{role} killed {kills} times"));
    }
}
