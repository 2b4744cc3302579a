//! Who reads what: the consumer groups of an installation and their topics.

use super::Settings;
use crate::model::{GroupId, Topic};

impl Settings {
    /// Every configured group with the topics it reads, running or not. Retention waits for all of
    /// them, lag is counted over all of them; without an archive its group is not among them.
    #[must_use]
    pub fn readers(&self) -> Vec<(GroupId, Vec<Topic>)> {
        let Self { topics, groups, archive, .. } = self;
        let mut readers = vec![
            (groups.processor.clone(), vec![topics.raw.clone()]),
            (groups.worker.clone(), self.worker_topics()),
            (groups.retrier.clone(), vec![topics.retry.clone()]),
        ];
        if archive.enabled {
            readers.push((groups.archiver.clone(), self.archiver_topics()));
        }
        readers
    }

    /// What the worker writes into the store.
    #[must_use]
    pub fn worker_topics(&self) -> Vec<Topic> {
        let topics = &self.topics;
        [&topics.processed, &topics.decisions, &topics.raw_dlq, &topics.processed_dlq]
            .map(Clone::clone)
            .to_vec()
    }

    /// What the archiver keeps.
    #[must_use]
    pub fn archiver_topics(&self) -> Vec<Topic> {
        vec![self.topics.raw.clone(), self.topics.decisions.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_archive_nobody_waits_for_its_group() {
        let mut settings = Settings::default();
        let has_archiver = |settings: &Settings| {
            settings.readers().iter().any(|(group, _)| *group == settings.groups.archiver)
        };
        assert!(has_archiver(&settings));
        settings.archive.enabled = false;
        assert!(!has_archiver(&settings));
    }
}
