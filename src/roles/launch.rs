//! Starting a set of roles and draining them in order, so that each finds its successor alive.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::archiver::Archiver;
use super::collector::Collector;
use super::processor::Processor;
use super::query::{self, Query};
use super::retrier::Retrier;
use super::worker::Worker;
use super::{Ending, Role, RoleDeps, RoleError, Stop};
use crate::pipeline::lag::{self, PartitionLag};
use crate::ports::{EventLog, Result as PortResult};
use crate::runtime::health::{Condition, Health};
use crate::runtime::shutdown::CancellationToken;
use crate::runtime::tasks;
use crate::settings::Settings;

const RETRY_CHECK: Duration = Duration::from_millis(100);

#[derive(Debug)]
enum Built {
    Collector(Box<Collector>),
    Processor(Box<Processor>),
    Archiver(Box<Archiver>),
    Retrier(Box<Retrier>),
    Worker(Box<Worker>),
    Query(Box<Query>),
}

impl Built {
    async fn run(self, stop: Stop) -> Result<(), RoleError> {
        match self {
            Self::Collector(role) => role.run(stop.shutdown).await,
            Self::Processor(role) => role.run(stop).await,
            Self::Archiver(role) => role.run(stop).await,
            Self::Retrier(role) => role.run(stop).await,
            Self::Worker(role) => role.run(stop).await,
            Self::Query(role) => role.run(stop.shutdown).await,
        }
    }
}

/// Roles that were built and not started.
#[derive(Debug)]
pub struct RoleSet {
    built: Vec<(Role, Built)>,
    ending: Ending,
    grace: Option<Duration>,
}

impl RoleSet {
    /// Builds these roles; nothing runs yet. A worker brings its retrier, and without an archive
    /// there is no archiver. Of processors and workers there are as many as the settings say, where
    /// the log's groups may have several members; `/readyz` has each, `worker`, `worker-2` and so on.
    /// With a collector among others the set is the whole pipeline: it ends only when everything
    /// accepted went through, or the grace is over. A query role beside a collector answers on the
    /// collector's port, and on its own where `query.listen` is set.
    ///
    /// # Errors
    /// When a role cannot be built; then none runs.
    pub fn build(roles: &[Role], deps: &RoleDeps) -> Result<Self, RoleError> {
        let is_wanted = |role: Role| {
            roles.contains(&role) || (role == Role::Retrier && roles.contains(&Role::Worker))
        };
        let has_both = roles.contains(&Role::Collector) && roles.contains(&Role::Query);
        let is_mounted = has_both || deps.settings.http.mount_query;
        let mut built = Vec::new();
        for role in Role::ALL.into_iter().filter(|role| is_wanted(*role)) {
            if role == Role::Archiver && !deps.settings.archive.enabled {
                tracing::info!("no archive is configured; the archiver does not run");
                continue;
            }
            if role == Role::Query && has_both && deps.settings.query.listen.is_none() {
                continue;
            }
            for number in 0..members(role, deps) {
                built.push((role, build(role, number, deps, is_mounted)?));
            }
        }
        let is_whole = roles.contains(&Role::Collector) && roles.len() > 1;
        let ending = if is_whole { Ending::Drained } else { Ending::InHand };
        Ok(Self { built, ending, grace: Some(deps.settings.shutdown.grace.0) })
    }

    /// The roles in it, in the order in which they drain.
    #[must_use]
    pub fn roles(&self) -> Vec<Role> {
        let mut roles: Vec<Role> = self.built.iter().map(|(role, _)| *role).collect();
        // Members of one role stand together.
        roles.dedup();
        roles
    }

    /// The addresses at which roles of it listen.
    #[must_use]
    pub fn addresses(&self) -> Vec<(Role, SocketAddr)> {
        self.built
            .iter()
            .filter_map(|(role, built)| match built {
                Built::Collector(collector) => Some((*role, collector.local_addr())),
                Built::Query(query) => Some((*role, query.local_addr())),
                _ => None,
            })
            .collect()
    }

    /// Runs until `shutdown`, then drains role by role. Dropping the future ends all at once.
    ///
    /// # Errors
    /// The first failure of a role; the others are drained all the same.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), RoleError> {
        let Self { built, ending, grace } = self;
        let mut running: Vec<Running> =
            built.into_iter().map(|(role, built)| Running::start(role, built, ending)).collect();
        let mut first_error = None;
        tokio::select! {
            () = shutdown.cancelled() => {}
            (index, result) = first_end(&mut running) => {
                let Running { role, .. } = running.remove(index);
                first_error = result.err();
                tracing::error!(%role, "role ended on its own; the others drain");
            }
        }
        let end = grace.map(|grace| Instant::now() + grace);
        let stops: Vec<_> = running.iter().map(|one| (one.role, one.stop.clone())).collect();
        for Running { role, mut task, .. } in running {
            // The members of a role end together: one that ends alone hands its partitions to those
            // that are about to.
            for (_, stop) in stops.iter().filter(|(of, _)| *of == role) {
                stop.cancel();
            }
            let result = match end {
                None => ended(role, (&mut task).await),
                Some(end) => match tokio::time::timeout_at(end, &mut task).await {
                    Ok(joined) => ended(role, joined),
                    Err(_) => {
                        tracing::warn!(%role, "did not drain in time; what is open comes again");
                        task.abort();
                        Ok(())
                    }
                },
            };
            if let Err(error) = result {
                first_error.get_or_insert(error);
            }
        }
        first_error.map_or(Ok(()), Err)
    }
}

