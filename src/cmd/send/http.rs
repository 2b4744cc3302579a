//! A collector as the target: NDJSON over HTTP, one request for each address in a batch.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::RETRY_AFTER;
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;

use super::ledger::{Ledger, Naming, Pending};
use crate::cmd::error::{CmdError, Kind};
use crate::jobs::ledger::Answer as Said;
use crate::jobs::send::{SendLine, SendResponse};
use crate::ports::{Clock, SystemClock};
use crate::runtime::shutdown::CancellationToken;
use crate::runtime::tasks;

const PATH: &str = "/events/ndjson";
/// Tries of one request while the collector says that it has no room.
const TRIES: u32 = 10;

/// Where a collector is, of the URL that was typed: what is secret in it goes nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    host: String,
    port: u16,
    /// Its own path, which is taken in place of the route's.
    path: Option<String>,
}

impl Place {
    pub(super) fn of(url: &str) -> Result<Self, CmdError> {
        let refuse = || CmdError::no_url(url);
        let uri: Uri = url.parse().map_err(|_| refuse())?;
        if uri.scheme_str() != Some("http") {
            return Err(refuse());
        }
        let host = uri.host().ok_or_else(refuse)?.to_owned();
        let path = uri.path_and_query().map(|path| path.as_str().to_owned());
        let path = path.filter(|path| path != "/");
        Ok(Self { host, port: uri.port_u16().unwrap_or(80), path })
    }

    /// As a ledger names it: whoever may read that need not know a password.
    pub(super) fn target(&self) -> String {
        let Self { host, port, path } = self;
        format!("http://{host}:{port}{}", path.as_deref().unwrap_or_default())
    }
}

/// A collector's address and the open connection to it.
pub(super) struct Collector {
    at: Place,
    sender: Option<SendRequest<Full<Bytes>>>,
    run: String,
    sent: u64,
    /// Writes down what is sent.
    pub(super) ledger: Option<Ledger>,
}

/// One request and what became of its tries so far.
struct Post {
    key: String,
    body: Bytes,
    status: u16,
    /// A try before may have been taken though its answer says otherwise or never came.
    may_be_there: bool,
}

/// What the route answers.
#[derive(Debug, Default, Deserialize)]
struct Answer {
    #[serde(default)]
    count: u64,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    results: Vec<Item>,
}

#[derive(Debug, Deserialize)]
struct Item {
    #[serde(default)]
    status: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    line: Option<u64>,
}

impl Collector {
    pub(super) fn new(at: Place, ledger: Option<Ledger>) -> Self {
        let run = uuid::Uuid::now_v7().simple().to_string();
        Self { at, sender: None, run, sent: 0, ledger }
    }

    /// Sends a batch. Each line keeps its address: a request has one, so the lines of a batch are
    /// parted by address and keep their order within it.
    pub(super) async fn send(
        &mut self,
        lines: Vec<SendLine>,
        total: &mut SendResponse,
        cancel: &CancellationToken,
    ) -> Result<(), CmdError> {
        let mut by_address: BTreeMap<Option<IpAddr>, Vec<SendLine>> = BTreeMap::new();
        for line in lines {
            by_address.entry(line.client_ip).or_default().push(line);
        }
        for (address, mut lines) in by_address {
            if cancel.is_cancelled() {
                break;
            }
            let answer = self.send_some(address, &mut lines).await?;
            total.accepted += answer.count;
            for item in answer.results.into_iter().filter(|item| item.status == "rejected") {
                let at = item.line.and_then(|line| usize::try_from(line).ok()?.checked_sub(1));
                let line = at.and_then(|at| lines.get(at)).map_or(0, |line| line.line);
                total.reject(line, item.error);
            }
        }
        Ok(())
    }

    async fn send_some(
        &mut self,
        address: Option<IpAddr>,
        lines: &mut [SendLine],
    ) -> Result<Answer, CmdError> {
        self.sent += 1;
        // What is sent again after a lost answer gets the same ids.
        let key = format!("send-{}-{}", self.run, self.sent);
        for line in &mut *lines {
            // An event's own line feeds are white space between its members.
            line.event = line.event.replace('\n', " ");
        }
        let pending = match &mut self.ledger {
            Some(ledger) => ledger.begin(lines, Naming::Inside(&key))?,
            None => Vec::new(),
        };
        let mut body = Vec::with_capacity(lines.iter().map(|line| line.event.len() + 1).sum());
        for line in lines {
            body.extend_from_slice(line.event.as_bytes());
            body.push(b'\n');
        }
        let mut post = Post { key, body: body.into(), status: 0, may_be_there: false };
        let answer = self.try_often(address, &mut post).await;
        if let Some(ledger) = &mut self.ledger {
            record(ledger, &pending, &post, answer.as_ref().ok())?;
        }
        answer
    }

