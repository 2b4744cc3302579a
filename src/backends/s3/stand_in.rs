//! A small S3 store that lies on demand, for tests: errors, errors dressed as success, half an
//! answer, silence after the deed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the stand-in does with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// What was asked.
    None,
    /// Nothing, and answers this status.
    Status(u16),
    /// Nothing, and answers 200 with an error in the body.
    ErrorIn200,
    /// Nothing, and answers 200 without a word.
    Nothing200,
    /// What was asked, but the answer breaks off in its middle.
    HalfAnswer,
    /// What was asked, and never answers.
    Silence,
}

/// The stand-in, listening on a port of its own until dropped.
#[derive(Debug)]
pub struct StandIn {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    buckets: Mutex<BTreeSet<String>>,
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    script: Mutex<VecDeque<Lie>>,
    requests: Mutex<Vec<String>>,
    overwrites: AtomicBool,
    is_ended: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl StandIn {
    /// Starts; `overwrites` is a store that takes `If-None-Match` and does not heed it.
    ///
    /// # Errors
    /// Where no port can be had.
    pub fn start(overwrites: bool) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        shared.overwrites.store(overwrites, Ordering::Relaxed);
        let serving = Arc::clone(&shared);
        std::thread::Builder::new().name("lying-s3".to_owned()).spawn(move || {
            for stream in listener.incoming() {
                if serving.is_ended.load(Ordering::Relaxed) {
                    break;
                }
                let Ok(stream) = stream else { continue };
                let shared = Arc::clone(&serving);
                // A client that went away is no concern of the stand-in's.
                drop(std::thread::Builder::new().spawn(move || drop(shared.answer(&stream))));
            }
        })?;
        Ok(Self { address, shared })
    }

    /// Where it listens.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it does with the next requests, one each; honest ones follow.
    pub fn will(&self, lies: impl IntoIterator<Item = Lie>) {
        lock(&self.shared.script).extend(lies);
    }

    /// How many lies are not told yet.
    #[must_use]
    pub fn untold(&self) -> usize {
        lock(&self.shared.script).len()
    }

    /// Takes back the lies that were not told yet.
    pub fn honest(&self) {
        lock(&self.shared.script).clear();
    }

    /// Method and path of every request so far.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        lock(&self.shared.requests).clone()
    }

    /// Loses every bucket and object.
    pub fn forget(&self) {
        lock(&self.shared.buckets).clear();
        lock(&self.shared.objects).clear();
    }

    /// Every object, by its key with the bucket first.
    #[must_use]
    pub fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        lock(&self.shared.objects).clone()
    }

    /// Puts an object there behind everybody's back.
    pub fn plant(&self, path: &str, content: impl Into<Vec<u8>>) {
        lock(&self.shared.objects).insert(path.to_owned(), content.into());
    }

    /// Takes an object away behind everybody's back.
    pub fn remove(&self, path: &str) {
        lock(&self.shared.objects).remove(path);
    }

    /// The bytes under a key, bucket first.
    #[must_use]
    pub fn object(&self, path: &str) -> Option<Vec<u8>> {
        lock(&self.shared.objects).get(path).cloned()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.shared.is_ended.store(true, Ordering::Relaxed);
        // Wakes the listener.
        drop(TcpStream::connect(self.address));
    }
}

struct Request {
    method: String,
    path: String,
    query: BTreeMap<String, String>,
    is_conditional: bool,
    body: Vec<u8>,
}

#[derive(Default)]
struct Answer {
    status: u16,
    etag: Option<String>,
    body: Vec<u8>,
}

fn error(status: u16, code: &str) -> Answer {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code>\
         <Message>scripted</Message></Error>"
    );
    Answer { status, etag: None, body: body.into_bytes() }
}

impl Shared {
    fn answer(&self, stream: &TcpStream) -> io::Result<()> {
        let request = read(stream)?;
        lock(&self.requests).push(format!("{} {}", request.method, request.path));
        let lie = lock(&self.script).pop_front().unwrap_or(Lie::None);
        let answer = match lie {
            Lie::Status(status) => error(status, "Scripted"),
            Lie::ErrorIn200 => Answer { status: 200, ..error(200, "InternalError") },
            Lie::Nothing200 => Answer { status: 200, ..Answer::default() },
            Lie::None | Lie::HalfAnswer | Lie::Silence => self.act(&request),
        };
        match lie {
            // Until the client has had enough.
            Lie::Silence => stream.take(1).read_to_end(&mut Vec::new()).map(drop),
            lie => write(stream, &request, &answer, lie == Lie::HalfAnswer),
        }
    }

