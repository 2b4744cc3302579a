//! Events that cannot be stored, in every batch: each is a dead letter, and the others are rows.

use std::collections::BTreeSet;

use super::{Cluster, flowing, load};
use crate::harness::load::Load;

/// A store that refuses events whose id begins with `poison`, as a constraint of an operator would.
const REFUSE: &str =
    "ALTER TABLE raw_events ADD CONSTRAINT no_poison CHECK (event_id NOT LIKE 'poison%')";

#[test]
fn poison_in_every_batch_is_dead_lettered_and_holds_nothing_up() {
    let cluster = Cluster::start();
    cluster.sql(REFUSE);
    let roles = cluster.all();
    let healthy = load(&roles, "healthy");
    let poison = Load::paced(&roles["collector"].url, "poison", 1, 20);
    flowing(&healthy, 200);
    flowing(&poison, 20);
    let poisoned = poison.stop();
    let mut sent = healthy.stop();
    let healthy = sent.acknowledged.clone();
    sent.extend(poisoned.clone());
    cluster.assert_promise(&roles, &sent, "poison");
    let ids = |statement: &str| -> BTreeSet<String> {
        cluster.sql(statement).into_iter().map(|row| row[0].clone()).collect()
    };
    let dead = ids("SELECT event_id FROM dead_letters WHERE resolved_at IS NULL");
    assert!(poisoned.acknowledged.is_subset(&dead), "poison without a dead letter");
    assert!(dead.is_disjoint(&healthy), "a healthy event became a dead letter");

    // The constraint goes, the letters are put back: rows now, with their origins.
    cluster.sql("ALTER TABLE raw_events DROP CONSTRAINT no_poison");
    let back = cluster.evp(&["dlq", "redrive", "--all"]);
    assert!(back.status.success(), "{}", crate::harness::said(&back));
    cluster.assert_promise(&roles, &sent, "redriven");
    let rows = ids("SELECT event_id FROM raw_events WHERE event_id LIKE 'poison%'");
    assert!(poisoned.acknowledged.is_subset(&rows), "a redriven event is no row");
    assert!(ids("SELECT event_id FROM dead_letters WHERE resolved_at IS NULL").is_empty());
}
