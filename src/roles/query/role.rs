//! Building and running the role.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use super::answer::Refusal;
use super::{campaigns, events};
use crate::pipeline::lookup::LookupPlan;
use crate::ports::{self, Ports};
use crate::roles::{RoleDeps, RoleError};
use crate::runtime::health::{Component, Health};
use crate::runtime::http::{self, Limits, Listener, RouterHandler};
use crate::runtime::shutdown::CancellationToken;
use crate::runtime::tasks;
use crate::settings::{self, Compat, Settings};

/// What every handler needs; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) ports: Ports,
    pub(super) settings: Arc<settings::Query>,
    pub(super) plan: Arc<LookupPlan>,
    compat: Compat,
    health: Health,
}

impl Shared {
    fn new(deps: &RoleDeps) -> Self {
        Self {
            ports: deps.ports.clone(),
            settings: Arc::new(deps.settings.query.clone()),
            plan: Arc::new(lookup_plan(&deps.settings)),
            compat: deps.settings.http.compat,
            health: deps.health.clone(),
        }
    }

    /// A port's answer, or a refusal where it takes longer than a query may.
    pub(super) async fn in_time<T>(
        &self,
        answer: impl Future<Output = ports::Result<T>>,
    ) -> Result<T, Refusal> {
        match tokio::time::timeout(self.settings.timeout.0, answer).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Refusal::TimedOut),
        }
    }
}

/// Where the look-up of one event reads.
fn lookup_plan(settings: &Settings) -> LookupPlan {
    let groups = &settings.groups;
    LookupPlan::new(settings.topics.all(), [&groups.processor, &groups.worker, &groups.retrier])
}

/// The query routes for mounting on another role's port; health, unknown paths and wrong methods
/// are that role's to answer.
pub fn router(deps: &RoleDeps) -> Router {
    routes().with_state(Shared::new(deps))
}

fn routes() -> Router<Shared> {
    Router::new()
        .route("/campaigns", get(campaigns::list))
        .route("/campaigns/", get(campaigns::none))
        .route("/campaigns/{id}", get(campaigns::one))
        .route("/campaigns/{id}/stats", get(campaigns::stats))
        .route("/events/{event_id}", get(events::status))
}

/// The routes of a listener of its own.
fn standalone(deps: &RoleDeps) -> Router {
    routes()
        .route("/health", get(health))
        .route("/livez", get(|| async { Json(json!({ "status": "alive" })) }))
        .route("/ready", get(ready))
        .route("/readyz", get(ready))
        .with_state(Shared::new(deps))
}

async fn health(State(shared): State<Shared>) -> Response {
    match shared.compat {
        Compat::Seed000 | Compat::Seed001 => "OK".into_response(),
        Compat::Seed003 => Json(json!({ "status": "ok" })).into_response(),
        Compat::Native => Json(json!({ "status": "healthy" })).into_response(),
    }
}

async fn ready(State(shared): State<Shared>) -> Response {
    let store = shared.in_time(shared.ports.store.check()).await;
    let checks = shared.health.checks();
    if store.is_ok() && shared.health.is_ready() {
        return Json(json!({ "status": "ready" })).into_response();
    }
    let error = match store {
        Ok(()) => "a part of this process is not ready",
        Err(_) => "the store cannot be used now",
    };
    let body = json!({ "status": "not ready", "error": error, "checks": checks });
    (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
}

/// Where the role listens unless told: seed 000's port.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9111);
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The query role on a listener of its own.
#[derive(Debug)]
pub struct Query {
    listener: Listener,
    address: SocketAddr,
    router: Router,
    limits: Limits,
    ports: Ports,
    component: Component,
}

impl Query {
    /// Binds the listener; answers nothing yet.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn build(deps: &RoleDeps) -> Result<Self, RoleError> {
        let address = deps.settings.query.listen.unwrap_or(LISTEN);
        let failed = |source| RoleError::Bind { address, source };
        let listener = Listener::bind(address).map_err(failed)?;
        let bound = listener.local_addr().unwrap_or(address);
        Ok(Self {
            listener,
            address: bound,
            router: standalone(deps),
            limits: Limits::of(&deps.settings.http, deps.settings.shutdown.grace.0),
            ports: deps.ports.clone(),
            component: deps.health.component("query", deps.ports.clock.now()),
        })
    }

    /// The address that it listens on.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers until told to stop, then finishes the requests in flight.
    ///
    /// # Errors
    /// When the listener fails for good.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), RoleError> {
        let watching = tasks::spawn("query-watch", watch(self.ports, self.component));
        let handler = RouterHandler::new(self.router, &self.limits);
        let served = http::serve(self.listener, handler, self.limits, shutdown).await;
        watching.abort();
        served.map_err(|source| RoleError::Bind { address: self.address, source })
    }
}

/// Says whether the store answers, for `/readyz`.
async fn watch(ports: Ports, component: Component) {
    loop {
        match ports.store.check().await {
            Ok(()) => component.ready(ports.clock.now()),
            Err(error) => component.not_ready(error.chain(), ports.clock.now()),
        }
        tokio::time::sleep(CHECK_INTERVAL).await;
    }
}
