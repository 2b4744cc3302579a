//! An axum router as a handler: query and admin routes, off the hot path.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use tower_service::Service;

use super::{Body, BodyError, Connection, Handler, Limits, error_response, read_body};

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
        let body =
            match read_body(body, &connection, self.max_body_bytes, self.body_timeout, |_| true)
                .await
            {
                Ok(body) => body,
                Err(error) => return refused(error),
            };
        let request = Request::from_parts(head, axum::body::Body::from(body));
        let response = match self.router.clone().call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        with_error_body(response)
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

/// A router's own 404 and 405 are empty; every error of ours has a body.
fn with_error_body(response: Response<axum::body::Body>) -> Response<Body> {
    use hyper::body::Body as _;
    use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};

    let (mut head, body) = response.into_parts();
    let (code, error) = match head.status {
        StatusCode::NOT_FOUND => ("not_found", "no such route"),
        StatusCode::METHOD_NOT_ALLOWED => ("method_not_allowed", "method not allowed here"),
        _ => return Response::from_parts(head, Body::streamed(body)),
    };
    if !body.is_end_stream() {
        return Response::from_parts(head, Body::streamed(body));
    }
    head.headers.remove(CONTENT_LENGTH);
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = error_response(head.status, code, error).into_body();
    Response::from_parts(head, body)
}
