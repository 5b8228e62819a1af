//! The first bytes of a segment, and its name.

use std::path::Path;
use std::sync::atomic::{Ordering, compiler_fence};

use uuid::Uuid;

/// Bytes before the first record.
pub(crate) const SEGMENT_HEADER: u64 = 64;
const MAGIC: [u8; 8] = *b"apvjrnl1";
const SUFFIX: &str = "seg";

/// Which part of which journal a segment is. Positions count bytes through all segments of a
/// journal; `base` is the position of this segment's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) journal: Uuid,
    pub(crate) base: u64,
    pub(crate) capacity: u64,
}

impl SegmentHeader {
    pub(crate) fn to_bytes(self) -> [u8; SEGMENT_HEADER as usize] {
        let mut bytes = [0; SEGMENT_HEADER as usize];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..24].copy_from_slice(self.journal.as_bytes());
        bytes[24..32].copy_from_slice(&self.base.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.capacity.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..40]);
        bytes[40..44].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// `None` when this is no segment, or its header is damaged.
    pub(crate) fn from_bytes(bytes: &[u8; SEGMENT_HEADER as usize]) -> Option<Self> {
        let checksum = u32::from_le_bytes(*bytes[40..].first_chunk()?);
        if bytes[..8] != MAGIC || crc32fast::hash(&bytes[..40]) != checksum {
            return None;
        }
        let header = Self {
            journal: Uuid::from_bytes(*bytes[8..].first_chunk()?),
            base: u64::from_le_bytes(*bytes[24..].first_chunk()?),
            capacity: u64::from_le_bytes(*bytes[32..].first_chunk()?),
        };
        let fits = header.capacity > SEGMENT_HEADER && header.end_checked().is_some();
        fits.then_some(header)
    }

    fn end_checked(&self) -> Option<u64> {
        self.base.checked_add(self.capacity)
    }

    /// The name of the file that was made for this segment. It keeps the name when it is used
    /// again: what is in it is said by its header.
    pub(crate) fn file_name(&self) -> String {
        format!("{}-{:016x}.{SUFFIX}", self.journal.simple(), self.base)
    }

    /// Writes the header. The first bytes come last: without them it is no segment, however far
    /// the process got.
    pub(crate) fn write(self, to: &mut [u8]) {
        let bytes = self.to_bytes();
        let Some(to) = to.first_chunk_mut::<{ SEGMENT_HEADER as usize }>() else {
            return;
        };
        to[..MAGIC.len()].fill(0);
        compiler_fence(Ordering::SeqCst);
        to[MAGIC.len()..].copy_from_slice(&bytes[MAGIC.len()..]);
        compiler_fence(Ordering::SeqCst);
        to[..MAGIC.len()].copy_from_slice(&MAGIC);
    }
}

/// Whether these are the first bytes of a file that is not in use.
pub(crate) fn is_blank(bytes: &[u8; SEGMENT_HEADER as usize]) -> bool {
    bytes[..MAGIC.len()].iter().all(|byte| *byte == 0)
}

pub(crate) fn is_segment(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == SUFFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_and_damage_is_noticed() {
        let header = SegmentHeader {
            journal: Uuid::from_u128(7),
            base: 1 << 40,
            capacity: 4096,
        };
        let mut bytes = [9; 64];
        header.write(&mut bytes);
        assert_eq!(bytes, header.to_bytes());
        assert_eq!(SegmentHeader::from_bytes(&bytes), Some(header));
        for at in 0..44 {
            let mut damaged = bytes;
            damaged[at] ^= 1;
            assert_eq!(SegmentHeader::from_bytes(&damaged), None, "byte {at}");
        }
        assert_eq!(SegmentHeader::from_bytes(&[0; 64]), None);
        assert!(is_segment(Path::new(&header.file_name())));
    }

    #[test]
    fn positions_do_not_wrap() {
        let header = SegmentHeader {
            journal: Uuid::nil(),
            base: u64::MAX,
            capacity: 4096,
        };
        assert_eq!(SegmentHeader::from_bytes(&header.to_bytes()), None);
    }
}
