//! `evp serve`, whole or one role, on a data directory of its own; and `evp loadgen` beside it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::bench::Bench;
use crate::process::{Process, Start, child, pause, program};

/// A server and its directory, which goes with it.
pub struct Embedded {
    // Ended before its directory is removed.
    pub process: Process,
    folder: TempDir,
}

impl Embedded {
    /// `serve` with these arguments and settings, on these processors (all where none are named).
    pub fn start(bench: &Bench, arguments: &[&str], settings: &[(&str, &str)], cpus: &str) -> Self {
        let folder = bench.folder();
        let data_dir = folder.path().join("data");
        let environment: Vec<(String, String)> =
            settings.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let process = Process::start(&Start {
            name: "serve",
            arguments: &[&["serve"], arguments].concat(),
            home: folder.path(),
            data_dir: &data_dir,
            listen: &data_dir.join("listen.json"),
            environment: &environment,
            cpus,
        });
        Self { process, folder }
    }

    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A folder beside its data.
    pub fn home(&self) -> &Path {
        self.folder.path()
    }

    /// Ends the server; the directory stays until the answer is dropped.
    pub fn stop(self) -> TempDir {
        self.process.stop();
        self.folder
    }
}

/// What is asked of `evp loadgen`.
pub struct Generator<'a> {
    /// Single events a second.
    pub rate: u32,
    pub length: Duration,
    pub ledger: Option<&'a Path>,
    pub cpus: &'a str,
}

/// Runs it to its end, and gives its report and the most memory that the server had meanwhile.
pub fn generate(server: &Embedded, asked: &Generator<'_>) -> (Value, f64) {
    let url = format!("http://{}", server.process.http());
    let mut command = Command::new("taskset");
    command.args(["-c", asked.cpus]).arg(program());
    command.args(["loadgen", "-q", "-o", "json", "--url", &url]);
    command.args(["--rate", &asked.rate.to_string()]);
    command.args(["--duration", &format!("{}s", asked.length.as_secs())]);
    if let Some(ledger) = asked.ledger {
        command.arg("--ledger").arg(ledger);
    }
    command.current_dir(server.home()).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut running = command.spawn().unwrap();
    let mut stdout = running.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut stdout, &mut text).unwrap();
        text
    });
    let mut most = 0.0_f64;
    while running.try_wait().unwrap().is_none() {
        most = most.max(server.process.resident_mb());
        pause(Duration::from_millis(100));
    }
    let said = reader.join().unwrap();
    let report = serde_json::from_str(&said);
    (report.unwrap_or_else(|error| panic!("loadgen says {said:?}: {error}")), most)
}

/// A number in such a report.
pub fn number(report: &Value, path: &str) -> f64 {
    report.pointer(path).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

/// The first two processors, for what is to be measured on two whatever the machine has.
pub fn two_cpus() -> &'static str {
    if std::thread::available_parallelism().is_ok_and(|count| count.get() > 1) {
        "0,1"
    } else {
        "0"
    }
}

/// Posts one event; how long after `begun` it was acknowledged.
pub fn first_event(server: &Process, begun: Instant) -> Duration {
    let event = r#"{"event_type":"click","user_id":"u-first","campaign_id":"campaign-first"}"#;
    let answer = ureq::post(format!("http://{}/event", server.http())).send(event).unwrap();
    assert_eq!(answer.status(), 202);
    begun.elapsed()
}

/// The bare handler, in a process of its own.
pub fn bare() -> Process {
    Process::peer(child("", &["bare"]))
}
