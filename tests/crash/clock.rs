//! A clock that is stepped back under load: order, keys and marks do not go by it.

use std::fs;

use crate::QUICK;
use crate::harness::audit::assert_promise;
use crate::harness::load::{Load, event};
use crate::harness::server::{Server, eventually};

const THREE_DAYS_MS: i64 = 3 * 86_400_000;

#[test]
fn a_clock_stepped_back_loses_and_doubles_nothing() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let offset = home.path().join("offset");
    fs::write(&offset, "0").unwrap();
    let environment = [("EVP_CLOCK_OFFSET_FILE", offset.to_str().unwrap())];
    let server = Server::start_with(&data_dir, QUICK, &environment);
    let send = |server: &Server, id: &str| {
        let answer = ureq::post(format!("{}/event", server.url)).send(event(id)).unwrap();
        assert_eq!(answer.status(), 202);
    };
    send(&server, "before-the-step");
    let load = Load::start(&server.url, "s", 3);
    eventually(30, || "300 answers".to_owned(), || load.answered() > 300);
    fs::write(&offset, (-THREE_DAYS_MS).to_string()).unwrap();
    let before = load.answered();
    eventually(30, || "300 more".to_owned(), || load.answered() > before + 300);
    let archive = data_dir.join("archive/events");
    eventually(30, || "objects of both times".to_owned(), || folders(&archive).len() == 2);
    // Another origin of an id from "three days later" is a duplicate all the same.
    send(&server, "before-the-step");
    // Killed in this other time, and back to the right one.
    server.kill();
    let mut sent = load.stop();
    sent.acknowledged.insert("before-the-step".to_owned());
    let server = Server::start_with(&data_dir, QUICK, &environment);
    assert_promise(&data_dir, &sent, "three days back");
    // Segments whose times lie ahead of the clock are removed all the same.
    let files = || fs::read_dir(data_dir.join("log/raw-events/0")).unwrap().count();
    eventually(20, || format!("{} files in the raw topic", files()), || files() <= 2);
    fs::write(&offset, "0").unwrap();
    let load = Load::start(&server.url, "r", 2);
    eventually(30, || "50 answers".to_owned(), || load.answered() > 50);
    sent.extend(load.stop());
    send(&server, "before-the-step");
    assert_promise(&data_dir, &sent, "and forth again");
    let duplicates = server.metric("evp_books{outcome=\"duplicate\"}");
    assert!(duplicates.is_some(), "{}", server.metrics());
    assert!(server.terminate().success());

    let store = rusqlite::Connection::open(data_dir.join("store.db")).unwrap();
    let count = |sql: &str| store.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(
        count("SELECT COUNT(*) FROM event_decisions WHERE event_id = 'before-the-step'"),
        2,
        "both repeats are duplicates"
    );
}

/// `YYYY/MM/DD` under a folder.
fn folders(root: &std::path::Path) -> Vec<String> {
    let mut paths = vec![root.to_path_buf()];
    for _ in 0..3 {
        paths = paths
            .iter()
            .flat_map(|path| fs::read_dir(path).into_iter().flatten())
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir())
            .collect();
    }
    paths.iter().map(|path| path.display().to_string()).collect()
}
