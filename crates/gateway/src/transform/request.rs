//! `validation`, `request_transform` and `mock`.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use apiverse_contract::{ErrorCode, FieldError};
use apiverse_transform::coding::DecodeError;
use apiverse_transform::jq::Cancel;
use apiverse_transform::{Mock, RequestChange, RequestSchema, Variables};
use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, TRANSFER_ENCODING,
};
use http::{HeaderValue, Response};
use http_body::Body;

use super::message::{Subject, Unread, decode, is_json, read_whole, run_expression};
use super::ready::Ready;
use crate::body::{GatewayBody, RequestSource};
use crate::phases::{Address, PolicyRequest, Refusal};
use crate::upstream::ExchangeError;
use crate::worker::Worker;

/// Bodies up to this size are checked in passing.
const SHORT_BODY: usize = 16 << 10;
/// Longest time for checking a body.
const CHECK: Duration = Duration::from_millis(500);

/// Refuses a request that does not fit.
pub(crate) async fn validate(
    worker: &Worker,
    schema: &Arc<Ready<RequestSchema>>,
    subject: &Subject,
    request: &mut PolicyRequest,
) -> Result<(), Refusal> {
    let own = &schema.policy;
    let mut errors = own.check_head(subject.captured(), subject.query(), &subject.headers);
    if own.wants_body() {
        let limit = own.most_bytes as u64;
        let body = take_body(worker, subject, request, limit).await?;
        let decoded = decode(&request.parts.headers, body.to_vec(), own.most_bytes);
        let decoded = decoded.map_err(|error| undecoded(&error, limit))?;
        errors.extend(if decoded.len() <= SHORT_BODY {
            own.check_body(&decoded)
        } else {
            let schema = Arc::clone(schema);
            let check = move |_: &Cancel| schema.policy.check_body(&decoded);
            let checked = worker.gateway.threads.run(worker, CHECK, check).await;
            checked.map_err(|error| Refusal::Policy {
                code: ErrorCode::ServiceUnavailable,
                detail: format!("The request's body could not be checked: {error}."),
                errors: Vec::new(),
            })?
        });
        request.body = whole(body);
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(Refusal::Policy {
        code: ErrorCode::RequestInvalid,
        detail: "The request does not fit the API's schema; errors points at what does not."
            .to_owned(),
        errors,
    })
}

/// Makes the upstream's request of the caller's.
pub(crate) async fn change_request(
    worker: &Worker,
    change: &Arc<Ready<RequestChange>>,
    subject: &Subject,
    request: &mut PolicyRequest,
) -> Result<(), Refusal> {
    let own = &change.policy;
    let failed = |detail: String| Refusal::Policy {
        code: ErrorCode::RequestTransformFailed,
        detail,
        errors: Vec::new(),
    };
    let facts = subject.facts(None);
    if own.changes_address() {
        let (rest, query) = own
            .address(&facts)
            .map_err(|error| failed(format!("The request cannot be transformed: {error}.")))?;
        request.changed = Some(Address { rest, query });
    }
    own.headers(&facts, &mut request.parts.headers)
        .map_err(|error| failed(format!("The request cannot be transformed: {error}.")))?;
    let wants_body = own.body.is_some()
        && !request.body.is_end_stream()
        // A body that is not JSON, and one that does not say so, is not for an expression.
        && is_json(&subject.headers);
    if let (Some(body_change), true) = (&own.body, wants_body) {
        let limit = body_change.most_bytes as u64;
        let body = take_body(worker, subject, request, limit).await?;
        let decoded = decode(&subject.headers, body.to_vec(), body_change.most_bytes);
        let decoded = decoded.map_err(|error| undecoded(&error, limit))?;
        let variables = Variables::new(&facts);
        let made = run_expression(worker, change, body_of, decoded, variables).await;
        let made = made.map_err(|error| {
            tracing::info!(api_id = %subject.api().id, %error, "a request was not transformed");
            Refusal::Policy {
                code: error.code(ErrorCode::RequestTransformFailed),
                detail: format!(
                    "The request's body cannot be transformed: {}.",
                    error.external()
                ),
                errors: Vec::new(),
            }
        })?;
        let headers = &mut request.parts.headers;
        headers.remove(CONTENT_ENCODING);
        headers.remove(TRANSFER_ENCODING);
        headers.remove(EXPECT);
        headers.remove("content-md5");
        headers.remove("digest");
        headers.remove("content-digest");
        headers.remove("repr-digest");
        headers.insert(CONTENT_LENGTH, HeaderValue::from(made.len()));
        if !is_json(headers) && !headers.contains_key(CONTENT_TYPE) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        request.body = whole(made.into());
    }
    if let Some(method) = &own.method {
        request.parts.method = method.clone();
    }
    Ok(())
}

/// What an expression is to change has to come whole, and in a coding that can be read: a range
/// or a coding of the caller's wish would go around it.
pub(crate) fn ask_for_whole(request: &mut PolicyRequest) {
    let headers = &mut request.parts.headers;
    headers.remove("range");
    headers.remove("if-range");
    headers.insert(
        ACCEPT_ENCODING,
        HeaderValue::from_static("br, gzip, deflate, zstd"),
    );
}

/// Has the upstream answer without a coding, so that the answer can be read in passing.
pub(crate) fn ask_for_plain(request: &mut PolicyRequest) {
    let headers = &mut request.parts.headers;
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
}

/// The answer of a mock, after its delay.
pub(crate) async fn mocked(
    worker: &Worker,
    mock: &Ready<Mock>,
    subject: &Subject,
) -> Response<GatewayBody> {
    if mock.policy.delay_ms > 0 {
        let deadline = worker.timer.deadline();
        deadline.set(Duration::from_millis(u64::from(mock.policy.delay_ms)));
        poll_fn(|cx| deadline.poll(cx)).await;
    }
    let answer = mock.policy.choose(&subject.headers);
    let body = Bytes::from(answer.body.clone());
    let is_bare = matches!(answer.status.as_u16(), 204 | 205 | 304);
    let mut response = Response::new(if is_bare || body.is_empty() {
        GatewayBody::Empty
    } else {
        GatewayBody::Full(Some(body))
    });
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers.clone();
    response
}

fn whole(body: Bytes) -> RequestSource {
    RequestSource::Whole((!body.is_empty()).then_some(body))
}

/// Reads the caller's body; it is gone from the request then.
async fn take_body(
    worker: &Worker,
    subject: &Subject,
    request: &mut PolicyRequest,
    limit: u64,
) -> Result<Bytes, Refusal> {
    let limit = limit.min(subject.api().limits.max_body);
    if let RequestSource::Whole(body) = &mut request.body {
        // Read by a policy before.
        let body = body.take().unwrap_or_default();
        return match body.len() as u64 > limit {
            true => Err(Refusal::Body { limit }),
            false => Ok(body),
        };
    }
    let idle = subject.api().limits.idle;
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let read = read_whole(worker, &mut request.body, most, idle).await;
    match read {
        Ok(body) => Ok(body.into()),
        Err(Unread::TooLarge) => Err(Refusal::Body { limit }),
        Err(Unread::Stalled) => Err(ExchangeError::ClientStalled.into()),
        Err(Unread::Broken(_)) => Err(ExchangeError::ClientGone.into()),
    }
}

fn undecoded(error: &DecodeError, limit: u64) -> Refusal {
    match error {
        DecodeError::TooLarge => Refusal::Body { limit },
        DecodeError::Unknown => Refusal::Policy {
            code: ErrorCode::UnsupportedMediaType,
            detail: "The request's body is in a coding that is not known.".to_owned(),
            errors: Vec::new(),
        },
        DecodeError::Garbled(_) => Refusal::Policy {
            code: ErrorCode::RequestInvalid,
            detail: "The request's body is not in the coding that its head names.".to_owned(),
            errors: vec![FieldError::new("/body", "is not in its coding")],
        },
    }
}

fn body_of(change: &Ready<RequestChange>) -> Option<&apiverse_transform::Body> {
    change.policy.body.as_ref()
}
