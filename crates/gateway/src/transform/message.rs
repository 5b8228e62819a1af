//! What policies know of a call, and how they take its bodies.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use apiverse_contract::ErrorCode;
use apiverse_transform::coding::{DecodeError, Decoder, Stored};
use apiverse_transform::jq::{BadJson, Budget, Cancel, RunError, Spent};
use apiverse_transform::{Body as Change, Facts, Variables};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use http_body::Body;

use super::pool::NotDone;
use crate::snapshot::{ApiRecord, KeyRecord};
use crate::worker::Worker;

/// Bodies up to this size are changed in passing, if it takes few steps.
const SHORT_BODY: usize = 16 << 10;

/// The call as its policies find it, before they change anything.
pub(crate) struct Subject {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    path: String,
    query: Option<String>,
    captured: Vec<(String, String)>,
    request_id: HeaderValue,
    key: Arc<KeyRecord>,
    api: Arc<ApiRecord>,
    key_id: String,
    api_id: String,
}

impl Subject {
    pub(crate) fn new(
        head: &http::request::Parts,
        (path, query): (&str, Option<&str>),
        captured: Vec<(String, String)>,
        request_id: HeaderValue,
        key: &Arc<KeyRecord>,
        api: &Arc<ApiRecord>,
    ) -> Self {
        Self {
            method: head.method.clone(),
            headers: head.headers.clone(),
            path: path.to_owned(),
            query: query
                .and_then(crate::keys::without_our_keys)
                .map(std::borrow::Cow::into_owned),
            captured,
            request_id,
            key: Arc::clone(key),
            api: Arc::clone(api),
            key_id: key.id.to_string(),
            api_id: api.id.to_string(),
        }
    }

    pub(crate) fn captured(&self) -> &[(String, String)] {
        &self.captured
    }

    pub(crate) fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    pub(crate) const fn api(&self) -> &Arc<ApiRecord> {
        &self.api
    }

    /// With status and fields of the upstream's answer, when there is one.
    pub(crate) fn facts<'s>(&'s self, response: Option<(u16, &'s HeaderMap)>) -> Facts<'s> {
        Facts {
            method: self.method.as_str(),
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
            request_id: self.request_id.to_str().unwrap_or_default(),
            captured: &self.captured,
            key_id: &self.key_id,
            key_name: &self.key.name,
            key_environment: &self.key.environment,
            api_id: &self.api_id,
            api_slug: &self.api.slug,
            response,
        }
    }
}

/// Why a body is not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread<E> {
    #[error("it is larger than the limit")]
    TooLarge,
    #[error("it stopped arriving")]
    Stalled,
    #[error("it broke off")]
    Broken(#[source] E),
}

/// Reads a body as it is sent, up to `most` bytes; `idle`: longest silence inside it.
pub(super) async fn read_whole<B>(
    worker: &Worker,
    body: &mut B,
    most: usize,
    idle: Duration,
) -> Result<Vec<u8>, Unread<B::Error>>
where
    B: Body<Data = Bytes> + Unpin,
{
    if body.size_hint().lower() > most as u64 {
        return Err(Unread::TooLarge);
    }
    let deadline = worker.timer.deadline();
    let mut whole = Vec::new();
    loop {
        deadline.set(idle);
        let frame = poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(Ok(frame)),
            Poll::Pending => deadline.poll(cx).map(|()| Err(Unread::Stalled)),
        })
        .await?;
        let Some(frame) = frame else {
            return Ok(whole);
        };
        // Trailers say nothing about a body that is made anew.
        if let Ok(part) = frame.map_err(Unread::Broken)?.into_data() {
            if part.len() > most - whole.len() {
                return Err(Unread::TooLarge);
            }
            whole.extend_from_slice(&part);
        }
    }
}

/// The body out of its coding.
pub(super) fn decode(
    headers: &HeaderMap,
    body: Vec<u8>,
    most: usize,
) -> Result<Vec<u8>, DecodeError> {
    match Stored::of(headers)? {
        Stored::Identity => Ok(body),
        stored => {
            let mut decoder = Decoder::new(stored, most)?;
            decoder.push(&body)?;
            decoder.finish()
        }
    }
}

/// Whether a message says that it is JSON (RFC 8259, RFC 6839).
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let Some(text) = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let kind = text.split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    kind == "application/json" || kind.ends_with("+json")
}

/// Why an expression came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotChanged {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    NotDone(#[from] NotDone),
    #[error("the new body is larger than the limit")]
    TooLarge,
}

impl NotChanged {
    /// `own`: the code for what is the expression's or the body's fault.
    pub(super) const fn code(&self, own: ErrorCode) -> ErrorCode {
        match self {
            Self::NotDone(NotDone::Busy) => ErrorCode::ServiceUnavailable,
            Self::NotDone(NotDone::Failed) => ErrorCode::Internal,
            Self::Run(_) | Self::TooLarge | Self::NotDone(NotDone::Late) => own,
        }
    }

    /// What may be said to callers: what an expression says of values stays here.
    pub(super) fn external(&self) -> String {
        match self {
            Self::Run(RunError::Failed(_)) => "the expression does not fit the body".to_owned(),
            Self::Run(RunError::Input(BadJson::At(_))) => "the body is not JSON".to_owned(),
            Self::Run(RunError::Input(error)) => format!("the body is {error}"),
            Self::Run(error) => error.to_string(),
            Self::NotDone(NotDone::Late) => Spent::Cancelled.to_string(),
            Self::NotDone(error) => error.to_string(),
            Self::TooLarge => self.to_string(),
        }
    }
}

/// Runs a policy's expression on a body. `pick` finds it in what is shared with the thread that
/// may do it.
pub(super) async fn run_expression<P: Send + Sync + 'static>(
    worker: &Worker,
    policy: &Arc<P>,
    pick: fn(&P) -> Option<&Change>,
    body: Vec<u8>,
    variables: Variables,
) -> Result<Vec<u8>, NotChanged> {
    let Some(change) = pick(policy) else {
        return Ok(body);
    };
    let most = change.most_bytes;
    let limit = Duration::from_millis(u64::from(change.most_ms));
    if body.len() <= SHORT_BODY {
        let texts = variables.as_texts();
        let ran = change
            .program
            .run(&body, texts, Budget::SHORT, &Cancel::default());
        match ran {
            // More than can be done in passing.
            Err(RunError::Spent(_)) => {}
            done => return bounded(done, most),
        }
    }
    let policy = Arc::clone(policy);
    let threads = &worker.gateway.threads;
    let ran = threads
        .run(worker, limit, move |cancel| match pick(&policy) {
            Some(change) => {
                let texts = variables.as_texts();
                change.program.run(&body, texts, Budget::FULL, cancel)
            }
            None => Ok(body),
        })
        .await?;
    bounded(ran, most)
}

fn bounded(ran: Result<Vec<u8>, RunError>, most: usize) -> Result<Vec<u8>, NotChanged> {
    let body = ran?;
    if body.len() > most {
        return Err(NotChanged::TooLarge);
    }
    Ok(body)
}
