//! Where WebSocket frames begin and end (RFC 6455, 5.2), without looking into them.

/// The opcode of a close frame.
const CLOSE: u8 = 8;

/// Follows one direction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Frames {
    state: State,
    has_closed: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// In a frame's head: the bytes so far.
    Head { bytes: [u8; 14], count: u8 },
    /// In its payload.
    Payload { left: u64 },
}

impl Default for State {
    fn default() -> Self {
        Self::Head {
            bytes: [0; 14],
            count: 0,
        }
    }
}

impl Frames {
    /// These bytes have passed.
    pub(super) fn follow(&mut self, mut passed: &[u8]) {
        while !passed.is_empty() {
            match &mut self.state {
                State::Payload { left } => {
                    let take =
                        usize::try_from(*left).map_or(passed.len(), |left| left.min(passed.len()));
                    *left -= take as u64;
                    passed = &passed[take..];
                    if *left == 0 {
                        self.state = State::default();
                    }
                }
                State::Head { bytes, count } => {
                    bytes[usize::from(*count)] = passed[0];
                    passed = &passed[1..];
                    *count += 1;
                    let Some(left) = payload(&bytes[..usize::from(*count)]) else {
                        continue;
                    };
                    self.has_closed |= bytes[0] & 0x0f == CLOSE;
                    self.state = match left {
                        0 => State::default(),
                        left => State::Payload { left },
                    };
                }
            }
        }
    }

    /// Whether a frame could begin now.
    pub(super) const fn is_between(&self) -> bool {
        matches!(self.state, State::Head { count: 0, .. })
    }

    /// Whether a close frame has passed.
    pub(super) const fn has_closed(&self) -> bool {
        self.has_closed
    }
}

/// The length of the payload behind a head, once the head is whole.
fn payload(head: &[u8]) -> Option<u64> {
    let second = *head.get(1)?;
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let (length, end) = match second & 0x7f {
        126 => {
            let bytes: [u8; 2] = head.get(2..4)?.try_into().ok()?;
            (u64::from(u16::from_be_bytes(bytes)), 4)
        }
        127 => {
            let bytes: [u8; 8] = head.get(2..10)?.try_into().ok()?;
            (u64::from_be_bytes(bytes), 10)
        }
        short => (u64::from(short), 2),
    };
    (head.len() == end + mask).then_some(length)
}

/// A close frame that says the gateway is going away; masked, as clients have to.
pub(super) fn close_frame(is_masked: bool) -> Vec<u8> {
    const GOING_AWAY: [u8; 2] = 1001_u16.to_be_bytes();
    if !is_masked {
        return vec![0x88, 2, GOING_AWAY[0], GOING_AWAY[1]];
    }
    let mask: [u8; 4] = rand::random();
    let mut frame = vec![0x88, 0x82];
    frame.extend_from_slice(&mask);
    frame.extend([GOING_AWAY[0] ^ mask[0], GOING_AWAY[1] ^ mask[1]]);
    frame
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(opcode: u8, length: usize, is_masked: bool) -> Vec<u8> {
        let mask = if is_masked { 0x80 } else { 0 };
        let mut frame = vec![0x80 | opcode];
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short @ 0..126), _) => frame.push(mask | short),
            (_, Ok(long)) => {
                frame.push(mask | 126);
                frame.extend(long.to_be_bytes());
            }
            _ => {
                frame.push(mask | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(vec![0xff; length + if is_masked { 4 } else { 0 }]);
        frame
    }

    proptest! {
        #[test]
        fn frames_are_followed_in_any_parts(
            lengths in proptest::collection::vec(
                prop_oneof![0usize..10, 120usize..130, 65_530usize..65_540], 1..5
            ),
            is_masked: bool,
            cut in 1usize..5000,
        ) {
            let mut frames = Frames::default();
            for length in lengths {
                let bytes = frame(2, length, is_masked);
                let (most, last) = bytes.split_at(bytes.len() - 1);
                for part in most.chunks(cut) {
                    frames.follow(part);
                }
                prop_assert!(!frames.is_between());
                frames.follow(last);
                prop_assert!(frames.is_between());
            }
            prop_assert!(!frames.has_closed());
            frames.follow(&close_frame(is_masked));
            prop_assert!(frames.has_closed() && frames.is_between());
        }
    }
}
