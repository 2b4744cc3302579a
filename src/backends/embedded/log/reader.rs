//! Frames of one file: read in large chunks, checked, and handed out as slices of them.

use std::fs::File;
use std::io::{self, IoSliceMut};

use bytes::{Bytes, BytesMut};
use rustix::io::{Errno, ReadWriteFlags};

use super::frame::{HEADER_BYTES, Header, MAGIC};

/// Bytes of one read.
const CHUNK_BYTES: usize = 1 << 20;

/// Longest payload that is believed; a batch is far below it.
const MAX_PAYLOAD_BYTES: u32 = 256 << 20;

/// Whether a read may wait for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Only what the page cache has; else [`io::ErrorKind::WouldBlock`].
    Never,
    /// As long as it takes.
    Disk,
}

/// What stands at a position.
#[derive(Debug)]
pub(super) enum Found {
    /// A whole frame.
    Frame(Header, Bytes),
    /// Something else, or the end.
    Nothing,
}

/// Reads frames of a file.
#[derive(Debug)]
pub(super) struct FrameReader {
    file: File,
    seed: u32,
    chunk: Bytes,
    chunk_at: u64,
}

impl FrameReader {
    /// A reader of that file.
    pub(super) const fn new(file: File, seed: u32) -> Self {
        Self { file, seed, chunk: Bytes::new(), chunk_at: 0 }
    }

    /// The frame that begins at `position` and ends by `limit`, header and payload checked.
    pub(super) fn frame_at(&mut self, position: u64, limit: u64, wait: Wait) -> io::Result<Found> {
        let Some(bytes) = self.bytes_at(position, HEADER_BYTES as u64, limit, wait)? else {
            return Ok(Found::Nothing);
        };
        let header = bytes.first_chunk().and_then(|bytes| Header::decode(bytes, self.seed));
        let Some(header) = header.filter(|header| header.payload_bytes <= MAX_PAYLOAD_BYTES) else {
            return Ok(Found::Nothing);
        };
        let Some(frame) = self.bytes_at(position, header.frame_bytes(), limit, wait)? else {
            return Ok(Found::Nothing);
        };
        let payload = frame.slice(HEADER_BYTES..);
        if crc32c::crc32c(&payload) != header.payload_crc {
            return Ok(Found::Nothing);
        }
        Ok(Found::Frame(header, payload))
    }

    /// The first whole frame after `position` that `is_wanted`, and where it begins.
    pub(super) fn search(
        &mut self,
        position: u64,
        limit: u64,
        is_wanted: impl Fn(&Header) -> bool,
    ) -> io::Result<Option<(u64, Header)>> {
        let mut at = position + 1;
        while let Some(window) = self.window_at(at, limit)? {
            let Some(hit) = window.windows(MAGIC.len()).position(|bytes| bytes == MAGIC) else {
                at += (window.len() as u64).saturating_sub(MAGIC.len() as u64 - 1).max(1);
                continue;
            };
            at += hit as u64;
            match self.frame_at(at, limit, Wait::Disk)? {
                Found::Frame(header, _) if is_wanted(&header) => return Ok(Some((at, header))),
                Found::Frame(header, _) => at += header.frame_bytes(),
                Found::Nothing => at += 1,
            }
        }
        Ok(None)
    }

    /// Where the zeros begin that reach to `limit`, not before `position`.
    pub(super) fn data_end(&mut self, position: u64, limit: u64) -> io::Result<u64> {
        let mut end = position;
        let mut at = position;
        while let Some(window) = self.window_at(at, limit)? {
            if let Some(last) = window.iter().rposition(|byte| *byte != 0) {
                end = at + last as u64 + 1;
            }
            at += window.len() as u64;
        }
        Ok(end)
    }

    /// Up to a chunk of bytes at a position; `None` at the limit.
    pub(super) fn window_at(&mut self, position: u64, limit: u64) -> io::Result<Option<Bytes>> {
        let wanted = limit.saturating_sub(position).min(CHUNK_BYTES as u64);
        // A short file ends before the limit: what is there counts.
        let available = self.file.metadata()?.len().saturating_sub(position).min(wanted);
        if available == 0 {
            return Ok(None);
        }
        self.bytes_at(position, available, limit, Wait::Disk)
    }

