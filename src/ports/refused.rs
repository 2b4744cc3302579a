//! Appending although the log may refuse a record for good: one that has become too large for the
//! topic it goes to, say, whatever the topic that it came from took. Such a record becomes a dead
//! letter, and the others of its batch go on: nobody waits behind it.

use std::ops::Range;
use std::sync::Arc;

use super::{Clock, Error, EventLog, Kind, Result};
use crate::model::{
    HeaderName, Headers, RESTORED, Record, RecordBatch, Stage, Topic, VALUE_LEFT_OUT,
};

/// What is said of a record that its topic refuses and the dead-letter topic takes whole.
const REFUSED: &str = "refused_by_log";
/// The longest key that a letter without its value keeps, in bytes.
const MAX_KEY_BYTES: usize = 1024;

/// Where records go that their topic refuses for good.
#[derive(Debug, Clone)]
pub struct DeadLetterTopic {
    topic: Topic,
    stage: Stage,
    clock: Arc<dyn Clock>,
    is_before_raw: bool,
}

/// Appends a batch; what its topic refuses for good becomes a dead letter. How many did.
///
/// # Errors
/// As [`EventLog::append`]: what had been appended by then may be appended again by the next try.
/// `Data` only where the dead-letter topic does not even take a letter without its value.
pub async fn append_or_bury(
    log: &dyn EventLog,
    topic: &Topic,
    batch: RecordBatch,
    dead: &DeadLetterTopic,
) -> Result<u64> {
    match log.append(topic, batch.clone()).await {
        Ok(_) => Ok(0),
        Err(error) if error.kind() != Kind::Data => Err(error),
        // On the heap: hardly anybody comes here.
        Err(refusal) => Box::pin(isolate(log, topic, (batch, refusal), dead)).await,
    }
}

/// Finds what is refused by halving, in order, and makes dead letters of it.
async fn isolate(
    log: &dyn EventLog,
    topic: &Topic,
    (batch, refusal): (RecordBatch, Error),
    dead: &DeadLetterTopic,
) -> Result<u64> {
    let Ok(records) = batch.iter().collect::<std::result::Result<Vec<_>, _>>() else {
        return Err(refusal);
    };
    let mut letters = 0;
    let mut left = Vec::new();
    halve(0..records.len(), &mut left);
    while let Some(range) = left.pop() {
        match log.append(topic, RecordBatch::of_all(&records[range.clone()])).await {
            Ok(_) => {}
            Err(error) if error.kind() != Kind::Data => return Err(error),
            Err(_) if range.len() > 1 => halve(range, &mut left),
            Err(error) => {
                dead.bury(log, topic, &records[range.start], &error).await?;
                letters += 1;
            }
        }
    }
    Ok(letters)
}

/// Puts the halves of a range on the stack, the first one on top.
fn halve(range: Range<usize>, left: &mut Vec<Range<usize>>) {
    let middle = range.start + range.len() / 2;
    let halves = [middle..range.end, range.start..middle];
    left.extend(halves.into_iter().filter(|half| !half.is_empty()));
}

impl DeadLetterTopic {
    /// To that dead-letter topic, as failures of that stage.
    #[must_use]
    pub fn new(topic: &Topic, stage: Stage, clock: &Arc<dyn Clock>) -> Self {
        Self { topic: topic.clone(), stage, clock: Arc::clone(clock), is_before_raw: false }
    }

    /// Of records on their way to the raw topic, which so never gets them: books must not look for
    /// them there, which is what is said of events from another installation's archive.
    #[must_use]
    pub fn before_raw(self) -> Self {
        Self { is_before_raw: true, ..self }
    }

