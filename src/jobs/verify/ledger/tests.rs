//! A ledger that does not fit into the memory for sorting, judged right all the same; and a witness
//! that looks on while its client goes on.

use std::path::Path;

use super::Witness;
use super::item::{Fact, Id, Item};
use super::judge::Judge;
use crate::jobs::ledger::{Answer, Entry, Head, LedgerWriter, event_id};
use crate::jobs::verify::FindingKind;
use crate::jobs::verify::copy::{Copy, Found};
use crate::jobs::verify::report::{Findings, LedgerReport};
use crate::model::{Offset, Origin, Timestamp};
use crate::runtime::shutdown::CancellationToken;
use sha2::{Digest, Sha256};
use uuid::Uuid;

const RUN: Uuid = Uuid::from_u128(7);

fn writer(path: &Path) -> LedgerWriter {
    let made_at = Timestamp::default();
    let head = Head { run: RUN, made_at, target: "t".to_owned(), maker: "m".to_owned() };
    LedgerWriter::create(path, &head).unwrap()
}

fn record(writer: &mut LedgerWriter, number: u64, answer: Answer) {
    let entry = Entry {
        number,
        event_id: &event_id(RUN, number),
        hash: Sha256::digest(number.to_be_bytes()).into(),
        sent: Timestamp::default(),
        answered: None,
        answer,
        status: 202,
    };
    writer.record(&entry).unwrap();
}

fn copy(number: u64) -> Copy {
    Copy {
        origin: Origin::from_bytes(u128::from(number).to_be_bytes()),
        found: Found::Log,
        offset: Offset(0),
        digest: None,
        event_id: event_id(RUN, number).into(),
    }
}

fn judged(mut judge: Judge, witness: Witness) -> (LedgerReport, Findings) {
    let mut sorted = witness.sorter.finish().unwrap();
    while let Some(item) = sorted.next_item().unwrap() {
        judge.take(item);
    }
    let judged = judge.finish();
    (judged.report, judged.findings)
}

#[test]
fn what_does_not_fit_into_memory_is_judged_right() {
    const EVENTS: u64 = 20_000;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger");
    let mut writer = writer(&path);
    writer.reserve(EVENTS).unwrap();
    for at in 0..EVENTS {
        record(&mut writer, at * 7919 % EVENTS, Answer::Accepted);
    }
    writer.finish().unwrap();
    let cancel = CancellationToken::new();
    let mut witness = Witness::read(&path, directory.path(), 64 << 10, &cancel).unwrap();
    for number in (0..EVENTS).rev().filter(|number| *number != 11) {
        let value = if number == 12 { 0_u64 } else { number };
        witness.copy(&copy(number), &value.to_be_bytes()).unwrap();
        let row = Fact::Row { origin: copy(number).origin, digest: None };
        witness.sorter.push(Item { id: Id::Run(number), fact: row }).unwrap();
    }
    assert!(witness.sorter.written() > 64, "{} runs", witness.sorter.written());
    let judge = Judge::new(
        witness.report.clone(),
        (RUN, (EVENTS, EVENTS)),
        (true, Vec::new()),
        Findings::new(10),
    );
    let (report, findings) = judged(judge, witness);
    assert_eq!((report.accepted, report.stored, report.lost), (EVENTS, EVENTS - 1, 1));
    assert_eq!((report.altered, report.doubled, report.ghosts), (1, 0, 0));
    let named: Vec<_> =
        findings.kept.iter().map(|one| (one.kind, one.event_id.clone().unwrap())).collect();
    assert_eq!(
        named,
        [(FindingKind::Lost, event_id(RUN, 11)), (FindingKind::LedgerAltered, event_id(RUN, 12))]
    );
}

/// What was reserved and sent after the ledger was read is no ghost.
#[test]
fn a_client_at_work_may_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger");
    let mut writer = writer(&path);
    writer.reserve(2).unwrap();
    record(&mut writer, 0, Answer::Accepted);
    writer.reserve(0).unwrap();
    let cancel = CancellationToken::new();
    let mut witness = Witness::read(&path, directory.path(), 1 << 20, &cancel).unwrap();
    writer.reserve(2).unwrap();
    for number in [0, 1, 3, 4] {
        let row = Fact::Row { origin: copy(number).origin, digest: None };
        witness.sorter.push(Item { id: Id::Run(number), fact: row }).unwrap();
    }
    let (sorted, judge) = witness.begin(false, Vec::new(), Findings::new(10)).unwrap();
    let (mut sorted, mut judge) = (sorted, judge);
    while let Some(item) = sorted.next_item().unwrap() {
        judge.take(item);
    }
    let report = judge.finish();
    assert_eq!((report.report.unknown, report.report.unknown_present), (1, 1));
    let ghosts: Vec<_> =
        report.findings.kept.into_iter().map(|one| one.event_id.unwrap()).collect();
    assert_eq!(ghosts, [event_id(RUN, 4)]);
}
