//! Names that follow a call: `x-request-id` and W3C Trace Context.

use apiverse_telemetry::TraceContext;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::refusal::X_REQUEST_ID;
use crate::random::unlike_others;

pub(crate) static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(crate) static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Longest request id that is taken over.
const MAX_REQUEST_ID: usize = 128;
/// Length of `00-{trace id}-{span id}-{flags}`.
const TRACEPARENT_LEN: usize = 55;

/// The caller's request id if it is one that can go into a log, else a new UUIDv7.
pub(crate) fn request_id(headers: &HeaderMap, unix_ms: u64) -> HeaderValue {
    let mut given = headers.get_all(&X_REQUEST_ID).iter();
    match (given.next(), given.next()) {
        (Some(id), None) if is_request_id(id.as_bytes()) => id.clone(),
        _ => new_request_id(unix_ms),
    }
}

/// Whether it can go into a log as it is.
pub(crate) fn is_request_id(id: &[u8]) -> bool {
    (1..=MAX_REQUEST_ID).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

/// A new UUIDv7.
pub(crate) fn new_request_id(unix_ms: u64) -> HeaderValue {
    let id = uuid::Builder::from_unix_timestamp_millis(unix_ms, &unlike_others()).into_uuid();
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    id.hyphenated().encode_lower(&mut text);
    visible(Bytes::copy_from_slice(&text))
}

/// The `traceparent` for the upstream: the caller's trace with this call as its new parent, or a
/// new trace. The second value says whether the caller's trace goes on.
///
/// A new trace is marked as sampled: the gateway does not know what the upstream wants, and "not
/// sampled" would switch its tracing off.
pub(crate) fn traceparent(headers: &HeaderMap) -> (HeaderValue, bool) {
    let (text, goes_on) = next_traceparent(callers_traceparent(headers));
    (visible(Bytes::copy_from_slice(&text)), goes_on)
}

/// The `traceparent` for the upstream of a call that has a place in a trace.
pub(crate) fn traceparent_of(context: &TraceContext) -> (HeaderValue, bool) {
    let text = context.traceparent();
    let goes_on = context.parent.is_some();
    (visible(Bytes::copy_from_slice(&text)), goes_on)
}

/// The one value that the caller sent, if it sent one.
pub(crate) fn callers_traceparent(headers: &HeaderMap) -> Option<&[u8]> {
    let mut given = headers.get_all(&TRACEPARENT).iter();
    match (given.next(), given.next()) {
        (Some(value), None) => Some(value.as_bytes()),
        _ => None,
    }
}

/// The same from the one value the caller sent, if it sent one.
pub(crate) fn next_traceparent(caller: Option<&[u8]>) -> ([u8; TRACEPARENT_LEN], bool) {
    let caller = caller.and_then(parse);
    let random: [u8; 24] = unlike_others();
    let (trace, span) = random.split_at(16);
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-01";
    match caller {
        Some((known, flags)) => {
            text[3..35].copy_from_slice(known);
            text[53..].copy_from_slice(flags);
        }
        None => put_hex(&mut text[3..35], trace),
    }
    put_hex(&mut text[36..52], span);
    (text, caller.is_some())
}

/// Trace id and flags of a `traceparent`. A version after 00 may have more behind (W3C Trace
/// Context, 4.3).
fn parse(value: &[u8]) -> Option<(&[u8], &[u8; 2])> {
    let (known, more) = value.split_at_checked(TRACEPARENT_LEN)?;
    let is_hex = |part: &[u8]| {
        part.iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let version = &known[..2];
    let trace = &known[3..35];
    let span = &known[36..52];
    let flags: &[u8; 2] = known[53..].try_into().ok()?;
    let dashes = known[2] == b'-' && known[35] == b'-' && known[52] == b'-';
    let is_whole = match version {
        b"ff" => false,
        b"00" => more.is_empty(),
        _ => more.first().is_none_or(|byte| *byte == b'-'),
    };
    let is_zero = |part: &[u8]| part.iter().all(|byte| *byte == b'0');
    let valid = dashes
        && is_whole
        && [version, trace, span, &flags[..]].into_iter().all(is_hex)
        && !is_zero(trace)
        && !is_zero(span);
    valid.then_some((trace, flags))
}

/// Writes random bytes as digits. All zero would be no id (W3C Trace Context, 3.2.2.3).
fn put_hex(text: &mut [u8], bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    if bytes.iter().all(|byte| *byte == 0)
        && let Some(last) = text.last_mut()
    {
        *last = b'1';
    }
}

fn visible(text: Bytes) -> HeaderValue {
    // Digits, letters and dashes are always allowed in a header.
    HeaderValue::from_maybe_shared(text).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

    fn with(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_sane_request_id_is_kept() {
        let kept = request_id(&with("x-request-id", &["abc-123"]), 0);
        assert_eq!(kept, "abc-123");
        let too_long = "x".repeat(129);
        for strange in [&["a b"][..], &[&too_long], &["a", "b"], &["ä"], &[""], &[]] {
            let made = request_id(&with("x-request-id", strange), 1_790_000_000_000);
            let made: Uuid = made.to_str().unwrap().parse().unwrap();
            assert_eq!(made.get_version_num(), 7, "{strange:?}");
        }
    }

    #[test]
    fn a_trace_goes_on_with_a_new_parent() {
        let (made, goes_on) = traceparent(&with("traceparent", &[GOOD]));
        let made = made.to_str().unwrap();
        assert!(goes_on);
        assert_eq!(&made[..36], &GOOD[..36]);
        assert_ne!(&made[36..52], &GOOD[36..52]);
        assert!(
            made.ends_with("-00"),
            "the caller's decision about sampling stays"
        );
        let later = format!("01{}-what-comes", &GOOD[2..]);
        assert!(traceparent(&with("traceparent", &[&later])).1);
    }

    #[test]
    fn what_is_no_trace_is_replaced() {
        let short = &GOOD[..54];
        let long = format!("{GOOD}-x");
        let upper = GOOD.to_uppercase();
        let zero_trace = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
        let zero_span = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", "0".repeat(16));
        let forbidden = format!("ff{}", &GOOD[2..]);
        for bad in [
            &[short][..],
            &[&long],
            &[&upper],
            &[&zero_trace],
            &[&zero_span],
            &[&forbidden],
            &[GOOD, GOOD],
            &[],
        ] {
            let (made, goes_on) = traceparent(&with("traceparent", bad));
            assert!(!goes_on, "{bad:?}");
            assert!(parse(made.as_bytes()).is_some(), "{made:?}");
        }
    }

    proptest! {
        #[test]
        fn a_foreign_traceparent_never_panics(value in "[ -~]{0,70}") {
            let (made, _) = traceparent(&with("traceparent", &[&value]));
            prop_assert!(parse(made.as_bytes()).is_some());
        }
    }
}
