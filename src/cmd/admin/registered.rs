//! Every job that a running server does for a command.

use super::JobRoutes;

/// Adds a route a job.
pub(super) fn registered(routes: JobRoutes) -> JobRoutes {
    routes
}
