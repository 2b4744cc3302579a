//! Answers that are not data: every refusal is JSON with `error` and `code`.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::ports;

/// Why a query has no data.
#[derive(Debug)]
pub(super) enum Refusal {
    /// A parameter cannot be used.
    Parameter { name: &'static str, detail: String },
    /// What was asked for does not exist; the contract's sentence.
    NotFound(&'static str),
    /// Too much is under way to say.
    CannotTell,
    /// The store took longer than the limit.
    TimedOut,
    /// A port failed.
    Port(ports::Error),
}

impl From<ports::Error> for Refusal {
    fn from(error: ports::Error) -> Self {
        Self::Port(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Parameter { name, detail } => {
                let body = json!({
                    "error": format!("{name} {detail}"),
                    "code": "bad_parameter",
                    "parameter": name,
                });
                (StatusCode::BAD_REQUEST, Json(body)).into_response()
            }
            Self::NotFound(what) => {
                let body = json!({ "error": what, "code": "not_found" });
                (StatusCode::NOT_FOUND, Json(body)).into_response()
            }
            Self::CannotTell => unavailable("cannot tell yet", "cannot_tell_yet"),
            Self::TimedOut => unavailable("the query took too long", "timeout"),
            Self::Port(error) => port_failed(&error),
        }
    }
}

fn port_failed(error: &ports::Error) -> Response {
    use ports::Kind;
    tracing::warn!(error = %error.chain(), "query failed");
    match error.kind() {
        Kind::Unavailable | Kind::Full | Kind::Transient | Kind::Closed => {
            unavailable("the store cannot be used now", error.kind().as_str())
        }
        Kind::Data | Kind::NotFound | Kind::Conflict | Kind::Corrupt => {
            let body = json!({ "error": "the query failed", "code": error.kind().as_str() });
            (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response()
        }
    }
}

fn unavailable(error: &str, code: &str) -> Response {
    let body = json!({ "error": error, "code": code });
    let retry = [(header::RETRY_AFTER, HeaderValue::from_static("5"))];
    (StatusCode::SERVICE_UNAVAILABLE, retry, Json(body)).into_response()
}
