//! Kafka: the brokers, how they are spoken to, and what topics look like that are made there.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ByteSize, Secret, Span};

/// The brokers and how they are spoken to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Kafka {
    /// Addresses of some brokers, `host:port`; the others are learned from them.
    pub brokers: Vec<String>,
    /// The name under which brokers log and limit this process.
    pub client_id: String,
    /// How long a record waits for others to travel with.
    pub linger: Span,
    /// Time for a record to be acknowledged by all in-sync replicas, retries included.
    pub message_timeout: Span,
    /// Compression of what is sent.
    pub compression: Compression,
    /// Records waiting for their acknowledgement; past it appends are refused.
    pub max_queue_records: u32,
    /// Bytes waiting for their acknowledgement; past it appends are refused.
    pub max_queue_bytes: ByteSize,
    /// Bytes of one record; not more than the brokers take.
    pub max_record_bytes: ByteSize,
    /// Bytes that one consumer reads ahead, unpacked; an answer of a broker has a quarter, or 1 MiB.
    pub fetch_ahead_bytes: ByteSize,
    /// How long a broker may hold a fetch back while there is nothing to read.
    pub fetch_wait: Span,
    /// Time for metadata, offsets and commits.
    pub request_timeout: Span,
    /// Silence after which a group's coordinator takes a member for dead.
    pub session_timeout: Span,
    /// Time that a role is given to finish and commit what it has in hand of partitions that go.
    pub revoke_timeout: Span,
    /// Time without a record of a partition in which some wait, before a new client joins; 0 never.
    pub stall_timeout: Span,
    /// Who shares partitions out: the members, or (KIP-848) the broker.
    pub group_protocol: GroupProtocol,
    /// By which rule members share partitions out, where they do it themselves.
    pub assignor: Assignor,
    /// A name that stays over restarts, so that a short one moves no partitions; one per process.
    pub instance_id: Option<String>,
    /// Whether topics of the settings that are missing are made by the first who needs them.
    pub create_topics: bool,
    /// Partitions of topics made now.
    pub partitions: i32,
    /// Replicas of topics made now.
    pub replication: i32,
    /// Replicas that must have a record before it is acknowledged, in topics made now.
    pub min_in_sync: i32,
    /// How long topics made now keep their records.
    pub retention: Span,
    /// Encryption and who one is.
    pub security: Security,
    /// Encryption.
    pub tls: KafkaTls,
    /// Who one is.
    pub sasl: Sasl,
    /// Further settings of librdkafka, `name=value`; they win over all the above, but what the promise stands on is refused.
    pub properties: Vec<String>,
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            brokers: vec!["localhost:9092".to_owned()],
            client_id: "evp".to_owned(),
            linger: Span(Duration::from_millis(5)),
            message_timeout: Span::from_secs(20),
            compression: Compression::Lz4,
            max_queue_records: 200_000,
            max_queue_bytes: ByteSize(256 << 20),
            max_record_bytes: ByteSize(1 << 20),
            fetch_ahead_bytes: ByteSize(8 << 20),
            fetch_wait: Span(Duration::from_millis(50)),
            request_timeout: Span::from_secs(5),
            session_timeout: Span::from_secs(10),
            revoke_timeout: Span::from_secs(10),
            stall_timeout: Span::from_secs(30),
            group_protocol: GroupProtocol::Classic,
            assignor: Assignor::Range,
            instance_id: None,
            create_topics: true,
            partitions: 6,
            replication: 1,
            min_in_sync: 1,
            retention: Span::from_secs(7 * 24 * 3600),
            security: Security::Plaintext,
            tls: KafkaTls::default(),
            sasl: Sasl::default(),
            properties: Vec::new(),
        }
    }
}

/// Compression of what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// None.
    None,
    /// gzip.
    Gzip,
    /// Snappy.
    Snappy,
    /// LZ4: the least time a byte.
    Lz4,
    /// Zstandard: the fewest bytes.
    Zstd,
}

impl Compression {
    /// Its name in librdkafka.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

/// Who shares partitions out.
///
/// `classic` is the default: KIP-848 in the librdkafka that is built in (2.12) still has stalls and
/// stale epochs that only its 2.15 mends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupProtocol {
    /// The members.
    Classic,
    /// The broker (KIP-848).
    Consumer,
}

/// By which rule members share partitions out.
///
/// `range` is the default: hand-overs are short here, and commits in the middle of a cooperative
/// rebalance are refused at first (docs/decisions/0008). All members of a group need the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Assignor {
    /// Ranges of each topic.
    Range,
    /// One after another over all topics.
    Roundrobin,
    /// As few moves as possible, without stopping what does not move.
    CooperativeSticky,
}

impl Assignor {
    /// Its name in librdkafka.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::Roundrobin => "roundrobin",
            Self::CooperativeSticky => "cooperative-sticky",
        }
    }
}

/// Encryption and who one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// Neither.
    Plaintext,
    /// TLS, perhaps with a certificate of one's own.
    Ssl,
    /// A name and a password in the open.
    SaslPlaintext,
    /// A name and a password through TLS.
    SaslSsl,
}

impl Security {
    /// Its name in librdkafka.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Ssl => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslSsl => "sasl_ssl",
        }
    }

    /// Whether there is TLS.
    #[must_use]
    pub const fn is_encrypted(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    /// Whether a name and a password are asked for.
    #[must_use]
    pub const fn is_named(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

/// Encryption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaTls {
    /// Certificates of the authorities believed; where unset, those of the machine.
    pub ca_file: Option<PathBuf>,
    /// This process's certificate.
    pub cert_file: Option<PathBuf>,
    /// The key of that certificate.
    pub key_file: Option<PathBuf>,
    /// Password of that key.
    pub key_password: Option<Secret>,
    /// Whether a broker's certificate must name the host that was called.
    pub verify_host: bool,
}

impl Default for KafkaTls {
    fn default() -> Self {
        Self {
            ca_file: None,
            cert_file: None,
            key_file: None,
            key_password: None,
            verify_host: true,
        }
    }
}

/// How a name and a password are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SaslMechanism {
    /// As they are.
    Plain,
    /// Proved, with SHA-256.
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    /// Proved, with SHA-512.
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
}

impl SaslMechanism {
    /// Its name in librdkafka.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// Who one is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sasl {
    /// How a name and a password are shown.
    pub mechanism: SaslMechanism,
    /// The name.
    pub username: String,
    /// The password.
    pub password: Option<Secret>,
}

impl Default for Sasl {
    fn default() -> Self {
        Self { mechanism: SaslMechanism::ScramSha512, username: String::new(), password: None }
    }
}

/// The log that takes new events while the brokers do not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spill {
    /// Whether there is one. Without it, and with `collector.durability = "replicated"`, events are
    /// refused while the brokers do not take them.
    pub enabled: bool,
    /// How long the brokers may take before an event is spilled.
    pub after: Span,
    /// Bytes waiting for the brokers at which this collector says that it is not ready.
    pub high: ByteSize,
    /// Bytes waiting for the brokers below which it is ready again.
    pub low: ByteSize,
}

impl Default for Spill {
    fn default() -> Self {
        Self {
            enabled: true,
            after: Span::from_secs(2),
            high: ByteSize(8 << 30),
            low: ByteSize(1 << 30),
        }
    }
}
