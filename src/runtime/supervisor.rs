//! Speaking to a service manager (systemd's sd_notify): started, how it stands, alive, stopping.
//! Without one nothing is said.
//!
//! Alive means that work moves: a component that has gone silent is not covered up by a timer that
//! ticks on. One that waits for a dependency says so and is not silent.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::health::Health;
use super::shutdown::CancellationToken;
use super::tasks;

/// How often it is said how this process stands.
const TELL: Duration = Duration::from_secs(5);

/// How long the end of a process waits for the manager to be told of it.
const LAST_WORD: Duration = Duration::from_secs(1);

/// How often, and how soon again, it is tried to say what is said only once.
const INSIST: u32 = 1000;
const ROOM: Duration = Duration::from_millis(20);

/// Silence of a component after which the process counts as stuck. Above the longest that one step
/// may take by the time limits of its dependencies.
const SILENCE: Duration = Duration::from_secs(300);

/// Who speaks to the service manager.
#[derive(Debug)]
#[must_use = "end it when the process has drained"]
pub struct Supervisor {
    task: JoinHandle<()>,
    /// Closed once the end was told.
    ending: oneshot::Receiver<()>,
}

impl Supervisor {
    /// Speaks no more. Of a process that ends in no time the manager is told before that it does.
    pub async fn end(self) {
        // Told, or not within the time: it ends all the same.
        drop(tokio::time::timeout(LAST_WORD, self.ending).await);
        self.task.abort();
    }
}

/// Says that this process has started, and from then on how it stands. `drain` is how long it may
/// take to end once told to.
pub fn start(health: Health, shutdown: CancellationToken, drain: Duration) -> Supervisor {
    let (told, ending) = oneshot::channel();
    let task = tasks::spawn("supervisor", speak(health, shutdown, drain, told));
    Supervisor { task, ending }
}

async fn speak(
    health: Health,
    shutdown: CancellationToken,
    drain: Duration,
    told: oneshot::Sender<()>,
) {
    insist(&[NotifyState::Ready, NotifyState::Status(&health.in_words())]).await;
    let watchdog = sd_notify::watchdog_enabled();
    // Three times within the limit: one may come late.
    let every = watchdog.map_or(TELL, |limit| TELL.min(limit / 3)).max(Duration::from_millis(10));
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = shutdown.cancelled() => break,
        }
        let words = health.in_words();
        match health.silent(SILENCE) {
            None => {
                say(&[NotifyState::Status(&words), NotifyState::Watchdog]);
            }
            Some(name) => {
                let words = format!("{name} is stuck: no step for {} s", SILENCE.as_secs());
                tracing::error!(component = name, "stuck: the service manager is not told alive");
                say(&[NotifyState::Status(&words)]);
            }
        }
    }
    let limit = u32::try_from(drain.as_micros()).unwrap_or(u32::MAX).saturating_add(10_000_000);
    insist(&[
        NotifyState::Stopping,
        NotifyState::Status("draining"),
        NotifyState::ExtendTimeoutUsec(limit),
    ])
    .await;
    drop(told);
    loop {
        // Draining is bounded by its own time limit.
        say(&[NotifyState::Watchdog]);
        tokio::time::sleep(every).await;
    }
}

/// Says it, but for where the manager has not read what it was told before: then `false`.
fn say(states: &[NotifyState<'_>]) -> bool {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return true };
    match send(&path, states) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        Err(error) => {
            tracing::debug!(%error, "the service manager does not listen");
            true
        }
        Ok(()) => true,
    }
}

/// Says what is said only once: tries until there is room, for as long as a manager may be busy.
async fn insist(states: &[NotifyState<'_>]) {
    for _ in 0..INSIST {
        if say(states) {
            return;
        }
        tokio::time::sleep(ROOM).await;
    }
    tracing::warn!("the service manager does not read what it is told");
}

/// Sends one datagram without waiting for room: the library's own call waits, and a manager that
/// does not read would hold a thread of the runtime, and with it the end of the process.
///
/// # Errors
///
/// Nobody is bound to the socket, or its queue is full.
fn send(path: &OsStr, states: &[NotifyState<'_>]) -> std::io::Result<()> {
    let address = match path.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(path)?,
    };
    let lines: Vec<String> = states.iter().map(ToString::to_string).collect();
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    socket.send(lines.join("\n").as_bytes())?;
    Ok(())
}
