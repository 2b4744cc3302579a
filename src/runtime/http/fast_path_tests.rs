//! Which requests the fast path takes, and that what it leaves is answered all the same.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Collected};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{
    Answering, Body, BodyError, Connection, Handler, Headers as _, Incoming, Limits, Listener,
    Request, Response, StatusCode, WholeRequest, serve,
};
use crate::runtime::shutdown::CancellationToken;
use crate::runtime::tasks;
use crate::settings::{Http, Span};

const PATIENCE: Duration = Duration::from_millis(200);
const MAX_BODY: usize = 1000;

/// Says which way a request came, and its body.
#[derive(Clone)]
struct Tells;

impl Handler for Tells {
    async fn handle(&self, request: Request<Incoming>, _: Arc<Connection>) -> Response<Body> {
        let body = request.into_body().collect().await.map(Collected::to_bytes);
        let body = body.unwrap_or_default();
        Response::new(format!("hyper {}", String::from_utf8_lossy(&body)).into())
    }

    fn takes_whole(&self, path: &str) -> Option<usize> {
        (path == "/fast").then_some(MAX_BODY)
    }

    fn handle_whole<'h>(
        &'h self,
        request: WholeRequest<'_>,
        _: &'h Connection,
    ) -> Option<Answering<'h>> {
        let mark = request.headers.first("x-mark").unwrap_or_default();
        let (status, said) = match request.body {
            Ok(body) => (StatusCode::OK, [b"fast ", mark, body].concat()),
            Err(BodyError::Timeout) => (StatusCode::REQUEST_TIMEOUT, b"late".to_vec()),
            Err(_) => (StatusCode::BAD_REQUEST, b"cut".to_vec()),
        };
        let mut response = Response::new(said.into());
        *response.status_mut() = status;
        Some(Box::pin(async move {
            tokio::task::yield_now().await;
            response
        }))
    }
}

struct Talk {
    stream: TcpStream,
    shutdown: CancellationToken,
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Talk {
    async fn begin() -> Self {
        let http = Http {
            body_timeout: Span(PATIENCE),
            idle_timeout: Span(PATIENCE * 5),
            max_connections: 1,
            ..Http::default()
        };
        // Longer than anything here waits: nothing is closed by its end.
        let limits = Limits::of(&http, Duration::from_secs(60));
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        drop(tasks::spawn("serve", serve(listener, Tells, limits, shutdown.clone())));
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, shutdown }
    }

    async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// In pieces that arrive one by one.
    async fn drip(&mut self, pieces: &[&str]) {
        for piece in pieces {
            self.say(piece).await;
            tokio::time::sleep(PATIENCE / 10).await;
        }
    }

