//! Logs of the process: JSON or text on stderr.
