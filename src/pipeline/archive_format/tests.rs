//! Objects come back as they went in, and damage is always found.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::model::{
    ConsumedRecord, HeaderName, Headers, Offset, Partition, Record, Timestamp, TopicId,
};

fn record(offset: i64, key: &[u8], value: &[u8], extra: &[u8]) -> ConsumedRecord {
    let mut headers = Headers::new();
    headers.set(HeaderName::Origin, "01890a5d-ac96-774b-bcce-b302099a8057");
    headers.set(HeaderName::Other("x-mine".into()), Bytes::copy_from_slice(extra));
    ConsumedRecord {
        topic: "raw-events".into(),
        topic_id: TopicId::from_bytes([7; 16]),
        partition: Partition(3),
        offset: Offset(offset),
        record: Record {
            key: Bytes::copy_from_slice(key),
            value: Bytes::copy_from_slice(value),
            timestamp: Timestamp::from_millis(1_431_857_103_000 + offset).unwrap(),
            headers,
        },
    }
}

fn segment(records: &[ConsumedRecord]) -> Segment {
    let mut writer = SegmentWriter::new(Kind::Events, 3).unwrap();
    for record in records {
        writer.push(record).unwrap();
    }
    writer.finish().unwrap().unwrap()
}

#[test]
fn records_come_back_byte_for_byte() {
    let records = [
        record(5, b"u-1", b"{\"n\": 1e400,\t\"t\":\"\\ud800\"}", b"7"),
        record(6, b"\xff\xfe", b"\x00\x80", b"\xff"),
        record(9, b"", b"", b""),
    ];
    let segment = segment(&records);
    let (footer, read) = read_segment(&segment.bytes).unwrap();
    assert_eq!(read, records);
    assert_eq!((footer.first, footer.last, footer.count), (Offset(5), Offset(9), 3));
    assert_eq!(read_footer(&segment.bytes).unwrap(), footer);
}

#[test]
fn any_zstd_tool_reads_the_lines() {
    let segment = segment(&[record(1, b"u", b"{\"a\":1}", b"x")]);
    let text = String::from_utf8(zstd::decode_all(&segment.bytes[..]).unwrap()).unwrap();
    assert_eq!(
        text,
        "{\"topic\":\"raw-events\",\"partition\":3,\"offset\":1,\
         \"timestamp\":\"2015-05-17T10:05:03.001Z\",\"key\":\"u\",\
         \"origin\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\
         \"headers\":{\"evp-origin\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\"x-mine\":\"x\"},\
         \"value\":\"{\\\"a\\\":1}\"}\n"
    );
}

#[test]
fn skipped_records_are_covered_without_a_line() {
    let mut writer = SegmentWriter::new(Kind::Events, 3).unwrap();
    assert!(writer.is_empty());
    writer.skip(&record(4, b"", b"a", b"")).unwrap();
    writer.push(&record(5, b"", b"b", b"")).unwrap();
    writer.skip(&record(6, b"", b"c", b"")).unwrap();
    let segment = writer.finish().unwrap().unwrap();
    let (footer, read) = read_segment(&segment.bytes).unwrap();
    assert_eq!((footer.first, footer.last), (Offset(4), Offset(6)));
    assert_eq!((footer.count, footer.skipped, read.len()), (1, 2, 1));
}

#[test]
fn a_writer_takes_one_partition_in_order() {
    let mut writer = SegmentWriter::new(Kind::Events, 3).unwrap();
    writer.push(&record(4, b"", b"a", b"")).unwrap();
    assert!(writer.push(&record(4, b"", b"a", b"")).is_err());
    let mut other = record(5, b"", b"a", b"");
    other.partition = Partition(1);
    assert!(writer.push(&other).is_err());
}

#[test]
fn keys_read_back_and_nothing_else_is_a_key() {
    let segment = segment(&[record(5, b"", b"", b"")]);
    let key = segment.key(false);
    assert_eq!(
        key,
        "events/2015/05/17/07070707070707070707070707070707-3-00000000000000000005.ndjson.zst"
    );
    let parsed = parse_key(&key).unwrap();
    assert_eq!((parsed.kind, parsed.first, parsed.last), (Kind::Events, Offset(5), None));
    let ranged = segment.key(true);
    assert_eq!(parse_key(&ranged).unwrap().last, Some(Offset(5)));
    for bad in [
        "",
        "events/x",
        "other/2015/05/17/07070707070707070707070707070707-3-00000000000000000005.ndjson.zst",
        "events/2015/5/17/07070707070707070707070707070707-3-00000000000000000005.ndjson.zst",
        "events/2015/05/17/07070707070707070707070707070707-+3-00000000000000000005.ndjson.zst",
        "events/2015/05/17/07070707070707070707070707070707-3-5.ndjson.zst",
        "events/2015/05/17/07070707070707070707070707070707-3-00000000000000000005.ndjson",
        "events/2015/05/17/.07070707070707070707070707070707-3-00000000000000000005.ndjson.zst",
    ] {
        assert_eq!(parse_key(bad), None, "{bad}");
    }
}

#[test]
fn every_cut_and_every_flipped_bit_is_found() {
    let records: Vec<_> = (0..20).map(|n| record(n, b"k", b"{\"v\":\"value\"}", b"h")).collect();
    let whole = segment(&records).bytes;
    for end in 0..whole.len() {
        assert!(read_segment(&whole.slice(..end)).is_err(), "cut at {end}");
    }
    for at in 0..whole.len() {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 1;
        // A flipped bit in the footer's topic name changes the name only: the key and the lines
        // hold the identity.
        if let Ok((_, read)) = read_segment(&bytes.into()) {
            for (read, written) in read.iter().zip(&records) {
                assert_eq!(read.record, written.record, "bit at {at}");
            }
        }
    }
}

#[test]
fn a_bomb_is_not_unpacked() {
    let small = segment(&[record(0, b"", b"", b"")]);
    let footer = small.footer.encode().unwrap();
    let mut bomb = zstd::encode_all(&vec![b'\n'; 64 << 20][..], 3).unwrap();
    bomb.extend_from_slice(&footer);
    assert!(read_segment(&bomb.into()).is_err());
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _is_error = read_segment(&bytes.into()).is_err();
    }

    #[test]
    fn arbitrary_records_come_back(
        parts in proptest::collection::vec(
            (any::<Vec<u8>>(), any::<Vec<u8>>(), any::<Vec<u8>>()), 1..20)
    ) {
        let records: Vec<_> = parts
            .iter()
            .zip(0..)
            .map(|((key, value, extra), offset)| record(offset, key, value, extra))
            .collect();
        let (_, read) = read_segment(&segment(&records).bytes).unwrap();
        prop_assert_eq!(read, records);
    }
}