    async fn bury(
        &self,
        log: &dyn EventLog,
        topic: &Topic,
        record: &Record,
        refusal: &Error,
    ) -> Result<()> {
        let reason = refusal.chain();
        let origin = record.headers.text(&HeaderName::Origin).unwrap_or_default();
        tracing::warn!(%topic, origin, reason, "a record that its topic refuses is dead-lettered");
        let mut letter = if *topic == self.topic {
            record.clone()
        } else {
            let letter = self.letter(topic, record, &reason);
            match log.append(&self.topic, RecordBatch::of(&letter)).await {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() != Kind::Data => return Err(error),
                Err(_) => letter,
            }
        };
        self.strip(&mut letter);
        log.append(&self.topic, RecordBatch::of(&letter)).await.map(drop)
    }

    fn letter(&self, topic: &Topic, record: &Record, reason: &str) -> Record {
        let at = self.clock.now();
        let mut headers = record.headers.clone();
        headers.remove(&HeaderName::NotBefore);
        headers.remove(&HeaderName::RetryCount);
        let attempts = headers.text(&HeaderName::Attempts).and_then(|text| text.parse().ok());
        let attempts: u32 = attempts.unwrap_or(0);
        headers.set(HeaderName::FinalRetryCount, attempts.to_string());
        headers.set(HeaderName::Attempts, attempts.saturating_add(1).to_string());
        // Of one that failed before the first failure stays, with its place.
        for (name, value) in [
            (HeaderName::FirstFailedAt, at.to_string()),
            (HeaderName::OriginalTopic, topic.to_string()),
        ] {
            if headers.get(&name).is_none() {
                headers.set(name, value);
            }
        }
        headers.set(HeaderName::Stage, self.stage.as_str());
        headers.set(HeaderName::ErrorType, REFUSED);
        headers.set(HeaderName::ErrorMessage, reason.to_owned());
        headers.set(HeaderName::FailedAt, at.to_string());
        headers.set(HeaderName::SentToDlqAt, at.to_string());
        if self.is_before_raw {
            headers.set(HeaderName::Other(RESTORED.into()), "1");
        }
        Record { timestamp: at, headers, ..record.clone() }
    }

