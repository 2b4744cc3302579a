//! Serving HTTP/1.1 with limits: accept loop, deadlines, graceful end.
