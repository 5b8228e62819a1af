//! A request's head, read strictly.

use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig};

use super::field::{Field, length, tokens};

/// Most fields a head may have, whatever is configured.
const MAX_FIELDS: usize = 128;

/// Room for the fields of one head, on the stack.
pub(in crate::edge) type Slots<'b> = [MaybeUninit<Header<'b>>; MAX_FIELDS];

/// How a request's body is delimited (RFC 9112, 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::edge) enum Framing {
    None,
    Length(u64),
    Chunked,
}

/// Why a head is refused. Nothing after it on the connection can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::edge) enum BadHead {
    #[error("the request's head is malformed")]
    Malformed,
    #[error("the request's length is stated twice, or not as a length")]
    Framing,
    #[error("the request has not exactly one host")]
    Host,
    #[error("the request's head is too large")]
    TooLarge,
}

/// What can be done with a head.
#[derive(Debug)]
pub(in crate::edge) enum Read<'h, 'b> {
    /// A plain call below `/proxy/`.
    Call(Head<'h, 'b>),
    /// Valid, but for the path that knows all of HTTP: another protocol is asked for, the request
    /// is in HTTP/1.0, or it is none of the gateway's.
    Other { framing: Framing },
}

/// A plain call's head.
#[derive(Debug)]
pub(in crate::edge) struct Head<'h, 'b> {
    /// All of it.
    pub(in crate::edge) bytes: &'b [u8],
    pub(in crate::edge) method: &'b str,
    pub(in crate::edge) target: &'b str,
    pub(in crate::edge) fields: &'h [Header<'b>],
    pub(in crate::edge) framing: Framing,
    pub(in crate::edge) host: &'b [u8],
    /// The caller wants the connection closed after this.
    pub(in crate::edge) close: bool,
}

/// Reads a whole head: `bytes` ends with its empty line.
pub(in crate::edge) fn read<'h, 'b>(
    bytes: &'b [u8],
    slots: &'h mut Slots<'b>,
    max_fields: usize,
) -> Result<Read<'h, 'b>, BadHead> {
    let mut request = httparse::Request::new(&mut []);
    let parsed =
        ParserConfig::default().parse_request_with_uninit_headers(&mut request, bytes, slots);
    match parsed {
        Ok(httparse::Status::Complete(end)) if end == bytes.len() => {}
        Ok(_) => return Err(BadHead::Malformed),
        Err(httparse::Error::TooManyHeaders) => return Err(BadHead::TooLarge),
        Err(_) => return Err(BadHead::Malformed),
    }
    let (Some(method), Some(target), Some(version)) =
        (request.method, request.path, request.version)
    else {
        return Err(BadHead::Malformed);
    };
    let fields: &'h [Header<'b>] = request.headers;
    if fields.len() > max_fields {
        return Err(BadHead::TooLarge);
    }
    examine(bytes, method, target, version, fields)
}

