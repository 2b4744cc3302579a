//! Archive ranges: without gap up to what the archiver has committed, and without overlap.

use std::collections::BTreeMap;

use super::report::{Finding, FindingKind, Findings};
use crate::model::{Offset, Partition};
use crate::pipeline::archive_format::Footer;

/// One object's range.
#[derive(Debug, Clone)]
struct Range {
    first: Offset,
    last: Offset,
    key: String,
    /// The key says the whole range: such objects may overlap any other and are resolved by offset.
    /// Their store cannot refuse a taken key, or a damaged object had the key that they would have.
    says_last: bool,
}

/// The ranges of the archive objects of one topic.
#[derive(Debug, Default)]
pub(in crate::jobs) struct Ranges(BTreeMap<Partition, Vec<Range>>);

impl Ranges {
    pub(in crate::jobs) fn add(&mut self, key: &str, footer: &Footer, says_last: bool) {
        let (first, last) = (footer.first, footer.last);
        let range = Range { first, last, key: key.to_owned(), says_last };
        self.0.entry(footer.partition).or_default().push(range);
    }

    /// Compares with where the archiver stands: everything below must be covered once.
    pub(in crate::jobs) fn check(
        mut self,
        topic: &str,
        committed: &[(Partition, Offset)],
        findings: &mut Findings,
    ) {
        for (partition, _) in committed {
            self.0.entry(*partition).or_default();
        }
        for (partition, mut ranges) in self.0 {
            ranges.sort_by_key(|range| (range.first, range.last));
            let mut next = Offset(0);
            // The end of those that may not overlap each other.
            let mut alone = Offset(0);
            for range in &ranges {
                if range.first > next {
                    findings.add(gap(topic, partition, next, range.first));
                }
                if !range.says_last {
                    if range.first < alone {
                        findings.add(overlap(topic, partition, range, alone));
                    }
                    alone = alone.max(range.last.next());
                }
                next = next.max(range.last.next());
            }
            let end = committed.iter().find(|(one, _)| *one == partition).map(|(_, end)| *end);
            if let Some(end) = end.filter(|end| *end > next) {
                findings.add(gap(topic, partition, next, end));
            }
        }
    }
}

fn gap(topic: &str, partition: Partition, from: Offset, to: Offset) -> Finding {
    let last = Offset(to.0 - 1);
    let detail = format!(
        "offsets {from} to {last} of {topic}/{partition} are in no archive object, and the archiver is \
         past them"
    );
    Finding::new(FindingKind::RangeGap, detail).of_range(partition, from, last)
}

fn overlap(topic: &str, partition: Partition, range: &Range, next: Offset) -> Finding {
    let last = Offset(range.last.0.min(next.0 - 1));
    let detail = format!(
        "offsets {} to {last} of {topic}/{partition} are in another archive object too",
        range.first
    );
    Finding::new(FindingKind::RangeOverlap, detail).of_object(&range.key).of_range(
        partition,
        range.first,
        last,
    )
}
