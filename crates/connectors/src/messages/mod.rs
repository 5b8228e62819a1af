//! Sending messages: e-mail through Mailgun, text messages through Twilio, signed calls to
//! addresses.
//!
//! No provider here takes an idempotency key, so an attempt whose answer is lost leaves a doubt
//! whether it counted. [`SendError`] tells that case from the others, and each provider can be
//! asked afterwards whether it took a message.

mod mailgun;
mod sign;
mod twilio;
mod webhook;

use std::time::Duration;

pub use mailgun::{Mailgun, MailgunConfig, MailgunEvent, MailgunRegion};
pub use sign::SignatureError;
pub use twilio::{Twilio, TwilioConfig, TwilioEvent};
pub use webhook::{WebhookClient, secret as webhook_secret};

/// An e-mail.
#[derive(Clone, Debug)]
pub struct Email<'a> {
    /// Ours; becomes part of the `Message-ID`, so that copies can be told.
    pub id: &'a str,
    pub to: &'a str,
    pub subject: &'a str,
    pub text: &'a str,
    pub html: &'a str,
    /// What it is about, for the provider's statistics.
    pub tag: &'a str,
}

/// Why a provider did not take a message.
///
/// The text is for our log: it holds no secret and no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The provider refused this message for good; the same again would not help.
    #[error("the provider refused the message: {status} {reason}")]
    Refused {
        /// The HTTP status.
        status: u16,
        reason: String,
    },
    /// The provider did not take it and may do so later: it was not reached, is overloaded, or
    /// our account there is not in order.
    #[error("the provider did not take the message: {reason}")]
    NotTaken {
        reason: String,
        /// What the provider asks to wait.
        retry_after: Option<Duration>,
    },
    /// The request was sent and no clear answer came: it may have been taken.
    #[error("it is not known whether the provider took the message: {0}")]
    Uncertain(String),
}

/// Longest answer of a provider that is read.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// The body of an answer, up to a limit.
async fn read(mut response: reqwest::Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// A request that failed before an answer: not connected means not taken, all else is a doubt.
fn broken(error: &reqwest::Error) -> SendError {
    if crate::http::is_blocked(error) {
        return SendError::NotTaken {
            reason: "its address is in a range that is not allowed".to_owned(),
            retry_after: None,
        };
    }
    if error.is_connect() || error.is_builder() {
        return SendError::NotTaken {
            reason: "it cannot be reached".to_owned(),
            retry_after: None,
        };
    }
    let reason = if error.is_timeout() {
        "no answer in time"
    } else {
        "the connection broke"
    };
    SendError::Uncertain(reason.to_owned())
}

/// What a status other than success means for a message.
fn refusal(status: u16, reason: String, retry_after: Option<Duration>) -> SendError {
    match status {
        // Our account or address there is wrong: to be mended by the operator, not lost.
        401 | 402 | 403 | 404 | 405 | 429 | 503 => SendError::NotTaken {
            reason: format!("{status} {reason}"),
            retry_after,
        },
        400..=499 => SendError::Refused { status, reason },
        _ => SendError::Uncertain(format!("{status} {reason}")),
    }
}

fn retry_after(response: &reqwest::Response) -> Option<Duration> {
    let value = response.headers().get(reqwest::header::RETRY_AFTER)?;
    let seconds: u64 = value.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(3600)))
}

/// The `message` of a provider's error body, made fit for a line of a log.
fn reason(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Said {
        message: String,
    }
    let said = serde_json::from_slice::<Said>(body).map(|said| said.message);
    let text = said.unwrap_or_else(|_| "no reason given".to_owned());
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
