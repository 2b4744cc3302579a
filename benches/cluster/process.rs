//! Processes under measurement: roles of evp, the peer, servers; their CPU and memory from `/proc`.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Clock ticks a second of `/proc/<pid>/stat` on Linux.
const TICKS: f64 = 100.0;

/// A process, ended with this value.
pub struct Process {
    child: Child,
    /// Where it takes events.
    pub http: Option<SocketAddr>,
    admin: Option<SocketAddr>,
}

impl Process {
    /// Starts a role of evp by its command line, and waits until it is ready.
    pub fn role(
        name: &str,
        command_line: &[&str],
        home: &Path,
        environment: &[(String, String)],
    ) -> Self {
        let data_dir = home.join("data");
        // Each set of roles has a directory of its own in it; a worker brings its retrier.
        let set = name;
        let listen = data_dir.join(set).join("listen.json");
        let log = home.join(format!("{name}.log"));
        let _gone_already = fs::remove_file(&listen);
        let child = Command::new(env!("CARGO_BIN_EXE_evp"))
            .args(command_line)
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir"])
            .arg(&data_dir)
            .env_clear()
            .env("HOME", home)
            .env("PATH", "/usr/bin:/bin")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .current_dir(home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::options().create(true).append(true).open(&log).unwrap())
            .spawn()
            .unwrap();
        let mut process = Self { child, http: None, admin: None };
        let said = || fs::read_to_string(&log).unwrap_or_default();
        let is_ready = wait(Duration::from_secs(60), || {
            assert!(process.child.try_wait().unwrap().is_none(), "{name} ended: {}", said());
            process.find_addresses(&listen) && process.ask("/readyz").is_some()
        });
        assert!(is_ready, "{name} is not ready: {}", said());
        process
    }

    /// Starts a server that prints its address in its first line.
    pub fn peer(program: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, http: Some(line.trim().parse().unwrap()), admin: None }
    }

    fn find_addresses(&mut self, listen: &Path) -> bool {
        let Ok(text) = fs::read_to_string(listen) else { return false };
        let Ok(listen) = serde_json::from_str::<serde_json::Value>(&text) else { return false };
        let address = |name: &str| listen[name].as_str().and_then(|text| text.parse().ok());
        (self.http, self.admin) = (address("http"), address("admin"));
        self.admin.is_some()
    }

    fn ask(&self, path: &str) -> Option<String> {
        let mut answer = ureq::get(format!("http://{}{path}", self.admin?)).call().ok()?;
        answer.body_mut().read_to_string().ok()
    }

    /// One of its metrics; zero where it has counted nothing.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.ask("/metrics").unwrap_or_default();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.and_then(|value| value.parse().ok()).unwrap_or(0.0)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn cpu(&self) -> f64 {
        cpu_seconds(self.pid())
    }

    pub fn resident_mb(&self) -> f64 {
        resident_mb(self.pid())
    }

    /// SIGTERM, and waits.
    pub fn stop(mut self) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        let _gone_already = kill_process(pid, Signal::TERM);
        let has_ended = wait(Duration::from_secs(60), || self.child.try_wait().unwrap().is_some());
        assert!(has_ended, "a process does not end");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped_already = self.child.wait();
    }
}

/// The Go collector, built by the ordinary go command.
pub fn go_collector(target: &Path) -> PathBuf {
    let program = target.join("peer-collector");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/collector");
    let built = Command::new("go")
        .arg("build")
        .arg("-o")
        .arg(&program)
        .arg(".")
        .current_dir(source)
        .status()
        .expect("go is there");
    assert!(built.success(), "the peer does not build");
    program
}

/// User and system time of a process.
pub fn cpu_seconds(pid: u32) -> f64 {
    times(pid).map_or(0.0, |(own, _, _)| own)
}

/// The same with all its children, those that ended too.
pub fn tree_cpu_seconds(pid: u32) -> f64 {
    let alive = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let child: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let (own, _, parent) = times(child)?;
        (parent == pid).then_some(own)
    });
    times(pid).map_or(0.0, |(own, ended, _)| own + ended) + alive.sum::<f64>()
}

/// Own time, that of ended children, and the parent.
fn times(pid: u32) -> Option<(f64, f64, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold blanks; the state is the third field.
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let seconds = |at: usize| fields.get(at)?.parse::<f64>().ok().map(|ticks| ticks / TICKS);
    Some((seconds(11)? + seconds(12)?, seconds(13)? + seconds(14)?, fields.get(1)?.parse().ok()?))
}

pub fn resident_mb(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

/// Waits until it is so; whether it became so.
pub fn wait(limit: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !is_so() {
        if Instant::now() >= deadline {
            return false;
        }
        pause(Duration::from_millis(10));
    }
    true
}

#[expect(clippy::disallowed_methods, reason = "a benchmark waits for other processes")]
pub fn pause(duration: Duration) {
    std::thread::sleep(duration);
}
