//! What the cache has to know of a request, found in one pass over its fields.

use apiverse_cache::{RequestDirectives, RequestFields, Visitor};
use http::HeaderMap;
use httparse::Header;

use super::compiled::CompiledCache;
use crate::keys::bearer_of_ours;
use crate::peer::Peer;

/// Fields by which some upstreams answer for another address, method or host than was asked for.
/// The cache does not know what they would answer: such a request is passed by it.
const MISLEADING: [&str; 20] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-url",
    "x-original-uri",
    "x-original-host",
    "x-rewrite-url",
    "x-override-url",
    "x-forwarded-path",
    "x-forwarded-uri",
    "x-forwarded-prefix",
    "x-forwarded-port",
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-forwarded-ssl",
    "x-host",
    "x-http-host-override",
    "x-url-scheme",
    "front-end-https",
    "x-wap-profile",
];

/// A request's side of the cache.
#[derive(Debug, Default)]
pub(super) struct Ask {
    /// It carries credentials of the caller's own.
    is_authorized: bool,
    /// Its cookies but ours.
    cookies: Option<Vec<u8>>,
    pub(super) directives: RequestDirectives,
    pub(super) has_range: bool,
    /// `If-None-Match` or `If-Modified-Since`.
    pub(super) has_conditions: bool,
    /// `If-Match` or `If-Unmodified-Since`: only the origin can say.
    pub(super) is_for_origin: bool,
    pub(super) is_misleading: bool,
    /// What a trusted proxy says of the address it was asked for.
    forwarded_host: Option<Vec<u8>>,
    forwarded_proto: Option<Vec<u8>>,
}

impl Ask {
    pub(super) fn of<'a>(
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        own_cookies: &[String],
    ) -> Self {
        let mut ask = Self::default();
        let mut has_control = false;
        let mut pragma_no_cache = false;
        for (name, value) in fields {
            let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
            match name.len() {
                5 if is("range") => ask.has_range = true,
                6 if is("cookie") => ask.add_cookies(value, own_cookies),
                6 if is("pragma") => pragma_no_cache |= value.eq_ignore_ascii_case(b"no-cache"),
                8 if is("if-match") => ask.is_for_origin = true,
                13 if is("cache-control") => {
                    has_control = true;
                    ask.directives.add(value);
                }
                13 if is("authorization") => ask.is_authorized |= bearer_of_ours(value).is_none(),
                13 if is("if-none-match") => ask.has_conditions = true,
                16 if is("x-forwarded-host") => ask.forwarded_host = Some(value.to_vec()),
                17 if is("x-forwarded-proto") => ask.forwarded_proto = Some(value.to_vec()),
                17 if is("if-modified-since") => ask.has_conditions = true,
                19 if is("if-unmodified-since") => ask.is_for_origin = true,
                _ if matches!(name.first(), Some(b'x' | b'X' | b'f' | b'F')) => {
                    ask.is_misleading |= MISLEADING.iter().any(|known| is(known));
                }
                _ => {}
            }
        }
        // RFC 9111, 5.4: for clients that know no better.
        ask.directives.no_cache |= pragma_no_cache && !has_control;
        ask
    }

    fn add_cookies(&mut self, value: &[u8], ours: &[String]) {
        let is_ours = |pair: &[u8]| {
            let name = pair.split(|byte| *byte == b'=').next();
            let name = name.unwrap_or_default().trim_ascii();
            ours.iter().any(|own| own.as_bytes() == name)
        };
        for pair in value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii) {
            if !pair.is_empty() && !is_ours(pair) {
                let all = self.cookies.get_or_insert_default();
                all.extend_from_slice(pair);
                all.push(b';');
            }
        }
    }

    pub(super) fn visitor(&self, key: u128, policy: &CompiledCache) -> Visitor {
        let cookies = self.cookies.as_deref();
        Visitor::new(key, cookies, self.is_authorized, &policy.rules)
    }

    /// Directives, as far as the policy lets callers give any.
    pub(super) fn directives(&self, policy: &CompiledCache) -> RequestDirectives {
        if policy.rules.ignore_request_directives {
            RequestDirectives::default()
        } else {
            self.directives
        }
    }

    /// Scheme and host that the upstream is told it was asked for.
    pub(super) fn origin(&self, peer: &Peer, host: &[u8]) -> (&'static str, Vec<u8>) {
        let mut name = host.to_vec();
        let mut is_https = peer.tls;
        if peer.is_trusted {
            if let Some(forwarded) = &self.forwarded_host {
                name.push(b',');
                name.extend_from_slice(forwarded);
            }
            if let Some(proto) = &self.forwarded_proto {
                is_https = proto.eq_ignore_ascii_case(b"https");
            }
        }
        (if is_https { "https" } else { "http" }, name)
    }
}

/// Fields as the edge has read them.
pub(super) struct Lines<'a>(pub(super) &'a [Header<'a>]);

impl RequestFields for Lines<'_> {
    fn each(&self, name: &str, found: &mut dyn FnMut(&[u8])) {
        for line in self.0 {
            if line.name.eq_ignore_ascii_case(name) {
                found(line.value);
            }
        }
    }
}

pub(super) fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &[(&str, &str)]) -> Ask {
        let fields = fields
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        Ask::of(fields, &["ours".to_owned()])
    }

    #[test]
    fn credentials_of_the_callers_own_are_seen() {
        assert!(of(&[("Authorization", "Basic x")]).is_authorized);
        let ours = format!("Bearer apv_live_{}", "x".repeat(49));
        assert!(!of(&[("authorization", &ours)]).is_authorized);
        assert_eq!(of(&[("cookie", "ours=1")]).cookies, None);
        let cookies = of(&[("cookie", "a=1; ours=1"), ("Cookie", "b=2")]).cookies;
        assert_eq!(cookies.unwrap(), b"a=1;b=2;");
    }

    #[test]
    fn what_would_mislead_an_upstream_is_seen() {
        for name in MISLEADING {
            assert!(of(&[(name, "x")]).is_misleading, "{name}");
            assert!(of(&[(&name.to_uppercase(), "x")]).is_misleading, "{name}");
        }
        assert!(!of(&[("x-custom", "x"), ("X-Forwarded-For", "1.2.3.4")]).is_misleading);
    }

    #[test]
    fn pragma_counts_alone_only() {
        assert!(of(&[("pragma", "No-Cache")]).directives.no_cache);
        assert!(
            !of(&[("pragma", "no-cache"), ("cache-control", "x")])
                .directives
                .no_cache
        );
    }
}
