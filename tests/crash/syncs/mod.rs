//! Whether every name and every file that a promise rests on is synced: the real binary with a shim in
//! front of the C library (`shim.c`) that writes down what it makes, writes and syncs.
//!
//! No power cut on ext4 shows a directory that was not synced: its journal takes the names along with
//! any sync of any file. Other file systems do not.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use super::QUICK;
use super::damage::{RAW, backlog, flip_middle, segments};
use super::harness::load::{Load, event as event_body};
use super::harness::server::{Server, eventually, pause};
use super::harness::{binary, evp, hermetic, said};

/// The segment in which a log begins.
const FIRST: &str = "00000000000000000000.seg";

/// One line of a trace.
#[derive(Debug, Clone, PartialEq)]
enum Event {
    /// A name came to be: of a file, of a directory, by renaming.
    Named(PathBuf),
    Renamed(PathBuf, PathBuf),
    Removed(PathBuf),
    Written(PathBuf),
    /// With the time at which it began.
    Synced(PathBuf, f64),
}

/// The shim, and where a process under it writes its trace.
struct Shim {
    library: PathBuf,
    /// What happens below it is written down.
    root: PathBuf,
    trace: PathBuf,
    _home: tempfile::TempDir,
}

impl Shim {
    /// Built anew. Its own files are beside what it writes down.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().canonicalize().unwrap();
        let (root, library) = (home.join("root"), home.join("shim.so"));
        std::fs::create_dir(&root).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crash/syncs/shim.c");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .args([&library, &source])
            .arg("-ldl")
            .output()
            .unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        Self { library, root, trace: home.join("trace"), _home: directory }
    }

    /// The next process begins a trace of its own.
    fn environment(&self) -> [(&'static str, &str); 3] {
        let _first_time = std::fs::remove_file(&self.trace);
        [
            ("LD_PRELOAD", self.library.to_str().unwrap()),
            ("EVP_SYNCS_ROOT", self.root.to_str().unwrap()),
            ("EVP_SYNCS_TRACE", self.trace.to_str().unwrap()),
        ]
    }

    fn start(&self, data_dir: &Path) -> Server {
        Server::start_with(data_dir, QUICK, &self.environment())
    }

    /// Runs a command to its end.
    fn run(&self, data_dir: &Path, arguments: &[&str]) {
        let mut command = Command::new(binary());
        hermetic(&mut command, data_dir);
        command.args(arguments).arg("--data-dir").arg(data_dir).envs(self.environment());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    }

    fn events(&self) -> Vec<Event> {
        let text = std::fs::read_to_string(&self.trace).unwrap();
        let events: Vec<_> = text.lines().map(event).collect();
        assert!(!events.is_empty(), "the shim saw nothing");
        events
    }
}

fn event(line: &str) -> Event {
    let (what, rest) = line.split_at(2);
    match what.trim() {
        "C" | "D" => Event::Named(rest.into()),
        "R" => {
            let (from, to) = rest.split_once('\t').unwrap();
            Event::Renamed(from.into(), to.into())
        }
        "U" => Event::Removed(rest.into()),
        "W" => Event::Written(rest.into()),
        "S" => {
            let (path, at) = rest.rsplit_once(' ').unwrap();
            Event::Synced(path.into(), at.parse().unwrap())
        }
        _ => panic!("no event: {line}"),
    }
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap()
}

/// Whether it is lost without harm: what SQLite makes again, what has not its last name yet, what
/// describes this process only, copies of damaged bytes.
fn is_passing(path: &Path) -> bool {
    let name = name_of(path);
    ["-shm", "-journal", ".tmp", ".new", ".part"].iter().any(|end| name.ends_with(end))
        || ["evp.lock", "listen.json"].contains(&name)
        || [".unfinished", "quarantine"].contains(&name_of(parent(path)))
        || name == "quarantine"
}

