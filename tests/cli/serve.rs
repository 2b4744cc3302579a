//! `evp serve` as a process: what it says, who may join, how it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::sandbox::{Ended, Sandbox};

/// Asked for life once a second a process speaks so seldom that a queue of ten messages
/// (net.unix.max_dgram_qlen) holds what a busy test has not read yet.
const SECOND: Duration = Duration::from_secs(1);
const EVENT: &str = r#"{"event_type":"click","user_id":"u1","campaign_id":"c1"}"#;

/// A server that ends with the test.
pub(crate) struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    /// What it says of itself: the same as `listen.json`.
    pub(crate) told: Value,
}

impl Server {
    pub(crate) fn start(sandbox: &Sandbox, more: &[&str]) -> Self {
        Self::start_as(sandbox, &["serve"], more)
    }

    /// The same by another command line than `serve`.
    pub(crate) fn start_as(sandbox: &Sandbox, command: &[&str], more: &[&str]) -> Self {
        let mut args = command.to_vec();
        args.extend(["-o", "ndjson", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        args.extend(more);
        let mut command = sandbox.command(&args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let told = serde_json::from_str(&line).unwrap_or_default();
        Self { child, out, told }
    }

    pub(crate) fn url(&self, of: &str, path: &str) -> String {
        format!("http://{}{path}", self.told[of].as_str().unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end: code, and what it said last.
    pub(crate) fn end(mut self) -> Ended {
        let deadline = Instant::now() + Duration::from_secs(60);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "does not end within 60 s");
            std::thread::sleep(Duration::from_millis(10));
        };
        let mut ended = Ended {
            code: status.code().unwrap_or(-1),
            stdout: String::new(),
            stderr: String::new(),
        };
        self.out.read_to_string(&mut ended.stdout).unwrap();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut ended.stderr).unwrap();
        }
        ended
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn get(url: &str) -> (u16, String) {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut response = agent.get(url).call().unwrap();
    (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
}

#[test]
fn a_server_says_where_it_is_and_commands_reach_it() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &["--set", "archive.flush_interval=50ms"]);
    let file = std::fs::read_to_string(sandbox.path("evp-data/listen.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&file).unwrap(), server.told);
    assert_eq!(server.told["pid"], server.child.id());

    let answer = ureq::post(&server.url("http", "/event")).send(EVENT).unwrap();
    assert_eq!(answer.status().as_u16(), 202);
    assert_eq!(get(&server.url("admin", "/livez")).0, 200);
    let (_, body) = get(&server.url("admin", "/readyz?verbose"));
    assert!(body.contains("\"collector\""), "{body}");
    let (status, text) = get(&server.url("admin", "/metrics"));
    assert!(status == 200 && text.contains("\nevents_received_total 1\n"), "{text}");
    assert_eq!(get(&server.url("admin", "/admin/v1/jobs/stats")).0, 404, "not on a port");

    sandbox.run(&["verify", "--wait", "30s"]).ok();
    let stats = sandbox.run(&["stats", "-o", "json"]).ok();
    assert!(stats.contains("\"c1\""), "{stats}");

    server.signal(Signal::TERM);
    let ended = server.end();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let first: Value = serde_json::from_str(ended.stderr.lines().next().unwrap()).unwrap();
    assert_eq!(first["msg"], "listening");
    assert!(!sandbox.path("evp-data/listen.json").exists());
    assert!(!sandbox.path("evp-data/admin.sock").exists());
    assert_eq!(sandbox.run(&["stats", "-o", "json"]).ok(), stats, "the same when stopped");
}

/// A service manager that hears what is said to it.
struct Manager {
    socket: UnixDatagram,
    /// All that was said so far.
    said: String,
}

impl Manager {
    /// The manager, and the sandbox whose processes speak to it and are asked for life that often.
    fn of(sandbox: Sandbox, watchdog: Duration) -> (Self, Sandbox) {
        let path = sandbox.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let sandbox = sandbox
            .with("NOTIFY_SOCKET", &path.display().to_string())
            .with("WATCHDOG_USEC", &watchdog.as_micros().to_string());
        (Self { socket, said: String::new() }, sandbox)
    }

    /// The message with a line that is wanted.
    #[track_caller]
    fn hears(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut text = [0; 4096];
        while Instant::now() < deadline {
            let Ok(length) = self.socket.recv(&mut text) else { break };
            let message = String::from_utf8_lossy(&text[..length]).into_owned();
            self.said.push_str(&message);
            if message.lines().any(&wanted) {
                return message;
            }
        }
        panic!("not heard: {}", self.said);
    }
}

#[test]
fn a_service_manager_is_told_of_start_life_and_end() {
    let (mut manager, sandbox) = Manager::of(Sandbox::new(), SECOND);
    let server = Server::start(&sandbox, &[]);
    let ready = manager.hears(|line| line == "READY=1");
    assert!(ready.contains("STATUS="), "{ready}");
    manager.hears(|line| line == "WATCHDOG=1");
    manager.hears(|line| line == "STATUS=ready");
    server.signal(Signal::TERM);
    manager.hears(|line| line == "STOPPING=1");
    assert_eq!(server.end().code, 0);
}

#[test]
fn a_service_manager_that_does_not_read_holds_nobody_up() {
    let (mut manager, sandbox) = Manager::of(Sandbox::new(), SECOND / 10);
    let server = Server::start(&sandbox, &[]);
    manager.hears(|line| line == "READY=1");
    // The queue of a socket holds net.unix.max_dgram_qlen messages, and 30 come a second.
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(get(&server.url("admin", "/readyz")).0, 200);
    server.signal(Signal::TERM);
    assert_eq!(server.end().code, 0);
}

#[test]
fn a_role_that_waits_for_its_server_has_started_is_alive_and_says_why() {
    let (mut manager, sandbox) = Manager::of(Sandbox::new(), SECOND);
    // Nobody listens there.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let sandbox = sandbox
        .with("KAFKA_BROKERS", &gone.to_string())
        .with("DB_URL", &format!("postgres://postgres:hunter2@{gone}/analytics"));
    let mut server = Server::start_as(&sandbox, &["serve", "query", "--profile", "cluster"], &[]);
    manager.hears(|line| line == "READY=1");
    manager.hears(|line| {
        line.starts_with("STATUS=not ready: ")
            && line.contains("query")
            && line.contains("postgres")
    });
    for _ in 0..3 {
        manager.hears(|line| line == "WATCHDOG=1");
    }
    server.signal(Signal::TERM);
    manager.hears(|line| line == "STOPPING=1");
    assert!(!manager.said.contains("hunter2"), "{}", manager.said);
    let mut told = String::new();
    let mut stderr = server.child.stderr.take().unwrap();
    assert_eq!(server.end().code, 0);
    stderr.read_to_string(&mut told).unwrap();
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn a_second_owner_is_refused_with_the_firsts_pid() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &[]);
    let text = sandbox.run(&["run", "worker", "--admin-listen", "0"]).failed(1);
    assert!(text.contains(&format!("in use by process {}", server.child.id())), "{text}");
}

#[test]
fn only_serve_makes_a_directory() {
    let sandbox = Sandbox::new();
    for args in [&["stats"][..], &["run", "worker", "--admin-listen", "0"][..]] {
        let text = sandbox.run(args).failed(1);
        assert!(text.contains("there is no data directory"), "{text}");
        assert!(text.contains("hint: `evp serve` makes one"), "{text}");
    }
    assert!(!sandbox.path("evp-data").exists());
}

#[test]
fn a_directory_with_a_long_path_has_its_socket_too() {
    let sandbox = Sandbox::new();
    let long = ["x".repeat(60), "y".repeat(60)].join("/");
    std::fs::create_dir_all(sandbox.path(&long)).unwrap();
    let directory = format!("{long}/data");
    let _server = Server::start(&sandbox, &["--data-dir", &directory]);
    sandbox.run(&["blacklist", "add", "10.0.0.9", "--data-dir", &directory]).ok();
    let list = sandbox.run(&["blacklist", "ls", "--data-dir", &directory]).ok();
    assert!(list.contains("10.0.0.9"), "{list}");
}

#[test]
fn an_address_that_is_taken_is_named_with_a_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let sandbox = Sandbox::new();
    for (flag, other) in [("--listen", "--admin-listen"), ("--admin-listen", "--listen")] {
        let text = sandbox.run(&["serve", flag, &address, other, "127.0.0.1:0"]).failed(1);
        assert!(text.contains(&format!("cannot listen on {address}")), "{text}");
        assert!(text.contains(&format!("hint: {flag} 127.0.0.1:0 takes a free port")), "{text}");
    }
}

#[test]
fn wrong_settings_are_exit_78_before_anything_is_made() {
    let sandbox = Sandbox::new();
    let text = sandbox.run(&["serve", "--listen", "nowhere"]).failed(78);
    let wanted = "--listen: http.listen: not an address and port like 127.0.0.1:8080";
    assert!(text.contains(wanted), "{text}");
    let text = sandbox.run(&["serve", "--set", "http.trusted_proxies=10.0.0.1"]).failed(78);
    assert!(text.contains("not a network like 10.0.0.0/8"), "{text}");
    let text = sandbox.run(&["serve", "--set", "processor.linger=2s"]).failed(78);
    assert!(text.contains("processor.linger: must be at most 1s"), "{text}");
    assert!(!sandbox.path("evp-data").exists());
}

#[test]
fn a_second_signal_ends_at_once() {
    let sandbox = Sandbox::new();
    let mut server = Server::start(&sandbox, &["--drain-timeout", "10m"]);
    // A request that is half sent is waited for.
    let mut half = TcpStream::connect(server.told["http"].as_str().unwrap()).unwrap();
    half.write_all(b"POST /event HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{").unwrap();
    let mut stderr = BufReader::new(server.child.stderr.take().unwrap());
    server.signal(Signal::TERM);
    let mut line = String::new();
    while !line.contains("asked to stop") {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended without a word");
    }
    server.signal(Signal::TERM);
    assert_eq!(server.end().code, 130);
}
