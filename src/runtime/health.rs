//! Health: what each component says of itself, with since when.
//!
//! Ready means this process can do its work now; degraded is ready with something to say.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

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

    /// Whether there are components and every one can work.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        !checks.is_empty() && checks.values().all(|check| check.condition.is_ready())
    }
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
