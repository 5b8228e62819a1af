//! What an operator decides about a part of an API.

use crate::parts::KeyParts;
use crate::targeted::Targeted;

/// A cache policy as the engine needs it. Times are seconds.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Fields that come before `Cache-Control`, the first that is there wins.
    pub targeted: Vec<Targeted>,
    /// How long an answer is fresh that says nothing about it itself.
    pub default_ttl: Option<u64>,
    /// The same for statuses other than 200.
    pub negative_ttl: Vec<(u16, u64)>,
    /// No answer is fresh for longer.
    pub max_ttl: Option<u64>,
    /// Whether `Last-Modified` may tell how long an answer is fresh (RFC 9111, 4.2.2).
    pub heuristic: bool,
    /// How long a stale answer may be used while it is fetched anew, where it does not say.
    pub stale_while_revalidate: u64,
    /// How long a stale answer may stand in for one that cannot be had, where it does not say.
    pub stale_if_error: u64,
    /// Answers are shared by all keys of the API, also those that do not say that they may be.
    pub shared: bool,
    /// Cookies of requests do not matter.
    pub ignore_cookies: bool,
    /// `Cache-Control` of requests does not matter.
    pub ignore_request_directives: bool,
    /// Largest body in bytes that is stored.
    pub max_object: usize,
    /// What of a request is part of the key besides its address.
    pub key: KeyParts,
    /// Response fields that hold tags, by which answers are purged.
    pub tag_fields: Vec<http::HeaderName>,
}

impl Default for Rules {
    fn default() -> Self {
        let name = http::HeaderName::from_static;
        Self {
            targeted: vec![
                Targeted::of(name("cdn-cache-control")),
                Targeted::of(name("surrogate-control")),
            ],
            default_ttl: None,
            negative_ttl: Vec::new(),
            max_ttl: None,
            heuristic: true,
            stale_while_revalidate: 0,
            stale_if_error: 60,
            shared: false,
            ignore_cookies: false,
            ignore_request_directives: false,
            max_object: 4 << 20,
            key: KeyParts::default(),
            tag_fields: vec![name("surrogate-key"), name("cache-tag")],
        }
    }
}