    /// Takes away what may be large: the value, headers of foreign names, a long key. Why it failed
    /// stays said.
    fn strip(&self, letter: &mut Record) {
        let said = letter.headers.text(&HeaderName::ErrorMessage).unwrap_or(REFUSED);
        let bytes = letter.value.len();
        let message = format!("{said}; the {bytes} bytes of its value are left out");
        let mut headers = Headers::new();
        for (name, value) in letter.headers.iter() {
            let is_foreign = matches!(name, HeaderName::Other(other) if &**other != RESTORED);
            if !is_foreign {
                headers.set(name.clone(), value.clone());
            }
        }
        headers.set(HeaderName::ErrorType, VALUE_LEFT_OUT);
        headers.set(HeaderName::ErrorMessage, message);
        letter.headers = headers;
        letter.value = bytes::Bytes::new();
        if letter.key.len() > MAX_KEY_BYTES {
            letter.key = bytes::Bytes::new();
        }
        letter.timestamp = self.clock.now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::memory::MemoryLog;
    use crate::backends::memory::faults::{Faults, Faulty};
    use crate::model::{EventId, Offset, Partition, Timestamp, TopicPartition};
    use crate::ports::SystemClock;

    fn record(name: &str) -> Record {
        let mut headers = Headers::new();
        headers.set(HeaderName::Origin, format!("origin of {name}"));
        headers.set(HeaderName::EventId, name.to_owned());
        headers.set(HeaderName::Other("x-mine".into()), "7");
        let timestamp = Timestamp::from_millis_clamped(1);
        Record { key: "k".into(), value: name.to_owned().into(), timestamp, headers }
    }

    struct Rig {
        log: MemoryLog,
        faults: Faults,
        faulty: Faulty<dyn EventLog>,
        dead: DeadLetterTopic,
    }

    fn rig(is_before_raw: bool) -> Rig {
        let log = MemoryLog::new([&Topic::new("to"), &Topic::new("dead")]);
        let faults = Faults::new();
        let faulty = Faulty::new(Arc::new(log.clone()) as Arc<dyn EventLog>, &faults);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let dead = DeadLetterTopic::new(&"dead".into(), Stage::Processor, &clock);
        let dead = if is_before_raw { dead.before_raw() } else { dead };
        Rig { log, faults, faulty, dead }
    }

    impl Rig {
        async fn append(&self, topic: &str, names: &[&str]) -> Result<u64> {
            let records: Vec<_> = names.iter().map(|name| record(name)).collect();
            let batch = RecordBatch::of_all(&records);
            append_or_bury(&self.faulty, &topic.into(), batch, &self.dead).await
        }

        async fn lie_in(&self, topic: &str) -> Vec<Record> {
            let at = TopicPartition::new(topic.into(), Partition(0));
            let records = self.log.read(&at, Offset(0), 100).await.unwrap();
            records.into_iter().map(|record| record.record).collect()
        }
    }

    #[tokio::test]
    async fn what_is_refused_is_dead_lettered_and_the_others_go_on_in_order() {
        let rig = rig(false);
        // The batch, its second half, the record alone.
        rig.faults.fail_on(&EventId::new("d").unwrap(), Kind::Data, 3);
        assert_eq!(rig.append("to", &["a", "b", "c", "d"]).await.unwrap(), 1);
        let values: Vec<_> = rig.lie_in("to").await.into_iter().map(|r| r.value).collect();
        assert_eq!(values, ["a", "b", "c"]);
        let letters = rig.lie_in("dead").await;
        let text = |name: HeaderName| letters[0].headers.text(&name).map(str::to_owned);
        assert_eq!((letters.len(), &letters[0].value[..]), (1, &b"d"[..]));
        assert_eq!(text(HeaderName::Origin).as_deref(), Some("origin of d"));
        assert_eq!(text(HeaderName::ErrorType).as_deref(), Some("refused_by_log"));
        assert_eq!(text(HeaderName::OriginalTopic).as_deref(), Some("to"));
        assert_eq!(text(HeaderName::FinalRetryCount).as_deref(), Some("0"));
        assert_eq!(text(HeaderName::Attempts).as_deref(), Some("1"));
        assert_eq!(text(HeaderName::Other(RESTORED.into())), None);
    }

    #[tokio::test]
    async fn a_letter_that_is_refused_too_goes_without_its_value() {
        let rig = rig(true);
        rig.faults.fail_on(&EventId::new("a").unwrap(), Kind::Data, 3);
        assert_eq!(rig.append("to", &["a"]).await.unwrap(), 1);
        // And one on its way to the dead-letter topic in the first place.
        rig.faults.fail_on(&EventId::new("b").unwrap(), Kind::Data, 2);
        assert_eq!(rig.append("dead", &["b"]).await.unwrap(), 1);
        assert!(rig.lie_in("to").await.is_empty());
        let letters = rig.lie_in("dead").await;
        for (letter, origin) in letters.iter().zip(["origin of a", "origin of b"]) {
            assert!(letter.value.is_empty());
            assert_eq!(letter.headers.text(&HeaderName::Origin), Some(origin));
            assert_eq!(letter.headers.text(&HeaderName::ErrorType), Some(VALUE_LEFT_OUT));
            assert!(letter.headers.get(&HeaderName::Other("x-mine".into())).is_none());
        }
        let restored = HeaderName::Other(RESTORED.into());
        assert_eq!(letters[0].headers.text(&restored), Some("1"));
    }

    #[tokio::test]
    async fn an_outage_is_no_refusal() {
        let rig = rig(false);
        rig.faults.go_down(Kind::Unavailable);
        assert_eq!(rig.append("to", &["a"]).await.unwrap_err().kind(), Kind::Unavailable);
        rig.faults.come_up();
        assert!(rig.lie_in("dead").await.is_empty());
    }
}
