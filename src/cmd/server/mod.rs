//! Running roles until told to stop: what `serve` and `run` share.

mod listen;
mod sockets;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::jobs::JobContext;
use crate::roles::launch::RoleSet;
use crate::roles::{Role, RoleDeps, RoleError};
use crate::runtime::health::Health;
use crate::runtime::shutdown::CancellationToken;
use crate::runtime::{supervisor, telemetry};
use crate::settings::Settings;
use crate::wire::{self, Instance, OpenMode, Wired};

use super::admin::{Owner, Vitals};
use super::context::{Context, Flag};
use super::error::{CmdError, CmdResult, Finish, Kind};
use listen::Listening;
use sockets::AdminSockets;

/// How long a server waits for a directory that a command holds.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// Options of a process that serves.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ServerArgs {
    /// Address of the collector, or of the query role where it runs without one; port 0 takes a
    /// free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Address of metrics and health; port 0 takes a free one [default: 127.0.0.1:9600, 9601 query,
    /// 9602 processor, 9603 archiver, 9604 worker, 9605 retrier]
    #[arg(long, value_name = "ADDR")]
    admin_listen: Option<String>,
    /// Time to bring what was accepted to its end once told to stop [default: 30s]
    #[arg(long, value_name = "DURATION")]
    drain_timeout: Option<String>,
}

/// What to run.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) roles: Vec<Role>,
    /// Whether a missing data directory is made.
    pub(super) create: bool,
    pub(super) args: ServerArgs,
}

impl Plan {
    fn flags(&self) -> Vec<Flag> {
        let mut flags = Vec::new();
        if let Some(address) = &self.args.listen {
            let collects = self.roles.contains(&Role::Collector);
            let key = if collects { "http.listen" } else { "query.listen" };
            flags.push((key, full_address(address), "--listen"));
        }
        if let Some(address) = &self.args.admin_listen {
            flags.push(("admin.listen", full_address(address), "--admin-listen"));
        }
        if let Some(grace) = &self.args.drain_timeout {
            flags.push(("shutdown.grace", grace.clone(), "--drain-timeout"));
        }
        flags
    }

    /// What this process is called among those that share a data directory.
    fn instance(&self) -> Instance {
        let is_all = self.roles.len() == Role::ALL.len();
        // The retrier comes with a worker and has no name of its own beside it.
        let has_worker = self.roles.contains(&Role::Worker);
        let is_named = |role: &&Role| !(has_worker && **role == Role::Retrier);
        let names: Vec<&str> = self.roles.iter().filter(is_named).map(|r| r.as_str()).collect();
        let name = if is_all { "all".to_owned() } else { names.join("-") };
        Instance { name, collects: self.roles.contains(&Role::Collector) }
    }

    /// The role whose port the admin listener takes: the first of them as the contract lists them.
    fn admin_role(&self) -> Role {
        let by_port = self.roles.iter().copied().min_by_key(|role| role.admin_port());
        by_port.unwrap_or(Role::Collector)
    }
}

/// An address as people shorten it: `:8080` is every address, `8080` and `localhost:8080` loopback.
fn full_address(text: &str) -> String {
    if text.parse::<u16>().is_ok() {
        format!("127.0.0.1:{text}")
    } else if text.starts_with(':') {
        format!("0.0.0.0{text}")
    } else {
        text.replace("localhost:", "127.0.0.1:")
    }
}

/// Runs the plan's roles until the process is told to stop.
pub(super) fn run(context: &Context, plan: &Plan) -> CmdResult {
    let loaded = context.loaded_with(plan.flags())?;
    let settings = Arc::new(loaded.settings.clone());
    context.start_logs(&settings.telemetry, &settings.telemetry.log_level)?;
    context.tell_notes(loaded);
    context.block_on(async |shutdown| {
        let wired = open(&settings, plan).await?;
        let ended = serve(context, plan, &settings, &wired, shutdown).await;
        close(wired).await;
        ended.map(|()| Finish::Done)
    })
}

