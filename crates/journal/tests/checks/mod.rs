//! What must hold whatever bytes a segment has.

use apiverse_journal::{Frame, MAX_RECORD, parse};

/// A frame is a record only with its checksum.
pub fn journal(bytes: &[u8]) {
    for position in [0, 64, u64::MAX] {
        match parse(bytes, position) {
            Frame::Record(record) => {
                assert!(!record.is_empty() && record.len() <= MAX_RECORD);
                assert_eq!(record, &bytes[8..8 + record.len()]);
                // A byte that changed is noticed.
                let mut changed = bytes.to_vec();
                changed[8] ^= 1;
                assert!(!matches!(parse(&changed, position), Frame::Record(_)));
            }
            Frame::Damaged { len } => assert!(len.is_none_or(|len| len <= MAX_RECORD)),
            Frame::Incomplete => assert!(bytes.len() < Frame::size(MAX_RECORD)),
            Frame::End => assert!(bytes.iter().take(8).all(|byte| *byte == 0)),
        }
    }
}
