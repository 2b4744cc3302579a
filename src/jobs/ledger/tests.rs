//! What is written is read again, and what a crash or a hand did to it is told apart.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use uuid::Uuid;

use super::*;

const RUN: Uuid = Uuid::from_u128(0x0190_a5d0_ac96_774b_bcce_b302_099a_8057);

fn head() -> Head {
    Head {
        run: RUN,
        made_at: "2026-01-31T10:00:00Z".parse().unwrap(),
        target: "http://127.0.0.1:8080/\"x\"".to_owned(),
        maker: "evp test".to_owned(),
    }
}

fn entry(number: u64, event_id: &str, answer: Answer) -> Entry<'_> {
    let sent = "2026-01-31T10:00:01.234Z".parse().unwrap();
    let answered = (answer != Answer::Unknown).then_some(sent);
    let status = if answer == Answer::Accepted { 202 } else { 0 };
    Entry { number, event_id, hash: [0xAB; 32], sent, answered, answer, status }
}

fn path(directory: &TempDir) -> PathBuf {
    directory.path().join("run.ledger")
}

fn write(path: &Path, is_finished: bool) {
    let mut writer = LedgerWriter::create(path, &head()).unwrap();
    assert_eq!(writer.reserve(2).unwrap(), 0..2);
    writer.record(&entry(1, &event_id(RUN, 1), Answer::Accepted)).unwrap();
    writer.record(&entry(0, "their \"own\" \\ é", Answer::Unknown)).unwrap();
    assert_eq!(writer.reserve(3).unwrap(), 2..5);
    writer.record(&entry(4, &event_id(RUN, 4), Answer::Rejected)).unwrap();
    if is_finished {
        writer.finish().unwrap();
    }
}

#[derive(Debug, PartialEq)]
struct Seen {
    events: Vec<(u64, String, Answer)>,
    reserved: u64,
    is_finished: bool,
    is_torn: bool,
}

fn read(path: &Path) -> Result<Seen, LedgerError> {
    let mut reader = LedgerReader::open(path)?;
    assert_eq!(*reader.head(), head());
    let mut events = Vec::new();
    while let Some(line) = reader.next_line()? {
        if let LedgerLine::Sent(sent) = line {
            let written = entry(sent.number, &sent.event_id, sent.answer);
            assert_eq!((sent.hash, sent.sent), (written.hash, written.sent));
            assert_eq!((sent.answered, sent.status), (written.answered, written.status));
            events.push((sent.number, sent.event_id.into_owned(), sent.answer));
        }
    }
    let (is_finished, is_torn) = (reader.is_finished(), reader.is_torn());
    Ok(Seen { events, reserved: reader.reserved(), is_finished, is_torn })
}

fn all() -> Vec<(u64, String, Answer)> {
    vec![
        (1, event_id(RUN, 1), Answer::Accepted),
        (0, "their \"own\" \\ é".to_owned(), Answer::Unknown),
        (4, event_id(RUN, 4), Answer::Rejected),
    ]
}

