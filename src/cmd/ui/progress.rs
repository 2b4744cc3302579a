//! A job's progress as a bar on a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::jobs::{JobProgress, ProgressSink};

/// A bar on stderr, or nothing; gone when dropped.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(super) fn new(title: &str, visible: bool) -> Self {
        let target = if visible {
            ProgressDrawTarget::stderr_with_hz(10)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_prefix(title.to_owned());
        bar.set_style(spinner());
        Self { bar }
    }
}

fn spinner() -> ProgressStyle {
    ProgressStyle::with_template("{prefix} {human_pos} {per_sec} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn bar() -> ProgressStyle {
    ProgressStyle::with_template("{prefix} [{bar:30}] {human_pos}/{human_len} {per_sec} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl ProgressSink for Progress {
    fn report(&self, progress: JobProgress) {
        if let Some(total) = progress.total
            && self.bar.length() != Some(total)
        {
            self.bar.set_length(total);
            self.bar.set_style(bar());
        }
        self.bar.set_position(progress.done);
        self.bar.set_message(progress.message);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
