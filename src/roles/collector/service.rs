//! One request: where it goes, what its events come to, and what every answer carries.

use std::future::ready;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use hyper::HeaderMap;
use hyper::header::{ALLOW, HeaderName, HeaderValue};

use super::accept::{Accepted, Terms};
use super::decode::{DecodeLimits, Encodings};
use super::facts::Facts;
use super::problem::{Problem, Reason};
use super::publish::Publishing;
use super::route::{Ingest, Target, target};
use super::state::{Held, State};
use crate::model::Durability;
use crate::runtime::http::{
    Answering, Body, BodyError, Connection, Handler, Headers, Incoming, Limits, Method, Request,
    Response, RouterHandler, StatusCode, WholeRequest, X_REQUEST_ID, client_request_id,
    error_response, fresh_request_id, header, read_body,
};

const DURABILITY: HeaderName = HeaderName::from_static("evp-durability");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Paths that the query role answers, for who asks where it is not mounted.
const QUERY_PATHS: [&str; 3] = ["/campaigns", "/api/v1/metrics", "/events/"];

/// Serves the collector's port.
#[derive(Debug, Clone)]
pub(super) struct Service {
    state: Arc<State>,
    query: Option<Arc<RouterHandler>>,
}

/// An answer, and the request's id where the client gave none.
struct Reply {
    response: Response<Body>,
    request_id: Option<HeaderValue>,
}

impl From<Response<Body>> for Reply {
    fn from(response: Response<Body>) -> Self {
        Self { response, request_id: None }
    }
}

impl Handler for Service {
    async fn handle(
        &self,
        request: Request<Incoming>,
        connection: Arc<Connection>,
    ) -> Response<Body> {
        let client_id = client_request_id(request.headers());
        let cors = Cors::of(request.method(), request.uri().path(), request.headers());
        let target = target(request.method(), request.uri().path());
        let reply = match target {
            Target::Ingest(route) => self.ingest(route, request, &connection).await,
            Target::Probe(probe) => match self.state.probe(probe, &request) {
                Some(response) => response.into(),
                None => self.elsewhere(request, connection).await.into(),
            },
            Target::Options(allowed) => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NO_CONTENT;
                response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
                response.into()
            }
            Target::WrongMethod(allowed) => {
                let status = StatusCode::METHOD_NOT_ALLOWED;
                let mut response =
                    error_response(status, "method_not_allowed", "Method Not Allowed");
                response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
                response.into()
            }
            Target::Elsewhere => self.elsewhere(request, connection).await.into(),
        };
        self.finish(target, client_id, cors, reply)
    }

    fn takes_whole(&self, path: &str) -> Option<usize> {
        match target(&Method::POST, path) {
            Target::Ingest(route) => Some(self.max_bytes(route)),
            _ => None,
        }
    }

    fn handle_whole<'h>(
        &'h self,
        request: WholeRequest<'_>,
        connection: &'h Connection,
    ) -> Option<Answering<'h>> {
        let target = target(&Method::POST, request.path);
        let Target::Ingest(route) = target else { return None };
        let client_id = client_request_id(&request.headers);
        let cors = Cors::of(&Method::POST, request.path, &request.headers);
        let judged = self.judge_whole(route, &request, connection);
        let mut begun = match judged {
            Ok(judged) => self.publish(judged),
            Err(problem) => {
                let reply = self.replied(route, Err(problem));
                return Some(Box::pin(ready(self.finish(target, client_id, cors, reply))));
            }
        };
        // Waited for in place: what is moved into one more future has room in both.
        Some(Box::pin(async move {
            let durable = begun.publishing.wait(connection).await;
            let reply = self.replied(route, self.acknowledge(begun, durable));
            self.finish(target, client_id, cors, reply)
        }))
    }

    fn set_overloaded(&self, is_overloaded: bool) {
        self.state.set_overloaded(is_overloaded);
    }

    async fn finished(&self) {
        self.state.background_done().await;
    }
}

