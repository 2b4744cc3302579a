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

/// How a process of evp is started that answers until it is stopped.
pub struct Start<'a> {
    /// Of its log file.
    pub name: &'a str,
    pub arguments: &'a [&'a str],
    pub home: &'a Path,
    pub data_dir: &'a Path,
    /// Where it writes its addresses.
    pub listen: &'a Path,
    pub environment: &'a [(String, String)],
    /// The processors that it may use, as `taskset -c` takes them; all where there are none.
    pub cpus: &'a str,
}

impl Process {
    /// Starts it and waits until it is ready.
    pub fn start(start: &Start<'_>) -> Self {
        let Start { name, home, listen, .. } = *start;
        let log = home.join(format!("{name}.log"));
        let _gone_already = fs::remove_file(listen);
        let child = on_cpus(start.cpus, &program())
            .args(start.arguments)
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir"])
            .arg(start.data_dir)
            .env_clear()
            .env("HOME", home)
            .env("PATH", "/usr/bin:/bin")
            .envs(start.environment.iter().map(|(name, value)| (name, value)))
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
            process.find_addresses(listen) && process.ask("/readyz").is_some()
        });
        assert!(is_ready, "{name} is not ready: {}", said());
        process
    }

    /// Starts a server that prints its address in its first line.
    pub fn peer(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
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

    pub fn http(&self) -> SocketAddr {
        self.http.expect("it takes events")
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

/// The program that is measured.
pub fn program() -> PathBuf {
    other_program().unwrap_or_else(|| env!("CARGO_BIN_EXE_evp").into())
}

/// Another build of it, where one is named.
pub fn other_program() -> Option<PathBuf> {
    let named = std::env::var_os("EVP_BIN").filter(|name| !name.is_empty())?;
    Some(Path::new(&named).canonicalize().expect("EVP_BIN is a program"))
}

/// This bench as another process, whose processor time is its own.
pub fn child(cpus: &str, arguments: &[&str]) -> Command {
    let mut command = on_cpus(cpus, &std::env::current_exe().unwrap());
    command.args(arguments);
    command
}

/// What such a child prints at its end.
pub fn answer_of_child<T: serde::de::DeserializeOwned>(cpus: &str, arguments: &[&str]) -> T {
    let done = child(cpus, arguments).stderr(Stdio::inherit()).output().unwrap();
    assert!(done.status.success(), "{} ended badly", arguments[0]);
    serde_json::from_slice(&done.stdout).unwrap()
}

/// `taskset` becomes the program: the process id stays.
fn on_cpus(cpus: &str, program: &Path) -> Command {
    if cpus.is_empty() {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", cpus]).arg(program);
    command
}

/// Processor time of this process so far, to the microsecond.
pub fn own_cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
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
        // Each look may be a dozen requests to a broker that is being measured beside.
        pause(Duration::from_millis(50));
    }
    true
}

#[expect(clippy::disallowed_methods, reason = "a benchmark waits for other processes")]
pub fn pause(duration: Duration) {
    std::thread::sleep(duration);
}