fn examine<'h, 'b>(
    bytes: &'b [u8],
    method: &'b str,
    target: &'b str,
    version: u8,
    fields: &'h [Header<'b>],
) -> Result<Read<'h, 'b>, BadHead> {
    let mut host: Option<&[u8]> = None;
    let mut stated: Option<u64> = None;
    let mut chunked = false;
    let mut close = false;
    let mut is_plain = version == 1 && target.starts_with('/') && method != "CONNECT";
    // Nobody sends a fragment (RFC 9112, 3.2), and who cuts it off calls another address.
    if target.contains('#') {
        return Err(BadHead::Malformed);
    }
    for field in fields {
        match Field::of_request(field.name.as_bytes()) {
            Field::Host if host.is_some() => return Err(BadHead::Host),
            Field::Host if !field.value.iter().all(is_of_host) => return Err(BadHead::Host),
            Field::Host => host = Some(field.value),
            Field::ContentLength => {
                let value = length(field.value).ok_or(BadHead::Framing)?;
                // Even two equal ones: the next server may add them up, or take the list.
                if stated.replace(value).is_some() {
                    return Err(BadHead::Framing);
                }
            }
            Field::TransferEncoding => {
                // Only chunked, and once: any other coding would have to be undone to find the
                // body's end, and a list that some read otherwise is how requests are smuggled.
                if chunked || version == 0 || !field.value.eq_ignore_ascii_case(b"chunked") {
                    return Err(BadHead::Framing);
                }
                chunked = true;
            }
            Field::Connection => {
                for option in tokens(field.value) {
                    if option.eq_ignore_ascii_case(b"close") {
                        close = true;
                    } else if !option.eq_ignore_ascii_case(b"keep-alive") {
                        // It names other fields.
                        is_plain = false;
                    }
                }
            }
            // The only expectation there is (RFC 9110, 10.1.1); what servers make of another
            // differs, and so where they believe the body to begin.
            Field::Expect if !field.value.eq_ignore_ascii_case(b"100-continue") => {
                return Err(BadHead::Malformed);
            }
            Field::Upgrade | Field::Expect | Field::Te => is_plain = false,
            _ => {}
        }
    }
    if stated.is_some() && chunked {
        return Err(BadHead::Framing);
    }
    if host.is_none() && version == 1 {
        return Err(BadHead::Host);
    }
    // The host of the address wins over `Host` (RFC 9112, 3.2.2); it is no place for a name and
    // password.
    if authority(target).is_some_and(|host| !host.as_bytes().iter().all(is_of_host)) {
        return Err(BadHead::Host);
    }
    let framing = match stated {
        _ if chunked => Framing::Chunked,
        None | Some(0) => Framing::None,
        Some(length) => Framing::Length(length),
    };
    let (Some(host), true) = (host, is_plain && crate::phases::is_proxied(target)) else {
        return Ok(Read::Other { framing });
    };
    Ok(Read::Call(Head {
        bytes,
        method,
        target,
        fields,
        framing,
        host,
        close,
    }))
}

/// The authority of an address in absolute form.
fn authority(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_once("://")?;
    if scheme.contains(['/', '?']) {
        return None;
    }
    rest.split(['/', '?']).next()
}

/// Whether a byte may stand in `Host` (RFC 3986, 3.2.2 and 3.2.3).
const fn is_of_host(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'%'
                | b':'
                | b'['
                | b']'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b';'
                | b'='
        )
}

