//! E-mail through Mailgun's HTTP API (v3).

use std::fmt::Write as _;

use serde::Deserialize;
use url::Url;

use super::sign::{SignatureError, unhex, verify_sha256};
use super::{Email, SendError, broken, read, reason, refusal, retry_after};
use crate::SecretString;

/// Where a sending domain lives. Data does not leave its region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailgunRegion {
    Us,
    Eu,
}

impl MailgunRegion {
    /// The base address of the region's API.
    #[must_use]
    pub const fn base(self) -> &'static str {
        match self {
            Self::Us => "https://api.mailgun.net",
            Self::Eu => "https://api.eu.mailgun.net",
        }
    }
}

/// An account at Mailgun.
#[derive(Clone, Debug)]
pub struct MailgunConfig {
    /// Base address, such as [`MailgunRegion::base`].
    pub base: Url,
    pub api_key: SecretString,
    /// The sending domain.
    pub domain: String,
    /// `From` of all mail: an address, or a name and an address in angle brackets.
    pub from: String,
    /// Signs what Mailgun reports; reports are refused without it.
    pub signing_key: Option<SecretString>,
}

/// Mailgun, ready to send.
#[derive(Clone, Debug)]
pub struct Mailgun {
    config: MailgunConfig,
    client: reqwest::Client,
}

/// How old a signed report may be, and how far ahead its clock.
const TOLERANCE_SECONDS: i64 = 900;

/// What Mailgun reports of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailgunEvent {
    /// `delivered`, `failed`, `complained`, `unsubscribed`, and others.
    pub event: String,
    /// Of a failure: Mailgun goes on trying when it is temporary.
    pub is_permanent: bool,
    pub recipient: String,
    /// The `Message-ID` without its angle brackets.
    pub message_id: String,
    /// Why it failed.
    pub reason: Option<String>,
    /// Differs between reports.
    pub token: String,
}

#[derive(Deserialize)]
struct Report {
    signature: Signature,
    #[serde(rename = "event-data")]
    data: EventData,
}

#[derive(Deserialize)]
struct Signature {
    timestamp: Stamp,
    token: String,
    signature: String,
}

/// Mailgun sends seconds as a text; its documentation has a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stamp {
    Text(String),
    Number(i64),
}

#[derive(Deserialize)]
struct EventData {
    event: String,
    #[serde(default)]
    severity: Option<String>,
    #[serde(default)]
    recipient: String,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    message: Message,
}

#[derive(Default, Deserialize)]
struct Message {
    #[serde(default)]
    headers: Headers,
}

#[derive(Default, Deserialize)]
struct Headers {
    #[serde(default, rename = "message-id")]
    message_id: String,
}

impl Mailgun {
    /// `client` must be one of [`crate::http::client`].
    #[must_use]
    pub const fn new(config: MailgunConfig, client: reqwest::Client) -> Self {
        Self { config, client }
    }

    /// What the message with our id is called at Mailgun, and in the mail's `Message-ID`.
    #[must_use]
    pub fn message_id(&self, id: &str) -> String {
        format!("{id}@{}", self.config.domain)
    }

    /// Hands a message over. Answers Mailgun's id of it, without angle brackets.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send(&self, email: &Email<'_>) -> Result<String, SendError> {
        let message_id = self.message_id(email.id);
        let bracketed = format!("<{message_id}>");
        let fields = [
            ("from", self.config.from.as_str()),
            ("to", email.to),
            ("subject", email.subject),
            ("text", email.text),
            ("html", email.html),
            ("o:tag", email.tag),
            // Links here open accounts: they go through no counter.
            ("o:tracking", "no"),
            ("h:Message-Id", &bracketed),
            ("v:notification_id", email.id),
        ];
        // No text of ours has the id of its own message at the start of a line, with dashes.
        let boundary = format!("apiverse-{}", email.id);
        let url = self.address("messages")?;
        let request = self
            .client
            .post(url)
            .basic_auth("api", Some(self.config.api_key.expose()))
            .header(
                reqwest::header::CONTENT_TYPE,
                format!("multipart/form-data; boundary={boundary}"),
            )
            .body(multipart(&boundary, &fields));
        let response = request.send().await.map_err(|error| broken(&error))?;
        let status = response.status().as_u16();
        let wait = retry_after(&response);
        let body = read(response).await.map_err(|error| broken(&error))?;
        if (200..300).contains(&status) {
            #[derive(Deserialize)]
            struct Taken {
                id: String,
            }
            let taken: Option<Taken> = serde_json::from_slice(&body).ok();
            let id = taken.map_or(message_id, |taken| bare(&taken.id).to_owned());
            return Ok(id);
        }
        Err(refusal(status, reason(&body), wait))
    }

    /// Whether Mailgun has heard of the message with our id; its id there if so. Its list of
    /// events is some seconds behind.
    ///
    /// # Errors
    /// See [`SendError`]; an answer that is not clear is never taken for a no.
    pub async fn find(&self, id: &str) -> Result<Option<String>, SendError> {
        #[derive(Deserialize)]
        struct Events {
            items: Vec<serde::de::IgnoredAny>,
        }
        let message_id = self.message_id(id);
        let mut url = self.address("events")?;
        url.query_pairs_mut()
            .append_pair("message-id", &message_id)
            .append_pair("limit", "1");
        let request = self
            .client
            .get(url)
            .basic_auth("api", Some(self.config.api_key.expose()));
        let response = request.send().await.map_err(|error| broken(&error))?;
        let status = response.status().as_u16();
        let wait = retry_after(&response);
        let body = read(response).await.map_err(|error| broken(&error))?;
        if status != 200 {
            return Err(SendError::NotTaken {
                reason: format!("its events could not be read: {status} {}", reason(&body)),
                retry_after: wait,
            });
        }
        match serde_json::from_slice::<Events>(&body) {
            Ok(events) => Ok((!events.items.is_empty()).then_some(message_id)),
            Err(_) => Err(SendError::NotTaken {
                reason: "its events are not understood".to_owned(),
                retry_after: None,
            }),
        }
    }

    /// Reads a report that Mailgun posted, if Mailgun signed it at about `now` (seconds since
    /// 1970).
    ///
    /// # Errors
    /// See [`SignatureError`].
    pub fn read_report(&self, body: &[u8], now: i64) -> Result<MailgunEvent, SignatureError> {
        let key = self
            .config
            .signing_key
            .as_ref()
            .ok_or(SignatureError::Wrong)?;
        let report: Report = serde_json::from_slice(body).map_err(|_| SignatureError::Malformed)?;
        let stamp = match report.signature.timestamp {
            Stamp::Text(text) => text,
            Stamp::Number(number) => number.to_string(),
        };
        let at: i64 = stamp.parse().map_err(|_| SignatureError::Malformed)?;
        let signature = unhex(&report.signature.signature).ok_or(SignatureError::Malformed)?;
        let signed = format!("{stamp}{}", report.signature.token);
        verify_sha256(key.expose().as_bytes(), signed.as_bytes(), &signature)?;
        if now.saturating_sub(at).saturating_abs() > TOLERANCE_SECONDS {
            return Err(SignatureError::Stale);
        }
        Ok(MailgunEvent {
            event: report.data.event,
            is_permanent: report.data.severity.as_deref() != Some("temporary"),
            recipient: report.data.recipient,
            message_id: bare(&report.data.message.headers.message_id).to_owned(),
            reason: report.data.reason,
            token: report.signature.token,
        })
    }

    fn address(&self, what: &str) -> Result<Url, SendError> {
        let path = format!("/v3/{}/{what}", self.config.domain);
        self.config
            .base
            .join(&path)
            .map_err(|_| SendError::NotTaken {
                reason: "its address cannot be read".to_owned(),
                retry_after: None,
            })
    }
}