/// While one thread begins, each name is durable before anything is made that is not below it.
fn assert_in_order(events: &[Event]) {
    let mut pending: Vec<&Path> = Vec::new();
    for event in events {
        match event {
            Event::Named(name) | Event::Renamed(_, name) if !is_passing(name) => {
                let left = pending.iter().find(|one| !name.starts_with(one));
                assert_eq!(left, None, "not durable when {} was made", name.display());
                pending.push(name);
            }
            Event::Synced(path, _) => pending.retain(|name| parent(name) != path),
            _ => {}
        }
    }
    assert!(pending.is_empty(), "never durable: {pending:?}");
}

/// Each name that stays was made durable after it came to be, and so was that a segment is gone.
fn assert_names(events: &[Event]) {
    for (at, event) in events.iter().enumerate() {
        let name = match event {
            Event::Named(name) | Event::Renamed(_, name) if !is_passing(name) => name,
            Event::Removed(name) if name_of(name).ends_with(".seg") => name,
            _ => continue,
        };
        let folder = parent(name);
        let is_synced =
            events[at..].iter().any(|one| matches!(one, Event::Synced(path, _) if path == folder));
        assert!(is_synced, "{}: its directory was not synced after {event:?}", name.display());
    }
}

/// Each file was synced after it was written for the last time, and before it got its name. SQLite's
/// own files are its business.
fn assert_files(events: &[Event]) {
    let mut dirty: HashMap<&Path, usize> = HashMap::new();
    for (at, event) in events.iter().enumerate() {
        match event {
            Event::Written(path) => {
                dirty.insert(path, at);
            }
            Event::Synced(path, _) => {
                dirty.remove(path.as_path());
            }
            Event::Renamed(path, _) if !name_of(path).ends_with(".new") => {
                assert!(!dirty.contains_key(path.as_path()), "{event:?}, and not synced before");
            }
            Event::Removed(path) => {
                dirty.remove(path.as_path());
            }
            _ => {}
        }
    }
    let is_ours = |path: &&Path| {
        let name = name_of(path);
        !name.contains(".db") && !["evp.lock", ".listen.json.new", "next.tmp"].contains(&name)
    };
    let left: Vec<_> = dirty.into_keys().filter(is_ours).collect();
    assert!(left.is_empty(), "written and not synced: {left:?}");
}

/// The names in each directory of the archive were synced after the last of them came to be. A rename
/// that must not replace goes around the C library; the directory's time says when it was.
fn assert_archive(events: &[Event], archive: &Path) {
    let mut folders = vec![archive.to_owned()];
    let mut objects = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true if name_of(&path) != ".unfinished" => folders.push(path),
                true => {}
                false => objects += 1,
            }
        }
        let changed = std::fs::metadata(&folder).unwrap().modified().unwrap();
        let changed = changed.duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let synced = events.iter().rev().find_map(|event| match event {
            Event::Synced(path, at) if *path == folder => Some(*at),
            _ => None,
        });
        let is_synced = synced.is_some_and(|at| at >= changed);
        assert!(is_synced, "{}: changed {changed}, synced {synced:?}", folder.display());
    }
    assert!(objects > 0, "nothing was archived");
}

/// How many objects there are.
fn objects(archive: &Path) -> usize {
    let entries = std::fs::read_dir(archive).unwrap().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| name_of(path) != ".unfinished")
        .map(|path| if path.is_dir() { objects(&path) } else { 1 })
        .sum()
}

/// Waits until everything is stored and nothing more is archived.
fn wait_for_rest(data_dir: &Path) {
    let verified = evp(data_dir, &["verify", "--wait", "30s"]);
    assert!(verified.status.success(), "{}", said(&verified));
    let mut seen = usize::MAX;
    eventually(
        30,
        || "an archive at rest".to_owned(),
        || {
            pause(500);
            let now = objects(&data_dir.join("archive"));
            std::mem::replace(&mut seen, now) == now && now > 0
        },
    );
}

