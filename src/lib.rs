//! `evp`: one binary for every stage of an event pipeline.
//!
//! A map of the crate, from the outside in; an arrow is "may import":
//!
//! ```text
//! main -> cmd -> { jobs, roles } -> pipeline -> ports -> model
//!         cmd -> wire -> backends ------------> ports -> model
//!         settings -> model      runtime -> settings
//! ```
//!
//! * [`cmd`]: what the user types and sees, one file a leaf command.
//! * [`roles`]: what runs until stopped: collector, processor, archiver, worker, retrier, query.
//! * [`jobs`]: what finishes: replay, verify, stats, blacklist, dead letters.
//! * [`pipeline`]: decisions without I/O.
//! * [`ports`]: small object-safe traits, and the suite that each backend passes.
//! * [`backends`]: embedded (segment log, SQLite, directory) and memory.
//! * [`wire`]: settings to ports; the only importer of `backends`.
//! * [`settings`], [`runtime`], [`model`]: leaves, used from above.
//!
//! `tests/architecture.rs` holds this table and fails on an edge outside it.

pub mod backends;
pub mod cmd;
pub mod jobs;
pub mod model;
pub mod pipeline;
pub mod ports;
pub mod roles;
pub mod runtime;
pub mod settings;
pub mod wire;
