use apiverse_contract::policies::CompressionPolicy;
use apiverse_contract::policies::compression::Coding;
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use proptest::prelude::*;

use super::*;

fn coded(coding: Coding, parts: &[&[u8]], flush: bool) -> Vec<u8> {
    let mut encoder = Encoder::new(coding).unwrap();
    let mut out = Vec::new();
    for part in parts {
        out.extend(encoder.push(part).unwrap());
        if flush {
            out.extend(encoder.flush().unwrap());
        }
    }
    out.extend(encoder.finish().unwrap());
    out
}

fn stored(coding: Coding) -> Stored {
    match coding {
        Coding::Br => Stored::Br,
        Coding::Zstd => Stored::Zstd,
        Coding::Gzip => Stored::Gzip,
    }
}

fn decoded(
    stored: Stored,
    bytes: &[u8],
    chunk: usize,
    limit: usize,
) -> Result<Vec<u8>, DecodeError> {
    let mut decoder = Decoder::new(stored, limit)?;
    for part in bytes.chunks(chunk.max(1)) {
        decoder.push(part)?;
    }
    decoder.finish()
}

proptest! {
    /// However a body comes, and however its coded form is cut, the same bytes come out.
    #[test]
    fn bodies_come_back(
        parts in prop::collection::vec(prop::collection::vec(any::<u8>().prop_map(|b| b % 7), 0..3000), 0..8),
        chunk in 1_usize..5000,
        flush in any::<bool>(),
        which in 0_usize..3,
    ) {
        let coding = Coding::ALL[which];
        let borrowed: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let bytes = coded(coding, &borrowed, flush);
        let whole = parts.concat();
        let back = decoded(stored(coding), &bytes, chunk, whole.len()).unwrap();
        prop_assert_eq!(&back, &whole);
        if !whole.is_empty() {
            let over = decoded(stored(coding), &bytes, chunk, whole.len() - 1);
            prop_assert!(matches!(over, Err(DecodeError::TooLarge)), "{:?}", over);
        }
    }

    /// What is cut or changed is an error or other bytes, never more than may be, never a crash.
    #[test]
    fn garbled_bodies_do_no_harm(
        body in prop::collection::vec(any::<u8>().prop_map(|b| b % 5), 1..3000),
        at in any::<prop::sample::Index>(),
        bit in 0_u8..8,
        which in 0_usize..3,
        cut in any::<bool>(),
    ) {
        let coding = Coding::ALL[which];
        let mut bytes = coded(coding, &[&body], false);
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] ^= 1 << bit;
        }
        if let Ok(out) = decoded(stored(coding), &bytes, 100, 5000) {
            prop_assert!(out.len() <= 5000);
            if cut {
                prop_assert!(out == body || (at == 0 && out.is_empty()), "part of a body passed as whole");
            }
        }
    }

    #[test]
    fn noise_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for stored in [Stored::Br, Stored::Zstd, Stored::Gzip, Stored::Deflate] {
            if let Ok(out) = decoded(stored, &bytes, 37, 10_000) {
                prop_assert!(out.len() <= 10_000);
            }
        }
    }
}

#[test]
fn flushed_parts_can_be_read_at_once() {
    for coding in Coding::ALL {
        let mut encoder = Encoder::new(coding).unwrap();
        let mut sent = encoder.push(b"first").unwrap();
        sent.extend(encoder.flush().unwrap());
        let mut decoder = Decoder::new(stored(coding), 100).unwrap();
        decoder.push(&sent).unwrap();
        sent.extend(encoder.push(b", second").unwrap());
        sent.extend(encoder.finish().unwrap());
        let whole = decoded(stored(coding), &sent, 3, 100).unwrap();
        assert_eq!(whole, b"first, second", "{coding:?}");
    }
}

#[test]
fn bombs_go_off_outside() {
    let zeroes = vec![0_u8; 64 << 20];
    for coding in Coding::ALL {
        let bomb = coded(coding, &[&zeroes], false);
        let out = decoded(stored(coding), &bomb, 16 << 10, 1 << 20);
        assert!(matches!(out, Err(DecodeError::TooLarge)), "{coding:?}");
    }
}

