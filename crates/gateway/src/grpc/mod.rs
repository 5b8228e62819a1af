//! gRPC, as far as a gateway has a part in it: which calls are gRPC, how they are refused in its
//! own way, and gRPC-Web for upstreams that only know gRPC.

mod web;

use apiverse_contract::ErrorCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::body::GatewayBody;
pub(crate) use web::{TextDecoder, WebBody};

static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
static GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// What a call's content type says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It is not gRPC.
    #[default]
    Other,
    /// gRPC over HTTP/2.
    Grpc,
    /// gRPC-Web, for clients that cannot read trailers.
    Web {
        /// In base64, for clients that cannot read bytes either.
        is_text: bool,
    },
}

impl Kind {
    /// The kind of a `Content-Type`.
    pub(crate) fn of(content_type: &[u8]) -> Self {
        match split(content_type) {
            Some((kind, _)) => kind,
            None => Self::Other,
        }
    }

    /// The kind of a message with these headers.
    pub(crate) fn of_headers(headers: &HeaderMap) -> Self {
        let content_type = headers.get(CONTENT_TYPE);
        content_type.map_or(Self::Other, |value| Self::of(value.as_bytes()))
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Other | Self::Grpc => "application/grpc",
            Self::Web { is_text: false } => "application/grpc-web",
            Self::Web { is_text: true } => "application/grpc-web-text",
        }
    }
}

/// The kind, and what follows it: `+proto`, parameters.
fn split(content_type: &[u8]) -> Option<(Kind, &[u8])> {
    // The longest name first: each is the beginning of the one before.
    const KINDS: [Kind; 3] = [
        Kind::Web { is_text: true },
        Kind::Web { is_text: false },
        Kind::Grpc,
    ];
    for kind in KINDS {
        let name = kind.content_type().as_bytes();
        let Some((start, rest)) = content_type.split_at_checked(name.len()) else {
            continue;
        };
        if start.eq_ignore_ascii_case(name)
            && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
        {
            return Some((kind, rest));
        }
    }
    None
}

/// Says the same content is of another kind.
pub(crate) fn set_kind(headers: &mut HeaderMap, kind: Kind) {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return;
    };
    let Some((_, rest)) = split(value.as_bytes()) else {
        return;
    };
    let text = [kind.content_type().as_bytes(), rest].concat();
    if let Ok(value) = HeaderValue::from_bytes(&text) {
        headers.insert(CONTENT_TYPE, value);
    }
}

/// The status a gRPC client sees for an error of the gateway's own.
const fn status(code: ErrorCode) -> u8 {
    match code.status() {
        400 | 422 => 3,
        401 => 16,
        403 => 7,
        404 | 405 | 415 => 12,
        408 | 504 => 4,
        409 => 10,
        413 | 429 | 431 => 8,
        499 => 1,
        502 | 503 => 14,
        _ => 13,
    }
}

/// Turns a problem into what a gRPC client understands: an answer without a body whose status is
/// in its head.
pub(crate) fn refuse(
    response: &mut Response<GatewayBody>,
    code: ErrorCode,
    detail: &str,
    kind: Kind,
) {
    *response.status_mut() = StatusCode::OK;
    *response.body_mut() = GatewayBody::Empty;
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind.content_type()));
    headers.insert(&GRPC_STATUS, HeaderValue::from(u16::from(status(code))));
    if let Ok(message) = HeaderValue::from_str(&percent_encoded(detail)) {
        headers.insert(&GRPC_MESSAGE, message);
    }
}

/// `grpc-message` has all but visible ASCII encoded, and the sign that encodes.
fn percent_encoded(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            out.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_are_told_apart() {
        let web = |is_text| Kind::Web { is_text };
        for (text, kind) in [
            ("application/grpc", Kind::Grpc),
            ("application/grpc+proto", Kind::Grpc),
            ("Application/gRPC;charset=x", Kind::Grpc),
            ("application/grpc-web", web(false)),
            ("application/grpc-web+proto", web(false)),
            ("application/grpc-web-text+proto", web(true)),
            ("application/grpcx", Kind::Other),
            ("application/json", Kind::Other),
            ("", Kind::Other),
        ] {
            assert_eq!(Kind::of(text.as_bytes()), kind, "{text}");
        }
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_static("application/grpc-web-text+proto");
        headers.insert(CONTENT_TYPE, value);
        set_kind(&mut headers, Kind::Grpc);
        assert_eq!(headers[CONTENT_TYPE], "application/grpc+proto");
    }

    #[test]
    fn messages_are_encoded() {
        assert_eq!(percent_encoded("100 % ä\n"), "100 %25 %C3%A4%0A");
    }

    #[test]
    fn every_error_has_a_status() {
        for code in ErrorCode::ALL {
            assert!((1..=16).contains(&status(*code)), "{code}");
        }
        assert_eq!(status(ErrorCode::MissingApiKey), 16);
        assert_eq!(status(ErrorCode::RateLimited), 8);
        assert_eq!(status(ErrorCode::UpstreamUnreachable), 14);
        assert_eq!(status(ErrorCode::UpstreamTimeout), 4);
        assert_eq!(status(ErrorCode::ApiNotFound), 12);
        assert_eq!(status(ErrorCode::Internal), 13);
    }
}
