//! How a record stands in a segment: its length, a checksum, its bytes.

/// Length and checksum.
pub(crate) const FRAME_HEADER: usize = 8;
/// Longest record in bytes; a length above it was never written by us.
pub const MAX_RECORD: usize = 64 << 10;

/// What stands at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A record that is whole.
    Record(&'a [u8]),
    /// A frame that is damaged, or was being written when the process ended. `len`: of the record,
    /// if what is there can be believed.
    Damaged { len: Option<usize> },
    /// More bytes are needed to tell.
    Incomplete,
    /// Nothing was written here.
    End,
}

impl Frame<'_> {
    /// The bytes of the frame of a record this long.
    #[must_use]
    pub const fn size(record_len: usize) -> usize {
        FRAME_HEADER + record_len
    }
}

/// Reads the frame at the beginning of `bytes`, which stand at `position` of their journal. Any
/// bytes are safe to give.
#[must_use]
pub fn parse(bytes: &[u8], position: u64) -> Frame<'_> {
    let Some((header, rest)) = bytes.split_first_chunk::<FRAME_HEADER>() else {
        return if bytes.iter().all(|byte| *byte == 0) {
            Frame::End
        } else {
            Frame::Incomplete
        };
    };
    let [l0, l1, l2, l3, c0, c1, c2, c3] = *header;
    let len = u32::from_le_bytes([l0, l1, l2, l3]);
    let checksum = u32::from_le_bytes([c0, c1, c2, c3]);
    if len == 0 {
        // The length is written last: a checksum without one was being written.
        return if checksum == 0 {
            Frame::End
        } else {
            Frame::Damaged { len: None }
        };
    }
    let len = len as usize;
    if len > MAX_RECORD {
        return Frame::Damaged { len: None };
    }
    let Some(record) = rest.get(..len) else {
        return Frame::Incomplete;
    };
    if checksum_of(record, position) == checksum {
        Frame::Record(record)
    } else {
        Frame::Damaged { len: Some(len) }
    }
}

/// Writes the header of the record that stands in `frame` already, behind the header's place. The
/// length comes last, so that a frame without one is no record.
///
/// `frame` has `FRAME_HEADER` bytes and a record of at most [`MAX_RECORD`].
pub(crate) fn seal(frame: &mut [u8], position: u64) {
    let Some((header, record)) = frame.split_first_chunk_mut::<FRAME_HEADER>() else {
        return;
    };
    // Bounded by MAX_RECORD, so it fits.
    let len = record.len() as u32;
    header[4..].copy_from_slice(&checksum_of(record, position).to_le_bytes());
    header[..4].copy_from_slice(&len.to_le_bytes());
}

/// CRC-32 over the record, begun with its length and place: a wrong length is noticed as well, and
/// a frame that stood in the same file before it was used again.
fn checksum_of(record: &[u8], position: u64) -> u32 {
    let place = (position as u32) ^ ((position >> 32) as u32);
    let mut hasher = crc32fast::Hasher::new_with_initial(record.len() as u32 ^ place);
    hasher.update(record);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(record: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; FRAME_HEADER];
        frame.extend_from_slice(record);
        seal(&mut frame, 77);
        frame
    }

    #[test]
    fn what_was_never_written_is_the_end() {
        assert_eq!(parse(&[], 77), Frame::End);
        assert_eq!(parse(&[0; 3], 77), Frame::End);
        assert_eq!(parse(&[0; 100], 77), Frame::End);
        assert_eq!(
            parse(&[0, 0, 0, 0, 1, 2, 3, 4, 9], 77),
            Frame::Damaged { len: None }
        );
        assert_eq!(parse(&[255; 100], 77), Frame::Damaged { len: None });
    }

    proptest! {
        #[test]
        fn records_come_back(record in prop::collection::vec(any::<u8>(), 1..2000), more in prop::collection::vec(any::<u8>(), 0..20)) {
            let mut bytes = framed(&record);
            bytes.extend(more);
            prop_assert_eq!(parse(&bytes, 77), Frame::Record(&record[..]));
            prop_assert!(!matches!(parse(&bytes, 77 + 4096), Frame::Record(_)), "it stood elsewhere");
        }

        #[test]
        fn a_cut_record_is_no_record(record in prop::collection::vec(any::<u8>(), 1..500), keep in any::<prop::sample::Index>()) {
            let bytes = framed(&record);
            let cut = &bytes[..keep.index(bytes.len())];
            prop_assert!(matches!(parse(cut, 77), Frame::Incomplete | Frame::End));
        }

        #[test]
        fn a_changed_byte_is_noticed(record in prop::collection::vec(any::<u8>(), 1..500), at in any::<prop::sample::Index>(), with in 1u8..) {
            let mut bytes = framed(&record);
            let at = at.index(bytes.len());
            bytes[at] ^= with;
            bytes.resize(bytes.len() + 70_000, 0);
            prop_assert!(!matches!(parse(&bytes, 77), Frame::Record(_)));
        }

        #[test]
        fn any_bytes_are_safe(bytes in prop::collection::vec(any::<u8>(), 0..3000), position in any::<u64>()) {
            if let Frame::Record(record) = parse(&bytes, position) {
                prop_assert!(record.len() + FRAME_HEADER <= bytes.len());
            }
        }
    }
}
