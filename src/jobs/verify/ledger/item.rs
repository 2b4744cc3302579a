//! What is known of one event id, fact by fact, as it is sorted: first what the client says, then
//! what the store holds, then what was archived.

use std::io::{self, Read, Write};

use super::super::copy::Found;
use super::super::sorter::Sortable;
use crate::jobs::ledger::Answer;
use crate::model::{Origin, Outcome};

/// An event's id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Id {
    /// Of the ledger's run, by its number.
    Run(u64),
    /// The event's own.
    Own(Box<str>),
}

/// One thing that is known of an event. The order of the variants is the order of judgement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fact {
    /// A line of the ledger; `sent` in milliseconds.
    Sent { number: u64, answer: Answer, hash: [u8; 32], sent: i64 },
    /// A row.
    Row { origin: Origin, digest: Option<[u8; 16]> },
    /// A dead letter, open or resolved.
    Letter { is_open: bool },
    /// A decision.
    Decision { kind: DecisionKind },
    /// A record of the raw topic, in the archive or the log.
    Copy { origin: Origin, hash: [u8; 32], digest: Option<[u8; 16]>, found: Found },
}

/// Decisions, as far as they are told apart here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DecisionKind {
    Blocked,
    RateLimited,
    /// Of another acceptance, which must have ended otherwise: no end of its own.
    Duplicate,
}

impl DecisionKind {
    pub(super) const fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Blocked => Self::Blocked,
            Outcome::RateLimited => Self::RateLimited,
            _ => Self::Duplicate,
        }
    }
}

/// A fact and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Item {
    pub(super) id: Id,
    pub(super) fact: Fact,
}

impl Sortable for Item {
    type Key = Id;

    fn key(&self) -> &Id {
        &self.id
    }

    fn memory(&self) -> usize {
        let text = match &self.id {
            Id::Run(_) => 0,
            Id::Own(text) => text.len(),
        };
        size_of::<Self>() + text
    }

    fn write(&self, into: &mut impl Write) -> io::Result<()> {
        match &self.id {
            Id::Run(number) => {
                into.write_all(&[0])?;
                into.write_all(&number.to_le_bytes())?;
            }
            Id::Own(text) => {
                // Ids are at most 255 bytes (`EventId::MAX_BYTES`); a ledger's lines are bounded too.
                let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
                into.write_all(&[1])?;
                into.write_all(&length.to_le_bytes())?;
                into.write_all(&text.as_bytes()[..usize::from(length)])?;
            }
        }
        self.fact.write(into)
    }

    fn read(from: &mut impl Read) -> io::Result<Self> {
        let id = match u8::from_le_bytes(bytes(from)?) {
            0 => Id::Run(u64::from_le_bytes(bytes(from)?)),
            _ => {
                let mut text = vec![0; usize::from(u16::from_le_bytes(bytes(from)?))];
                from.read_exact(&mut text)?;
                Id::Own(String::from_utf8_lossy(&text).into())
            }
        };
        Ok(Self { id, fact: Fact::read(from)? })
    }
}

impl Fact {
    fn write(&self, into: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Sent { number, answer, hash, sent } => {
                into.write_all(&[0, *answer as u8])?;
                into.write_all(&number.to_le_bytes())?;
                into.write_all(hash)?;
                into.write_all(&sent.to_le_bytes())
            }
            Self::Row { origin, digest } => {
                into.write_all(&[1])?;
                into.write_all(origin.as_bytes())?;
                write_digest(*digest, into)
            }
            Self::Letter { is_open } => into.write_all(&[2, u8::from(*is_open)]),
            Self::Decision { kind } => into.write_all(&[3, *kind as u8]),
            Self::Copy { origin, hash, digest, found } => {
                into.write_all(&[4])?;
                into.write_all(origin.as_bytes())?;
                into.write_all(hash)?;
                found.write(into)?;
                write_digest(*digest, into)
            }
        }
    }

    fn read(from: &mut impl Read) -> io::Result<Self> {
        Ok(match u8::from_le_bytes(bytes(from)?) {
            0 => Self::Sent {
                answer: match u8::from_le_bytes(bytes(from)?) {
                    0 => Answer::Accepted,
                    1 => Answer::Rejected,
                    _ => Answer::Unknown,
                },
                number: u64::from_le_bytes(bytes(from)?),
                hash: bytes(from)?,
                sent: i64::from_le_bytes(bytes(from)?),
            },
            1 => Self::Row { origin: Origin::from_bytes(bytes(from)?), digest: read_digest(from)? },
            2 => Self::Letter { is_open: u8::from_le_bytes(bytes(from)?) == 1 },
            3 => Self::Decision {
                kind: match u8::from_le_bytes(bytes(from)?) {
                    0 => DecisionKind::Blocked,
                    1 => DecisionKind::RateLimited,
                    _ => DecisionKind::Duplicate,
                },
            },
            _ => Self::Copy {
                origin: Origin::from_bytes(bytes(from)?),
                hash: bytes(from)?,
                found: Found::read(from)?,
                digest: read_digest(from)?,
            },
        })
    }
}

fn bytes<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn write_digest(digest: Option<[u8; 16]>, into: &mut impl Write) -> io::Result<()> {
    into.write_all(&[u8::from(digest.is_some())])?;
    into.write_all(&digest.unwrap_or_default())
}

fn read_digest(from: &mut impl Read) -> io::Result<Option<[u8; 16]>> {
    let is_some = u8::from_le_bytes(bytes(from)?) == 1;
    let digest = bytes(from)?;
    Ok(is_some.then_some(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_is_read_as_it_was_written() {
        let origin = Origin::mint();
        let sent = |answer| Fact::Sent { number: 7, answer, hash: [1; 32], sent: -3 };
        let copy = |found| Fact::Copy { origin, hash: [2; 32], digest: Some([3; 16]), found };
        let facts = [
            sent(Answer::Accepted),
            sent(Answer::Rejected),
            sent(Answer::Unknown),
            Fact::Row { origin, digest: None },
            Fact::Row { origin, digest: Some([9; 16]) },
            Fact::Letter { is_open: false },
            Fact::Letter { is_open: true },
            Fact::Decision { kind: DecisionKind::Blocked },
            Fact::Decision { kind: DecisionKind::RateLimited },
            Fact::Decision { kind: DecisionKind::Duplicate },
            copy(Found::Archive(5)),
            copy(Found::Log),
            copy(Found::OtherArchive(6)),
            copy(Found::Again),
        ];
        for id in [Id::Run(u64::MAX), Id::Own("é".into()), Id::Own("".into())] {
            let mut written = Vec::new();
            let items = facts.clone().map(|fact| Item { id: id.clone(), fact });
            for item in &items {
                item.write(&mut written).unwrap();
            }
            let mut from = &written[..];
            let read = [(); 14].map(|()| Item::read(&mut from).unwrap());
            assert_eq!(read, items);
            assert!(from.is_empty());
        }
    }
}
