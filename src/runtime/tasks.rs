//! Named tasks: a task without an owner does not exist.

use std::future::Future;

use tokio::task::JoinHandle;

/// Spawns a task whose name and failure are logged; the only caller of `tokio::spawn`.
#[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
pub fn spawn<F>(name: &'static str, task: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tracing::trace!(task = name, "task started");
    tokio::spawn(task)
}
