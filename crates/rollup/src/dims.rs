//! What calls are told apart by.

use apiverse_contract::usage::CacheState;
use uuid::Uuid;

/// A method. Those nobody has heard of are one, so that callers cannot make up rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Method(u8);

const METHODS: [&str; 10] = [
    "OTHER", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "QUERY",
];

impl Method {
    #[must_use]
    pub fn of(text: &str) -> Self {
        let known = METHODS.iter().position(|name| *name == text);
        Self(known.and_then(|at| u8::try_from(at).ok()).unwrap_or(0))
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        METHODS
            .get(usize::from(self.0))
            .copied()
            .unwrap_or(METHODS[0])
    }

    pub(crate) const fn code(self) -> u8 {
        self.0
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        (usize::from(code) < METHODS.len()).then_some(Self(code))
    }
}

impl Default for Method {
    fn default() -> Self {
        Self(1)
    }
}

/// Where in an API a call went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Route {
    /// The call came to no API, or the sums do not tell.
    #[default]
    None,
    /// A route of the API's configuration.
    Configured(Uuid),
    /// A path with its variable parts left open, as `/users/{id}`.
    Learned(Box<str>),
}

/// All that calls are told apart by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Dims {
    /// A verification of a key, not a call.
    pub is_verification: bool,
    pub api: Option<Uuid>,
    pub version: Option<Uuid>,
    pub route: Route,
    pub key: Option<Uuid>,
    pub method: Method,
    pub status: i32,
    /// The gateway's error code, where the answer is its own.
    pub error: Option<Box<str>>,
    /// The upstream never saw the call.
    pub refused: bool,
    pub cache: Option<CacheState>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_few() {
        assert_eq!(Method::of("PATCH").as_str(), "PATCH");
        assert_eq!(Method::of("PROPFIND"), Method::of("patch"));
        assert_eq!(Method::of("X").as_str(), "OTHER");
        assert_eq!(Method::default().as_str(), "GET");
        for code in 0..=255 {
            if let Some(method) = Method::from_code(code) {
                assert_eq!(Method::of(method.as_str()).code(), code);
            }
        }
    }
}