    async fn try_often(
        &mut self,
        address: Option<IpAddr>,
        post: &mut Post,
    ) -> Result<Answer, CmdError> {
        let mut last = None;
        for _ in 0..TRIES {
            let (status, wait, answer) = match self.post(address, post).await {
                Ok(answered) => answered,
                Err(error) => {
                    self.sender = None;
                    (post.status, post.may_be_there) = (0, true);
                    last = Some(error);
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    continue;
                }
            };
            post.status = status.as_u16();
            if status == StatusCode::ACCEPTED {
                return Ok(answer);
            }
            if may_pass(status) {
                post.may_be_there |= status != StatusCode::TOO_MANY_REQUESTS;
                last = Some(refused(status, &answer));
                tokio::time::sleep(wait).await;
                continue;
            }
            post.may_be_there |= status.is_server_error();
            // A batch in which nothing was right is refused as a whole, each line by name.
            let is_named = !answer.results.is_empty();
            return if is_named { Ok(answer) } else { Err(refused(status, &answer)) };
        }
        Err(last.unwrap_or_else(|| CmdError::failed("nothing was sent")))
    }

    async fn connect(&mut self) -> Result<SendRequest<Full<Bytes>>, CmdError> {
        if let Some(sender) = self.sender.take().filter(|sender| !sender.is_closed()) {
            return Ok(sender);
        }
        let host = self.at.host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let socket = TcpStream::connect((host, self.at.port)).await;
        let socket = socket.map_err(|error| self.unreachable(error))?;
        let (sender, connection) =
            handshake(TokioIo::new(socket)).await.map_err(|error| self.unreachable(error))?;
        // How the connection ended is seen by the requests on it.
        drop(tasks::spawn("send-client", async move { drop(connection.await) }));
        Ok(sender)
    }

    fn unreachable(&self, error: impl std::error::Error + Send + Sync + 'static) -> CmdError {
        let what = format!("cannot reach the collector at {}:{}", self.at.host, self.at.port);
        CmdError::caused(Kind::Unavailable, what, error)
    }

    async fn post(
        &mut self,
        address: Option<IpAddr>,
        post: &Post,
    ) -> Result<(StatusCode, Duration, Answer), CmdError> {
        let mut sender = self.connect().await?;
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.at.path.as_deref().unwrap_or(PATH))
            .header("host", format!("{}:{}", self.at.host, self.at.port))
            .header("content-type", "application/x-ndjson")
            .header("idempotency-key", &post.key);
        if let Some(address) = address {
            request = request.header("x-forwarded-for", address.to_string());
        }
        let request = request
            .body(Full::new(post.body.clone()))
            .map_err(|error| CmdError::caused(Kind::Bug, "a request cannot be made", error))?;
        let gone = |error: hyper::Error| self.unreachable(error);
        let response = sender.send_request(request).await.map_err(gone)?;
        let status = response.status();
        let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let wait = seconds.and_then(|text| text.parse().ok()).unwrap_or(1);
        let text = response.into_body().collect().await.map_err(gone)?.to_bytes();
        self.sender = Some(sender);
        let answer = serde_json::from_slice(&text).unwrap_or_default();
        Ok((status, Duration::from_secs(wait), answer))
    }
}

/// Writes down what the client knows after a request.
fn record(
    ledger: &mut Ledger,
    pending: &[Pending],
    post: &Post,
    answer: Option<&Answer>,
) -> Result<(), CmdError> {
    let answered = (post.status != 0).then(|| SystemClock.now());
    let of_all = match answer {
        Some(_) if post.status == StatusCode::ACCEPTED.as_u16() => Said::Accepted,
        _ if post.may_be_there => Said::Unknown,
        _ => Said::Rejected,
    };
    let mut each = vec![(of_all, post.status); pending.len()];
    let results = answer.map_or(&[][..], |answer| &answer.results);
    for item in results.iter().filter(|item| item.status == "rejected") {
        let at = item.line.and_then(|line| usize::try_from(line).ok()?.checked_sub(1));
        if let Some(one) = at.and_then(|at| each.get_mut(at)) {
            // What the collector refuses now, it refused at a try whose answer was lost.
            *one = (Said::Rejected, StatusCode::BAD_REQUEST.as_u16());
        }
    }
    ledger.record(pending, answered, |at| each[at])
}

const fn may_pass(status: StatusCode) -> bool {
    matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS)
}

fn refused(status: StatusCode, answer: &Answer) -> CmdError {
    let kind = if may_pass(status) { Kind::Unavailable } else { Kind::Failed };
    let reason = answer.error.as_deref().unwrap_or("no reason given");
    CmdError::new(kind, format!("the collector answered {status}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_url_may_have_a_path_and_what_is_secret_in_it_is_left_out() {
        let target = |url| Place::of(url).unwrap().target();
        assert_eq!(target("http://user:secretpw@h"), "http://h:80");
        assert_eq!(target("http://user:secretpw@[::1]:8080/x/y?z"), "http://[::1]:8080/x/y?z");
        assert_eq!(Place::of("http://h/").unwrap().path, None);
        assert!(Place::of("https://h").is_err() && Place::of("h:8080").is_err());
    }
}