/// Empty slots.
pub(in crate::edge) const fn slots<'b>() -> Slots<'b> {
    [const { MaybeUninit::uninit() }; MAX_FIELDS]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Framing of a call, `None` for another request.
    fn framing(head: &str) -> Result<Option<Framing>, BadHead> {
        let mut slots = slots();
        Ok(match read(head.as_bytes(), &mut slots, 100)? {
            Read::Call(head) => Some(head.framing),
            Read::Other { .. } => None,
        })
    }

    fn call(fields: &str) -> Result<Option<Framing>, BadHead> {
        framing(&format!(
            "POST /proxy/a/b HTTP/1.1\r\nhost: x\r\n{fields}\r\n"
        ))
    }

    #[test]
    fn plain_calls() {
        assert_eq!(call(""), Ok(Some(Framing::None)));
        assert_eq!(call("content-length: 0\r\n"), Ok(Some(Framing::None)));
        assert_eq!(
            call("Content-Length: 12\r\n"),
            Ok(Some(Framing::Length(12)))
        );
        assert_eq!(
            call("transfer-encoding: Chunked\r\n"),
            Ok(Some(Framing::Chunked))
        );
        assert_eq!(call("connection: keep-alive\r\n"), Ok(Some(Framing::None)));
    }

    #[test]
    fn all_else_goes_the_general_way() {
        for fields in [
            "expect: 100-continue\r\n",
            "te: trailers\r\n",
            "connection: upgrade\r\nupgrade: websocket\r\n",
            "connection: x-private\r\n",
        ] {
            assert_eq!(call(fields), Ok(None), "{fields:?}");
        }
        assert_eq!(framing("GET / HTTP/1.1\r\nhost: x\r\n\r\n"), Ok(None));
        assert_eq!(framing("GET /proxy/a HTTP/1.0\r\n\r\n"), Ok(None));
        assert_eq!(
            framing("GET http://X/proxy/a HTTP/1.1\r\nhost: x\r\n\r\n"),
            Ok(None)
        );
    }

    #[test]
    fn two_opinions_on_the_length_are_refused() {
        for fields in [
            "content-length: 1\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: chunked\r\ncontent-length: 1\r\n",
            "content-length: 1\r\ncontent-length: 2\r\n",
            "content-length: 1\r\ncontent-length: 1\r\n",
            "content-length: 1, 1\r\n",
            "content-length: +1\r\n",
            "content-length: 1e1\r\n",
            "content-length:\r\n",
            "transfer-encoding: gzip, chunked\r\n",
            "transfer-encoding: chunked, chunked\r\n",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: xchunked\r\n",
            "transfer-encoding: identity\r\n",
            "transfer-encoding:\x0bchunked\r\n",
        ] {
            assert!(
                matches!(call(fields), Err(BadHead::Framing | BadHead::Malformed)),
                "{fields:?}"
            );
        }
        assert_eq!(call("host: y\r\n"), Err(BadHead::Host));
        for host in ["a, b", "a b", "a/b", "a@b", "a#", "\u{e9}", "a\\b"] {
            let head = format!("GET /proxy/a HTTP/1.1\r\nhost: {host}\r\n\r\n");
            assert_eq!(framing(&head), Err(BadHead::Host), "{host}");
        }
        assert_eq!(
            framing("GET http://a@x/proxy/a HTTP/1.1\r\nhost: x\r\n\r\n"),
            Err(BadHead::Host)
        );
        for head in [
            "GET /proxy/a#b HTTP/1.1\r\nhost: x\r\n\r\n",
            "GET /proxy/a HTTP/1.1\r\nhost: x\r\nexpect: y 100-continue\r\n\r\n",
            "GET /proxy/a\r\n\r\n",
            "GET /proxy/a HTTP/0.9\r\nhost: x\r\n\r\n",
            "GET  /proxy/a HTTP/1.1\r\nhost: x\r\n\r\n",
            "GET /proxy/a b HTTP/1.1\r\nhost: x\r\n\r\n",
            "GET\t/proxy/a HTTP/1.1\r\nhost: x\r\n\r\n",
            " GET /proxy/a HTTP/1.1\r\nhost: x\r\n\r\n",
            "GET /proxy/a HTTP/1.1 \r\nhost: x\r\n\r\n",
        ] {
            assert_eq!(framing(head), Err(BadHead::Malformed), "{head:?}");
        }
        assert_eq!(framing("GET /proxy/a HTTP/1.1\r\n\r\n"), Err(BadHead::Host));
        assert_eq!(
            framing("POST /proxy/a HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n"),
            Err(BadHead::Framing)
        );
    }

    #[test]
    fn folded_and_broken_lines_are_refused() {
        for fields in [
            "a: b\r\n c\r\n",
            " a: b\r\n",
            "a : b\r\n",
            "transfer-encoding : chunked\r\n",
            "a\r\n",
            ": b\r\n",
            "a: b\rc: d\r\n",
            "a: \0\r\n",
        ] {
            assert_eq!(call(fields), Err(BadHead::Malformed), "{fields:?}");
        }
    }

    #[test]
    fn too_many_fields_are_refused() {
        assert!(call(&"a: b\r\n".repeat(99)).is_ok());
        assert_eq!(call(&"a: b\r\n".repeat(100)), Err(BadHead::TooLarge));
        assert_eq!(call(&"a: b\r\n".repeat(1000)), Err(BadHead::TooLarge));
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut slots = slots();
            let _ = read(&bytes, &mut slots, 100);
        }
    }
}
