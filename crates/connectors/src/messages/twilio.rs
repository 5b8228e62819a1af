//! Text messages through Twilio's HTTP API (2010-04-01).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use url::Url;

use super::sign::{SignatureError, verify_sha1};
use super::{SendError, broken, read, reason, refusal, retry_after};
use crate::SecretString;

/// An account at Twilio.
#[derive(Clone, Debug)]
pub struct TwilioConfig {
    /// Base address, such as [`TwilioConfig::base_of`].
    pub base: Url,
    pub account_sid: String,
    /// Also signs what Twilio reports.
    pub auth_token: SecretString,
    /// Sender, E.164.
    pub from: String,
}

impl TwilioConfig {
    /// The base address of a region (`ie1`) entered at an edge (`dublin`); without either it is
    /// the United States'.
    #[must_use]
    pub fn base_of(region: Option<&str>, edge: Option<&str>) -> String {
        match (edge, region) {
            (Some(edge), Some(region)) => format!("https://api.{edge}.{region}.twilio.com"),
            (Some(edge), None) => format!("https://api.{edge}.us1.twilio.com"),
            (None, Some(region)) => format!("https://api.{region}.twilio.com"),
            (None, None) => "https://api.twilio.com".to_owned(),
        }
    }
}

/// Twilio, ready to send.
#[derive(Clone, Debug)]
pub struct Twilio {
    config: TwilioConfig,
    client: reqwest::Client,
}

/// What Twilio reports of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TwilioEvent {
    pub sid: String,
    /// `queued`, `sent`, `delivered`, `undelivered`, `failed`, and others.
    pub status: String,
    pub to: String,
    /// Twilio's number for what went wrong.
    pub error_code: Option<u32>,
}

impl TwilioEvent {
    /// Whether the number must not be written to again: its owner said stop, or it takes no text
    /// messages.
    #[must_use]
    pub fn is_hopeless(&self) -> bool {
        matches!(self.error_code, Some(21610 | 21614 | 30004 | 30005 | 30006))
    }
}

#[derive(Deserialize)]
struct Taken {
    sid: String,
    #[serde(default)]
    body: String,
}

impl Twilio {
    /// `client` must be one of [`crate::http::client`].
    #[must_use]
    pub const fn new(config: TwilioConfig, client: reqwest::Client) -> Self {
        Self { config, client }
    }

    /// Hands a message over. Answers Twilio's id of it. `report_to` is where Twilio tells what
    /// became of it.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send(
        &self,
        to: &str,
        text: &str,
        report_to: Option<&str>,
    ) -> Result<String, SendError> {
        let mut form = vec![("To", to), ("From", &self.config.from), ("Body", text)];
        if let Some(url) = report_to {
            form.push(("StatusCallback", url));
        }
        let request = self
            .client
            .post(self.messages()?)
            .basic_auth(
                &self.config.account_sid,
                Some(self.config.auth_token.expose()),
            )
            .form(&form);
        let response = request.send().await.map_err(|error| broken(&error))?;
        let status = response.status().as_u16();
        let wait = retry_after(&response);
        let body = read(response).await.map_err(|error| broken(&error))?;
        if (200..300).contains(&status) {
            return serde_json::from_slice::<Taken>(&body)
                .map(|taken| taken.sid)
                .map_err(|_| SendError::Uncertain("its answer is not understood".to_owned()));
        }
        Err(refusal(status, reason(&body), wait))
    }

    /// Whether Twilio has a message with this very text to this number since `since` (a date, UTC,
    /// `2026-01-31`); its id if so.
    ///
    /// # Errors
    /// See [`SendError`]; an answer that is not clear is never taken for a no.
    pub async fn find(
        &self,
        to: &str,
        text: &str,
        since: &str,
    ) -> Result<Option<String>, SendError> {
        #[derive(Deserialize)]
        struct List {
            messages: Vec<Taken>,
        }
        let mut url = self.messages()?;
        url.query_pairs_mut()
            .append_pair("To", to)
            .append_pair("From", &self.config.from)
            .append_pair("DateSent>", since)
            .append_pair("PageSize", "100");
        let request = self.client.get(url).basic_auth(
            &self.config.account_sid,
            Some(self.config.auth_token.expose()),
        );
        let response = request.send().await.map_err(|error| broken(&error))?;
        let status = response.status().as_u16();
        let wait = retry_after(&response);
        let body = read(response).await.map_err(|error| broken(&error))?;
        if status != 200 {
            return Err(SendError::NotTaken {
                reason: format!("its messages could not be read: {status} {}", reason(&body)),
                retry_after: wait,
            });
        }
        let list: List = serde_json::from_slice(&body).map_err(|_| SendError::NotTaken {
            reason: "its messages are not understood".to_owned(),
            retry_after: None,
        })?;
        let found = list.messages.into_iter().find(|sent| sent.body == text);
        Ok(found.map(|sent| sent.sid))
    }

    /// Reads a report that Twilio posted to `url`, if Twilio signed it.
    ///
    /// # Errors
    /// See [`SignatureError`].
    pub fn read_report(
        &self,
        url: &str,
        body: &[u8],
        signature: &str,
    ) -> Result<TwilioEvent, SignatureError> {
        let mut fields: Vec<(String, String)> = url::form_urlencoded::parse(body)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        let signature = STANDARD
            .decode(signature)
            .map_err(|_| SignatureError::Malformed)?;
        let signed = signed_text(url, &mut fields);
        verify_sha1(
            self.config.auth_token.expose().as_bytes(),
            signed.as_bytes(),
            &signature,
        )?;
        let field = |name: &str| {
            let found = fields.iter().find(|(other, _)| other == name);
            found.map(|(_, value)| value.clone())
        };
        Ok(TwilioEvent {
            sid: field("MessageSid").ok_or(SignatureError::Malformed)?,
            status: field("MessageStatus").ok_or(SignatureError::Malformed)?,
            to: field("To").unwrap_or_default(),
            error_code: field("ErrorCode").and_then(|code| code.parse().ok()),
        })
    }

    fn messages(&self) -> Result<Url, SendError> {
        let path = format!(
            "/2010-04-01/Accounts/{}/Messages.json",
            self.config.account_sid
        );
        self.config
            .base
            .join(&path)
            .map_err(|_| SendError::NotTaken {
                reason: "its address cannot be read".to_owned(),
                retry_after: None,
            })
    }
}

