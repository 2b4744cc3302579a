//! The admin routes: health and counters on the admin port, and jobs besides on `admin.sock`.
//!
//! The socket lies in the data directory and only its owner may use it; jobs change data, so the
//! TCP port does not have them.

mod client;
mod jobs;
mod registered;
mod socket;
#[cfg(test)]
mod tests;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;

use crate::runtime::health::Health;

pub use client::Owner;
pub use jobs::{JOB_BYTES, JobRoutes, router as job_router};
pub use socket::{FILE as SOCKET_FILE, bind};

/// What the health and counter routes answer from.
#[derive(Clone)]
pub struct Vitals {
    /// How each component stands.
    pub health: Health,
    /// The counters.
    pub metrics: PrometheusHandle,
}

impl std::fmt::Debug for Vitals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vitals").field("health", &self.health).finish_non_exhaustive()
    }
}

/// `/livez`, `/readyz`, `/health`, `/ready` and `/metrics`.
pub fn vitals_router(vitals: Vitals) -> Router {
    Router::new()
        .route("/livez", get(|| async { Json(json!({ "status": "alive" })) }))
        .route("/health", get(|| async { Json(json!({ "status": "healthy" })) }))
        .route("/ready", get(ready))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(vitals)
}

async fn ready(State(vitals): State<Vitals>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let verbose = query.split('&').any(|part| part.split('=').next() == Some("verbose"));
    let (ready, body) = vitals.health.report(verbose);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body)).into_response()
}

async fn metrics(State(vitals): State<Vitals>) -> Response {
    let text = vitals.metrics.render();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
