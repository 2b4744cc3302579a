//! An axum router as a handler: query and admin routes, off the hot path.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::{Body as _, Incoming};
use hyper::header::{ALLOW, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use tower_service::Service;

use super::{
    Body, BodyError, Connection, Handler, Limits, X_REQUEST_ID, client_request_id, error_response,
    fresh_request_id, read_body,
};

/// Serves a router. Bodies are read whole, within size and deadline, before it is called.
#[derive(Debug, Clone)]
pub struct RouterHandler {
    router: Router,
    max_body_bytes: usize,
    body_timeout: Duration,
}

impl RouterHandler {
    /// A handler of that router under the body limits.
    #[must_use]
    pub const fn new(router: Router, limits: &Limits) -> Self {
        Self { router, max_body_bytes: limits.max_body_bytes, body_timeout: limits.body_timeout }
    }
}

impl Handler for RouterHandler {
    async fn handle(
        &self,
        request: Request<Incoming>,
        connection: Arc<Connection>,
    ) -> Response<Body> {
        let (head, body) = request.into_parts();
        let client_id = client_request_id(&head.headers);
        let body =
            match read_body(body, &connection, self.max_body_bytes, self.body_timeout, |_| true)
                .await
            {
                Ok(body) => body,
                Err(error) => return identified(refused(error), client_id),
            };
        let asked = Asked::of(&head.method, &head.uri);
        let request = Request::from_parts(head, axum::body::Body::from(body));
        let response = match self.router.clone().call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        identified(asked.with_error_body(response), client_id)
    }
}

fn refused(error: BodyError) -> Response<Body> {
    let (status, code) = match error {
        BodyError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
        BodyError::Timeout => (StatusCode::REQUEST_TIMEOUT, "body_timeout"),
        BodyError::Broken => (StatusCode::BAD_REQUEST, "body_incomplete"),
        BodyError::Refused => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
    };
    error_response(status, code, &error.to_string())
}

/// An answer with the request's id, where it has none yet.
fn identified(mut response: Response<Body>, client_id: Option<HeaderValue>) -> Response<Body> {
    if let Some(id) = client_id.or_else(fresh_request_id) {
        response.headers_mut().entry(X_REQUEST_ID).or_insert(id);
    }
    response
}

/// What was asked for, to say so where there is no such thing.
struct Asked {
    method: Method,
    path: String,
}

impl Asked {
    /// The most characters of a path that an answer repeats.
    const SHOWN: usize = 200;

    fn of(method: &Method, uri: &Uri) -> Self {
        let path = uri.path().chars().take(Self::SHOWN).collect();
        Self { method: method.clone(), path }
    }

    /// A router's own 404 and 405 are empty; every error of ours has a body.
    fn with_error_body(&self, response: Response<axum::body::Body>) -> Response<Body> {
        let (head, body) = response.into_parts();
        if !body.is_end_stream() {
            return Response::from_parts(head, Body::streamed(body));
        }
        match head.status {
            StatusCode::NOT_FOUND => {
                let error = format!("Cannot {} {}", self.method, self.path);
                error_response(head.status, "not_found", &error)
            }
            StatusCode::METHOD_NOT_ALLOWED => {
                let mut answer = if self.method == Method::OPTIONS {
                    let mut answer = Response::new(Body::empty());
                    *answer.status_mut() = StatusCode::NO_CONTENT;
                    answer
                } else {
                    error_response(head.status, "method_not_allowed", "Method Not Allowed")
                };
                answer.headers_mut().insert(ALLOW, allowed(&head.headers));
                answer
            }
            _ => Response::from_parts(head, Body::streamed(body)),
        }
    }
}

/// The router's list of methods in the form of the other listeners, with `OPTIONS`.
fn allowed(headers: &HeaderMap) -> HeaderValue {
    let methods = headers.get(ALLOW).and_then(|methods| methods.to_str().ok()).unwrap_or_default();
    let methods = methods.split(',').map(str::trim).filter(|method| !method.is_empty());
    let methods: Vec<&str> = methods.chain(["OPTIONS"]).collect();
    HeaderValue::from_str(&methods.join(", ")).unwrap_or(HeaderValue::from_static("OPTIONS"))
}