async fn open(settings: &Arc<Settings>, plan: &Plan) -> Result<Wired, CmdError> {
    let settings = Arc::clone(settings);
    // A command ends soon and is waited for; a server does not.
    let served = Owner::find(&settings.data_dir).is_some();
    let lock_wait = if served { Duration::ZERO } else { LOCK_WAIT };
    let mode = OpenMode { create: plan.create, lock_wait, instance: Some(plan.instance()) };
    let opened = tokio::task::spawn_blocking(move || wire::open(&settings, &mode)).await;
    opened.map_err(|error| CmdError::new(Kind::Bug, error))?.map_err(CmdError::from)
}

pub(super) async fn close(wired: Wired) {
    if tokio::task::spawn_blocking(move || wired.close()).await.is_err() {
        tracing::error!("closing the data directory broke off");
    }
}

async fn serve(
    context: &Context,
    plan: &Plan,
    settings: &Arc<Settings>,
    wired: &Wired,
    shutdown: CancellationToken,
) -> Result<(), CmdError> {
    let metrics = telemetry::start_metrics(shutdown.clone())
        .map_err(|error| CmdError::new(Kind::Bug, error))?;
    let (ports, health) = (wired.ports.clone(), Health::new());
    let process = health.component("process", ports.clock.now());
    let deps =
        RoleDeps { ports: ports.clone(), settings: Arc::clone(settings), health: health.clone() };
    let set = RoleSet::build(&plan.roles, &deps).map_err(with_hint)?;
    let folder = wired.directory().unwrap_or(&settings.data_dir);
    let sockets = AdminSockets::bind(context, settings, plan.admin_role(), folder)?;
    let listening = Listening::of(&set, plan, &sockets, folder, ports.clock.now());
    listening.write(folder)?;
    listening.tell(context)?;
    let jobs = JobContext { ports: ports.clone(), settings: Arc::clone(settings) };
    let vitals = Vitals { health: health.clone(), metrics };
    let serving = sockets.serve(settings, vitals, jobs, &shutdown);

    process.ready(ports.clock.now());
    let told = supervisor::start(health, shutdown.clone(), settings.shutdown.grace.0);
    let run = set.run(shutdown.clone());
    let draining = async {
        shutdown.cancelled().await;
        process.not_ready("draining", ports.clock.now());
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        ended = run => ended,
        () = draining => Ok(()),
    };
    // Where a role ended on its own nobody has cancelled it yet: jobs and upkeep end with it.
    shutdown.cancel();
    serving.stop().await;
    told.end().await;
    tidy(folder);
    ended.map_err(CmdError::from)
}

fn with_hint(error: RoleError) -> CmdError {
    let bind = matches!(error, RoleError::Bind { .. });
    let error = CmdError::from(error);
    if bind { error.hint("--listen 127.0.0.1:0 takes a free port") } else { error }
}

/// Takes away what says that somebody listens here. A leftover is harmless: the next owner writes
/// its own.
fn tidy(directory: &Path) {
    for name in [listen::FILE, super::admin::SOCKET_FILE] {
        if let Err(error) = std::fs::remove_file(directory.join(name)) {
            tracing::debug!(%error, name, "nothing to tidy");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_called_by_its_roles() {
        let name = |roles: &[Role]| {
            let args = ServerArgs { listen: None, admin_listen: None, drain_timeout: None };
            Plan { roles: roles.to_vec(), create: true, args }.instance().name
        };
        assert_eq!(name(&[Role::Worker, Role::Retrier]), "worker");
        assert_eq!(name(&[Role::Retrier]), "retrier");
        assert_eq!(name(&[Role::Processor, Role::Archiver]), "processor-archiver");
        assert_eq!(name(&Role::ALL), "all");
    }

    #[test]
    fn addresses_are_read_as_people_shorten_them() {
        assert_eq!(full_address("9000"), "127.0.0.1:9000");
        assert_eq!(full_address(":9000"), "0.0.0.0:9000");
        assert_eq!(full_address("localhost:0"), "127.0.0.1:0");
        assert_eq!(full_address("[::1]:80"), "[::1]:80");
    }
}
