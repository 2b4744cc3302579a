//! What had been accepted at one moment, followed to its end through the groups, while more may come.
//!
//! On an installation that is never still, lag 0 never comes. What is waited for instead: that the
//! processor has passed the raw topic's ends of that moment, then the worker those of its topics,
//! then the retrier the retries, and so on for as many attempts as an event may have.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::super::books::Ends;
use crate::model::{GroupId, Offset, Partition, Topic};
use crate::pipeline::lag::PartitionLag;
use crate::settings::Settings;

/// A moment's ends on their way.
#[derive(Debug)]
pub(super) struct Wave {
    /// The raw topic's ends of that moment.
    pub(super) ends: Option<Ends>,
    /// Groups that have yet to pass it, in order.
    left: VecDeque<GroupId>,
    /// Where the topics of the first of them ended when its turn came.
    marks: Option<Vec<(Topic, Partition, Offset)>>,
    retrier: GroupId,
    over_since: Option<Instant>,
}

impl Wave {
    pub(super) fn new(ends: Option<Ends>, settings: &Settings) -> Self {
        let groups = &settings.groups;
        let mut left = VecDeque::from([groups.processor.clone(), groups.worker.clone()]);
        for _ in 0..settings.retry.max_attempts {
            left.extend([groups.retrier.clone(), groups.worker.clone()]);
        }
        let retrier = groups.retrier.clone();
        Self { ends, left, marks: None, retrier, over_since: None }
    }

    /// Goes as far as these positions allow. They were read in the order of the pipeline, each
    /// group's after the ends of its topics.
    pub(super) fn follow(&mut self, lags: &[PartitionLag]) {
        while let Some(group) = self.left.front() {
            let own: Vec<&PartitionLag> = lags.iter().filter(|lag| lag.group == *group).collect();
            let marks = self.marks.get_or_insert_with(|| {
                own.iter().map(|lag| (lag.topic.clone(), lag.partition, lag.high)).collect()
            });
            let is_past = |(topic, partition, mark): &(Topic, Partition, Offset)| {
                let lag = own.iter().find(|lag| (&lag.topic, lag.partition) == (topic, *partition));
                lag.is_none_or(|lag| lag.committed.unwrap_or(lag.low).max(lag.low) >= *mark)
            };
            if !marks.iter().all(is_past) {
                return;
            }
            let is_retrier = *group == self.retrier;
            self.marks = None;
            self.left.pop_front();
            // What it put back may lie behind the ends that were read before it did.
            if is_retrier {
                break;
            }
        }
        if self.left.is_empty() {
            self.over_since.get_or_insert_with(Instant::now);
        }
    }

    /// Since when everything of that moment has come to its end.
    pub(super) const fn over_since(&self) -> Option<Instant> {
        self.over_since
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lag(group: &str, topic: &str, committed: i64, high: i64) -> PartitionLag {
        PartitionLag {
            group: group.into(),
            topic: topic.into(),
            partition: Partition(0),
            committed: Some(Offset(committed)),
            low: Offset(0),
            high: Offset(high),
        }
    }

    #[test]
    fn a_moment_is_over_when_every_group_passed_it_though_more_came() {
        let mut settings = Settings::default();
        settings.retry.max_attempts = 1;
        let (processor, worker, retrier) = ("processor-group", "worker-group", "retrier-group");
        let mut wave = Wave::new(None, &settings);
        let mut at = |raw: (i64, i64), processed: (i64, i64), retry: (i64, i64)| {
            wave.follow(&[
                lag(processor, "raw-events", raw.0, raw.1),
                lag(worker, "processed-events", processed.0, processed.1),
                lag(retrier, "retry", retry.0, retry.1),
            ]);
            wave.over_since().is_some()
        };
        assert!(!at((5, 10), (5, 5), (0, 0)));
        // The processor is past 10 and behind its newest end; now the worker must reach 11.
        assert!(!at((12, 20), (5, 11), (0, 0)));
        assert!(!at((13, 30), (10, 20), (0, 1)));
        // The worker is past 11; one record waits to be tried again.
        assert!(!at((14, 40), (11, 30), (0, 1)));
        // It went back, behind what the worker's topics held when they were looked at.
        assert!(!at((15, 50), (30, 31), (1, 1)));
        assert!(!at((16, 60), (31, 32), (1, 1)));
        assert!(at((17, 70), (32, 40), (1, 2)));
    }
}
