//! A load that remembers: which ids were acknowledged, which answers never came.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::server::pause;

/// What became of the ids that were sent.
#[derive(Debug, Default, Clone)]
pub struct Sent {
    /// Answered 2xx.
    pub acknowledged: BTreeSet<String>,
    /// Sent, and no answer came, or one that promises nothing: may or may not be there.
    pub unknown: BTreeSet<String>,
    /// Answers by status, and by `Retry-After` where there was one.
    pub answers: BTreeMap<(u16, Option<String>), u64>,
    /// Requests answered 2xx by what their `evp-durability` said.
    pub durability: BTreeMap<String, u64>,
}

impl Sent {
    /// Takes the other's ids in.
    pub fn extend(&mut self, other: Self) {
        self.acknowledged.extend(other.acknowledged);
        self.unknown.extend(other.unknown);
        for (answer, count) in other.answers {
            *self.answers.entry(answer).or_default() += count;
        }
        for (durability, count) in other.durability {
            *self.durability.entry(durability).or_default() += count;
        }
        self.unknown.retain(|id| !self.acknowledged.contains(id));
    }
}

/// When requests without an answer began and ended.
#[derive(Debug, Clone, Default)]
pub struct Cut(Arc<Mutex<Vec<(Instant, Instant)>>>);

impl Cut {
    /// One that began then has just ended.
    pub fn note(&self, began: Instant) {
        let cut = (began, Instant::now());
        self.0.lock().expect("nobody panics with it").push(cut);
    }

    /// Whether a request was under way at that instant that never had an answer: one that began
    /// later found nobody, and says nothing.
    pub fn was_at(&self, instant: Instant) -> bool {
        let cut = self.0.lock().expect("nobody panics with it");
        cut.iter().any(|(began, ended)| *began <= instant && instant <= *ended)
    }
}

/// Threads that send until stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<Mutex<Sent>>,
    answered: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
    cut: Cut,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts `threads` senders to one server. Ids are `<name>-<thread>-<number>`; every third
    /// request is a batch, every seventh event is sent twice, one address in four is hot.
    pub fn start(url: &str, name: &str, threads: usize) -> Self {
        Self::paced(url, name, threads, 0)
    }

    /// The same with a pause after each request, in milliseconds: a load that a long outage's
    /// backlog may grow under.
    pub fn paced(url: &str, name: &str, threads: usize, every: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let sent = Arc::new(Mutex::new(Sent::default()));
        let answered = Arc::new(AtomicU64::new(0));
        let refused = Arc::new(AtomicU64::new(0));
        let cut = Cut::default();
        let threads = (0..threads)
            .map(|thread| {
                let sender = Sender {
                    every,
                    url: url.to_owned(),
                    prefix: format!("{name}-{thread}"),
                    agent: agent(),
                    sent: Arc::clone(&sent),
                    answered: Arc::clone(&answered),
                    refused: Arc::clone(&refused),
                    cut: cut.clone(),
                };
                let stop = Arc::clone(&stop);
                std::thread::spawn(move || sender.run(&stop))
            })
            .collect();
        Self { stop, sent, answered, refused, cut, threads }
    }

    /// How many requests were answered 2xx so far.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// What was sent so far.
    pub fn sent(&self) -> Sent {
        self.sent.lock().expect("a sender does not panic").clone()
    }

    /// How many requests were refused so far.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// The requests that never had an answer so far.
    pub fn cut(&self) -> &Cut {
        &self.cut
    }

    /// Stops and says what was sent.
    pub fn stop(mut self) -> Sent {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("a sender does not panic");
        }
        self.sent()
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(15)))
        .http_status_as_error(false)
        .build()
        .into()
}

struct Sender {
    every: u64,
    url: String,
    prefix: String,
    agent: ureq::Agent,
    sent: Arc<Mutex<Sent>>,
    answered: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
    cut: Cut,
}

impl Sender {
    fn run(&self, stop: &AtomicBool) {
        let mut number = 0_u64;
        while !stop.load(Ordering::Relaxed) {
            let is_batch = number.is_multiple_of(3);
            let ids: Vec<String> = (0..if is_batch { 20 } else { 1 })
                .map(|at| format!("{}-{}", self.prefix, number + at))
                .collect();
            number += ids.len() as u64;
            let again = number.is_multiple_of(7);
            pause(self.every);
            for _ in 0..=u8::from(again) {
                // A server that is away comes back, or the test stops the load.
                if !self.send(&ids, is_batch) {
                    pause(20);
                }
            }
        }
    }

    /// Whether the server answered at all.
    fn send(&self, ids: &[String], is_batch: bool) -> bool {
        let events: Vec<String> = ids.iter().map(|id| event(id)).collect();
        let (route, body) = if is_batch {
            ("/events/batch", format!("[{}]", events.join(",")))
        } else {
            ("/event", events[0].clone())
        };
        let began = Instant::now();
        let answer = self
            .agent
            .post(format!("{}{route}", self.url))
            .header("X-Forwarded-For", address(&ids[0]))
            .send(body);
        let is_acknowledged = answer.as_ref().is_ok_and(|answer| answer.status() == 202);
        let mut sent = self.sent.lock().expect("a sender does not panic");
        for id in ids {
            if is_acknowledged {
                sent.unknown.remove(id);
                sent.acknowledged.insert(id.clone());
            } else if !sent.acknowledged.contains(id) {
                sent.unknown.insert(id.clone());
            }
        }
        if let Ok(answer) = &answer {
            let advice = answer.headers().get("retry-after");
            let advice = advice.map(|text| text.to_str().unwrap_or_default().to_owned());
            *sent.answers.entry((answer.status().as_u16(), advice)).or_default() += 1;
            if let Some(durability) = answer.headers().get("evp-durability") {
                let durability = durability.to_str().unwrap_or_default().to_owned();
                *sent.durability.entry(durability).or_default() += 1;
            }
        }
        drop(sent);
        if is_acknowledged {
            self.answered.fetch_add(1, Ordering::Relaxed);
        } else if answer.is_ok() {
            self.refused.fetch_add(1, Ordering::Relaxed);
            pause(20);
        } else {
            self.cut.note(began);
        }
        answer.is_ok()
    }
}

/// One event as a function of its id.
pub fn event(id: &str) -> String {
    let hash = id.bytes().fold(7_u32, |hash, byte| hash.wrapping_mul(31) ^ u32::from(byte));
    let kind = ["impression", "click", "conversion"][(hash % 3) as usize];
    format!(
        r#"{{"event_id":"{id}","event_type":"{kind}","user_id":"u-{}","campaign_id":"c-{}","geo_country":"DE","device_type":"mobile","created_at":"2026-11-2{}T0{}:30:00Z","meta_data":{{"n":{hash},"s":"ä\ud800 \"{id}\""}}}}"#,
        hash % 997,
        hash % 7,
        hash % 2,
        hash % 10,
    )
}

fn address(id: &str) -> String {
    let hash = id.bytes().fold(3_u32, |hash, byte| hash.wrapping_mul(33) ^ u32::from(byte));
    if hash.is_multiple_of(4) {
        "198.51.100.1".to_owned()
    } else {
        format!("203.0.{}.{}", (hash >> 8) % 256, hash % 256)
    }
}
