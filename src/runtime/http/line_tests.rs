//! Requests of a thread that is given too much: read first, called up in order, refused at once.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{
    Answering, Body, Connection, Handler, Incoming, Limits, Listener, Request, Response,
    StatusCode, WholeRequest, serve_on_threads,
};
use crate::runtime::shutdown::CancellationToken;
use crate::runtime::tasks;
use crate::settings::{Http, Span};

/// The longest wait.
const BOUND: Duration = Duration::from_millis(100);
/// What one request takes.
const WORK: Duration = Duration::from_millis(4);

/// Takes the thread for a while, and says in each answer how many it had handled by then.
#[derive(Clone)]
struct Slow {
    handled: Arc<AtomicU64>,
    /// `/gate` holds the thread until this says something.
    gate: Arc<Mutex<std::sync::mpsc::Receiver<()>>>,
    at_gate: Arc<AtomicU64>,
}

impl Handler for Slow {
    async fn handle(&self, _: Request<Incoming>, _: Arc<Connection>) -> Response<Body> {
        Response::new("hyper".to_owned().into())
    }

    fn takes_whole(&self, _: &str) -> Option<usize> {
        Some(100)
    }

    #[expect(clippy::disallowed_methods, reason = "the thread is to be held up")]
    fn handle_whole<'h>(
        &'h self,
        request: WholeRequest<'_>,
        connection: &'h Connection,
    ) -> Option<Answering<'h>> {
        let is_refused = connection.is_one_too_many();
        if request.path == "/gate" {
            self.at_gate.fetch_add(1, SeqCst);
            self.gate.lock().unwrap().recv().unwrap();
        } else if !is_refused {
            std::thread::sleep(WORK);
            self.handled.fetch_add(1, SeqCst);
        }
        let mut response = Response::new(self.handled.load(SeqCst).to_string().into());
        if is_refused {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        Some(Box::pin(async move { response }))
    }
}

async fn ask(stream: &mut TcpStream, path: &str) {
    let request = format!("POST {path} HTTP/1.1\r\nhost: t\r\ncontent-length: 2\r\n\r\nhi");
    stream.write_all(request.as_bytes()).await.unwrap();
}

/// Whether it was taken, and the count in the answer.
async fn hear(stream: &mut TcpStream) -> (bool, u64) {
    let mut text = Vec::new();
    while !text.windows(4).any(|four| four == b"\r\n\r\n") {
        text.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8_lossy(&text).to_lowercase();
    let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    let count = String::from_utf8(body).unwrap().parse().unwrap();
    (head.starts_with("http/1.1 200"), count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_wait_too_long_is_refused_while_those_before_it_wait() {
    const CLIENTS: usize = 150;
    let (open, gate) = std::sync::mpsc::channel();
    let (handled, at_gate) = (Arc::default(), Arc::<AtomicU64>::default());
    let handler = Slow { handled, gate: Arc::new(Mutex::new(gate)), at_gate: Arc::clone(&at_gate) };
    let http = Http { max_queue_delay: Span(BOUND), ..Http::default() };
    let limits = Limits::of(&http, Duration::from_secs(5));
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let _running = shutdown.clone().drop_guard();
    let serving = serve_on_threads(vec![listener], handler, limits, shutdown);
    drop(tasks::spawn("serve", serving));
    let mut holding = TcpStream::connect(address).await.unwrap();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(TcpStream::connect(address).await.unwrap());
    }
    // The first wave is taken whole: nobody knows the thread's pace before it.
    for wave in 1..=2 {
        ask(&mut holding, "/gate").await;
        while at_gate.load(SeqCst) < wave {
            tokio::task::yield_now().await;
        }
        for client in &mut clients {
            ask(client, "/").await;
        }
        tokio::time::sleep(BOUND).await;
        open.send(()).unwrap();
        hear(&mut holding).await;
        let mut answers = Vec::new();
        for client in &mut clients {
            answers.push(hear(client).await);
        }
        let taken: Vec<u64> = answers.iter().filter(|a| a.0).map(|a| a.1).collect();
        let refused: Vec<u64> = answers.iter().filter(|a| !a.0).map(|a| a.1).collect();
        if wave == 1 {
            assert_eq!(taken.len(), CLIENTS);
            continue;
        }
        assert!(!taken.is_empty() && !refused.is_empty(), "{taken:?} {refused:?}");
        let first = refused.iter().min().unwrap() - CLIENTS as u64;
        assert!(
            first < taken.len() as u64 / 2,
            "{first} of {} were handled before anything was refused",
            taken.len()
        );
    }
    // Whoever comes when the line has gone is taken.
    ask(&mut holding, "/").await;
    assert!(hear(&mut holding).await.0);
}
