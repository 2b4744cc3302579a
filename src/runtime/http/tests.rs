//! Serving a router over real sockets: both kinds of listener, slow readers, long answers.

use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body as AxumBody;
use axum::routing::{get, post};
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::{Limits, Listener, RouterHandler, bind_shared, serve, serve_on_threads};
use crate::runtime::shutdown::CancellationToken;
use crate::runtime::tasks;
use crate::settings::{ByteSize, Http, Span};

const SHORT: Span = Span(Duration::from_millis(200));
const LARGE: usize = 64 << 20;

fn limits() -> Limits {
    let http = Http {
        write_timeout: SHORT,
        idle_timeout: SHORT,
        max_body_bytes: ByteSize(100),
        ..Http::default()
    };
    Limits::of(&http, Duration::from_secs(5))
}

fn start(listener: Listener) -> CancellationToken {
    let slowly = || async {
        let pieces = stream::unfold(0, |count| async move {
            tokio::time::sleep(SHORT.0 / 2).await;
            (count < 6).then(|| (Ok::<_, std::io::Error>("piece"), count + 1))
        });
        AxumBody::from_stream(pieces)
    };
    let router = Router::new()
        .route("/large", get(|| async { vec![b'x'; LARGE] }))
        .route("/slowly", get(slowly))
        .route("/echo", post(|body: String| async { body }));
    let shutdown = CancellationToken::new();
    let handler = RouterHandler::new(router, &limits());
    drop(tasks::spawn("serve", serve(listener, handler, limits(), shutdown.clone())));
    shutdown
}

async fn connect(listener: Listener) -> (TcpStream, CancellationToken) {
    let address = listener.local_addr().unwrap();
    let shutdown = start(listener);
    (TcpStream::connect(address).await.unwrap(), shutdown)
}

fn free() -> Listener {
    Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap()
}

/// Everything until the server closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let reading = stream.read_to_end(&mut bytes);
    // A reset ends it as well.
    let _read = tokio::time::timeout(Duration::from_secs(20), reading).await.expect("stuck");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_router_answers_on_a_unix_socket_in_place_of_a_leftover() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("admin.sock");
    drop(Listener::bind_unix(&path).unwrap());
    let listener = Listener::bind_unix(&path).unwrap();
    assert_eq!(listener.local_addr(), None);
    let _running = start(listener).drop_guard();
    let mut stream = UnixStream::connect(&path).await.unwrap();
    let request =
        b"POST /echo HTTP/1.1\r\nhost: t\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\nhi"), "{answer}");
}

#[tokio::test]
async fn bodies_of_routers_are_bounded() {
    let (mut stream, shutdown) = connect(free()).await;
    let _running = shutdown.drop_guard();
    let request = b"POST /echo HTTP/1.1\r\nhost: t\r\ncontent-length: 101\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("\"error\""), "{answer}");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let (mut stream, shutdown) = connect(free()).await;
    let _running = shutdown.drop_guard();
    stream.write_all(b"GET /large HTTP/1.1\r\nhost: t\r\n\r\n").await.unwrap();
    tokio::time::sleep(5 * SHORT.0).await;
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"));
    assert!(answer.len() < LARGE, "{}", answer.len());
}

#[tokio::test]
async fn an_answer_that_takes_its_time_is_not_idle() {
    let (mut stream, shutdown) = connect(free()).await;
    let _running = shutdown.drop_guard();
    stream.write_all(b"GET /slowly HTTP/1.1\r\nhost: t\r\n\r\n").await.unwrap();
    let answer = rest(&mut stream).await;
    assert_eq!(answer.matches("piece").count(), 6, "{answer}");
    assert!(answer.ends_with("0\r\n\r\n"), "whole, then closed for want of a request");
}

/// Serves a router on a thread of its own.
fn start_on_thread(router: Router) -> (SocketAddr, CancellationToken) {
    let (shutdown, listener) = (CancellationToken::new(), free());
    let address = listener.local_addr().unwrap();
    let handler = RouterHandler::new(router, &limits());
    let serving = serve_on_threads(vec![listener], handler, limits(), shutdown.clone());
    drop(tasks::spawn("serve", serving));
    (address, shutdown)
}

async fn ask(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// What other threads have made ready (an event is durable) is answered before what has come since is
/// read: else a thread with enough to read would answer nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_come_before_further_requests() {
    const REQUESTS: usize = 60;
    let (begun, handled) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (written, all_written) = std::sync::mpsc::channel::<()>();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let (ended, end) = (Arc::new(Mutex::new(Some(ended))), Arc::new(Mutex::new(Some(end))));
    let all_written = Arc::new(Mutex::new(all_written));
    let waits = {
        let (begun, handled) = (Arc::clone(&begun), Arc::clone(&handled));
        move || async move {
            let ended = ended.lock().unwrap().take().unwrap();
            begun.fetch_add(1, SeqCst);
            ended.await.unwrap();
            handled.load(SeqCst).to_string()
        }
    };
    let counted = Arc::clone(&begun);
    let comes = move || async move {
        match handled.fetch_add(1, SeqCst) {
            // Holds the thread up until all of them are there to be read.
            0 => {
                counted.fetch_add(1, SeqCst);
                all_written.lock().unwrap().recv().unwrap();
            }
            5 => {
                let end = end.lock().unwrap().take().unwrap();
                std::thread::spawn(move || end.send(()).unwrap()).join().unwrap();
            }
            _ => {}
        }
    };
    let router = Router::new().route("/waits", get(waits)).route("/comes", get(comes));
    let (address, shutdown) = start_on_thread(router);
    let _running = shutdown.drop_guard();
    let until = async |count: usize| {
        while begun.load(SeqCst) < count {
            tokio::task::yield_now().await;
        }
    };
    let mut waiting = ask(address, "/waits").await;
    until(1).await;
    let mut coming = vec![ask(address, "/comes").await];
    until(2).await;
    for _ in 1..REQUESTS {
        coming.push(ask(address, "/comes").await);
    }
    written.send(()).unwrap();
    let answer = rest(&mut waiting).await;
    let before: usize = answer.rsplit("\r\n").next().unwrap().parse().unwrap();
    assert!((6..10).contains(&before), "{before} of {REQUESTS} were read before the answer");
}

#[tokio::test]
async fn a_port_in_use_is_not_shared() {
    let listeners = bind_shared("127.0.0.1:0".parse().unwrap(), 3).unwrap();
    let addresses: Vec<_> = listeners.iter().map(Listener::local_addr).collect();
    assert_eq!(addresses[0], addresses[2]);
    assert!(bind_shared(addresses[0].unwrap(), 2).is_err());
}
