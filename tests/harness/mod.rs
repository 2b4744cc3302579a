//! What the tests on the real binary share: a server that can be killed, a load that remembers
//! what was acknowledged, and an audit that is not `evp verify`.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failing test is the message")]

pub mod audit;
pub mod load;
pub mod server;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The binary under test: this build's, or the one that `EVP_BIN` names, a mutant for instance.
pub fn binary() -> PathBuf {
    std::env::var_os("EVP_BIN").map_or_else(|| env!("CARGO_BIN_EXE_evp").into(), PathBuf::from)
}

/// Runs one `evp` command on a data directory.
pub fn evp(data_dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    hermetic(&mut command, data_dir);
    command.args(arguments).arg("--data-dir").arg(data_dir);
    command.output().expect("evp runs")
}

/// Takes the machine's own settings out of the command's reach.
pub fn hermetic(command: &mut Command, data_dir: &Path) {
    let home = data_dir.parent().expect("a data directory has a parent");
    command.env_clear().env("HOME", home).env("PATH", "/usr/bin:/bin").current_dir(home);
}

/// Standard output as text.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Everything a failed command said.
pub fn said(output: &Output) -> String {
    format!(
        "exit {:?}\n--- stdout\n{}\n--- stderr\n{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