    /// The next answer's head and body.
    async fn hear(&mut self) -> (String, String) {
        let mut text = Vec::new();
        let reading = async {
            loop {
                let whole = String::from_utf8_lossy(&text).into_owned();
                if let Some((head, body)) = whole.split_once("\r\n\r\n") {
                    let length = head.to_lowercase();
                    let length = length.split("content-length: ").nth(1).unwrap();
                    let length: usize = length.lines().next().unwrap().parse().unwrap();
                    if body.len() >= length {
                        return (head.to_owned(), body.to_owned());
                    }
                }
                let byte = self.stream.read_u8().await.expect("the rest of an answer");
                text.push(byte);
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reading).await.expect("an answer")
    }

    /// Whether the server gives the connection up, silent as the client is: there is room for one.
    async fn is_given_up(&self) -> bool {
        let asking = async {
            let mut next = TcpStream::connect(self.stream.peer_addr().unwrap()).await.unwrap();
            next.write_all(post("/fast", "", "next").as_bytes()).await.unwrap();
            next.read_u8().await
        };
        matches!(tokio::time::timeout(Duration::from_secs(20), asking).await, Ok(Ok(_)))
    }

    async fn is_closed(&mut self) -> bool {
        let read = tokio::time::timeout(Duration::from_secs(20), self.stream.read(&mut [0])).await;
        matches!(read, Ok(Ok(0) | Err(_)))
    }
}

fn post(path: &str, headers: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: t\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn whole_requests_take_the_fast_path() {
    let mut talk = Talk::begin().await;
    for _ in 0..3 {
        talk.say(&post("/fast", "X-Mark: m\r\nConnection: Keep-Alive\r\n", "hi")).await;
        let (head, body) = talk.hear().await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("\r\ndate: "), "{head}");
        assert_eq!(body, "fast mhi");
    }
    talk.say(&[post("/fast", "", "1"), post("/fast", "", "2"), post("/fast", "", "")].concat())
        .await;
    for expected in ["fast 1", "fast 2", "fast "] {
        assert_eq!(talk.hear().await.1, expected);
    }
    let whole = post("/fast", "", "in pieces");
    let (start, end) = whole.split_at(whole.len() - 9);
    talk.drip(&[start, &end[..4], &[&end[4..], &whole[..10]].concat()]).await;
    assert_eq!(talk.hear().await.1, "fast in pieces");
    talk.say(&whole[10..]).await;
    assert_eq!(talk.hear().await.1, "hyper in pieces", "a head in pieces is left");
}

#[tokio::test]
async fn what_is_not_plain_is_hypers_and_stays_so() {
    let chunked =
        "POST /fast HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    let large = "x".repeat(MAX_BODY + 1);
    let many = (0..40).fold(String::new(), |all, n| all + &format!("x-{n}: 1\r\n"));
    for (request, expected) in [
        (chunked.to_owned(), "hyper hi"),
        (post("/fast?a=b", "", "hi"), "hyper hi"),
        (post("/slow", "", "hi"), "hyper hi"),
        (post("/fast", "transfer-encoding: identity\r\n", ""), ""),
        (post("/fast", &many, "hi"), "hyper hi"),
        (post("/fast", "", &large), &*format!("hyper {large}")),
        ("GET /fast HTTP/1.1\r\nhost: t\r\n\r\n".to_owned(), "hyper "),
        ("PUT /fast HTTP/1.1\r\nhost: t\r\ncontent-length: 2\r\n\r\nhi".to_owned(), "hyper hi"),
    ] {
        let mut talk = Talk::begin().await;
        talk.say(&post("/fast", "", "first")).await;
        assert_eq!(talk.hear().await.1, "fast first");
        talk.say(&request).await;
        let (head, body) = talk.hear().await;
        if expected.is_empty() {
            assert!(head.starts_with("HTTP/1.1 400"), "{request}: {head}");
            continue;
        }
        assert_eq!(body, expected, "{request}");
        talk.say(&post("/fast", "", "then")).await;
        assert_eq!(talk.hear().await.1, "hyper then", "{request}");
    }
}

#[tokio::test]
async fn lengths_that_could_be_read_two_ways_are_refused() {
    for headers in ["content-length: 3\r\n", "content-length: +2\r\n", "content-length: 2, 2\r\n"] {
        let mut talk = Talk::begin().await;
        talk.say(&post("/fast", headers, "hi")).await;
        let (head, _) = talk.hear().await;
        assert!(head.starts_with("HTTP/1.1 400"), "{headers}: {head}");
        assert!(talk.is_closed().await, "{headers}");
    }
}

#[tokio::test]
async fn a_connection_that_is_to_end_ends() {
    let mut talk = Talk::begin().await;
    talk.say(&post("/fast", "connection: close\r\n", "bye")).await;
    assert_eq!(talk.hear().await.1, "hyper bye");
    assert!(talk.is_closed().await);
    let mut talk = Talk::begin().await;
    talk.say("POST /fast HTTP/1.0\r\ncontent-length: 3\r\n\r\nold").await;
    assert_eq!(talk.hear().await.1, "hyper old");
    assert!(talk.is_closed().await);
    let mut talk = Talk::begin().await;
    talk.say(&post("/fast", "", "last")).await;
    talk.stream.shutdown().await.unwrap();
    assert_eq!(talk.hear().await.1, "fast last", "to a client that says no more");
    assert!(talk.is_closed().await);
    let mut talk = Talk::begin().await;
    talk.say(&post("/fast", "", "idle")).await;
    assert_eq!(talk.hear().await.1, "fast idle");
    talk.shutdown.cancel();
    assert!(talk.is_closed().await, "one that waits is closed at the end");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_refused_and_ends_the_connection() {
    let whole = post("/fast", "", "half of it");
    let mut talk = Talk::begin().await;
    talk.say(&whole[..whole.len() - 5]).await;
    let (head, body) = talk.hear().await;
    assert!(head.starts_with("HTTP/1.1 408") && head.contains("connection: close"), "{head}");
    assert_eq!(body, "late");
    assert!(talk.is_closed().await);
    assert!(talk.is_given_up().await, "a client that does not close holds a connection for ever");
    let mut talk = Talk::begin().await;
    talk.say(&whole[..whole.len() - 5]).await;
    talk.stream.shutdown().await.unwrap();
    assert_eq!(talk.hear().await.1, "cut");
    assert!(talk.is_closed().await);
}

/// Neither who never spoke nor who stopped in the middle holds up the end of the process.
#[tokio::test]
async fn who_says_nothing_is_let_go_at_the_end() {
    let whole = post("/fast", "", "half of it");
    for said in ["", &whole[..whole.len() - 5]] {
        let mut talk = Talk::begin().await;
        talk.say(said).await;
        tokio::time::sleep(PATIENCE / 4).await;
        talk.shutdown.cancel();
        if !said.is_empty() {
            assert_eq!(talk.hear().await.1, "late");
        }
        assert!(talk.is_closed().await, "{said:?}");
    }
}
