//! `/health`, `/ready`, `/livez`, `/readyz` and `/metrics` on the collector's own port.

use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use serde_json::json;

use super::route::Probe;
use super::state::State;
use crate::roles::Role;
use crate::runtime::health::Condition;
use crate::runtime::http::{Body, Request, Response, StatusCode, error_response, json_response};
use crate::runtime::metrics;
use crate::settings::Compat;

impl State {
    /// The answer of a probe; `None` where the query role is to answer.
    pub(super) fn probe<B>(&self, probe: Probe, request: &Request<B>) -> Option<Response<Body>> {
        let query = request.uri().query().unwrap_or_default();
        Some(match probe {
            Probe::Health => match self.settings.http.compat {
                Compat::Native => json_response(StatusCode::OK, "{\"status\":\"healthy\"}"),
                Compat::Seed003 => json_response(StatusCode::OK, "{\"status\":\"ok\"}"),
                Compat::Seed000 | Compat::Seed001 => text("OK"),
            },
            Probe::Live => json_response(StatusCode::OK, "{\"status\":\"alive\"}"),
            Probe::Ready => self.ready(false),
            Probe::ReadyChecks => self.ready(has_member(query, "verbose")),
            Probe::Metrics if has_member(query, "event_name") => return None,
            Probe::Metrics => self.metrics(request),
        })
    }

    /// Ready is what the collector itself can do; the other components are named, not counted.
    fn ready(&self, verbose: bool) -> Response<Body> {
        let checks = self.health.checks();
        let own = checks.get(Role::Collector.as_str()).map(|check| &check.condition);
        let (status, mut body) = match own {
            Some(Condition::Ready) => (StatusCode::OK, json!({ "status": "ready" })),
            Some(Condition::Degraded(reason)) => {
                (StatusCode::OK, json!({ "status": "ready", "degraded": reason }))
            }
            Some(Condition::NotReady(reason)) => {
                (StatusCode::SERVICE_UNAVAILABLE, json!({ "status": "not ready", "error": reason }))
            }
            Some(Condition::Starting) | None => (
                StatusCode::SERVICE_UNAVAILABLE,
                json!({ "status": "not ready", "error": "starting" }),
            ),
        };
        if verbose || status != StatusCode::OK {
            body["checks"] = json!(checks);
        }
        json_response(status, body.to_string())
    }

    /// Prometheus text where a scraper may have it, else 004's complaint.
    fn metrics<B>(&self, request: &Request<B>) -> Response<Body> {
        let wants_text = request.headers().get(ACCEPT).is_none_or(|accept| {
            let accept = accept.as_bytes().to_ascii_lowercase();
            let accept = String::from_utf8_lossy(&accept);
            ["text/plain", "openmetrics", "*/*", "text/*"].iter().any(|kind| accept.contains(kind))
        });
        let is_open = self.local_addr.ip().is_loopback() || self.settings.http.public_metrics;
        match metrics::render() {
            Some(rendered) if wants_text && is_open => {
                let mut response = Response::new(Body::from(rendered));
                let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
                response.headers_mut().insert(CONTENT_TYPE, kind);
                response
            }
            _ => error_response(
                StatusCode::BAD_REQUEST,
                "missing_parameter",
                "event_name is required",
            ),
        }
    }
}

/// Whether a query string has a member of that name.
fn has_member(query: &str, name: &str) -> bool {
    query.split('&').any(|member| member.split('=').next() == Some(name))
}

fn text(line: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(line));
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
