//! W3C Trace Context: which trace a call belongs to, and whether it is sampled.

/// 16 bytes, not all zero.
pub type TraceId = [u8; 16];
/// 8 bytes, not all zero.
pub type SpanId = [u8; 8];

/// Length of `00-{trace id}-{span id}-{flags}`.
const LEN: usize = 55;
const SAMPLED: u8 = 1;

/// The place of one call in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    pub trace_id: TraceId,
    /// The caller's span, if the caller has a trace.
    pub parent: Option<SpanId>,
    /// The call's own.
    pub span: SpanId,
    /// That of the call to the upstream, which the upstream gets as its parent.
    pub client: SpanId,
    /// Whether spans are made.
    pub is_sampled: bool,
}

/// What a caller's `traceparent` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parent {
    pub(crate) trace_id: TraceId,
    pub(crate) span: SpanId,
    pub(crate) is_sampled: bool,
}

impl Parent {
    /// Reads a `traceparent`. A version after 00 may have more behind (W3C Trace Context, 4.3).
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let (known, more) = value.split_at_checked(LEN)?;
        let dashes = known[2] == b'-' && known[35] == b'-' && known[52] == b'-';
        let is_whole = match &known[..2] {
            b"ff" => false,
            b"00" => more.is_empty(),
            _ => more.first().is_none_or(|byte| *byte == b'-'),
        };
        let [_version]: [u8; 1] = from_hex(&known[..2])?;
        let trace_id: TraceId = from_hex(&known[3..35])?;
        let span: SpanId = from_hex(&known[36..52])?;
        let [flags]: [u8; 1] = from_hex(&known[53..])?;
        let is_id = |id: &[u8]| id.iter().any(|byte| *byte != 0);
        (dashes && is_whole && is_id(&trace_id) && is_id(&span)).then_some(Self {
            trace_id,
            span,
            is_sampled: flags & SAMPLED != 0,
        })
    }
}

impl TraceContext {
    /// The `traceparent` for the upstream.
    #[must_use]
    pub fn traceparent(&self) -> [u8; LEN] {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        put_hex(&mut text[3..35], &self.trace_id);
        let parent = if self.is_sampled {
            self.client
        } else {
            self.span
        };
        put_hex(&mut text[36..52], &parent);
        put_hex(&mut text[53..], &[u8::from(self.is_sampled)]);
        text
    }
}

/// Lower case only, as the standard has it.
fn from_hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

fn put_hex(text: &mut [u8], bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let context = TraceContext {
            trace_id: [0x4b; 16],
            parent: None,
            span: [1; 8],
            client: [0xfe; 8],
            is_sampled: true,
        };
        let text = context.traceparent();
        assert!(text.starts_with(b"00-4b4b"));
        let parent = Parent::parse(&text).expect("a traceparent");
        assert_eq!(parent.trace_id, context.trace_id);
        assert_eq!(parent.span, context.client);
        assert!(parent.is_sampled);
        let quiet = TraceContext {
            is_sampled: false,
            ..context
        };
        let parent = Parent::parse(&quiet.traceparent()).expect("a traceparent");
        assert_eq!((parent.span, parent.is_sampled), (context.span, false));
    }

    #[test]
    fn what_is_none_is_refused() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert!(Parent::parse(good.as_bytes()).is_some());
        let later = format!("01{}-more", &good[2..]);
        assert!(Parent::parse(later.as_bytes()).is_some());
        for bad in [
            "",
            &good[..54],
            &good.to_uppercase(),
            &format!("{good}-x"),
            &format!("ff{}", &good[2..]),
            &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            &format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", "0".repeat(16)),
        ] {
            assert_eq!(Parent::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
