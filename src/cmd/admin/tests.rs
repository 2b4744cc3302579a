//! A job asked through the socket, as commands do.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::client::Owner;
use super::jobs::router_of;
use crate::cmd::error::{CmdError, Kind};
use crate::jobs::{Job, JobContext, JobError, JobProgress, NoProgress, ProgressSink};
use crate::runtime::http::{Limits, RouterHandler, serve};
use crate::runtime::shutdown::CancellationToken;
use crate::runtime::tasks;
use crate::settings::Settings;
use crate::wire::{self, OpenMode, Wired};

#[derive(Debug, Serialize, Deserialize)]
enum Ask {
    Double(u64),
    Length(String),
    Fail,
    UntilStopped,
    Panic,
}

/// Does what it is asked, slowly where it has to.
struct Probe;

/// How often a probe ended because it was told to stop.
static STOPPED: Mutex<u64> = Mutex::new(0);

#[async_trait]
impl Job for Probe {
    const NAME: &'static str = "probe";
    type Request = Ask;
    type Response = u64;

    async fn run(
        _context: &JobContext,
        request: Ask,
        progress: &dyn ProgressSink,
        cancel: CancellationToken,
    ) -> Result<u64, JobError> {
        match request {
            Ask::Double(number) => Ok(number * 2),
            Ask::Length(text) => Ok(text.len() as u64),
            Ask::Fail => Err(JobError::Request("that cannot be".to_owned())),
            Ask::Panic => panic!("a fault"),
            Ask::UntilStopped => {
                progress.report(JobProgress { done: 1, total: None, message: "waits".to_owned() });
                cancel.cancelled().await;
                *STOPPED.lock().unwrap() += 1;
                Err(JobError::Cancelled("continue with 7".to_owned()))
            }
        }
    }
}

struct Serving {
    _directory: tempfile::TempDir,
    _wired: Wired,
    owner: Owner,
}

fn serving() -> Serving {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().join("d");
    let settings = Settings { data_dir: data_dir.clone(), ..Settings::default() };
    let mode = OpenMode { create: true, lock_wait: Duration::ZERO, instance: None };
    let wired = wire::open(&settings, &mode).unwrap();
    let limits = Limits::of(&settings.http, Duration::from_secs(1));
    let limits = Limits { max_body_bytes: super::JOB_BYTES, ..limits };
    let context = JobContext { ports: wired.ports.clone(), settings: Arc::new(settings) };
    let router = router_of(context, CancellationToken::new(), super::jobs::JobRoutes::add::<Probe>);
    let listener = super::bind(&data_dir).unwrap();
    let handler = RouterHandler::new(router, &limits);
    drop(tasks::spawn("test", serve(listener, handler, limits, CancellationToken::new())));
    let owner = Owner::find(&data_dir).unwrap();
    Serving { _directory: directory, _wired: wired, owner }
}

async fn ask(owner: &Owner, request: Ask) -> Result<u64, CmdError> {
    owner.run::<Probe>(&request, &NoProgress, CancellationToken::new()).await
}

/// Cancels once it hears of progress.
struct CancelAtProgress(CancellationToken);

impl ProgressSink for CancelAtProgress {
    fn report(&self, progress: JobProgress) {
        assert_eq!(progress.message, "waits");
        self.0.cancel();
    }
}

#[tokio::test]
async fn results_and_errors_come_back_as_they_were() {
    let serving = serving();
    assert_eq!(ask(&serving.owner, Ask::Double(21)).await.unwrap(), 42);
    let error = ask(&serving.owner, Ask::Fail).await.unwrap_err();
    assert_eq!((error.kind(), error.chain()), (Kind::Usage, vec!["that cannot be".to_owned()]));
    let error = ask(&serving.owner, Ask::Panic).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Bug);
}

#[tokio::test]
async fn a_request_is_bounded_by_the_limit_of_jobs_alone() {
    let serving = serving();
    // `{"Length":""}` stands around the text.
    let most = super::JOB_BYTES - 13;
    for length in [3 << 20, most] {
        let answer = ask(&serving.owner, Ask::Length("x".repeat(length))).await.unwrap();
        assert_eq!(answer, length as u64);
    }
    let error = ask(&serving.owner, Ask::Length("x".repeat(most + 1))).await.unwrap_err();
    assert!(error.chain()[0].contains("a server takes 67108864 (64 MiB)"), "{error:?}");
    assert!(!error.hints()[0].contains("version"), "{error:?}");
}

#[tokio::test]
async fn a_job_told_to_stop_says_how_far_it_came_and_one_left_alone_stops_too() {
    let serving = serving();
    let cancel = CancellationToken::new();
    let sink = CancelAtProgress(cancel.clone());
    let error = serving.owner.run::<Probe>(&Ask::UntilStopped, &sink, cancel).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Interrupted);
    assert_eq!(error.chain(), ["stopped before the end; continue with 7"]);
    assert_eq!(*STOPPED.lock().unwrap(), 1);

    let gone = CancellationToken::new();
    let sink = CancelAtProgress(gone.clone());
    tokio::select! {
        _ = serving.owner.run::<Probe>(&Ask::UntilStopped, &sink, CancellationToken::new()) => {
            panic!("nobody told it to stop");
        }
        () = gone.cancelled() => {}
    }
    while *STOPPED.lock().unwrap() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn nobody_listens_where_nobody_serves() {
    assert!(Owner::find(Path::new("/nonexistent")).is_none());
}
