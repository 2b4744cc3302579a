//! Asking the process that owns a data directory.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::net::UnixStream;

use crate::cmd::error::{CmdError, Kind};
use crate::jobs::{Job, JobProgress, ProgressSink};
use crate::runtime::shutdown::CancellationToken;
use crate::runtime::tasks;

use super::{JOB_BYTES, socket};

/// The process that owns a data directory.
#[derive(Debug, Clone)]
pub struct Owner {
    directory: PathBuf,
}

/// A line of an answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Job(u64),
    Progress(Option<JobProgress>),
    Result(Box<RawValue>),
    Error { kind: String, chain: Vec<String>, hints: Vec<String> },
}

impl Owner {
    /// The owner, where one listens.
    #[must_use]
    pub fn find(directory: &Path) -> Option<Self> {
        socket::connect(directory).ok()?;
        Some(Self { directory: directory.to_owned() })
    }

    /// Has a job run by the owner. Told to stop, it asks the owner to stop the job and waits for
    /// its last word.
    ///
    /// # Errors
    /// What the job failed with, or exit 69 where the owner went away.
    pub async fn run<J: Job>(
        &self,
        request: &J::Request,
        progress: &dyn ProgressSink,
        cancel: CancellationToken,
    ) -> Result<J::Response, CmdError> {
        let body = serde_json::to_vec(request)
            .map_err(|error| CmdError::caused(Kind::Bug, "a request is no JSON", error))?;
        if body.len() > JOB_BYTES {
            // Said here: a server that does not read on may be gone before its answer is read.
            let what = format!("a request of job {} has {} bytes", J::NAME, body.len());
            let limit = format!("{what}; a server takes {JOB_BYTES} ({} MiB)", JOB_BYTES >> 20);
            return Err(CmdError::failed(limit)
                .hint("do it in parts, or while no server works on the data directory"));
        }
        let path = format!("/admin/v1/jobs/{}", J::NAME);
        let response = self.send(Method::POST, &path, body).await?;
        let status = response.status();
        if status != StatusCode::OK {
            return Err(refused(J::NAME, status, response).await);
        }
        let mut answer = Answer { owner: self, body: response.into_body(), job: None };
        let result = answer.read(progress, &cancel).await?;
        serde_json::from_str(result.get()).map_err(|error| {
            CmdError::caused(Kind::Failed, "the server's answer cannot be read", error)
                .hint("is the server of another version? `evp --version` is this one's")
        })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Response<Incoming>, CmdError> {
        let gone = |error: hyper::Error| self.gone(error);
        let mut sender = self.connect().await?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "evp")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| CmdError::caused(Kind::Bug, "a request cannot be made", error))?;
        sender.send_request(request).await.map_err(gone)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, CmdError> {
        let socket = socket::connect(&self.directory).and_then(|socket| {
            socket.set_nonblocking(true)?;
            UnixStream::from_std(socket)
        });
        let socket = socket.map_err(|error| self.gone(error))?;
        let (sender, connection) =
            handshake(TokioIo::new(socket)).await.map_err(|error| self.gone(error))?;
        // How the connection ended is seen by the requests on it.
        drop(tasks::spawn("admin-client", async move { drop(connection.await) }));
        Ok(sender)
    }

    fn gone(&self, error: impl std::error::Error + Send + Sync + 'static) -> CmdError {
        let what = format!("lost the server that owns {}", self.directory.display());
        CmdError::caused(Kind::Unavailable, what, error)
    }
}

async fn refused(job: &str, status: StatusCode, response: Response<Incoming>) -> CmdError {
    let body = response.into_body().collect().await.map(http_body_util::Collected::to_bytes);
    let text = body.unwrap_or_default();
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    CmdError::failed(format!("the server refused the job {job}: {status} {text}"))
        .hint("is the server of another version? `evp --version` is this one's")
}

/// An answer that is being read.
struct Answer<'a> {
    owner: &'a Owner,
    body: Incoming,
    job: Option<u64>,
}

impl Answer<'_> {
    /// Reads to the last line.
    async fn read(
        &mut self,
        progress: &dyn ProgressSink,
        cancel: &CancellationToken,
    ) -> Result<Box<RawValue>, CmdError> {
        let mut pending = Vec::new();
        let mut asked = false;
        loop {
            let frame = tokio::select! {
                frame = self.body.frame() => frame,
                () = cancel.cancelled(), if !asked => {
                    asked = true;
                    self.stop().await?;
                    continue;
                }
            };
            let Some(frame) = frame else { break };
            let frame = frame.map_err(|error| self.owner.gone(error))?;
            let Ok(data) = frame.into_data() else { continue };
            pending.extend_from_slice(&data);
            while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = pending.drain(..=end).collect();
                match parse(&line)? {
                    Line::Job(id) => self.job = Some(id),
                    Line::Progress(Some(told)) => progress.report(told),
                    Line::Progress(None) => {}
                    Line::Result(result) => return Ok(result),
                    Line::Error { kind, chain, hints } => {
                        let kind = Kind::from_name(&kind).unwrap_or(Kind::Failed);
                        return Err(hints
                            .into_iter()
                            .fold(CmdError::told(kind, chain), CmdError::hint));
                    }
                }
            }
        }
        Err(self.owner.gone(std::io::Error::from(std::io::ErrorKind::UnexpectedEof)))
    }

    async fn stop(&self) -> Result<(), CmdError> {
        if let Some(id) = self.job {
            let path = format!("/admin/v1/running/{id}");
            self.owner.send(Method::DELETE, &path, Vec::new()).await?;
        }
        Ok(())
    }
}

fn parse(line: &[u8]) -> Result<Line, CmdError> {
    serde_json::from_slice(line).map_err(|error| {
        CmdError::caused(Kind::Failed, "the server's answer cannot be read", error)
    })
}