fn bare(message_id: &str) -> &str {
    message_id.trim_start_matches('<').trim_end_matches('>')
}

/// `multipart/form-data` (RFC 7578) of texts.
fn multipart(boundary: &str, fields: &[(&str, &str)]) -> String {
    let mut body = String::new();
    for (name, value) in fields {
        let _ = write!(
            body,
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
    }
    let _ = write!(body, "--{boundary}--\r\n");
    body
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::EgressPolicy;

    const KEY: &str = "key-signing";

    fn mailgun(signing_key: Option<&str>) -> Mailgun {
        let client = crate::http::client(EgressPolicy::default(), Duration::from_secs(15)).unwrap();
        let config = MailgunConfig {
            base: Url::parse(MailgunRegion::Eu.base()).unwrap(),
            api_key: "key".into(),
            domain: "mail.example.com".to_owned(),
            from: "no-reply@mail.example.com".to_owned(),
            signing_key: signing_key.map(Into::into),
        };
        Mailgun::new(config, client)
    }

    /// Accepted by Mailgun's own Python package 1.10.0 (`verify_webhook`) for the key above.
    const SIGNATURE: &str = "e0c369d0f0d0ee1e72093e174b9544c78aa16d51a38de080c621c75ae0d0a4a3";

    fn report(signature: &str) -> Vec<u8> {
        serde_json::json!({
            "signature": {
                "timestamp": "1790000000",
                "token": "a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0",
                "signature": signature,
            },
            "event-data": {
                "event": "failed",
                "severity": "permanent",
                "recipient": "ada@example.com",
                "reason": "bounce",
                "message": { "headers": { "message-id": "7@mail.example.com", "to": "x" } },
                "id": "x",
            },
        })
        .to_string()
        .into_bytes()
    }

    #[test]
    fn a_signed_report_is_read() {
        let event = mailgun(Some(KEY)).read_report(&report(SIGNATURE), 1_790_000_900);
        let event = event.unwrap();
        assert_eq!(event.event, "failed");
        assert!(event.is_permanent);
        assert_eq!(event.recipient, "ada@example.com");
        assert_eq!(event.message_id, "7@mail.example.com");
        assert_eq!(event.reason.as_deref(), Some("bounce"));
    }

    #[test]
    fn others_are_refused() {
        let read = |mailgun: &Mailgun, signature: &str, now| {
            mailgun.read_report(&report(signature), now).unwrap_err()
        };
        let now = 1_790_000_000;
        let right = mailgun(Some(KEY));
        assert_eq!(read(&right, SIGNATURE, now + 901), SignatureError::Stale);
        assert_eq!(read(&right, SIGNATURE, now - 901), SignatureError::Stale);
        assert_eq!(read(&right, &"00".repeat(32), now), SignatureError::Wrong);
        assert_eq!(read(&right, "", now), SignatureError::Wrong);
        assert_eq!(read(&right, "no hex", now), SignatureError::Malformed);
        assert_eq!(
            read(&mailgun(Some("other")), SIGNATURE, now),
            SignatureError::Wrong
        );
        // Without a key there is nothing to believe.
        assert_eq!(read(&mailgun(None), SIGNATURE, now), SignatureError::Wrong);
        assert_eq!(
            right.read_report(b"{}", now).unwrap_err(),
            SignatureError::Malformed
        );
    }

    #[test]
    fn every_field_has_its_part() {
        let body = multipart("b", &[("to", "a@b.cd"), ("text", "one\ntwo")]);
        assert_eq!(
            body,
            "--b\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\na@b.cd\r\n\
             --b\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\none\ntwo\r\n\
             --b--\r\n"
        );
    }
}
