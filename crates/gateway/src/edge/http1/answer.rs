//! From an upstream's head to the caller's.

use std::mem::MaybeUninit;
use std::rc::Rc;

use http::StatusCode;
use httparse::{Header, ParserConfig};

use super::field::{AnswerField, length, tokens};
use super::lines::{Lines, push_field};
use crate::limits::Fields;

/// Most fields of an answer.
const MAX_FIELDS: usize = 256;
/// Largest head of an answer.
const MAX_HEAD: usize = 256 * 1024;
/// A request that is on its way when the upstream closes is lost: the connection is given up this
/// much earlier than the upstream said.
const KEEP_MARGIN_MS: u64 = 500;

/// How an answer's body is delimited (RFC 9112, 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    None,
    Length(u64),
    Chunked,
    /// It ends with the connection.
    UntilClose,
}

/// Why there is no answer in the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadAnswer {
    #[error("the bytes are not http")]
    Garbage,
    #[error("the length is stated twice")]
    Framing,
    #[error("too many or too large headers")]
    TooLarge,
    #[error("the upstream switched protocols unasked")]
    UnaskedUpgrade,
}

/// What the head said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    /// Where the body begins.
    pub(super) end: usize,
    pub(super) framing: Framing,
    /// The connection can serve another call.
    pub(super) keep: bool,
    /// For how long, in milliseconds, where the upstream says so.
    pub(super) keep_ms: Option<u64>,
}

/// What the caller's head depends on besides the upstream's.
pub(super) struct Context<'a> {
    pub(super) is_head: bool,
    pub(super) request_id: &'a [u8],
    pub(super) own_cookies: &'a [String],
    /// The key came in the address.
    pub(super) by_query: bool,
    /// What the caller is told of its limits.
    pub(super) limits: Option<&'a Fields>,
    /// The connection is closed after this answer.
    pub(super) close: bool,
    /// `Date`, for an upstream that sends none.
    pub(super) date: &'a dyn Fn() -> Rc<[u8]>,
}

/// Reads the upstream's final head and writes the caller's behind what `out` holds. Interim
/// answers are passed over. `None`: the head is not whole yet.
pub(super) fn translate(
    bytes: &[u8],
    context: &Context<'_>,
    out: &mut Vec<u8>,
) -> Result<Option<Head>, BadAnswer> {
    let mut start = 0;
    loop {
        let Some(head) = one(&bytes[start..], context, out)? else {
            return Ok(None);
        };
        if head.status >= 200 {
            let end = start + head.end;
            return Ok(Some(Head { end, ..head }));
        }
        start += head.end;
    }
}

