//! Which trailer fields go on (RFC 9110, 6.5.1).

use http::HeaderMap;

/// Fields that say how a message is framed, routed, authenticated or to be taken: behind the
/// content they come too late for whoever looked at its head, and may fool who looks again.
const NOT_IN_TRAILERS: [&str; 17] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-api-key",
    "x-forwarded-for",
];

/// Removes what has no place in trailers.
pub(super) fn clean_trailers(trailers: &mut HeaderMap) {
    for name in NOT_IN_TRAILERS {
        trailers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_do_not_forge_framing() {
        let mut trailers = HeaderMap::new();
        for name in [
            "content-length",
            "transfer-encoding",
            "x-api-key",
            "x-sum",
            "grpc-status",
        ] {
            trailers.insert(name, "1".parse().unwrap());
        }
        clean_trailers(&mut trailers);
        assert_eq!(trailers.len(), 2);
        assert!(trailers.contains_key("x-sum") && trailers.contains_key("grpc-status"));
    }
}
