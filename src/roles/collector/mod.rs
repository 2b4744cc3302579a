//! The collector: takes events over HTTP, forwards the clients' own bytes to the raw topic, and
//! answers once they are durable (design, rule 1).
//!
//! It decides nothing about an event but whether it is one; duplicates, rules and rates by address
//! are the processor's.

mod accept;
mod answer;
mod batch;
mod decode;
mod facts;
mod lines;
mod meters;
mod probes;
mod problem;
mod publish;
mod route;
mod service;
mod state;
#[cfg(test)]
mod tests;
mod watch;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;

use crate::ports::{Clock, EventLog};
use crate::roles::{RoleDeps, RoleError};
use crate::runtime::health::Health;
use crate::runtime::http::{Limits, Listener, bind_shared, serve_on_threads};
use crate::runtime::shutdown::CancellationToken;
use crate::runtime::tasks;
use crate::settings::{DurabilityMode, Settings};

/// The part of [`RoleDeps`] that a collector needs.
struct Parts {
    log: Arc<dyn EventLog>,
    clock: Arc<dyn Clock>,
    settings: Arc<Settings>,
    health: Health,
}

/// A collector whose sockets are bound; clients may connect and wait.
#[derive(Debug)]
pub struct Collector {
    listeners: Vec<Listener>,
    local_addr: SocketAddr,
    service: service::Service,
    state: Arc<state::State>,
    limits: Limits,
}

impl Collector {
    /// Binds the listeners of `http.listen`. `query` is mounted beside the ingest routes.
    ///
    /// # Errors
    /// When the address cannot be had or a setting makes no sense here.
    pub fn build(deps: &RoleDeps, query: Option<Router>) -> Result<Self, RoleError> {
        let parts = Parts {
            log: Arc::clone(&deps.ports.log),
            clock: Arc::clone(&deps.ports.clock),
            settings: Arc::clone(&deps.settings),
            health: deps.health.clone(),
        };
        Self::assemble(parts, query)
    }

    fn assemble(parts: Parts, query: Option<Router>) -> Result<Self, RoleError> {
        let http = &parts.settings.http;
        let address = http.listen;
        let bind_error = |source| RoleError::Bind { address, source };
        let threads = match http.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let listeners = bind_shared(address, threads).map_err(bind_error)?;
        let local_addr = listeners.first().and_then(Listener::local_addr).unwrap_or(address);
        // The other half is for what stands behind the door: a client that never ends its request
        // must not take it away.
        let limits = Limits::of(http, parts.settings.shutdown.grace.0 / 2);
        let state = Arc::new(state::State::new(parts, local_addr)?);
        let service = service::Service::new(Arc::clone(&state), query, &limits);
        Ok(Self { listeners, local_addr, service, state, limits })
    }

    /// The bound address.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until told to stop, then answers the requests in flight.
    ///
    /// # Errors
    /// When the listeners cannot be served.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), RoleError> {
        let Self { listeners, local_addr, service, state, limits } = self;
        if state.settings.collector.durability == DurabilityMode::Memory {
            tracing::warn!("durability is memory: acknowledged events are lost in a crash");
        }
        let watching = tasks::spawn("collector-watch", watch::watch(Arc::clone(&state)));
        let served = serve_on_threads(listeners, service, limits, shutdown).await;
        watching.abort();
        state.component.not_ready("stopped", state.clock.now());
        served.map_err(|source| RoleError::Bind { address: local_addr, source })
    }
}
