//! The id that ties an answer to its log lines.

use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName};

pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The request's id, in the extensions of every request that came through the layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub String);

const LONGEST: usize = 128;

impl RequestId {
    /// The caller's own id if it is visible ASCII of at most 128 characters, else a new UUIDv7.
    #[must_use]
    pub fn take_or_make(headers: &HeaderMap) -> Self {
        let given = headers
            .get(X_REQUEST_ID)
            .and_then(|value| value.to_str().ok())
            .filter(|text| is_sane(text));
        match given {
            Some(text) => Self(text.to_owned()),
            None => Self::make(),
        }
    }

    fn make() -> Self {
        // A clock before 1970 makes ids that do not sort; nothing else depends on it.
        let millis = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as u64);
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid();
        Self(id.to_string())
    }
}

fn is_sane(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(value: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, value.parse().expect("a header value"));
        RequestId::take_or_make(&headers).0 == value
    }

    #[test]
    fn only_sane_ids_are_taken() {
        assert!(taken("abc-123"));
        assert!(taken(&"x".repeat(128)));
        assert!(!taken(&"x".repeat(129)));
        assert!(!taken("a b"));
        assert!(!taken(""));
    }

    #[test]
    fn made_ids_are_uuids_and_differ() {
        let (a, b) = (RequestId::make().0, RequestId::make().0);
        assert_ne!(a, b);
        assert_eq!(
            uuid::Uuid::parse_str(&a).map(|id| id.get_version_num()),
            Ok(7)
        );
    }
}
