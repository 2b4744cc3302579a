//! An object store that lies under load: errors, errors dressed as success, half an answer, silence
//! after the deed. The archive is complete by offset all the same, which the audit says.

use evp::backends::s3::stand_in::StandIn;

use super::{Cluster, flowing, load, times};
use crate::archiver::LIES;
use crate::harness::server::eventually;

#[test]
fn an_object_store_that_lies() {
    let store = StandIn::start(false).unwrap();
    let cluster = Cluster::start_with(&[
        ("MINIO_ENDPOINT", &store.endpoint()),
        ("EVP__S3__TIMEOUT", "500ms"),
        ("EVP__S3__RETRIES", "1"),
    ]);
    let roles = cluster.all();
    let load = load(&roles, "lies");
    for round in 0..times("EVP_LIES", 2) {
        flowing(&load, 20);
        // Each time another lie meets the first request of an object.
        let from = usize::try_from(round).unwrap() % LIES.len();
        store.will(LIES.iter().copied().cycle().skip(from).take(2 * LIES.len()));
        let left = || format!("{} lies are untold: {}", store.untold(), roles["archiver"].said());
        eventually(120, left, || store.untold() == 0);
    }
    flowing(&load, 20);
    let sent = load.stop();
    cluster.assert_promise(&roles, &sent, "an object store lied");
}
