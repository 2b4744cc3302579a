//! Jobs over HTTP: `POST /admin/v1/jobs/<name>` with the request as JSON answers with lines of
//! JSON: `{"job":id}`, any number of `{"progress":…}`, then `{"result":…}` or `{"error":…}`.
//!
//! `DELETE /admin/v1/running/<id>` asks a job to stop; it then still answers how far it came. A
//! client that goes away stops its job too.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::cmd::error::{CmdError, Kind};
use crate::jobs::{Job, JobContext, JobProgress, ProgressSink};
use crate::runtime::shutdown::CancellationToken;
use crate::runtime::tasks;

use super::registered::registered;

/// Bytes of a job's request: an operator's list or a batch of events, not bounded by what clients
/// may send.
pub const JOB_BYTES: usize = 64 << 20;

/// How often progress is told. A line is written even where nothing moved, so that a client that
/// went away is noticed.
const TELL: Duration = Duration::from_millis(250);

/// Routes of jobs, in the making.
#[derive(Debug)]
pub struct JobRoutes {
    router: Router<Arc<Running>>,
}

impl JobRoutes {
    /// Adds the route of one job.
    #[must_use]
    pub fn add<J: Job>(mut self) -> Self {
        let path = format!("/admin/v1/jobs/{}", J::NAME);
        self.router = self.router.route(&path, post(run::<J>));
        self
    }
}

/// The routes of every job, run on these ports; all are told to stop by `shutdown`.
pub fn router(context: JobContext, shutdown: CancellationToken) -> Router {
    router_of(context, shutdown, registered)
}

pub(super) fn router_of(
    context: JobContext,
    shutdown: CancellationToken,
    add: impl FnOnce(JobRoutes) -> JobRoutes,
) -> Router {
    let running = Running { context, shutdown, next: AtomicU64::new(1), tokens: Mutex::default() };
    let router = Router::new().route("/admin/v1/running/{id}", delete(stop));
    // The listener bounds bodies by `JOB_BYTES`; axum would by 2 MB of its own.
    let routes = add(JobRoutes { router }).router.layer(DefaultBodyLimit::disable());
    routes.with_state(Arc::new(running))
}

/// The jobs that run now.
#[derive(Debug)]
struct Running {
    context: JobContext,
    shutdown: CancellationToken,
    next: AtomicU64,
    tokens: Mutex<BTreeMap<u64, CancellationToken>>,
}

/// A job's entry among those that run; stops it when dropped.
#[derive(Debug)]
struct Entry {
    running: Arc<Running>,
    id: u64,
    cancel: CancellationToken,
}

impl Entry {
    fn new(running: Arc<Running>) -> Self {
        let id = running.next.fetch_add(1, Ordering::Relaxed);
        let cancel = running.shutdown.child_token();
        let tokens = &running.tokens;
        tokens.lock().unwrap_or_else(PoisonError::into_inner).insert(id, cancel.clone());
        Self { running, id, cancel }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.cancel.cancel();
        self.running.tokens.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

async fn stop(State(running): State<Arc<Running>>, Path(id): Path<u64>) -> StatusCode {
    let tokens = running.tokens.lock().unwrap_or_else(PoisonError::into_inner);
    tokens.get(&id).map_or(StatusCode::NOT_FOUND, |cancel| {
        cancel.cancel();
        StatusCode::ACCEPTED
    })
}

async fn run<J: Job>(State(running): State<Arc<Running>>, body: Bytes) -> Response {
    let request: J::Request = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => {
            let text = format!("request of job {} cannot be read: {error}", J::NAME);
            return (StatusCode::BAD_REQUEST, json!({ "error": text }).to_string()).into_response();
        }
    };
    let entry = Entry::new(Arc::clone(&running));
    let progress = Arc::new(Latest::default());
    let (sink, cancel) = (Arc::clone(&progress), entry.cancel.clone());
    let work = tasks::spawn("job", async move {
        match J::run(&running.context, request, &*sink, cancel).await {
            Ok(response) => result_line(&response),
            Err(error) => error_line(&error.into()),
        }
    });
    let mut ticks = interval(TELL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let telling = Telling { entry, progress, work, ticks, at: Stage::Start };
    let lines = futures_util::stream::unfold(telling, Telling::next);
    ([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

fn result_line<T: serde::Serialize>(response: &T) -> String {
    match serde_json::to_string(response) {
        Ok(text) => format!("{{\"result\":{text}}}\n"),
        Err(error) => error_line(&CmdError::caused(Kind::Bug, "a result is no JSON", error)),
    }
}

fn error_line(error: &CmdError) -> String {
    let body =
        json!({ "kind": error.kind().as_str(), "chain": error.chain(), "hints": error.hints() });
    format!("{}\n", json!({ "error": body }))
}

/// The newest progress; older ones are of no use to anybody.
#[derive(Debug, Default)]
struct Latest(Mutex<Option<JobProgress>>);

impl ProgressSink for Latest {
    fn report(&self, progress: JobProgress) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Start,
    Working,
    Told,
}

/// A job whose client is being told.
#[derive(Debug)]
struct Telling {
    entry: Entry,
    progress: Arc<Latest>,
    work: JoinHandle<String>,
    ticks: Interval,
    at: Stage,
}

impl Telling {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        let line = match self.at {
            Stage::Start => {
                self.at = Stage::Working;
                format!("{}\n", json!({ "job": self.entry.id }))
            }
            Stage::Working => self.step().await,
            Stage::Told => return None,
        };
        Some((Ok(Bytes::from(line)), self))
    }

    async fn step(&mut self) -> String {
        tokio::select! {
            biased;
            ended = &mut self.work => {
                self.at = Stage::Told;
                ended.unwrap_or_else(|_| {
                    error_line(&CmdError::new(Kind::Bug, "the job ended by a panic"))
                })
            }
            _ = self.ticks.tick() => {
                let latest = self.progress.0.lock().unwrap_or_else(PoisonError::into_inner).take();
                let progress = latest.map_or(Value::Null, |latest| json!(latest));
                format!("{}\n", json!({ "progress": progress }))
            }
        }
    }
}
