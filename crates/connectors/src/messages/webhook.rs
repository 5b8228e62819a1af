//! Signed calls to an address of somebody's own, as Standard Webhooks 1.0 has them:
//! `webhook-id`, `webhook-timestamp` and `webhook-signature: v1,{base64}`, the signature being
//! HMAC-SHA-256 over `{id}.{timestamp}.{body}`.
//!
//! An address that is called twice can tell so by the id, so a call in doubt is made again.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use url::Url;

use super::{SendError, retry_after};
use crate::SecretString;
use crate::egress::EgressPolicy;
use crate::http::{check_url, is_blocked};

/// What secrets begin with; base64 follows.
const PREFIX: &str = "whsec_";

/// Calls addresses that the egress policy allows, and no others.
#[derive(Clone, Debug)]
pub struct WebhookClient {
    policy: EgressPolicy,
    client: reqwest::Client,
}

impl WebhookClient {
    /// `client` must be one of [`crate::http::client`] with the same policy.
    #[must_use]
    pub const fn new(policy: EgressPolicy, client: reqwest::Client) -> Self {
        Self { policy, client }
    }

    /// Calls the address with a JSON body; the status that took it.
    ///
    /// # Errors
    /// See [`SendError`]; it is never in doubt, since a second call does no harm.
    pub async fn send(
        &self,
        url: &str,
        secret: &SecretString,
        id: &str,
        timestamp: i64,
        body: &str,
    ) -> Result<u16, SendError> {
        let refused = |reason: &str| SendError::Refused {
            status: 0,
            reason: reason.to_owned(),
        };
        let url = Url::parse(url).map_err(|_| refused("the address cannot be read"))?;
        check_url(&self.policy, &url).map_err(|error| refused(&error.to_string()))?;
        let signature = sign(secret, id, timestamp, body)
            .ok_or_else(|| refused("the secret cannot be read"))?;
        let later = |reason: String, retry_after| SendError::NotTaken {
            reason,
            retry_after,
        };
        let response = self
            .client
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body.to_owned())
            .send()
            .await
            .map_err(|error| {
                let reason = if is_blocked(&error) {
                    "its address is in a range that is not allowed"
                } else if error.is_timeout() {
                    "no answer in time"
                } else if error.is_connect() {
                    "it cannot be reached"
                } else {
                    "the connection broke"
                };
                later(reason.to_owned(), None)
            })?;
        let status = response.status().as_u16();
        match status {
            200..=299 => Ok(status),
            // As Standard Webhooks have it: whoever says so is not called again.
            410 => Err(SendError::Refused {
                status,
                reason: "the address is gone".to_owned(),
            }),
            _ => Err(later(
                format!("it answered {status}"),
                retry_after(&response),
            )),
        }
    }
}

/// A secret of 32 random bytes.
#[must_use]
pub fn secret(random: [u8; 32]) -> String {
    format!("{PREFIX}{}", STANDARD.encode(random))
}

/// The value of `webhook-signature`; `None` when the secret is none.
fn sign(secret: &SecretString, id: &str, timestamp: i64, body: &str) -> Option<String> {
    let encoded = secret.expose().strip_prefix(PREFIX)?;
    let key = zeroize::Zeroizing::new(STANDARD.decode(encoded).ok()?);
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&key).ok()?;
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    Some(format!("v1,{signature}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_example_of_standard_webhooks() {
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signature = sign(&secret, id, 1_614_265_330, r#"{"test": 2432232314}"#);
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signature.as_deref(), Some(expected));
        assert_eq!(sign(&SecretString::from("none"), id, 0, ""), None);
    }

    #[tokio::test]
    async fn addresses_that_are_not_allowed_are_not_called() {
        let policy = EgressPolicy::new(Vec::new());
        let client = crate::http::client(policy.clone(), Duration::from_secs(5));
        let client = WebhookClient::new(policy, client.expect("a client"));
        let secret = SecretString::from(secret([7; 32]).as_str());
        for url in [
            "http://127.0.0.1:1/x",
            "http://169.254.169.254/",
            "ftp://a/",
        ] {
            let sent = client.send(url, &secret, "a", 0, "{}").await;
            assert!(matches!(sent, Err(SendError::Refused { .. })), "{sent:?}");
        }
    }
}
