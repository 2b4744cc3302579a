//! How a role says that it stands or waits: its health component, log lines and the wait itself.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Role, RoleDeps};
use crate::pipeline::retry::doubled;
use crate::ports::{Clock, Error};
use crate::runtime::health::Component;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
const LOG_EVERY: Duration = Duration::from_secs(30);

/// One role's voice; knows since when something fails and how long to wait before the next try.
#[derive(Debug)]
pub(super) struct Voice {
    role: Role,
    component: Component,
    clock: Arc<dyn Clock>,
    failing: Option<Failing>,
    /// What an operator should know although the role can work.
    remark: Option<String>,
    /// The same for as long as it lasts.
    limp: Option<String>,
}

#[derive(Debug)]
struct Failing {
    since: Instant,
    said_at: Instant,
    times: u32,
}

impl Voice {
    pub(super) fn new(role: Role, deps: &RoleDeps) -> Self {
        Self::of_member(role, 0, deps)
    }

    /// The voice of one of several; the first has the role's own name.
    pub(super) fn of_member(role: Role, number: usize, deps: &RoleDeps) -> Self {
        let clock = Arc::clone(&deps.ports.clock);
        let name = match number {
            0 => role.as_str().to_owned(),
            _ => format!("{role}-{}", number.saturating_add(1)),
        };
        let component = deps.health.component(&name, clock.now());
        Self { role, component, clock, failing: None, remark: None, limp: None }
    }

    /// It begins a step; one that does not for long is stuck.
    pub(super) fn step(&self) {
        self.component.step();
    }

    /// It has ended.
    pub(super) fn rest(&self) {
        self.component.rest();
    }

    /// It can work.
    pub(super) fn ready(&mut self) {
        match self.limp.as_ref().or(self.remark.as_ref()) {
            Some(remark) => self.component.degraded(remark.clone(), self.clock.now()),
            None => self.component.ready(self.clock.now()),
        }
    }

    /// It can work, and an operator should know this for as long as the process lives.
    pub(super) fn remarks(&mut self, text: String) {
        self.remark = Some(text);
        self.ready();
    }

    /// It works, but only half; nothing where it works whole again.
    pub(super) fn limps(&mut self, why: Option<String>) {
        if self.limp.is_some() != why.is_some() {
            self.limp = why;
            self.ready();
        }
    }

    /// Something worked: whatever failed before is over.
    pub(super) fn works(&mut self) {
        if let Some(failing) = self.failing.take() {
            let waited_ms = failing.since.elapsed().as_millis();
            tracing::info!(role = %self.role, waited_ms = %waited_ms, "works again");
            self.ready();
        }
    }

    /// Something failed that waiting may mend: says so, and how long to wait.
    pub(super) fn waits(&mut self, doing: &str, error: &Error) -> Duration {
        let now = Instant::now();
        let is_first = self.failing.is_none();
        let failing = self.failing.get_or_insert(Failing { since: now, said_at: now, times: 0 });
        let wait = doubled(FIRST_WAIT, LONGEST_WAIT, failing.times);
        failing.times = failing.times.saturating_add(1);
        if is_first || now.duration_since(failing.said_at) >= LOG_EVERY {
            failing.said_at = now;
            tracing::warn!(
                role = %self.role,
                kind = error.kind().as_str(),
                error = %error.chain(),
                "waits: cannot {doing}"
            );
        }
        self.component
            .not_ready(format!("waits: cannot {doing}: {}", error.chain()), self.clock.now());
        error.retry_after().map_or(wait, |advice| wait.max(advice.min(LONGEST_WAIT)))
    }
}