    fn bytes_at(
        &mut self,
        position: u64,
        length: u64,
        limit: u64,
        wait: Wait,
    ) -> io::Result<Option<Bytes>> {
        if position.saturating_add(length) > limit {
            return Ok(None);
        }
        let chunk_end = self.chunk_at + self.chunk.len() as u64;
        if position < self.chunk_at || position + length > chunk_end {
            let whole = (limit - position).min(CHUNK_BYTES as u64).max(length);
            let mut buffer = self.room_for(whole)?;
            self.fill(&mut buffer, position, length, wait)?;
            self.chunk = buffer.freeze();
            self.chunk_at = position;
            if (self.chunk.len() as u64) < length {
                return Ok(None);
            }
        }
        // Both lie inside the chunk, which is in memory.
        let from = usize::try_from(position - self.chunk_at).map_err(io::Error::other)?;
        let length = usize::try_from(length).map_err(io::Error::other)?;
        Ok(Some(self.chunk.slice(from..from + length)))
    }

    /// Memory for the next chunk: that of the last one where no record holds on to it, which spares
    /// fresh pages and their zeros. What a long frame needed is not kept.
    fn room_for(&mut self, bytes: u64) -> io::Result<BytesMut> {
        let bytes = usize::try_from(bytes).map_err(io::Error::other)?;
        let old = std::mem::take(&mut self.chunk).try_into_mut().unwrap_or_default();
        let fits = (bytes..=CHUNK_BYTES).contains(&old.capacity());
        let mut room = if fits { old } else { BytesMut::new() };
        room.resize(bytes, 0);
        Ok(room)
    }

    /// Reads at least `least` bytes, unless the file ends, and at most what fits; cuts the buffer
    /// where they end.
    fn fill(&self, buffer: &mut BytesMut, position: u64, least: u64, wait: Wait) -> io::Result<()> {
        let mut filled = 0_usize;
        while (filled as u64) < least {
            let at = position + filled as u64;
            let count = match wait {
                Wait::Disk => rustix::io::pread(&self.file, &mut buffer[filled..], at),
                Wait::Never => {
                    let mut slices = [IoSliceMut::new(&mut buffer[filled..])];
                    rustix::io::preadv2(&self.file, &mut slices, at, ReadWriteFlags::NOWAIT)
                }
            };
            match count {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Err(error) => return Err(error.into()),
            }
        }
        buffer.truncate(filled);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const SEED: u32 = 7;

    fn frame(payload: &[u8]) -> Vec<u8> {
        let header = Header {
            payload_bytes: u32::try_from(payload.len()).unwrap(),
            base: 0,
            count: 1,
            group_distance: 0,
            payload_crc: crc32c::crc32c(payload),
        };
        [&header.encode(SEED)[..], payload].concat()
    }

    /// Chunks share one buffer only while nobody holds on to what was read before.
    #[test]
    fn what_was_read_stays_as_it_was_when_the_next_chunk_comes() {
        let payloads = [b'a', b'b', b'c'].map(|byte| vec![byte; CHUNK_BYTES / 4 * 3]);
        let mut file = tempfile::tempfile().unwrap();
        let starts: Vec<u64> = payloads
            .iter()
            .scan(0, |at, payload| {
                let frame = frame(payload);
                file.write_all(&frame).unwrap();
                Some(std::mem::replace(at, *at + frame.len() as u64))
            })
            .collect();
        let mut reader = FrameReader::new(file, SEED);
        let mut read = |at: u64| match reader.frame_at(at, u64::MAX / 2, Wait::Disk).unwrap() {
            Found::Frame(_, payload) => payload,
            Found::Nothing => panic!("no frame at {at}"),
        };
        let held: Vec<Bytes> = starts.iter().map(|at| read(*at)).collect();
        assert!(held.iter().zip(&payloads).all(|(read, written)| read == written));
        drop(held);
        for (at, written) in starts.iter().zip(&payloads) {
            assert_eq!(&read(*at)[..], &written[..]);
        }
    }
}