    fn act(&self, request: &Request) -> Answer {
        let (bucket, key) = request.path.split_once('/').unwrap_or((&request.path, ""));
        if request.method == "PUT" && key.is_empty() {
            let is_new = lock(&self.buckets).insert(bucket.to_owned());
            return if is_new {
                Answer { status: 200, ..Answer::default() }
            } else {
                error(409, "BucketAlreadyOwnedByYou")
            };
        }
        if !lock(&self.buckets).contains(bucket) {
            return error(404, "NoSuchBucket");
        }
        let mut objects = lock(&self.objects);
        match request.method.as_str() {
            "PUT" => {
                let is_heeded = request.is_conditional && !self.overwrites.load(Ordering::Relaxed);
                if is_heeded && objects.contains_key(&request.path) {
                    return error(412, "PreconditionFailed");
                }
                let etag = Some(format!("\"{:x}\"", md5::compute(&request.body)));
                objects.insert(request.path.clone(), request.body.clone());
                Answer { status: 200, etag, body: Vec::new() }
            }
            _ if key.is_empty() => list(&objects, bucket, &request.query),
            _ => match objects.get(&request.path) {
                Some(body) => Answer { status: 200, etag: None, body: body.clone() },
                None => error(404, "NoSuchKey"),
            },
        }
    }
}

fn list(
    objects: &BTreeMap<String, Vec<u8>>,
    bucket: &str,
    query: &BTreeMap<String, String>,
) -> Answer {
    let text = |name: &str| query.get(name).map_or("", String::as_str);
    let from = text("continuation-token").max(text("start-after"));
    let max = text("max-keys").parse().unwrap_or(1000);
    let keys = objects.iter().filter_map(|(path, body)| {
        let key = path.strip_prefix(bucket)?.strip_prefix('/')?;
        (key.starts_with(text("prefix")) && key > from).then_some((key, body.len()))
    });
    let mut keys: Vec<_> = keys.take(max + 1).collect();
    let is_more = keys.len() > max;
    keys.truncate(max);
    let mut body =
        format!("<ListBucketResult><Name>{bucket}</Name><IsTruncated>{is_more}</IsTruncated>");
    for (key, size) in &keys {
        body.extend([
            "<Contents><Key>",
            key,
            "</Key><LastModified>2026-01-01T00:00:00Z</LastModified><Size>",
            &size.to_string(),
            "</Size></Contents>",
        ]);
    }
    if let Some((last, _)) = keys.last().filter(|_| is_more) {
        body.extend(["<NextContinuationToken>", last, "</NextContinuationToken>"]);
    }
    body.push_str("</ListBucketResult>");
    Answer { status: 200, etag: None, body: body.into_bytes() }
}

fn read(stream: &TcpStream) -> io::Result<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default().to_owned();
    let (mut length, mut is_conditional) = (0, false);
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "if-none-match" => is_conditional = value.trim() == "*",
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let decoded =
        |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let query = query.split('&').filter_map(|pair| pair.split_once('='));
    Ok(Request {
        method,
        path: decoded(path.trim_matches('/')),
        query: query.map(|(name, value)| (decoded(name), decoded(value))).collect(),
        is_conditional,
        body,
    })
}

fn write(mut stream: &TcpStream, request: &Request, answer: &Answer, half: bool) -> io::Result<()> {
    let mut head = format!(
        "HTTP/1.1 {} Scripted\r\nconnection: close\r\ncontent-length: {}\r\n",
        answer.status,
        answer.body.len()
    );
    if let Some(etag) = &answer.etag {
        head.extend(["etag: ", etag, "\r\n"]);
    }
    if half && answer.body.is_empty() {
        return stream.write_all(head.as_bytes());
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    if request.method != "HEAD" {
        let end = if half { answer.body.len() / 2 } else { answer.body.len() };
        stream.write_all(&answer.body[..end])?;
    }
    stream.flush()
}