/// A request whose events are judged and not durable yet.
struct Judged<'s> {
    accepted: Accepted,
    /// Bytes of its body.
    bytes: usize,
    held: Held<'s>,
    /// When its body was there.
    started: Instant,
    /// Whether the answer names every event.
    representation: bool,
}

/// A request whose events are ready for the log, and its answer for when they are there.
struct Begun<'s> {
    publishing: Publishing<'s>,
    status: StatusCode,
    answer: Vec<u8>,
    request_id: Option<HeaderValue>,
    bytes: usize,
    started: Instant,
    representation: bool,
}

impl Service {
    pub(super) fn new(state: Arc<State>, query: Option<Router>, limits: &Limits) -> Self {
        let query = query.map(|router| Arc::new(RouterHandler::new(router, limits)));
        Self { state, query }
    }

    fn finish(
        &self,
        target: Target,
        client_id: Option<HeaderValue>,
        cors: Cors,
        reply: Reply,
    ) -> Response<Body> {
        let Reply { mut response, request_id } = reply;
        self.state.meters.answered(response.status());
        tracing::debug!(?target, status = response.status().as_u16(), "answered");
        if let Some(id) = client_id.or(request_id).or_else(fresh_request_id) {
            response.headers_mut().entry(X_REQUEST_ID).or_insert(id);
        }
        cors.allow(response.headers_mut());
        response
    }

    async fn ingest(
        &self,
        route: Ingest,
        request: Request<Incoming>,
        connection: &Connection,
    ) -> Reply {
        let reply = self.try_ingest(route, request, connection).await;
        self.replied(route, reply)
    }

    fn replied(&self, route: Ingest, reply: Result<Reply, Problem>) -> Reply {
        reply.unwrap_or_else(|problem| {
            self.state.meters.rejected(problem.reason, problem.events);
            problem.response(route, self.state.settings.http.compat).into()
        })
    }

    async fn try_ingest(
        &self,
        route: Ingest,
        request: Request<Incoming>,
        connection: &Connection,
    ) -> Result<Reply, Problem> {
        let judged = {
            let state = &self.state;
            state.admit(connection)?;
            let (head, body) = request.into_parts();
            let encodings = Encodings::of(&head.headers)?;
            let facts = Facts::of(&head.headers, connection, &state.proxies)?;
            let http = &state.settings.http;
            let limit = match encodings.is_identity() {
                true => self.max_bytes(route),
                false => http.max_body_bytes.as_usize(),
            };
            let mut held = state.hold();
            let take = |bytes| held.grow(bytes);
            let body = read_body(body, connection, limit, http.body_timeout.0, take).await?;
            self.judge(route, encodings, &facts, (&body, held))?
        };
        let mut begun = self.publish(judged);
        let durable = begun.publishing.wait(connection).await;
        self.acknowledge(begun, durable)
    }

