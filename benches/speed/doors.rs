//! Servers that stand beside the collector: the floor, a bare hyper handler that reads the body and
//! answers 202, and the collector on a log that keeps nothing.

use std::io::{Error, Result};
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use evp::backends::memory::{MemoryObjectStore, MemoryState, store};
use evp::model::{
    ConsumedRecord, Durability, GroupId, Offset, Partition, RecordBatch, Topic, TopicPartition,
};
use evp::ports::{self, Appended, Consumer, EventLog, Kind, Ports, SystemClock, TopicInfo};
use evp::roles::RoleDeps;
use evp::roles::collector::Collector;
use evp::runtime::health::Health;
use evp::runtime::shutdown::CancellationToken;
use evp::runtime::{tasks, telemetry};
use evp::settings::Settings;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};

/// Says its address in the first line and serves until it is killed.
pub fn serve(kind: &str) {
    let end = CancellationToken::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let served = runtime
        .block_on(async { if kind == "bare" { bare(end).await } else { no_log(end).await } });
    served.unwrap();
}

async fn no_log(end: CancellationToken) -> Result<()> {
    let mut settings = Settings::default();
    settings.http.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let settings = Arc::new(settings);
    let clock = Arc::new(SystemClock);
    let rows = store(settings.groups.worker.clone(), clock.clone()).map_err(Error::other)?;
    let ports = Ports {
        log: Arc::new(NoLog),
        state: Arc::new(MemoryState::new()),
        objects: Arc::new(MemoryObjectStore::new()),
        sink: rows.clone(),
        store: rows,
        clock,
    };
    collector(ports, settings, end).await
}

async fn collector(ports: Ports, settings: Arc<Settings>, end: CancellationToken) -> Result<()> {
    telemetry::start_metrics(end.clone()).map_err(Error::other)?;
    let deps = RoleDeps { ports, settings, health: Health::new() };
    let collector = Collector::build(&deps, None).map_err(Error::other)?;
    println!("{}", collector.local_addr());
    collector.run(end).await.map_err(Error::other)
}

/// Says that it has everything and keeps nothing.
#[derive(Debug)]
struct NoLog;

#[async_trait]
impl EventLog for NoLog {
    async fn append(&self, _: &Topic, _: RecordBatch) -> ports::Result<Appended> {
        Ok(Appended { durability: Durability::Memory })
    }

    async fn consumer(&self, _: &GroupId, _: &[Topic]) -> ports::Result<Box<dyn Consumer>> {
        Err(ports::Error::new(Kind::Unavailable, "there is no log"))
    }

    async fn describe(&self, _: &Topic) -> ports::Result<TopicInfo> {
        Err(ports::Error::new(Kind::NotFound, "there is no log"))
    }

    async fn committed(&self, _: &GroupId, _: &Topic) -> ports::Result<Vec<(Partition, Offset)>> {
        Ok(Vec::new())
    }

    async fn read(
        &self,
        _: &TopicPartition,
        _: Offset,
        _: usize,
    ) -> ports::Result<Vec<ConsumedRecord>> {
        Ok(Vec::new())
    }

    async fn check(&self) -> ports::Result<()> {
        Ok(())
    }
}

/// The floor: hyper as it comes, one single-threaded runtime a core on one shared port.
async fn bare(end: CancellationToken) -> Result<()> {
    let first = shared(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let address = first.local_addr()?;
    let threads = std::thread::available_parallelism()?.get();
    let mut listeners = vec![first];
    for _ in 1..threads {
        listeners.push(shared(address)?);
    }
    for listener in listeners {
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(accept(listener))
        });
    }
    println!("{address}");
    end.cancelled().await;
    Ok(())
}

fn shared(address: SocketAddr) -> Result<std::net::TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

async fn accept(listener: std::net::TcpListener) -> Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = hyper::service::service_fn(answer);
        let stream = hyper_util::rt::TokioIo::new(stream);
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(stream, service);
        drop(tasks::spawn("bare", connection));
    }
}

async fn answer(request: Request<Incoming>) -> hyper::Result<Response<Full<Bytes>>> {
    let _body = request.into_body().collect().await?.to_bytes();
    let mut response = Response::new(Full::new(Bytes::from_static(b"{\"status\":\"queued\"}")));
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}
