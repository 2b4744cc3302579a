//! The collector over real sockets, on a log in memory.

mod bad_days;
mod bad_input;
mod both_paths;
mod rig;
mod routes;
