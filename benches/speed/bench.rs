//! What the parts share: how long they run, where their files lie, and the servers, which are
//! started by the first part that needs them.

use std::cell::OnceCell;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use crate::load::Ledger;
use crate::stand::Stand;

/// Events that one run may number.
pub const MOST_EVENTS: usize = 1 << 28;

/// How long and how often.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    pub is_short: bool,
    pub rounds: usize,
    /// Of one load.
    pub seconds: Duration,
    /// Events that processor and worker are given at once.
    pub backlog: u64,
    /// Of the load at a fixed rate.
    pub steady: Duration,
    pub open_loop: Duration,
    pub outage: Duration,
}

impl Scale {
    const FULL: Self = Self {
        is_short: false,
        rounds: 5,
        seconds: Duration::from_secs(8),
        backlog: 400_000,
        steady: Duration::from_secs(20),
        open_loop: Duration::from_secs(600),
        outage: Duration::from_secs(60),
    };
    const SHORT: Self = Self {
        is_short: true,
        rounds: 2,
        seconds: Duration::from_secs(2),
        backlog: 60_000,
        steady: Duration::from_secs(4),
        open_loop: Duration::from_secs(10),
        outage: Duration::from_secs(5),
    };
}

pub struct Bench {
    pub scale: Scale,
    pub ledger: Arc<Ledger>,
    // Before the folder in which their files lie.
    stand: OnceCell<Stand>,
    home: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let scale = if is_set("EVP_BENCH_SHORT") { Scale::SHORT } else { Scale::FULL };
        let parent: PathBuf =
            std::env::var_os("EVP_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
        // Processes are started in folders of their own.
        let parent = parent.canonicalize().unwrap();
        let home = tempfile::Builder::new().prefix("evp-bench-").tempdir_in(parent).unwrap();
        let_others_in(&home);
        let ledger = Arc::new(Ledger::new(MOST_EVENTS));
        Self { scale, ledger, stand: OnceCell::new(), home }
    }

    /// A new folder, removed when its part lets go of it.
    pub fn folder(&self) -> TempDir {
        tempfile::tempdir_in(&self.home).unwrap()
    }

    pub fn stand(&self) -> &Stand {
        self.stand.get_or_init(|| {
            Stand::start(self.scale, self.home.path().join("stand"), Arc::clone(&self.ledger))
        })
    }

    /// To stop servers and start them again.
    pub fn stand_mut(&mut self) -> &mut Stand {
        self.stand();
        self.stand.get_mut().unwrap()
    }
}

/// Postgres runs as another user.
fn let_others_in(folder: &TempDir) {
    use std::os::unix::fs::PermissionsExt as _;
    let all = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), all).unwrap();
}
