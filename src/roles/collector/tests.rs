//! The collector over real sockets, on a log in memory.
