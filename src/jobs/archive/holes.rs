//! Offsets inside of an object's range that have no line in it.
//!
//! A replay's records are covered without a line, and a broker gives some offsets to notes of its
//! own. Which it was, the log says as long as it has them.

use crate::model::{HeaderName, Offset, TopicPartition};
use crate::ports::{EventLog, Result};

/// Most gaps that are remembered of one object; what is behind them is judged as one.
const MAX_GAPS: usize = 4096;
const READ_AT_ONCE: usize = 1000;

/// The gaps between the lines of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Gaps {
    /// First and last offset of each.
    ranges: Vec<(Offset, Offset)>,
    next: Option<Offset>,
}

impl Gaps {
    /// Gaps of an object that begins there.
    pub(super) const fn from(first: Offset) -> Self {
        Self { ranges: Vec::new(), next: Some(first) }
    }

    /// The next line's offset.
    pub(super) fn line(&mut self, at: Offset) {
        if let Some(next) = self.next.filter(|next| *next < at) {
            self.add(next, Offset(at.0 - 1));
        }
        self.next = Some(at.next());
    }

    /// The object ends there.
    pub(super) fn end(&mut self, last: Offset) {
        self.line(last.next());
    }

    fn add(&mut self, first: Offset, last: Offset) {
        let is_full = self.ranges.len() >= MAX_GAPS;
        match self.ranges.last_mut() {
            Some(range) if is_full => range.1 = last,
            _ => self.ranges.push((first, last)),
        }
    }
}

/// What became of offsets without a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Judged {
    /// The log has records there that were to be archived.
    pub(super) missing: Vec<Offset>,
    /// The log does not have these any more, so nobody can tell.
    pub(super) unknown: u64,
}

/// Asks the log what lies in the gaps.
pub(super) async fn judge(log: &dyn EventLog, at: &TopicPartition, gaps: &Gaps) -> Result<Judged> {
    let mut judged = Judged::default();
    let info = log.describe(&at.topic).await?;
    let low = info.partitions.iter().find(|info| info.partition == at.partition);
    let low = low.map_or(Offset(i64::MAX), |info| info.low);
    for (first, last) in &gaps.ranges {
        let mut next = (*first).max(low);
        let gone = next.0.min(last.0.saturating_add(1)).saturating_sub(first.0);
        judged.unknown += u64::try_from(gone).unwrap_or(0);
        while next <= *last {
            let mut records = log.read(at, next, READ_AT_ONCE).await?;
            let Some(end) = records.last().map(|record| record.offset) else { break };
            next = end.next();
            records.retain(|record| {
                record.offset <= *last && record.record.headers.get(&HeaderName::ReplayId).is_none()
            });
            judged.missing.extend(records.iter().map(|record| record.offset));
        }
    }
    Ok(judged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_what_lies_between_lines() {
        let mut gaps = Gaps::from(Offset(3));
        for at in [4, 5, 9] {
            gaps.line(Offset(at));
        }
        gaps.end(Offset(10));
        let found: Vec<_> = gaps.ranges.iter().map(|(first, last)| (first.0, last.0)).collect();
        assert_eq!(found, [(3, 3), (6, 8), (10, 10)]);
        let mut whole = Gaps::from(Offset(0));
        whole.line(Offset(0));
        whole.end(Offset(0));
        assert!(whole.ranges.is_empty());
    }
}
