//! A real `evp serve` on a data directory, ended as the test wants.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::hermetic;

/// A running server. Dropping it kills it.
pub struct Server {
    child: Child,
    /// `http://host:port` of the collector.
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
        let mut server = Self::spawn(data_dir, arguments, environment);
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = server.child.try_wait().unwrap() {
                panic!("evp serve ended with {status}\n{}", server.said());
            }
            if server.find_address(data_dir) && server.is_ready() {
                return server;
            }
            assert!(Instant::now() < deadline, "not ready after 60 s\n{}", server.said());
            pause(20);
        }
    }

    /// Starts without waiting: for servers that are to die early.
    pub fn spawn(data_dir: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let log = data_dir.with_extension("log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_evp"));
        hermetic(&mut command, data_dir);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .arg("--data-dir")
            .arg(data_dir)
            .args(arguments)
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
        let (Some(url), Some(admin)) = (address("http"), address("admin")) else { return false };
        self.url = url;
        self.admin = admin;
        true
    }

    /// Whether `/readyz` answers 200.
    pub fn is_ready(&self) -> bool {
        ureq::get(format!("{}/readyz", self.admin)).call().is_ok()
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

#[expect(clippy::disallowed_methods, reason = "tests wait for another process")]
pub fn pause(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}
