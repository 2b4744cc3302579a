//! One frame: a header and an encoded record batch. Not how frames are grouped or where they lie.
//!
//! Header, integers little-endian, 32 bytes: `u32 magic | u32 payload length | i64 base offset |
//! u32 records | u32 offset distance to the first frame of its group | u32 CRC-32C of the payload |
//! u32 CRC-32C of the 28 bytes before`. The last one starts from a seed that differs from log to
//! log: nobody can send an event whose bytes would pass for a frame when a damaged file is searched.
//!
//! The distance tells corruption from a torn write: a group is written only after the group before
//! it was synced, so a hole before a valid frame of a *later* group had been synced once, and a hole
//! inside the last group had not.

/// Length of a header in bytes.
pub(super) const HEADER_BYTES: usize = 32;

/// The first four bytes of every frame.
pub(super) const MAGIC: [u8; 4] = *b"evF1";

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Length of the payload in bytes.
    pub(super) payload_bytes: u32,
    /// Offset of the first record.
    pub(super) base: i64,
    /// How many records.
    pub(super) count: u32,
    /// How many offsets before `base` its group began.
    pub(super) group_distance: u32,
    /// CRC-32C of the payload.
    pub(super) payload_crc: u32,
}

impl Header {
    /// The offset after the last record.
    pub(super) const fn end(&self) -> i64 {
        self.base.saturating_add(self.count as i64)
    }

    /// The first offset of its group.
    pub(super) const fn group_base(&self) -> i64 {
        self.base.saturating_sub(self.group_distance as i64)
    }

    /// Length of header and payload in bytes.
    pub(super) const fn frame_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + self.payload_bytes as u64
    }

    /// The header's bytes.
    pub(super) fn encode(&self, seed: u32) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&self.payload_bytes.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.base.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.count.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.group_distance.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.payload_crc.to_le_bytes());
        let crc = crc32c::crc32c_append(seed, &bytes[..28]);
        bytes[28..32].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header without looking at its checksum: of bytes that never left memory.
    pub(super) fn decode_trusted(bytes: &[u8; HEADER_BYTES]) -> Self {
        let u32_at = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let low = u64::from(u32_at(8));
        let high = u64::from(u32_at(12));
        Self {
            payload_bytes: u32_at(4),
            base: (high << 32 | low).cast_signed(),
            count: u32_at(16),
            group_distance: u32_at(20),
            payload_crc: u32_at(24),
        }
    }

    /// Reads a header; `None` where the bytes are no header.
    pub(super) fn decode(bytes: &[u8; HEADER_BYTES], seed: u32) -> Option<Self> {
        if bytes[..4] != MAGIC {
            return None;
        }
        let stored = u32::from_le_bytes([bytes[28], bytes[29], bytes[30], bytes[31]]);
        let header = Self::decode_trusted(bytes);
        let is_whole = stored == crc32c::crc32c_append(seed, &bytes[..28]);
        (is_whole && header.count > 0 && header.base >= 0).then_some(header)
    }
}

/// Gives the frames of a group their offsets, from `next` on; returns the offset after the last.
///
/// Frames wait without an offset, so that a group that could not be written leaves no hole.
pub(super) fn seal_group(group: &mut [u8], next: i64, seed: u32) -> i64 {
    let mut rest = group;
    let mut base = next;
    while let Some((header_bytes, after)) = rest.split_first_chunk_mut::<HEADER_BYTES>() {
        let mut header = Header::decode_trusted(header_bytes);
        header.base = base;
        header.group_distance = u32::try_from(base - next).unwrap_or(u32::MAX);
        *header_bytes = header.encode(seed);
        base = header.end();
        let payload = usize::try_from(header.payload_bytes).unwrap_or(usize::MAX);
        rest = after.get_mut(payload..).unwrap_or_default();
    }
    base
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting_frame(payload: &[u8], count: u32) -> Vec<u8> {
        let header = Header {
            payload_bytes: u32::try_from(payload.len()).unwrap(),
            base: 0,
            count,
            group_distance: 0,
            payload_crc: crc32c::crc32c(payload),
        };
        let mut bytes = header.encode(3).to_vec();
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn a_group_gets_contiguous_offsets_and_says_where_it_began() {
        let mut group = waiting_frame(b"abc", 2);
        group.extend(waiting_frame(b"", 5));
        assert_eq!(seal_group(&mut group, 1 << 40, 3), (1 << 40) + 7);
        let first = Header::decode(group.first_chunk().unwrap(), 3).unwrap();
        let second = Header::decode(group[35..].first_chunk().unwrap(), 3).unwrap();
        assert_eq!((first.base, first.group_base()), (1 << 40, 1 << 40));
        assert_eq!((second.base, second.group_base()), ((1 << 40) + 2, 1 << 40));
    }

    #[test]
    fn a_frame_of_another_log_is_no_frame() {
        let bytes = waiting_frame(b"", 1);
        assert!(Header::decode(bytes.first_chunk().unwrap(), 3).is_some());
        assert!(Header::decode(bytes.first_chunk().unwrap(), 4).is_none());
    }

    #[test]
    fn every_flipped_bit_of_a_header_is_noticed() {
        let mut bytes = waiting_frame(b"", 1);
        seal_group(&mut bytes, 7, 3);
        for bit in 0..HEADER_BYTES * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(flipped.first_chunk().unwrap(), 3), None, "bit {bit}");
        }
    }
}
