//! Topics on Kafka, or what speaks its protocol (librdkafka behind it).
//!
//! * [`KafkaLog`]: the port.
//! * `producer`: one counter a request, no future an event; rebuilt after a fatal error.
//! * `consumer`: a thread a membership; rebalances as events with generations.
//! * `meta`: identities, bounds and positions; `reader`: reads without a group.
//! * `native`: the calls that the safe wrapper lacks; the one place with `unsafe`.

mod config;
mod consumer;
mod doctor;
mod errors;
mod log;
mod membership;
mod meta;
#[cfg(test)]
mod mock_tests;
mod native;
mod packed;
mod producer;
mod reader;
mod record;
mod seats;
mod ticket;
mod topics;

pub use doctor::KafkaDoctor;
pub use log::{KafkaLog, KafkaLogOptions};
