//! What the embedded log wrote: the groups in its segment files, each of which was one synced write.

use std::path::{Path, PathBuf};

const HEADER_BYTES: usize = 32;
const MAGIC: &[u8] = b"evF1";

/// What a topic's segments hold.
#[derive(Debug, Default)]
pub struct Written {
    /// Bytes of each group.
    pub groups: Vec<usize>,
    pub frames: usize,
    pub records: u64,
}

impl Written {
    /// Reads partition 0 of a topic of a server that keeps its segments.
    pub fn of(data_dir: &Path, topic: &str) -> Self {
        let folder = data_dir.join("log").join(topic).join("0");
        let mut segments: Vec<PathBuf> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
            .collect();
        segments.sort();
        let mut written = Self::default();
        for segment in segments {
            written.read(&std::fs::read(segment).unwrap());
        }
        written
    }

    /// As `src/backends/embedded/log/frame.rs` describes a frame.
    fn read(&mut self, segment: &[u8]) {
        let mut rest = segment;
        while rest.len() > HEADER_BYTES && rest.starts_with(MAGIC) {
            let number = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
            let bytes = HEADER_BYTES + number(4) as usize;
            let distance_to_first_of_group = number(20);
            match self.groups.last_mut() {
                Some(group) if distance_to_first_of_group > 0 => *group += bytes,
                _ => self.groups.push(bytes),
            }
            self.frames += 1;
            self.records += u64::from(number(16));
            rest = &rest[bytes..];
        }
    }
}