    /// The same of a request that was read at once.
    fn judge_whole(
        &self,
        route: Ingest,
        request: &WholeRequest<'_>,
        connection: &Connection,
    ) -> Result<Judged<'_>, Problem> {
        let state = &self.state;
        state.admit(connection)?;
        let encodings = Encodings::of(&request.headers)?;
        let facts = Facts::of(&request.headers, connection, &state.proxies)?;
        let body = request.body?;
        let mut held = state.hold();
        if !held.grow(body.len()) {
            return Err(BodyError::Refused.into());
        }
        self.judge(route, encodings, &facts, (body, held))
    }

    /// Judges the events of a body.
    fn judge<'s>(
        &self,
        route: Ingest,
        encodings: Encodings,
        facts: &Facts<'_>,
        (body, mut held): (&[u8], Held<'s>),
    ) -> Result<Judged<'s>, Problem> {
        let started = Instant::now();
        let state = &self.state;
        let decoded;
        let body = if encodings.is_identity() {
            body
        } else {
            let http = &state.settings.http;
            let max_ratio = usize::try_from(http.max_decoded_ratio).unwrap_or(usize::MAX);
            let limits = DecodeLimits { max_bytes: self.max_bytes(route), max_ratio };
            decoded = encodings.decode(body, limits)?;
            if !held.grow(decoded.len()) {
                let detail = "too many bytes in flight";
                return Err(Problem::unavailable(Reason::Overloaded, "overloaded", detail));
            }
            &decoded
        };
        let received_at = state.clock.now();
        let terms = Terms::new(route, facts, &state.settings.collector, received_at);
        let accepted = terms.accept(body)?;
        let (bytes, representation) = (body.len(), facts.representation);
        Ok(Judged { accepted, bytes, held, started, representation })
    }

    /// Makes what was judged ready for the log.
    fn publish<'s>(&'s self, judged: Judged<'s>) -> Begun<'s> {
        let Judged { accepted, bytes, held, started, representation } = judged;
        self.state.meters.rejected(Reason::Fields, accepted.refused);
        let Accepted { batch, status, body: answer, request_id, .. } = accepted;
        let publishing = self.state.publish(batch, held);
        Begun { publishing, status, answer, request_id, bytes, started, representation }
    }

    /// Says what became of it.
    fn acknowledge(
        &self,
        begun: Begun<'_>,
        durable: Result<Durability, Problem>,
    ) -> Result<Reply, Problem> {
        let durability = durable?;
        let meters = &self.state.meters;
        meters.acknowledged(durability, begun.publishing.events(), begun.bytes);
        meters.latency(begun.started.elapsed());
        let mut response = acknowledged(begun.status, begun.answer, durability);
        if begun.representation {
            let applied = HeaderValue::from_static("return=representation");
            response.headers_mut().insert(PREFERENCE_APPLIED, applied);
        }
        Ok(Reply { response, request_id: begun.request_id })
    }

    /// The largest body of a route once decoded.
    fn max_bytes(&self, route: Ingest) -> usize {
        let all = self.state.settings.http.max_body_bytes.as_usize();
        if route.is_single() {
            all.min(self.state.settings.collector.max_event_bytes.as_usize())
        } else {
            all
        }
    }

    /// What the collector itself does not answer.
    async fn elsewhere(
        &self,
        request: Request<Incoming>,
        connection: Arc<Connection>,
    ) -> Response<Body> {
        if let Some(query) = &self.query {
            return query.handle(request, connection).await;
        }
        let path = request.uri().path();
        if path == "/metrics" || QUERY_PATHS.iter().any(|prefix| path.starts_with(prefix)) {
            let error = "queries are not answered here; ask the query role \
                         (evp serve query, port 9111 by default)";
            return error_response(StatusCode::NOT_FOUND, "query_elsewhere", error);
        }
        let shown: String = path.chars().take(200).collect();
        let error = format!("Cannot {} {shown}", request.method());
        error_response(StatusCode::NOT_FOUND, "not_found", &error)
    }
}

/// Seed 003 answers browsers of every origin; its routes do so here.
enum Cors {
    Off,
    Simple,
    /// Asked before a request that sends these headers.
    Preflight(Option<HeaderValue>),
}

impl Cors {
    fn of(method: &Method, path: &str, headers: &impl Headers) -> Self {
        if !path.starts_with("/api/v1/") {
            return Self::Off;
        }
        match *method {
            Method::OPTIONS => {
                let asked = headers.first("access-control-request-headers");
                Self::Preflight(asked.and_then(|asked| HeaderValue::from_bytes(asked).ok()))
            }
            _ => Self::Simple,
        }
    }

    fn allow(self, headers: &mut HeaderMap) {
        if matches!(self, Self::Off) {
            return;
        }
        let any = HeaderValue::from_static("*");
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
        if let Self::Preflight(asked) = self {
            let methods = HeaderValue::from_static("GET, POST, HEAD, OPTIONS");
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
            if let Some(asked) = asked {
                headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked);
            }
        }
    }
}

/// A 2xx and what it stands on.
fn acknowledged(status: StatusCode, body: Vec<u8>, durability: Durability) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(DURABILITY, HeaderValue::from_static(durability.as_str()));
    response
}
