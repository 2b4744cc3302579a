//! Every job that a running server does for a command.

use crate::jobs::archive::Archive;
use crate::jobs::blacklist::Blacklist;
use crate::jobs::books::Books;
use crate::jobs::dead_letters::DeadLetters;
use crate::jobs::replay::Replay;
use crate::jobs::send::Send;
use crate::jobs::stats::Stats;
use crate::jobs::status::Status;
use crate::jobs::tail::Tail;
use crate::jobs::topics::Topics;
use crate::jobs::verify::Verify;

use super::JobRoutes;

/// Adds a route a job.
pub(super) fn registered(routes: JobRoutes) -> JobRoutes {
    routes
        .add::<Archive>()
        .add::<Blacklist>()
        .add::<Books>()
        .add::<DeadLetters>()
        .add::<Replay>()
        .add::<Send>()
        .add::<Stats>()
        .add::<Status>()
        .add::<Tail>()
        .add::<Topics>()
        .add::<Verify>()
}
