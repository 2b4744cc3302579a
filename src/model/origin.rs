//! The identity of one acceptance at the door.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{MintTime, Offset, Partition, TopicId};

/// Names one acceptance of an event and stays with it through every hop (design, rule 3).
///
/// Two copies with one origin are a redelivery; two origins of one `event_id` are a duplicate.
/// Minted as `UUIDv7`, so origins sort by the time of acceptance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Origin(Uuid);

impl Origin {
    /// A new origin for an event that is being accepted now.
    #[must_use]
    pub fn mint() -> Self {
        Self::mint_at(MintTime::now())
    }

    /// The same by a reading of the clock that several share.
    #[must_use]
    pub fn mint_at(at: MintTime) -> Self {
        Self(super::mint::uuid_v7(at))
    }

    /// The origin of a record that a foreign producer wrote without one: a `UUIDv8` that is a
    /// function of where the record lies, so every reader derives the same.
    #[must_use]
    pub fn of_foreign(topic: TopicId, partition: Partition, offset: Offset) -> Self {
        let mut hash = Sha256::new();
        hash.update(topic.as_bytes());
        hash.update(partition.0.to_be_bytes());
        hash.update(offset.0.to_be_bytes());
        let digest = hash.finalize();
        let mut bytes = [0_u8; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// From its 16 bytes, as a store keeps them.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// Its 16 bytes, big-endian.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The 36 characters of its text form, without allocating.
    #[must_use]
    pub fn encode<'b>(&self, buffer: &'b mut [u8; 36]) -> &'b str {
        self.0.hyphenated().encode_lower(buffer)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Origin {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}
