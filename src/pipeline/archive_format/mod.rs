//! Archive objects: what their bytes are and what they are called (design, rule 7).
//!
//! An object holds one range of one partition: a zstd frame of NDJSON, one line a record with the
//! client's own bytes as a JSON string, and behind it a zstd *skippable* frame with the footer.
//! Any `zstd -dc` prints the lines and passes over the footer.
//!
//! Objects are untrusted input: everything read is bounded and checked, nothing panics. Where
//! objects are kept is not known here.

mod footer;
mod key;
mod line;
mod read;
mod write;

pub use footer::{Footer, read_footer};
pub use key::{Kind, SegmentKey, parse_key, segment_key};
pub use line::line_of;
pub use read::{SegmentReader, read_segment};
pub use write::{Segment, SegmentWriter};

/// Why bytes are no archive object, or not the one they claim to be.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It does not end in a footer of ours.
    #[error("no archive footer at the end of the object")]
    NoFooter,
    /// The footer's text cannot be read.
    #[error("unreadable archive footer")]
    Footer(#[source] serde_json::Error),
    /// The footer's members contradict each other or are of a later version.
    #[error("impossible archive footer: {0}")]
    Impossible(String),
    /// The compressed lines cannot be read.
    #[error("unreadable archive object after {lines} lines")]
    Compression {
        /// Lines read before.
        lines: u64,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A line is no record.
    #[error("line {line} of the archive object is no record: {reason}")]
    Line {
        /// Its number, from 1.
        line: u64,
        /// Why.
        reason: String,
    },
    /// The lines are not those that the footer was written for.
    #[error("archive object does not match its footer: {0}")]
    Mismatch(String),
}

impl ArchiveError {
    /// The text and all causes in one line.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

#[cfg(test)]
mod tests;
