//! Shutdown is an argument: a token that roles watch, cancelled once by a signal.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
pub use tokio_util::sync::CancellationToken;

use super::tasks;

/// The exit code after a second interrupt.
pub const INTERRUPTED: u8 = 130;

/// Cancels the token at the first SIGINT or SIGTERM and ends the process at the second.
///
/// # Errors
/// Where the signals cannot be watched.
pub fn on_signals(cancel: CancellationToken) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let watch = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("asked to stop: draining; a second signal ends at once");
        cancel.cancel();
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        end_now();
    };
    drop(tasks::spawn("signals", watch));
    Ok(())
}

#[expect(clippy::exit, clippy::disallowed_methods, reason = "the user will not wait for anything")]
fn end_now() {
    std::process::exit(i32::from(INTERRUPTED));
}
