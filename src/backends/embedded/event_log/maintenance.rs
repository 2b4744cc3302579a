//! The thread behind the log: measures space, and removes segments that every reader is past.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::port::Inner;
use crate::backends::embedded::log::{PartitionLog, io_error};
use crate::model::{Timestamp, TopicPartition};
use crate::ports::Result;

/// How often free space is measured.
const MEASURE_EVERY: Duration = Duration::from_millis(500);

/// The running thread.
#[derive(Debug)]
pub(super) struct Maintenance {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Maintenance {
    pub(super) fn start(inner: Arc<Inner>) -> Result<Self> {
        let stop: Arc<(Mutex<bool>, Condvar)> = Arc::default();
        let watched = Arc::clone(&stop);
        let path = inner.path().to_path_buf();
        let thread = std::thread::Builder::new()
            .name("evp-log-keep".to_owned())
            .stack_size(512 << 10)
            .spawn(move || run(&inner, &watched))
            .map_err(|error| io_error("start the keeper of", &path, error))?;
        Ok(Self { stop, thread: Mutex::new(Some(thread)) })
    }

    /// Ends it and waits for its end.
    pub(super) fn stop(&self) {
        *self.stop.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.1.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the log's keeper panicked");
        }
    }
}

fn run(inner: &Inner, stop: &(Mutex<bool>, Condvar)) {
    let mut retained_at = Instant::now();
    let mut stopped = stop.0.lock().unwrap_or_else(PoisonError::into_inner);
    while !*stopped {
        (stopped, _) =
            stop.1.wait_timeout(stopped, MEASURE_EVERY).unwrap_or_else(PoisonError::into_inner);
        if *stopped {
            break;
        }
        drop(stopped);
        inner.measure_space();
        if retained_at.elapsed() >= inner.settings.retention_check.0 || inner.check_space().is_err()
        {
            retained_at = Instant::now();
            if let Err(error) = inner.retain() {
                tracing::warn!(error = error.chain(), "cannot remove segments of the log");
            }
        }
        stopped = stop.0.lock().unwrap_or_else(PoisonError::into_inner);
    }
}

impl Inner {
    /// Removes segments that every configured reader is durably past and that are old enough.
    pub(super) fn retain(&self) -> Result<()> {
        let age = i64::try_from(self.settings.retention.0.as_millis()).unwrap_or(i64::MAX);
        // Without an age there is no look at the clock: stepped back, it would keep every segment
        // until it has caught up with their times.
        let written_before = match age {
            0 => Timestamp::MAX,
            age => {
                let now = self.clock.now().as_millis();
                Timestamp::from_millis_clamped(now.saturating_sub(age))
            }
        };
        for topic in self.topics.values() {
            for (partition, log) in topic.numbered() {
                let at = TopicPartition::new(topic.name.clone(), partition);
                if let Some(position) = self.durable_position(&at, log)? {
                    let deleted = log.delete_below(position, written_before)?;
                    if deleted > 0 {
                        tracing::debug!(%at, deleted, low = log.low(), "segments removed");
                    }
                }
            }
        }
        Ok(())
    }

    /// What every configured reader of a partition is durably past; `None` where that removes no
    /// segment: then nobody is asked to make anything durable.
    fn durable_position(&self, at: &TopicPartition, log: &PartitionLog) -> Result<Option<i64>> {
        let groups: Vec<_> =
            self.readers.iter().filter(|(_, topics)| topics.contains(&at.topic)).collect();
        if groups.is_empty() || !log.has_segment_below(i64::MAX) {
            return Ok(None);
        }
        for (group, _) in &groups {
            let latest = self.keeper(group)?.latest(group, at)?;
            if !latest.is_some_and(|offset| log.has_segment_below(offset.0)) {
                return Ok(None);
            }
        }
        let mut lowest = i64::MAX;
        for (group, _) in &groups {
            match self.keeper(group)?.durable(group, at)? {
                Some(offset) => lowest = lowest.min(offset.0),
                None => return Ok(None),
            }
        }
        Ok(Some(lowest))
    }
}
