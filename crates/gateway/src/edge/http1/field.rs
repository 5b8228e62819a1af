//! The header fields that mean something to the gateway, told apart once for each field.

/// What a field of a request is to the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// Passed on as it is.
    Other,
    /// Concerns one connection only, or is ours to say: never passed on.
    Dropped,
    Host,
    ContentLength,
    ContentType,
    TransferEncoding,
    Connection,
    Upgrade,
    Expect,
    Te,
    ApiKey,
    Authorization,
    Cookie,
    Via,
    Forwarded,
    ForwardedFor,
    ForwardedHost,
    ForwardedProto,
    RealIp,
    RequestId,
    TraceParent,
    TraceState,
}

/// Prefix of fields that only the gateway itself may say.
const OWN_PREFIX: &[u8] = b"x-apiverse-";

impl Field {
    /// By length first: most fields are decided by one comparison.
    pub(super) fn of_request(name: &[u8]) -> Self {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        match name.len() {
            2 if is("te") => Self::Te,
            3 if is("via") => Self::Via,
            4 if is("host") => Self::Host,
            6 if is("cookie") => Self::Cookie,
            6 if is("expect") => Self::Expect,
            7 if is("upgrade") => Self::Upgrade,
            9 if is("x-api-key") => Self::ApiKey,
            9 if is("forwarded") => Self::Forwarded,
            9 if is("x-real-ip") => Self::RealIp,
            10 if is("connection") => Self::Connection,
            10 if is("keep-alive") => Self::Dropped,
            10 if is("tracestate") => Self::TraceState,
            11 if is("traceparent") => Self::TraceParent,
            12 if is("content-type") => Self::ContentType,
            12 if is("x-request-id") => Self::RequestId,
            13 if is("authorization") => Self::Authorization,
            14 if is("content-length") => Self::ContentLength,
            14 if is("http2-settings") => Self::Dropped,
            15 if is("x-forwarded-for") => Self::ForwardedFor,
            16 if is("x-forwarded-host") => Self::ForwardedHost,
            16 if is("proxy-connection") => Self::Dropped,
            17 if is("transfer-encoding") => Self::TransferEncoding,
            17 if is("x-forwarded-proto") => Self::ForwardedProto,
            19 if is("proxy-authorization") => Self::Dropped,
            _ if has_own_prefix(name) => Self::Dropped,
            _ => Self::Other,
        }
    }
}

/// What a field of an answer is to the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnswerField {
    Other,
    Dropped,
    ContentLength,
    TransferEncoding,
    Connection,
    KeepAlive,
    SetCookie,
    Date,
}

impl AnswerField {
    pub(super) fn of(name: &[u8]) -> Self {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        match name.len() {
            2 if is("te") => Self::Dropped,
            4 if is("date") => Self::Date,
            7 if is("upgrade") => Self::Dropped,
            10 if is("connection") => Self::Connection,
            10 if is("keep-alive") => Self::KeepAlive,
            10 if is("set-cookie") => Self::SetCookie,
            12 if is("x-request-id") => Self::Dropped,
            14 if is("content-length") => Self::ContentLength,
            16 if is("proxy-connection") => Self::Dropped,
            16 if is("x-apiverse-error") => Self::Dropped,
            17 if is("transfer-encoding") => Self::TransferEncoding,
            18 if is("proxy-authenticate") => Self::Dropped,
            _ => Self::Other,
        }
    }
}

fn has_own_prefix(name: &[u8]) -> bool {
    name.get(..OWN_PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(OWN_PREFIX))
}

/// Elements of a comma-separated list of tokens.
pub(super) fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.is_empty())
}

/// A length as RFC 9110, 8.6 has it: digits, nothing else.
pub(super) fn length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_told_apart_in_any_case() {
        assert_eq!(Field::of_request(b"Host"), Field::Host);
        assert_eq!(Field::of_request(b"X-API-KEY"), Field::ApiKey);
        assert_eq!(Field::of_request(b"X-Apiverse-Anything"), Field::Dropped);
        assert_eq!(Field::of_request(b"x-custom"), Field::Other);
        assert_eq!(AnswerField::of(b"Set-Cookie"), AnswerField::SetCookie);
        assert_eq!(AnswerField::of(b"X-Apiverse-Error"), AnswerField::Dropped);
    }

    #[test]
    fn a_length_is_digits() {
        assert_eq!(length(b"0"), Some(0));
        assert_eq!(length(b"18446744073709551615"), Some(u64::MAX));
        for bad in [
            "",
            "+1",
            "-1",
            " 1",
            "1 ",
            "0x1",
            "1,1",
            "18446744073709551616",
        ] {
            assert_eq!(length(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
