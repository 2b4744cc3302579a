//! Faults under load: a role, a server or a member is hurt, heals, and the audit finds an outcome for
//! every id that was acknowledged.

mod crash_points;
mod in_flight;
mod kills;
mod lies;
mod outages;
mod partners;
mod poison;
mod spill;
pub(crate) mod stand;
mod zombies;

use crate::harness::load::Load;
use crate::harness::server::eventually;
use in_flight::InFlight;
use stand::{Cluster, ROLES, Roles};

/// A load on the collector's port that goes on while the collector is away. Some 200 requests a
/// second: without the pause a spill log takes more in a short outage than debug builds work off.
pub(crate) fn load(roles: &Roles, name: &str) -> Load {
    Load::paced(&roles["collector"].url, name, 4, 20)
}

/// Waits until that many more requests were acknowledged: the pipeline is at work.
pub(crate) fn flowing(load: &Load, more: u64) {
    let before = load.answered();
    eventually(30, || "requests are acknowledged".to_owned(), || load.answered() >= before + more);
}

/// How often each fault is done: few times in CI, the full count in `just nightly`.
pub(crate) fn times(name: &str, few: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(few)
}