#[test]
fn every_name_and_every_file_is_synced() {
    let shim = Shim::new();
    let data_dir = shim.root.join("data");
    let server = shim.start(&data_dir);
    assert_in_order(&shim.events());
    let load = Load::start(&server.url, "synced", 4);
    let raw = data_dir.join(RAW);
    let is_deleted = || segments(&raw).first().is_some_and(|first| !first.ends_with(FIRST));
    eventually(60, || "a deleted segment".to_owned(), is_deleted);
    assert!(!load.stop().acknowledged.is_empty());
    wait_for_rest(&data_dir);
    assert_archive(&shim.events(), &data_dir.join("archive"));
    assert!(server.terminate().success());
    let events = shim.events();
    assert_names(&events);
    assert_files(&events);
}

/// Whoever put it there may have died before its name was durable.
#[test]
fn an_object_that_is_there_already_is_made_durable() {
    let shim = Shim::new();
    let data_dir = shim.root.join("data");
    let point = [("EVP_CRASH_POINT", "object.rename.after:1")];
    let mut dying = Server::spawn(&data_dir, QUICK, &point);
    eventually(60, || "an address".to_owned(), || dying.find_address(&data_dir));
    // One event, so that the next process has no other object to make in that directory.
    let _answer = ureq::post(format!("{}/event", dying.url)).send(event_body("only")).unwrap();
    assert!(dying.wait(Duration::from_secs(30)).is_some(), "died");
    let server = shim.start(&data_dir);
    wait_for_rest(&data_dir);
    assert_eq!(objects(&data_dir.join("archive")), 1);
    assert_archive(&shim.events(), &data_dir.join("archive"));
    assert!(server.terminate().success());
}

#[test]
fn what_is_put_aside_is_synced() {
    let shim = Shim::new();
    let data_dir = shim.root.join("data");
    drop(backlog(&data_dir, &["collector"]));
    flip_middle(&segments(&data_dir.join(RAW))[1]);
    let server = shim.start(&data_dir);
    // Said once the copy is done.
    let is_said = || server.said().contains("damaged frames in the log: put aside");
    eventually(60, || "a copy of what is damaged".to_owned(), is_said);
    assert!(server.terminate().success());
    let events = shim.events();
    let is_copied =
        |event: &Event| matches!(event, Event::Written(path) if name_of(path).ends_with(".bad"));
    assert!(events.iter().any(is_copied));
    assert_files(&events);
}

/// A ledger reserves its numbers before it sends, and a file of dead letters replaces none before it is
/// whole.
#[test]
fn ledgers_and_exported_letters_are_synced() {
    let shim = Shim::new();
    let data_dir = shim.root.join("data");
    let server = Server::start_with(&data_dir, QUICK, &[]);
    let lines: String = (0..10).map(|n| event_body(&format!("l{n}")) + "\n").collect();
    std::fs::write(shim.root.join("events.ndjson"), lines).unwrap();
    shim.run(&data_dir, &["send", "events.ndjson", "--ledger", "l.ledger"]);
    let events = shim.events();
    assert!(events.contains(&Event::Named(shim.root.join("l.ledger"))));
    assert_names(&events);
    assert_files(&events);
    assert!(server.terminate().success());
    let store = rusqlite::Connection::open(data_dir.join("store.db")).unwrap();
    let letter = "INSERT INTO dead_letters (origin, stage, error_type, reason, attempts,
            first_failed_at, last_failed_at, received_at, original_topic, original_partition,
            original_offset, key, value)
        VALUES ('01890a5d-ac96-774b-bcce-b302099a8000', 'worker', 'data_error', 'why', 1, ?1, ?1, ?1,
            'processed-events', 0, 0, x'', x'76')";
    store.execute(letter, ["2026-01-31T10:00:00.000Z"]).unwrap();
    drop(store);
    let letters = shim.root.join("letters.ndjson");
    shim.run(&data_dir, &["dlq", "export", "--output-file", letters.to_str().unwrap()]);
    let events = shim.events();
    let is_named = |event: &Event| matches!(event, Event::Renamed(_, to) if *to == letters);
    assert!(events.iter().any(is_named), "{events:?}");
    assert_files(&events);
}
