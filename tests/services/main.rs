//! The backends on real servers: started by the tests on private ports, stopped by process id. A
//! server that is missing fails its tests; `scripts/install-servers` installs them all.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod s3;
mod servers;
