//! Serving over real sockets: deadlines, refusals, the graceful end.
