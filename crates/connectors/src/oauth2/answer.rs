//! Reading what a token endpoint answers.

use std::time::Duration;

use serde::Deserialize;

use super::{AccessToken, TokenError};
use crate::secret::SecretString;

/// The known code the server gave. Only known ones are passed on: what a server writes there may
/// repeat what it was sent.
pub(super) fn error_code(body: &[u8]) -> &'static str {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    const KNOWN: [&str; 9] = [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "access_denied",
        "server_error",
        "temporarily_unavailable",
    ];
    let Ok(refusal) = serde_json::from_slice::<Refusal>(body) else {
        return "unknown";
    };
    KNOWN
        .into_iter()
        .find(|known| *known == refusal.error)
        .unwrap_or("unknown")
}

/// Reads RFC 6749, 5.1.
pub(super) fn parse_token(body: &[u8]) -> Result<AccessToken, TokenError> {
    #[derive(Deserialize)]
    struct Answer {
        access_token: Option<String>,
        token_type: Option<String>,
        #[serde(default)]
        expires_in: serde_json::Value,
    }
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|_| TokenError::InvalidAnswer("not the json of a token"))?;
    let Some(token) = answer.access_token.map(SecretString::from) else {
        return Err(TokenError::InvalidAnswer("no access_token"));
    };
    // It goes into a header as it is.
    let text = token.expose();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(TokenError::InvalidAnswer(
            "the access_token is not a bearer token",
        ));
    }
    // Required by the RFC, but left out by some; another type than bearer needs more than a header.
    if answer
        .token_type
        .is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer"))
    {
        return Err(TokenError::InvalidAnswer("the token_type is not bearer"));
    }
    Ok(AccessToken {
        token,
        expires_in: lifetime(&answer.expires_in),
    })
}

/// Seconds as a number, or as a number in quotes, which some servers send.
fn lifetime(value: &serde_json::Value) -> Option<Duration> {
    let seconds = match value {
        serde_json::Value::Number(number) => number.as_f64()?,
        serde_json::Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    if seconds.is_nan() {
        return None;
    }
    // Longer than any token lives, and far from where clocks overflow.
    const CENTURY: f64 = 100.0 * 365.0 * 86400.0;
    Some(Duration::from_secs_f64(seconds.clamp(0.0, CENTURY)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lifetimes_are_read_as_they_come() {
        let seconds = |text: &str| lifetime(&serde_json::from_str(text).unwrap());
        assert_eq!(seconds("3600"), Some(Duration::from_secs(3600)));
        assert_eq!(seconds("\"60\""), Some(Duration::from_secs(60)));
        assert_eq!(seconds("1.5"), Some(Duration::from_millis(1500)));
        assert_eq!(seconds("-5"), Some(Duration::ZERO));
        for absent in ["null", "\"soon\"", "\"NaN\"", "[]", "{}", "true"] {
            assert_eq!(seconds(absent), None, "{absent}");
        }
        assert!(seconds("1e300").unwrap() < Duration::from_secs(u64::from(u32::MAX)));
        assert!(seconds("18446744073709551615").is_some());
    }

    proptest! {
        #[test]
        fn no_answer_panics(body: Vec<u8>) {
            let _ = (parse_token(&body), error_code(&body));
        }
    }
}
