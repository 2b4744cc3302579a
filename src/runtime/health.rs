//! Health: what each component says of itself, with since when.
//!
//! Ready means this process can do its work now; degraded is ready with something to say.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};

use crate::model::Timestamp;

/// A component's own word on itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "reason")]
pub enum Condition {
    /// Not able to work yet.
    Starting,
    /// Able to work.
    Ready,
    /// Able to work, but an operator should know.
    Degraded(String),
    /// Not able to work now.
    NotReady(String),
}

impl Condition {
    /// Whether work can be done.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        matches!(self, Self::Ready | Self::Degraded(_))
    }
}

/// A component's condition and since when it is so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The condition.
    #[serde(flatten)]
    pub condition: Condition,
    /// Since when.
    pub since: Timestamp,
}

/// All components of this process; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Health {
    checks: Arc<Mutex<BTreeMap<String, Check>>>,
    /// When each component that works in steps began the last one.
    steps: Arc<Mutex<BTreeMap<String, Instant>>>,
}

impl Health {
    /// Nothing registered: not ready.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a component, starting; it speaks through what is returned.
    #[must_use]
    pub fn component(&self, name: &str, now: Timestamp) -> Component {
        let component = Component { health: self.clone(), name: name.to_owned() };
        component.set(Condition::Starting, now);
        component
    }

    /// Every component's condition by name.
    #[must_use]
    pub fn checks(&self) -> BTreeMap<String, Check> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The body of `/ready` and `/readyz` with whether this process is ready; `verbose` names every
    /// component even where all is well (contract, "Query").
    #[must_use]
    pub fn report(&self, verbose: bool) -> (bool, Value) {
        let checks = self.checks();
        let ready = !checks.is_empty() && checks.values().all(|check| check.condition.is_ready());
        let mut body = if ready {
            json!({ "status": "ready" })
        } else {
            json!({ "status": "not ready", "error": first_fault(&checks) })
        };
        if verbose || !ready {
            body["checks"] = json!(checks);
        }
        if let Some(reason) = degraded(&checks) {
            body["degraded"] = json!(reason);
        }
        (ready, body)
    }

    /// How this process stands, in one line.
    #[must_use]
    pub fn in_words(&self) -> String {
        let checks = self.checks();
        if !checks.values().all(|check| check.condition.is_ready()) {
            return format!("not ready: {}", first_fault(&checks));
        }
        degraded(&checks).map_or_else(|| "ready".to_owned(), |reason| format!("degraded: {reason}"))
    }

    /// A component that works in steps and has begun none for longer than that.
    #[must_use]
    pub fn silent(&self, limit: Duration) -> Option<String> {
        let steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let silent = steps.iter().find(|(_, step)| step.elapsed() > limit);
        silent.map(|(name, _)| name.clone())
    }

    /// Whether there are components and every one can work.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        !checks.is_empty() && checks.values().all(|check| check.condition.is_ready())
    }
}

fn first_fault(checks: &BTreeMap<String, Check>) -> String {
    let fault = |(name, check): (&String, &Check)| match &check.condition {
        Condition::NotReady(reason) => Some(format!("{name}: {reason}")),
        Condition::Starting => Some(format!("{name} is starting")),
        Condition::Ready | Condition::Degraded(_) => None,
    };
    checks.iter().find_map(fault).unwrap_or_else(|| "nothing runs yet".to_owned())
}

fn degraded(checks: &BTreeMap<String, Check>) -> Option<String> {
    checks.iter().find_map(|(name, check)| match &check.condition {
        Condition::Degraded(reason) => Some(format!("{name}: {reason}")),
        _ => None,
    })
}

/// One component's voice.
#[derive(Debug, Clone)]
pub struct Component {
    health: Health,
    name: String,
}

impl Component {
    /// Says how it stands; `now` counts only where the condition changes.
    pub fn set(&self, condition: Condition, now: Timestamp) {
        let mut checks = self.health.checks.lock().unwrap_or_else(PoisonError::into_inner);
        let unchanged = checks.get(&self.name).is_some_and(|check| check.condition == condition);
        if !unchanged {
            checks.insert(self.name.clone(), Check { condition, since: now });
        }
    }

    /// Begins a step. A component that never does is not watched.
    pub fn step(&self) {
        let mut steps = self.health.steps.lock().unwrap_or_else(PoisonError::into_inner);
        match steps.get_mut(&self.name) {
            Some(step) => *step = Instant::now(),
            None => {
                steps.insert(self.name.clone(), Instant::now());
            }
        }
    }

    /// Ends its work in steps: silence is no fault from here on.
    pub fn rest(&self) {
        self.health.steps.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }

    /// Able to work.
    pub fn ready(&self, now: Timestamp) {
        self.set(Condition::Ready, now);
    }

    /// Not able to work, and why.
    pub fn not_ready(&self, reason: impl Into<String>, now: Timestamp) {
        self.set(Condition::NotReady(reason.into()), now);
    }

    /// Able to work, with something to say.
    pub fn degraded(&self, reason: impl Into<String>, now: Timestamp) {
        self.set(Condition::Degraded(reason.into()), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_every_component_and_the_first_fault_is_named() {
        let health = Health::new();
        assert_eq!(health.report(false).1["error"], "nothing runs yet");
        let now = Timestamp::from_millis_clamped(0);
        let (worker, collector) = (health.component("worker", now), health.component("a", now));
        collector.ready(now);
        worker.not_ready("store is locked", now);
        let (ready, body) = health.report(false);
        assert!(!ready);
        assert_eq!(body["error"], "worker: store is locked");
        assert_eq!(body["checks"]["worker"]["state"], "not_ready");
        worker.degraded("slow", now);
        let (ready, body) = health.report(false);
        assert!(ready && body.get("checks").is_none());
        assert_eq!(body["degraded"], "worker: slow");
        assert!(health.report(true).1.get("checks").is_some());
    }

    #[test]
    fn silence_is_that_of_components_which_work_in_steps() {
        let now = Timestamp::from_millis_clamped(0);
        let health = Health::new();
        let (worker, process) = (health.component("worker", now), health.component("p", now));
        assert_eq!(health.silent(Duration::ZERO), None);
        worker.step();
        while health.silent(Duration::ZERO).is_none() {}
        assert_eq!(health.silent(Duration::ZERO).as_deref(), Some("worker"));
        assert_eq!(health.silent(Duration::MAX), None);
        worker.rest();
        process.rest();
        assert_eq!(health.silent(Duration::ZERO), None);
    }

    #[test]
    fn one_line_says_how_it_stands() {
        let now = Timestamp::from_millis_clamped(0);
        let health = Health::new();
        let worker = health.component("worker", now);
        assert_eq!(health.in_words(), "not ready: worker is starting");
        worker.ready(now);
        assert_eq!(health.in_words(), "ready");
        worker.degraded("slow", now);
        assert_eq!(health.in_words(), "degraded: worker: slow");
    }
}
