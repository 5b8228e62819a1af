//! `response_transform`.

use std::sync::Arc;

use apiverse_contract::ErrorCode;
use apiverse_transform::coding::{DecodeError, weaken_etag};
use apiverse_transform::{ResponseChange, Variables};
use bytes::Bytes;
use http::header::{ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body::Body;

use super::message::{Subject, Unread, decode, is_json, read_whole, run_expression};
use super::ready::Ready;
use crate::body::GatewayBody;
use crate::worker::Worker;

/// The answer cannot be what the policy says; the caller gets a problem instead.
#[derive(Debug)]
pub(crate) struct Unchangeable {
    pub(crate) code: ErrorCode,
    pub(crate) detail: String,
}

impl Unchangeable {
    fn new(detail: String) -> Self {
        Self {
            code: ErrorCode::ResponseTransformFailed,
            detail: format!("The upstream's answer cannot be transformed: {detail}."),
        }
    }
}

/// Makes the caller's answer of the upstream's, in place.
pub(crate) async fn change_response(
    worker: &Worker,
    change: &Arc<Ready<ResponseChange>>,
    subject: &Subject,
    response: &mut Response<GatewayBody>,
) -> Result<(), Unchangeable> {
    let own = &change.policy;
    let status = response.status();
    if !own.is_for(status) {
        return Ok(());
    }
    let before = response.headers().clone();
    let facts = subject.facts(Some((status.as_u16(), &before)));
    let is_there = has_body(&subject.method, status) && !response.body().is_end_stream();
    if own.body.is_some() && is_there && is_json(&before) {
        if status == StatusCode::PARTIAL_CONTENT {
            return Err(Unchangeable::new("it is only a part".to_owned()));
        }
        let most = own.body.as_ref().map_or(0, |change| change.most_bytes);
        let idle = subject.api().limits.idle;
        let read = read_whole(worker, response.body_mut(), most, idle).await;
        let body = read.map_err(|error| match error {
            Unread::TooLarge => Unchangeable::new(format!("it is larger than {most} bytes")),
            Unread::Stalled => Unchangeable {
                code: ErrorCode::UpstreamTimeout,
                detail: "The upstream's answer stopped arriving.".to_owned(),
            },
            Unread::Broken(_) => Unchangeable {
                code: ErrorCode::UpstreamUnreachable,
                detail: "The upstream's answer broke off.".to_owned(),
            },
        })?;
        let body = decode(&before, body, most).map_err(|error| {
            Unchangeable::new(match error {
                DecodeError::TooLarge => format!("it is larger than {most} bytes"),
                other => other.to_string(),
            })
        })?;
        let variables = Variables::new(&facts);
        let made = run_expression(worker, change, body_of, body, variables).await;
        let made = made.map_err(|error| {
            tracing::info!(api_id = %subject.api().id, %error, "an answer was not transformed");
            Unchangeable {
                code: error.code(ErrorCode::ResponseTransformFailed),
                ..Unchangeable::new(error.external())
            }
        })?;
        let headers = response.headers_mut();
        made_anew(headers);
        headers.insert(CONTENT_LENGTH, HeaderValue::from(made.len()));
        replace_body(response, made.into());
    } else if own.body.is_some() && is_json(&before) {
        // The head of an answer whose body would be another.
        made_anew(response.headers_mut());
    }
    own.headers(&facts, response.headers_mut())
        .map_err(|error| Unchangeable::new(error.to_string()))?;
    *response.status_mut() = own.status(status);
    Ok(())
}

/// Puts another body in; the record, which the old one may have, goes along.
fn replace_body(response: &mut Response<GatewayBody>, made: Bytes) {
    let record = response.body_mut().take_record();
    *response.body_mut() = GatewayBody::Full(Some(made));
    if let Some(mut record) = record {
        // What the caller gets counts, not what the upstream sent.
        record.bytes_out = 0;
        response.body_mut().record_with(record);
    }
}

fn has_body(method: &Method, status: StatusCode) -> bool {
    *method != Method::HEAD
        && !status.is_informational()
        && !matches!(status.as_u16(), 204 | 205 | 304)
}

/// Removes what is said of the old body.
fn made_anew(headers: &mut HeaderMap) {
    for name in [
        CONTENT_LENGTH,
        CONTENT_ENCODING,
        TRANSFER_ENCODING,
        ACCEPT_RANGES,
    ] {
        headers.remove(name);
    }
    for name in ["content-md5", "digest", "content-digest", "repr-digest"] {
        headers.remove(name);
    }
    weaken_etag(headers);
}

fn body_of(change: &Ready<ResponseChange>) -> Option<&apiverse_transform::Body> {
    change.policy.body.as_ref()
}