#[test]
fn what_is_written_is_read_again_and_every_line_is_json() {
    let directory = tempfile::tempdir().unwrap();
    let path = path(&directory);
    write(&path, true);
    let seen = read(&path).unwrap();
    assert_eq!(seen, Seen { events: all(), reserved: 5, is_finished: true, is_torn: false });
    for line in fs::read_to_string(&path).unwrap().lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

#[test]
fn a_ledger_is_never_written_over() {
    let directory = tempfile::tempdir().unwrap();
    let path = path(&directory);
    write(&path, true);
    let refused = LedgerWriter::create(&path, &head()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
    assert_eq!(read(&path).unwrap().events.len(), 3);
}

#[test]
fn a_number_that_is_not_reserved_is_not_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = LedgerWriter::create(&path(&directory), &head()).unwrap();
    writer.reserve(1).unwrap();
    let refused = writer.record(&entry(1, "e", Answer::Accepted)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    assert!(writer.reserve(u64::MAX).is_err());
    assert_eq!(writer.reserve(1).unwrap(), 1..2);
}

/// What a reservation promises is on disk though the process never wrote again.
#[test]
fn a_crash_keeps_reservations_and_what_was_recorded_before_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = path(&directory);
    let mut writer = LedgerWriter::create(&path, &head()).unwrap();
    writer.reserve(2).unwrap();
    writer.record(&entry(0, &event_id(RUN, 0), Answer::Accepted)).unwrap();
    writer.reserve(10).unwrap();
    writer.record(&entry(1, &event_id(RUN, 1), Answer::Accepted)).unwrap();
    let seen = read(&path).unwrap();
    std::mem::forget(writer);
    assert_eq!((seen.events.len(), seen.reserved), (1, 12));
    assert!(!seen.is_finished && !seen.is_torn);
}

/// Cut at every byte of its last line, it is the ledger without that line.
#[test]
fn a_torn_last_line_is_no_line_wherever_it_is_cut() {
    let directory = tempfile::tempdir().unwrap();
    let path = path(&directory);
    write(&path, false);
    let whole = fs::read(&path).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for length in last + 1..whole.len() - 1 {
        fs::write(&path, &whole[..length]).unwrap();
        let seen = read(&path).unwrap();
        assert_eq!(seen.events, all()[..2], "cut at {length}");
        assert!(seen.is_torn && !seen.is_finished);
    }
    // Only the line feed is missing: the line is whole.
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert_eq!(read(&path).unwrap().events, all());
}

#[test]
fn damage_elsewhere_is_named_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = path(&directory);
    write(&path, true);
    let whole = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let without = |at: usize| {
        let mut kept = lines.clone();
        kept.remove(at);
        kept.join("\n") + "\n"
    };
    let cases = [
        (whole.replacen("abab", "xbab", 1), ":3: its hash is not 64 hexadecimal digits"),
        (whole.replacen("\"n\":1", "\"n\":9", 1), ":3: number 9 was never reserved"),
        (whole.replacen("\"accepted\"", "\"fine\"", 1), ":3: unknown variant `fine`"),
        (whole.replacen("10:00:01.234Z", "25:00:01.234Z", 1), ":3: \"2026-01-31T25"),
        (whole.replacen("\"first\":2", "\"first\":3", 1), ":5: it reserves from 3, not 2"),
        (without(3), ":6: it says 3 events, and 2 stand before it"),
        (without(1), ":2: number 1 was never reserved"),
        (format!("{whole}{}\n", lines[2]), ":7: it is not the last line"),
        (whole.replacen("{\"n\":0", "\0\0\0\0", 1), ":4: expected value"),
    ];
    for (text, expected) in cases {
        fs::write(&path, text).unwrap();
        let error = read(&path).unwrap_err();
        assert!(matches!(error, LedgerError::Damaged { .. }));
        assert!(error.to_string().contains(expected), "{error}\nis not\n{expected}");
    }
}

#[test]
fn what_is_no_ledger_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = path(&directory);
    assert!(matches!(LedgerReader::open(&path), Err(LedgerError::Io { .. })));
    let cases = [
        ("", "it is empty"),
        ("{\"event_id\":\"e\"}\n", "missing field `evp_ledger`"),
        ("{\"evp_ledger\":2}\n", "version 2 is later than this evp's, 1"),
        ("{\"evp_ledger\":1,\"run\":\"x\"}\n", "its head has no run"),
    ];
    for (text, expected) in cases {
        fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
        let error = LedgerReader::open(&path).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn a_ledger_that_grows_is_read_on_from_where_it_ended() {
    let directory = tempfile::tempdir().unwrap();
    let path = path(&directory);
    write(&path, true);
    let whole = fs::read(&path).unwrap();
    for length in [400, whole.len() - 10] {
        fs::write(&path, &whole[..length]).unwrap();
        let mut reader = LedgerReader::open(&path).unwrap();
        let mut lines = 0;
        while reader.next_line().unwrap().is_some() {
            lines += 1;
        }
        assert!(reader.is_torn() && !reader.is_finished());
        fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(&whole[length..])
            .unwrap();
        while reader.next_line().unwrap().is_some() {
            lines += 1;
        }
        assert!(reader.is_finished() && !reader.is_torn());
        assert_eq!((lines, reader.reserved()), (5, 5));
    }
}