fn choose(policy: &str, accept: &str, kind: &str, length: Option<u64>) -> Choice {
    let policy: CompressionPolicy = serde_json::from_str(policy).unwrap();
    let mut request = HeaderMap::new();
    if !accept.is_empty() {
        request.insert(ACCEPT_ENCODING, accept.parse().unwrap());
    }
    let mut response = HeaderMap::new();
    for field in kind.split('|') {
        let (name, value) = field.split_once(": ").unwrap_or(("content-type", field));
        let name: http::HeaderName = name.parse().unwrap();
        response.append(name, value.parse().unwrap());
    }
    Compression::new(&policy).choose(&Method::GET, &request, StatusCode::OK, &response, length)
}

#[test]
fn the_callers_weights_decide() {
    use Coding::{Br, Gzip, Zstd};
    for (accept, expected) in [
        ("gzip, deflate, br, zstd", Choice::Coded(Zstd)),
        ("gzip, br", Choice::Coded(Br)),
        ("gzip;q=1.0, br;q=0.5", Choice::Coded(Gzip)),
        ("gzip;q=0", Choice::AsItIs),
        ("*", Choice::Coded(Zstd)),
        ("*;q=0", Choice::AsItIs),
        ("zstd;q=0, *", Choice::Coded(Br)),
        ("br;q=0.001", Choice::Coded(Br)),
        ("br;q=1.5", Choice::AsItIs),
        ("br;q=0.1234", Choice::AsItIs),
        ("br;level=4", Choice::AsItIs),
        ("BR", Choice::Coded(Br)),
        ("x-gzip", Choice::Coded(Gzip)),
        ("deflate", Choice::AsItIs),
        ("identity", Choice::AsItIs),
        ("identity;q=1, br;q=0.5", Choice::AsItIs),
        ("identity;q=0.5, br;q=0.6", Choice::Coded(Br)),
        ("", Choice::AsItIs),
        (",, ,gzip", Choice::Coded(Gzip)),
    ] {
        assert_eq!(
            choose("{}", accept, "application/json", None),
            expected,
            "{accept}"
        );
    }
    let gzip_first = r#"{"codings":["gzip","br"]}"#;
    assert_eq!(
        choose(gzip_first, "br, gzip, zstd", "text/html", None),
        Choice::Coded(Gzip)
    );
}

#[test]
fn only_what_gains_is_compressed() {
    for (kind, length, is_compressed) in [
        ("application/json; charset=utf-8", None, true),
        ("application/problem+json", Some(1024), true),
        ("image/svg+xml", Some(5000), true),
        ("text/plain", Some(1023), false),
        ("text/plain|content-length: 10", None, false),
        ("image/png", None, false),
        ("application/octet-stream", None, false),
        ("text/event-stream", None, false),
        ("application/grpc+proto", None, false),
        ("text/plain|content-encoding: br", None, false),
        ("text/plain|content-encoding: identity", None, true),
        (
            "text/plain|cache-control: public, no-transform",
            None,
            false,
        ),
        ("text/plain|content-range: bytes 0-1/2", None, false),
        ("x-nothing: 1", None, false),
        ("application/x-own", None, true),
    ] {
        let choice = choose(r#"{"types":["application/x-own"]}"#, "br", kind, length);
        let expected = if is_compressed {
            Choice::Coded(Coding::Br)
        } else {
            Choice::Never
        };
        assert_eq!(choice, expected, "{kind}");
    }
}

#[test]
fn validators_become_weak() {
    for (before, after) in [("\"a\"", "W/\"a\""), ("W/\"a\"", "W/\"a\"")] {
        let mut headers = HeaderMap::new();
        headers.insert(ETAG, before.parse().unwrap());
        weaken_etag(&mut headers);
        assert_eq!(headers[ETAG], after);
    }
    let mut none = HeaderMap::new();
    weaken_etag(&mut none);
    none.insert(CONTENT_TYPE, HeaderValue::from_static("x/y"));
    assert_eq!(none.len(), 1);
}