fn one(bytes: &[u8], context: &Context<'_>, out: &mut Vec<u8>) -> Result<Option<Head>, BadAnswer> {
    let mut slots = [const { MaybeUninit::<Header<'_>>::uninit() }; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        bytes,
        &mut slots,
    );
    let end = match parsed {
        Ok(httparse::Status::Complete(end)) => end,
        Ok(httparse::Status::Partial) if bytes.len() >= MAX_HEAD => {
            return Err(BadAnswer::TooLarge);
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(BadAnswer::TooLarge),
        Err(_) => return Err(BadAnswer::Garbage),
    };
    let status = response.code.ok_or(BadAnswer::Garbage)?;
    let mut head = Head {
        status,
        end,
        framing: Framing::None,
        keep: response.version == Some(1),
        keep_ms: None,
    };
    match status {
        101 => return Err(BadAnswer::UnaskedUpgrade),
        100..200 => return Ok(Some(head)),
        200..1000 => {}
        _ => return Err(BadAnswer::Garbage),
    }
    let reason = response.reason.unwrap_or_default();
    write_status(out, status, reason);
    write_fields(bytes, response.headers, &mut head, context, out)?;
    Ok(Some(head))
}

fn write_fields(
    bytes: &[u8],
    fields: &[Header<'_>],
    head: &mut Head,
    context: &Context<'_>,
    out: &mut Vec<u8>,
) -> Result<(), BadAnswer> {
    let mut stated: Option<u64> = None;
    let mut coding: Option<bool> = None;
    let mut has_date = false;
    let mut named: Vec<&[u8]> = Vec::new();
    for field in fields {
        if AnswerField::of(field.name.as_bytes()) != AnswerField::Connection {
            continue;
        }
        for option in tokens(field.value) {
            if option.eq_ignore_ascii_case(b"close") {
                head.keep = false;
            } else if !option.eq_ignore_ascii_case(b"keep-alive") {
                named.push(option);
            }
        }
    }
    let mut lines = Lines::of(bytes);
    for field in fields {
        let name = field.name.as_bytes();
        match AnswerField::of(name) {
            AnswerField::Dropped | AnswerField::Connection => continue,
            AnswerField::KeepAlive => {
                head.keep_ms = keep_alive(field.value);
                continue;
            }
            AnswerField::ContentLength => {
                // A list of equal ones is one (RFC 9110, 8.6); others cannot be told apart.
                for value in field.value.split(|byte| *byte == b',') {
                    let value = length(value.trim_ascii()).ok_or(BadAnswer::Framing)?;
                    if stated.is_some_and(|known| known != value) {
                        return Err(BadAnswer::Framing);
                    }
                    stated = Some(value);
                }
                continue;
            }
            AnswerField::TransferEncoding => {
                let last = tokens(field.value).last().unwrap_or_default();
                coding = Some(last.eq_ignore_ascii_case(b"chunked"));
                continue;
            }
            AnswerField::SetCookie if is_ours(field.value, context.own_cookies) => continue,
            AnswerField::Date => has_date = true,
            AnswerField::Other if context.limits.is_some() && Fields::replace(name) => continue,
            AnswerField::SetCookie | AnswerField::Other => {}
        }
        if !named.is_empty() && named.iter().any(|other| other.eq_ignore_ascii_case(name)) {
            continue;
        }
        lines.pass(out, field);
    }
    lines.flush(out);
    if coding.is_some() && stated.is_some() {
        // RFC 9112, 6.3: perhaps an attempt to split answers; the connection is not trusted on.
        head.keep = false;
    }
    head.framing = match (head.status, coding, stated) {
        (204 | 304, ..) => Framing::None,
        _ if context.is_head => Framing::None,
        (_, Some(true), _) => Framing::Chunked,
        (_, Some(false), _) | (_, None, None) => Framing::UntilClose,
        (_, None, Some(length)) => Framing::Length(length),
    };
    match head.framing {
        // The answer to a HEAD, or 304: the length is of what is not sent.
        Framing::None => {
            if let (Some(length), None) = (stated, coding)
                && head.status != 204
            {
                push_length(out, length);
            }
        }
        Framing::Length(length) => push_length(out, length),
        Framing::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Framing::UntilClose => {
            head.keep = false;
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
        }
    }
    if !has_date {
        push_field(out, b"date", &(context.date)());
    }
    push_field(out, b"x-request-id", context.request_id);
    if let Some(fields) = context.limits {
        fields.each(|name, value| push_field(out, name, value));
    }
    if context.by_query {
        // See `phases::inbound`: such an address must not become a page of the console's origin.
        push_field(out, b"content-security-policy", b"sandbox");
    }
    if context.close {
        out.extend_from_slice(b"connection: close\r\n");
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// `HTTP/1.1 200 OK`.
pub(super) fn write_status(out: &mut Vec<u8>, status: u16, reason: &str) {
    out.extend_from_slice(b"HTTP/1.1 ");
    let digit = |value: u16| b'0' + u8::try_from(value % 10).unwrap_or(0);
    out.extend_from_slice(&[digit(status / 100), digit(status / 10), digit(status), b' ']);
    let known = StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason());
    let reason = if reason.is_empty() {
        known.unwrap_or_default()
    } else {
        reason
    };
    out.extend_from_slice(reason.as_bytes());
    out.extend_from_slice(b"\r\n");
}

pub(super) fn push_length(out: &mut Vec<u8>, length: u64) {
    let mut text = [0; 20];
    let mut at = text.len();
    let mut left = length;
    loop {
        at -= 1;
        text[at] = b'0' + u8::try_from(left % 10).unwrap_or(0);
        left /= 10;
        if left == 0 {
            break;
        }
    }
    push_field(out, b"content-length", &text[at..]);
}

/// A cookie that would replace ours: the gateway shares the console's host.
fn is_ours(value: &[u8], ours: &[String]) -> bool {
    let name = value.split(|byte| *byte == b'=').next().unwrap_or_default();
    let name = name.trim_ascii();
    ours.iter().any(|own| own.as_bytes() == name)
}

/// `Keep-Alive: timeout=5`, less the margin.
fn keep_alive(value: &[u8]) -> Option<u64> {
    let seconds = tokens(value).find_map(|part| part.strip_prefix(b"timeout="))?;
    let seconds = length(seconds)?;
    Some(seconds.saturating_mul(1000).saturating_sub(KEEP_MARGIN_MS))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CONTEXT: Context<'static> = Context {
        is_head: false,
        request_id: b"r1",
        own_cookies: &[],
        by_query: false,
        limits: None,
        close: false,
        date: &|| Rc::from(&b"now"[..]),
    };

    fn read(text: &str) -> Result<Option<(Head, String)>, BadAnswer> {
        let mut out = Vec::new();
        let head = translate(text.as_bytes(), &CONTEXT, &mut out)?;
        Ok(head.map(|head| (head, String::from_utf8(out).unwrap())))
    }

    #[test]
    fn a_head_is_passed_on_without_its_hop() {
        let text = "HTTP/1.1 200 Fine\r\nContent-Length: 5\r\nKeep-Alive: timeout=5\r\n\
                    Connection: keep-alive, x-hop\r\nX-Hop: 1\r\nX-Apiverse-Error: no\r\n\
                    ETag: \"a\"\r\n\r\nhello";
        let (head, out) = read(text).unwrap().unwrap();
        assert_eq!(head.framing, Framing::Length(5));
        assert_eq!((head.keep, head.keep_ms), (true, Some(4500)));
        assert_eq!(&text[head.end..], "hello");
        assert_eq!(
            out,
            "HTTP/1.1 200 Fine\r\nETag: \"a\"\r\ncontent-length: 5\r\ndate: now\r\n\
             x-request-id: r1\r\n\r\n"
        );
    }

    #[test]
    fn framings() {
        let framing = |fields: &str| {
            read(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n"))
                .map(|read| read.map(|(head, _)| (head.framing, head.keep)))
        };
        assert_eq!(framing(""), Ok(Some((Framing::UntilClose, false))));
        assert_eq!(
            framing("content-length: 3, 3\r\n"),
            Ok(Some((Framing::Length(3), true)))
        );
        assert_eq!(
            framing("content-length: 3\r\ntransfer-encoding: chunked\r\n"),
            Ok(Some((Framing::Chunked, false)))
        );
        assert_eq!(
            framing("transfer-encoding: gzip\r\n"),
            Ok(Some((Framing::UntilClose, false)))
        );
        assert_eq!(
            framing("content-length: 3\r\ncontent-length: 4\r\n"),
            Err(BadAnswer::Framing)
        );
        assert_eq!(framing("content-length: x\r\n"), Err(BadAnswer::Framing));
    }

    #[test]
    fn interim_answers_are_passed_over() {
        let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n\
                    HTTP/1.1 204 No Content\r\n\r\n";
        let (head, out) = read(text).unwrap().unwrap();
        assert_eq!(
            (head.status, head.end, head.framing),
            (204, text.len(), Framing::None)
        );
        assert!(out.starts_with("HTTP/1.1 204 No Content\r\ndate"), "{out}");
        assert_eq!(read("HTTP/1.1 100 Continue\r\n\r\n"), Ok(None));
        assert_eq!(
            read("HTTP/1.1 101 Switching Protocols\r\n\r\n"),
            Err(BadAnswer::UnaskedUpgrade)
        );
    }

    #[test]
    fn what_is_no_head_is_told() {
        assert_eq!(read("SSH-2.0-x\r\n"), Err(BadAnswer::Garbage));
        assert_eq!(read("HTTP/1.1 20"), Ok(None));
        let many = "a: b\r\n".repeat(MAX_FIELDS + 1);
        assert_eq!(
            read(&format!("HTTP/1.1 200 OK\r\n{many}\r\n")),
            Err(BadAnswer::TooLarge)
        );
        let long = "b".repeat(MAX_HEAD);
        assert_eq!(
            read(&format!("HTTP/1.1 200 OK\r\na: {long}")),
            Err(BadAnswer::TooLarge)
        );
    }

    #[test]
    fn lengths_are_written_as_digits() {
        for value in [0, 9, 10, 1024, u64::MAX] {
            let mut out = Vec::new();
            push_length(&mut out, value);
            assert_eq!(out, format!("content-length: {value}\r\n").as_bytes());
        }
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = translate(&bytes, &CONTEXT, &mut Vec::new());
        }
    }
}
