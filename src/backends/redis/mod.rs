//! State on Redis 7: marks, counts, rules, what jobs remember.
//!
//! | key | what |
//! |---|---|
//! | `event:id:<id>` | mark: 36 characters of origin, then the receipt in ms to base 36 |
//! | `ip:count:<minute>:<c>` | hash: address to its events in a minute of receipt, for the addresses whose text ends in that character |
//! | `ip_blacklist` | set of blocked addresses; `SADD` and `SREM` by hand are rules like any other |
//! | `ip_blacklist:rules` | hash: reason, author, times of a rule, and networks |
//! | `ip_blacklist:ended` | hash: rules that ended and still hold for events received before |
//! | `evp:jobs` | hash of jobs' states |
//!
//! One script judges a batch, so that no other client comes between. Its keys lie anywhere, so a
//! Redis Cluster is refused. Redis keeps what it is told to keep: rules are as durable as its own
//! `appendonly` makes them, and marks that it loses cause work, never loss.

mod connection;
mod counts;
mod doctor;
mod judge;
mod rules;
mod state;

pub use doctor::RedisDoctor;
pub use state::RedisState;
