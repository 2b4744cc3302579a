//! The admin listeners of a server: a TCP port for health and counters, and the socket in the data
//! directory for commands.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use tokio::task::JoinHandle;

use crate::cmd::admin::{self, Vitals};
use crate::cmd::context::Context;
use crate::cmd::error::{CmdError, Kind};
use crate::jobs::JobContext;
use crate::roles::Role;
use crate::runtime::http::{self, Limits, Listener, RouterHandler};
use crate::runtime::shutdown::CancellationToken;
use crate::runtime::tasks;
use crate::settings::Settings;

/// Bound and not served yet.
#[derive(Debug)]
pub(super) struct AdminSockets {
    tcp: Listener,
    unix: Listener,
}

impl AdminSockets {
    /// Binds both. Where the port is nobody's choice and taken, a free one does: a second server
    /// on one machine must not fail for the sake of its counters.
    pub(super) fn bind(
        context: &Context,
        settings: &Settings,
        role: Role,
        directory: &Path,
    ) -> Result<Self, CmdError> {
        let usual = SocketAddr::from(([127, 0, 0, 1], role.admin_port()));
        let wanted = settings.admin.listen.unwrap_or(usual);
        let tcp = match Listener::bind(wanted) {
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse && settings.admin.listen.is_none() =>
            {
                context.ui.warn(format!("{wanted} is taken; metrics and health take a free port"));
                Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            }
            bound => bound,
        };
        let tcp = tcp.map_err(|error| {
            let what = format!("cannot listen on {wanted} for metrics and health");
            CmdError::caused(Kind::Failed, what, error)
                .hint("--admin-listen 127.0.0.1:0 takes a free port")
        })?;
        let unix = admin::bind(directory).map_err(|error| {
            let what = format!("cannot bind {} in {}", admin::SOCKET_FILE, directory.display());
            CmdError::caused(Kind::Failed, what, error)
        })?;
        Ok(Self { tcp, unix })
    }

    /// The bound address.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Serves both until stopped; jobs are told to end by `shutdown` already.
    pub(super) fn serve(
        self,
        settings: &Settings,
        vitals: Vitals,
        jobs: JobContext,
        shutdown: &CancellationToken,
    ) -> Serving {
        let limits = Limits::of(&settings.http, settings.shutdown.grace.0);
        let routes = admin::vitals_router(vitals);
        let with_jobs = routes.clone().merge(admin::job_router(jobs, shutdown.clone()));
        let wide = Limits { max_body_bytes: admin::JOB_BYTES, ..limits };
        let stop = CancellationToken::new();
        let serve = |name, listener, router, limits| {
            let handler = RouterHandler::new(router, &limits);
            let serving = http::serve(listener, handler, limits, stop.clone());
            tasks::spawn(name, async move {
                if let Err(error) = serving.await {
                    tracing::error!(%error, name, "admin listener ended");
                }
            })
        };
        let served = vec![
            serve("admin", self.tcp, routes, limits),
            serve("admin-socket", self.unix, with_jobs, wide),
        ];
        Serving { served, stop }
    }
}

/// Both, being served.
#[derive(Debug)]
pub(super) struct Serving {
    served: Vec<JoinHandle<()>>,
    stop: CancellationToken,
}

impl Serving {
    /// Finishes the requests in flight and ends.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        for served in self.served {
            if served.await.is_err() {
                tracing::error!("an admin listener broke off");
            }
        }
    }
}