/// What Twilio signs: the address, and the fields in the order of their names, all run together.
fn signed_text(url: &str, fields: &mut [(String, String)]) -> String {
    fields.sort();
    let mut text = url.to_owned();
    for (name, value) in fields {
        text.push_str(name);
        text.push_str(value);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::EgressPolicy;

    const URL: &str = "https://apiverse.example.com/webhooks/twilio";
    const BODY: &[u8] =
        b"MessageSid=SM0123&MessageStatus=undelivered&To=%2B15005550006&ErrorCode=30006";
    /// Computed by Twilio's own Python package 9.13.0 (`RequestValidator`) for the token below.
    const SIGNATURE: &str = "WALiamlTwUe8y37kbx+VzM922Eg=";

    fn twilio(auth_token: &str) -> Twilio {
        let client = crate::http::client(EgressPolicy::default(), Duration::from_secs(15));
        let config = TwilioConfig {
            base: Url::parse(&TwilioConfig::base_of(Some("ie1"), Some("dublin"))).unwrap(),
            account_sid: "AC00000000000000000000000000000000".to_owned(),
            auth_token: auth_token.into(),
            from: "+15005550001".to_owned(),
        };
        Twilio::new(config, client.unwrap())
    }

    #[test]
    fn regions_have_hosts_of_their_own() {
        let of = TwilioConfig::base_of;
        assert_eq!(of(None, None), "https://api.twilio.com");
        assert_eq!(of(Some("au1"), None), "https://api.au1.twilio.com");
        assert_eq!(
            of(Some("ie1"), Some("dublin")),
            "https://api.dublin.ie1.twilio.com"
        );
        assert_eq!(of(None, Some("tokyo")), "https://api.tokyo.us1.twilio.com");
    }

    #[test]
    fn a_signed_report_is_read_and_others_are_refused() {
        let event = twilio("token").read_report(URL, BODY, SIGNATURE).unwrap();
        assert_eq!(
            (event.sid.as_str(), event.status.as_str()),
            ("SM0123", "undelivered")
        );
        assert_eq!(event.to, "+15005550006");
        assert!(event.is_hopeless());

        let refused = |twilio: Twilio, url: &str, body: &[u8], signature: &str| {
            twilio.read_report(url, body, signature).unwrap_err()
        };
        let wrong = SignatureError::Wrong;
        assert_eq!(refused(twilio("other"), URL, BODY, SIGNATURE), wrong);
        assert_eq!(
            refused(twilio("token"), "https://x.example.com/", BODY, SIGNATURE),
            wrong
        );
        let altered =
            b"MessageSid=SM0123&MessageStatus=delivered&To=%2B15005550006&ErrorCode=30006";
        assert_eq!(refused(twilio("token"), URL, altered, SIGNATURE), wrong);
        assert_eq!(refused(twilio("token"), URL, BODY, ""), wrong);
        assert_eq!(
            refused(twilio("token"), URL, BODY, "!"),
            SignatureError::Malformed
        );
    }
}
