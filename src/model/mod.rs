//! The vocabulary: values that every other layer speaks in.
//!
//! Nothing here does I/O or knows a backend, only minting reads a clock, and nothing of ours is imported.

mod dead_letter;
mod decision;
mod event;
mod header;
mod mint;
mod offset;
mod origin;
mod outcome;
mod record;
mod record_batch;
mod rule;
mod timestamp;

pub use dead_letter::{DeadLetter, Failure, Stage, VALUE_LEFT_OUT};
pub use decision::Decision;
pub use event::{CanonicalEvent, EventId, EventIdError, Shape, UnknownShape};
pub use header::{HeaderName, RESTORED};
pub use mint::MintTime;
pub use offset::{GroupId, Offset, Partition, Topic, TopicId, TopicPartition};
pub use origin::Origin;
pub use outcome::{Durability, Outcome, Status};
pub use record::{ConsumedRecord, Headers, Record};
pub use record_batch::{MalformedBatch, RecordBatch, RecordBatchBuilder, RecordView};
pub use rule::{ReasonTooLong, Rule, RuleSource, RuleTarget, RuleTargetError};
pub use timestamp::Timestamp;
