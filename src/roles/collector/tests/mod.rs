//! The collector over real sockets, on a log in memory.

mod bad_days;
mod bad_input;
mod rig;
mod routes;