/// How many of a role run in this process.
fn members(role: Role, deps: &RoleDeps) -> usize {
    let wanted = match role {
        Role::Processor => deps.settings.processor.count,
        Role::Worker => deps.settings.worker.count,
        _ => 1,
    };
    let most = deps.ports.log.max_members();
    if wanted > most {
        tracing::info!(
            %role, wanted,
            "the embedded log has {most} member a group: {most} runs, the setting {role}.count is for \
             a log on brokers"
        );
    }
    wanted.clamp(1, most)
}

fn build(role: Role, number: usize, deps: &RoleDeps, is_mounted: bool) -> Result<Built, RoleError> {
    Ok(match role {
        Role::Collector => Built::Collector(Box::new(Collector::build(
            deps,
            is_mounted.then(|| query::router(deps)),
        )?)),
        Role::Processor => Built::Processor(Box::new(Processor::build_member(deps, number)?)),
        Role::Archiver => Built::Archiver(Box::new(Archiver::build(deps)?)),
        Role::Retrier => Built::Retrier(Box::new(Retrier::build(deps)?)),
        Role::Worker => Built::Worker(Box::new(Worker::build_member(deps, number)?)),
        Role::Query => Built::Query(Box::new(Query::build(deps)?)),
    })
}

/// A role that runs.
struct Running {
    role: Role,
    stop: CancellationToken,
    task: AbortOnDropHandle<Result<(), RoleError>>,
}

impl Running {
    fn start(role: Role, built: Built, ending: Ending) -> Self {
        let stop = CancellationToken::new();
        let shutdown = stop.clone();
        let task = tasks::spawn(role.as_str(), built.run(Stop { shutdown, ending }));
        Self { role, stop, task: AbortOnDropHandle::new(task) }
    }
}

fn ended(
    role: Role,
    joined: Result<Result<(), RoleError>, tokio::task::JoinError>,
) -> Result<(), RoleError> {
    joined.unwrap_or_else(|source| Err(RoleError::Task { role, source }))
}

/// The first that ends without being told to, by its place; for ever pending where there is none.
async fn first_end(running: &mut [Running]) -> (usize, Result<(), RoleError>) {
    if running.is_empty() {
        return std::future::pending().await;
    }
    let tasks = running.iter_mut().enumerate().map(|(index, running)| {
        let role = running.role;
        Box::pin(async move { (index, ended(role, (&mut running.task).await)) })
    });
    futures_util::future::select_all(tasks).await.0
}

/// Brings everything that a stopped installation accepted to its end: runs the roles behind the
/// collector until every group's lag is 0, retries included. For commands that own the ports.
///
/// # Errors
/// When a role fails, when what a role waits for does not come back, when cancelled.
pub async fn drain(deps: &RoleDeps, cancel: CancellationToken) -> Result<(), RoleError> {
    tokio::select! {
        result = drain_rounds(deps) => result,
        () = cancel.cancelled() => {
            let records = records_open(&lags(deps).await?);
            Err(RoleError::NotDrained { records, reason: "interrupted".to_owned() })
        }
    }
}

async fn drain_rounds(deps: &RoleDeps) -> Result<(), RoleError> {
    let mut before = None;
    loop {
        let lags = lags(deps).await?;
        let records = records_open(&lags);
        if records == 0 {
            return Ok(());
        }
        let is_retry = |lag: &PartitionLag| lag.group == deps.settings.groups.retrier;
        if lags.iter().all(|lag| is_retry(lag) || lag.lag() == 0) {
            wait_for_retries(deps).await?;
            continue;
        }
        if before == Some(records) {
            return Err(RoleError::NotDrained { records, reason: reason(&deps.health) });
        }
        before = Some(records);
        let set = RoleSet {
            ending: Ending::Drained,
            grace: None,
            ..RoleSet::build(&[Role::Processor, Role::Archiver, Role::Worker], deps)?
        };
        let at_once = CancellationToken::new();
        at_once.cancel();
        set.run(at_once).await?;
    }
}

/// Only retries are open: they come when they are due.
async fn wait_for_retries(deps: &RoleDeps) -> Result<(), RoleError> {
    let set =
        RoleSet { ending: Ending::Drained, grace: None, ..RoleSet::build(&[Role::Worker], deps)? };
    let done = CancellationToken::new();
    let watch = async {
        loop {
            tokio::time::sleep(RETRY_CHECK).await;
            if lags(deps).await.is_ok_and(|lags| records_open(&lags) == 0) {
                done.cancel();
                return;
            }
        }
    };
    // The set ends after the watch, or before it with an error.
    tokio::select! {
        result = set.run(done.clone()) => result,
        () = async { watch.await; std::future::pending().await } => Ok(()),
    }
}

async fn lags(deps: &RoleDeps) -> Result<Vec<PartitionLag>, RoleError> {
    read_lags(&deps.ports.log, &deps.settings)
        .await
        .map_err(|source| RoleError::Port { role: Role::Worker, source })
}

async fn read_lags(log: &Arc<dyn EventLog>, settings: &Settings) -> PortResult<Vec<PartitionLag>> {
    lag::lag(&**log, &settings.readers()).await
}

fn records_open(lags: &[PartitionLag]) -> u64 {
    lag::total(lags)
}

/// What the roles said when they ended.
fn reason(health: &Health) -> String {
    let waits: Vec<String> = health
        .checks()
        .into_iter()
        .filter_map(|(name, check)| match check.condition {
            Condition::NotReady(reason) => Some(format!("{name} {reason}")),
            _ => None,
        })
        .collect();
    if waits.is_empty() { "nothing moves".to_owned() } else { waits.join("; ") }
}
