//! Settings to ports: the only file that knows backends.
