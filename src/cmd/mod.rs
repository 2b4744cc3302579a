//! What the user types and sees: one file a leaf command, no pipeline logic.
//!
//! A leaf is an args struct whose doc comment is its help, and `run(self, &Context) -> CmdResult`:
//! it reaches the data through [`session::Session`], runs a job and prints what the job returned
//! through [`ui::Ui`]. stdout is data, stderr is talk.

pub mod admin;
mod archive;
mod ask;
mod blacklist;
pub mod cli;
mod completions;
mod config;
pub mod context;
mod dlq;
mod doctor;
pub mod error;
mod loadgen;
mod man;
mod migrate;
mod replay;
mod run;
mod send;
mod serve;
mod server;
pub mod session;
mod stats;
mod status;
mod tail;
mod topics;
pub mod ui;
mod verify;

pub use cli::main;
