//! What every running process needs around its roles: health, tasks, metrics, logs, HTTP serving.

pub mod health;
pub mod http;
pub mod metrics;
pub mod shutdown;
pub mod supervisor;
pub mod tasks;
pub mod telemetry;
