//! A real `evp serve` on a data directory, ended as the test wants.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{binary, hermetic};

/// A running server. Dropping it kills it.
pub struct Server {
    child: Child,
    /// `http://host:port` of the collector, else of the query role; empty without either.
    pub url: String,
    /// `http://host:port` of the admin listener.
    pub admin: String,
    log: PathBuf,
}

impl Server {
    /// Starts all roles and waits until they are ready.
    pub fn start(data_dir: &Path) -> Self {
        Self::start_with(data_dir, &[], &[])
    }

    /// Starts with further arguments and environment, and waits until ready.
    pub fn start_with(data_dir: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::spawn(data_dir, arguments, environment).when_ready(data_dir)
    }

    /// Starts another command than `serve`, and waits until ready.
    pub fn start_as(command_line: &[&str], data_dir: &Path, arguments: &[&str]) -> Self {
        Self::spawn_as(command_line, data_dir, arguments, &[]).when_ready(data_dir)
    }

    fn when_ready(mut self, data_dir: &Path) -> Self {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("evp ended with {status}\n{}", self.said());
            }
            if self.find_address(data_dir) && self.is_ready() {
                return self;
            }
            assert!(Instant::now() < deadline, "not ready after 60 s\n{}", self.said());
            pause(20);
        }
    }

    /// Starts without waiting: for servers that are to die early.
    pub fn spawn(data_dir: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::spawn_as(&["serve"], data_dir, arguments, environment)
    }

    /// Starts another command than `serve` that serves, without waiting.
    pub fn spawn_as(
        command_line: &[&str],
        data_dir: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let log = data_dir.with_extension("log");
        let mut command = Command::new(binary());
        hermetic(&mut command, data_dir);
        command
            .args(command_line)
            .args(["--admin-listen", "127.0.0.1:0"])
            .arg("--data-dir")
            .arg(data_dir)
            .args(arguments)
            .args(if arguments.contains(&"--listen") {
                &[][..]
            } else {
                &["--listen", "127.0.0.1:0"]
            })
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::options().create(true).append(true).open(&log).unwrap());
        // What an earlier server wrote must not be taken for this one's addresses.
        let _gone_already = fs::remove_file(data_dir.join("listen.json"));
        let child = command.spawn().expect("evp serve starts");
        Self { child, url: String::new(), admin: String::new(), log }
    }

    /// Reads the addresses, once they are written.
    pub fn find_address(&mut self, data_dir: &Path) -> bool {
        let Ok(text) = fs::read_to_string(data_dir.join("listen.json")) else { return false };
        let Ok(listen) = serde_json::from_str::<serde_json::Value>(&text) else { return false };
        let address = |name: &str| listen[name].as_str().map(|at| format!("http://{at}"));
        let Some(admin) = address("admin") else { return false };
        self.url = address("http").or_else(|| address("query")).unwrap_or_default();
        self.admin = admin;
        true
    }

    /// Whether `/readyz` answers 200.
    pub fn is_ready(&self) -> bool {
        ureq::get(format!("{}/readyz", self.admin)).call().is_ok()
    }

    /// Status and body of the admin port's `/readyz`.
    pub fn readiness(&self) -> (u16, serde_json::Value) {
        let (status, text) = get(&format!("{}/readyz?verbose", self.admin));
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    /// Waits until a component is not ready, and gives its check: `reason` and `since`.
    pub fn wait_not_ready(&self, component: &str) -> serde_json::Value {
        let mut body = serde_json::Value::Null;
        eventually(
            30,
            || format!("{component} is not ready; last: {}", self.said()),
            || {
                let status;
                (status, body) = self.readiness();
                status == 503 && body["checks"][component]["state"] == "not_ready"
            },
        );
        body["checks"][component].take()
    }

    /// Waits until everything is ready.
    pub fn wait_ready(&self) {
        eventually(60, || format!("ready again: {}", self.said()), || self.is_ready());
    }

    /// The admin port's Prometheus text.
    pub fn metrics(&self) -> String {
        get(&format!("{}/metrics", self.admin)).1
    }

    /// One sample of the Prometheus text; the name with its labels as printed.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let text = self.metrics();
        let sample = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        sample.and_then(|value| value.parse().ok())
    }

    /// Resident memory in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Whether it wrote that to stderr.
    pub fn has_said(&self, text: &str) -> bool {
        fs::read_to_string(&self.log).unwrap_or_default().contains(text)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// kill -9, and waits for the end.
    pub fn kill(mut self) {
        let _ended_already = self.child.kill();
        let _reaped_already = self.child.wait();
    }

    /// SIGTERM, and waits for the end.
    pub fn terminate(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait(Duration::from_secs(60)).expect("drains within 60 s")
    }

    /// Waits for the end of itself.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            pause(10);
        }
        None
    }

    /// The end of what it wrote to stderr.
    pub fn said(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped_already = self.child.wait();
    }
}

fn get(url: &str) -> (u16, String) {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    match agent.get(url).call() {
        Ok(mut answer) => {
            (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap_or_default())
        }
        Err(_) => (0, String::new()),
    }
}

/// Waits until it is so, and fails with what was wanted after that many seconds.
pub fn eventually(seconds: u64, wanted: impl Fn() -> String, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {seconds} s: {}", wanted());
        pause(50);
    }
}

#[expect(clippy::disallowed_methods, reason = "tests wait for another process")]
pub fn pause(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}
