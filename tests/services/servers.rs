//! The real servers, each started natively on a private port with data in a temporary folder,
//! stopped by process id. A missing server fails: `scripts/install-servers` installs them all.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A server process and how to start it again on the same data.
pub struct Running {
    name: &'static str,
    child: Option<Child>,
    start: Box<dyn Fn() -> Command + Send + Sync>,
    /// Its port on 127.0.0.1.
    pub port: u16,
    log: PathBuf,
}

impl Running {
    /// Starts it and waits until its port answers.
    pub fn start(
        name: &'static str,
        port: u16,
        folder: &Path,
        start: impl Fn() -> Command + Send + Sync + 'static,
    ) -> Self {
        let log = folder.join(format!("{name}.log"));
        let mut running = Self { name, child: None, start: Box::new(start), port, log };
        running.resume();
        running
    }

    /// Starts the stopped or killed server again and waits until its port answers.
    pub fn resume(&mut self) {
        let log = fs::File::options().create(true).append(true).open(&self.log).unwrap();
        let mut command = (self.start)();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap_or_else(|error| {
            panic!("{} does not start ({error}); run scripts/install-servers", self.name)
        }));
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "{}: {}", self.name, self.said());
            pause(50);
        }
    }

    /// Asks it to end, and waits.
    pub fn stop(&mut self) {
        self.end_with(Signal::TERM);
    }

    /// kill -9, and waits.
    pub fn kill(&mut self) {
        self.end_with(Signal::KILL);
    }

    /// Ends it by a signal, and waits.
    pub fn end_with(&mut self, signal: Signal) {
        self.signal(signal);
        if let Some(mut child) = self.child.take() {
            child.wait().unwrap();
        }
    }

    /// Its process id; 0 while it is stopped.
    #[allow(dead_code, reason = "asked by the benchmark")]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
            let _ = kill_process(pid, signal);
        }
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end_with(Signal::KILL);
    }
}

fn pause(millis: u64) {
    #[expect(clippy::disallowed_methods, reason = "tests wait for other processes")]
    std::thread::sleep(Duration::from_millis(millis));
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A file of what `scripts/install-servers` installed.
pub fn installed(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/servers").join(path)
}

/// One broker, replication 1, no topics made by accident.
pub fn kafka(folder: &Path) -> Running {
    let data = folder.join("kafka");
    fs::create_dir_all(&data).unwrap();
    let (port, controller) = (free_port(), free_port());
    let properties = data.join("server.properties");
    fs::write(
        &properties,
        format!(
            "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}\ncontroller.listener.names=CONTROLLER\n\
             listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n\
             inter.broker.listener.name=PLAINTEXT\nlog.dirs={}\nauto.create.topics.enable=false\n\
             offsets.topic.replication.factor=1\noffsets.topic.num.partitions=4\n\
             transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
             group.initial.rebalance.delay.ms=0\n\
             group.min.session.timeout.ms=1000\n",
            data.join("data").display()
        ),
    )
    .unwrap();
    let java = move |memory: &str| {
        let mut command = Command::new("java");
        command.arg(memory).arg("-cp").arg(format!("{}/*", installed("kafka/libs").display()));
        command
    };
    let formatted = java("-Xmx128m")
        .args(["kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c"])
        .arg(&properties)
        .output()
        .expect("java is there; run scripts/install-servers");
    assert!(formatted.status.success(), "{}", String::from_utf8_lossy(&formatted.stderr));
    Running::start("kafka", port, folder, move || {
        let mut command = java("-Xmx512m");
        command.arg("kafka.Kafka").arg(&properties);
        command
    })
}

/// In memory; with `append_only`, on disk.
pub fn redis(folder: &Path, append_only: bool) -> Running {
    redis_with(folder, append_only, &[])
}

/// The same with more arguments.
pub fn redis_with(folder: &Path, append_only: bool, arguments: &'static [&'static str]) -> Running {
    let data = folder.join("redis");
    fs::create_dir_all(&data).unwrap();
    let port = free_port();
    Running::start("redis", port, folder, move || {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string()]);
        command.args(["--appendonly", if append_only { "yes" } else { "no" }]);
        command.arg("--dir").arg(&data).args(arguments);
        command
    })
}

/// User `postgres`, password `password`, database `analytics`, as seed 000 has them.
pub fn postgres(folder: &Path) -> Running {
    let binaries = Path::new("/usr/lib/postgresql/15/bin");
    let data = folder.join("postgres");
    fs::create_dir_all(&data).unwrap();
    let password = folder.join("postgres.password");
    fs::write(&password, "password").unwrap();
    for path in [folder, &data, &password] {
        let owned = Command::new("chown").arg("nobody").arg(path).status().unwrap();
        assert!(owned.success());
    }
    let port = free_port();
    let as_nobody = |program: PathBuf| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]).arg(program);
        command
    };
    let made = as_nobody(binaries.join("initdb"))
        .args(["-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--pwfile"])
        .arg(&password)
        .arg("-D")
        .arg(&data)
        .output()
        .expect("PostgreSQL 15 is there; run scripts/install-servers");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let running = Running::start("postgres", port, folder, move || {
        let mut command = as_nobody(binaries.join("postgres"));
        command.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
        command
    });
    // Its port answers a moment before it does.
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let created = Command::new("psql")
            .env("PGPASSWORD", "password")
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-U", "postgres", "-c"])
            .arg("CREATE DATABASE analytics")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&created.stderr);
        if created.status.success() || said.contains("already exists") {
            break;
        }
        assert!(Instant::now() < deadline, "{said}");
        pause(100);
    }
    running
}

/// Access key of [`minio`].
pub const MINIO_USER: &str = "evp-test-user";
/// Secret key of [`minio`].
pub const MINIO_PASSWORD: &str = "evp-test-password";

/// An S3 store that refuses to overwrite when asked to.
pub fn minio(folder: &Path) -> Running {
    minio_with(folder, &[])
}

/// The same with further arguments.
pub fn minio_with(folder: &Path, more: &[&str]) -> Running {
    let more: Vec<String> = more.iter().map(|word| (*word).to_owned()).collect();
    let data = folder.join("minio");
    fs::create_dir_all(&data).unwrap();
    let (port, console) = (free_port(), free_port());
    Running::start("minio", port, folder, move || {
        let mut command = Command::new(installed("bin/minio"));
        command
            .env("MINIO_ROOT_USER", MINIO_USER)
            .env("MINIO_ROOT_PASSWORD", MINIO_PASSWORD)
            .env("MINIO_BROWSER", "off")
            .args(["server", "--quiet", "--address", &format!("127.0.0.1:{port}")])
            .args(["--console-address", &format!("127.0.0.1:{console}")])
            .args(&more)
            .arg(&data);
        command
    })
}
