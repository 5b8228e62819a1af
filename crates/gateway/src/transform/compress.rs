//! `compression`: bodies written in a coding while they pass.

use std::pin::Pin;
use std::task::{Context, Poll};

use apiverse_contract::ErrorCode;
use apiverse_transform::add_vary;
use apiverse_transform::coding::{Choice, Compression, Encoder, weaken_etag};
use bytes::Bytes;
use http::header::{ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue, Method, Response};
use http_body::{Body, Frame, SizeHint};

use super::message::Subject;
use super::ready::Ready;
use crate::body::{AnswerError, GatewayBody};
use crate::call::CallRecord;

/// Sends an answer in a coding that the caller takes, if that gains something. The coding, or why
/// there is none.
pub(crate) fn compress(
    policy: &Ready<Compression>,
    subject: &Subject,
    response: &mut Response<GatewayBody>,
) -> &'static str {
    let length = match subject.method == Method::HEAD {
        true => None,
        false => response.body().size_hint().exact(),
    };
    let choice = policy.policy.choose(
        &subject.method,
        &subject.headers,
        response.status(),
        response.headers(),
        length,
    );
    let coding = match choice {
        Choice::Never => return "not an answer that is compressed",
        Choice::AsItIs => {
            add_vary(response.headers_mut(), "accept-encoding");
            return "the caller takes no coding";
        }
        Choice::Coded(coding) => coding,
    };
    if !response.body().is_end_stream() {
        let Ok(encoder) = Encoder::new(coding) else {
            return "the coding is not to be had";
        };
        let body = response.body_mut();
        let record = match body {
            GatewayBody::Recorded(..) => body.take_record(),
            _ => None,
        };
        let inner = std::mem::replace(body, GatewayBody::Empty);
        *body = GatewayBody::Coded(Box::new(CodedBody {
            inner,
            record,
            encoder: Some(encoder),
            unflushed: false,
            sent: 0,
            trailers: None,
        }));
    } else if subject.method != Method::HEAD {
        return "there is no body";
    }
    let headers = response.headers_mut();
    write_head(headers, coding.as_str());
    coding.as_str()
}

fn write_head(headers: &mut HeaderMap, coding: &'static str) {
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
    headers.remove(CONTENT_LENGTH);
    headers.remove(ACCEPT_RANGES);
    headers.remove("content-md5");
    headers.remove("content-digest");
    add_vary(headers, "accept-encoding");
    weaken_etag(headers);
}

/// A body in a coding.
pub(crate) struct CodedBody {
    inner: GatewayBody,
    record: Option<Box<CallRecord>>,
    /// `None`: the end was written.
    encoder: Option<Encoder>,
    /// The encoder holds bytes that nobody has seen.
    unflushed: bool,
    sent: u64,
    trailers: Option<Frame<Bytes>>,
}

impl CodedBody {
    fn give(&mut self, bytes: Vec<u8>) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        self.sent += bytes.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(bytes.into()))))
    }

    pub(crate) fn record_mut(&mut self) -> Option<&mut CallRecord> {
        match &mut self.record {
            Some(record) => Some(&mut **record),
            None => self.inner.record_mut(),
        }
    }

    /// Records the call, before the last part leaves.
    fn settle(&mut self, last: usize) {
        let record = self.record.take().or_else(|| self.inner.take_record());
        if let Some(mut record) = record {
            record.bytes_out = self.sent + last as u64;
        }
    }

    fn broken(&mut self, error: AnswerError) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        self.encoder = None;
        let record = self.record.take().or_else(|| self.inner.take_record());
        if let Some(mut record) = record {
            record.bytes_out = self.sent;
            record.error.get_or_insert(ErrorCode::Internal);
        }
        Poll::Ready(Some(Err(error)))
    }
}

impl Drop for CodedBody {
    fn drop(&mut self) {
        // The caller has gone before the end.
        if self.encoder.is_some()
            && let Some(mut record) = self.record.take().or_else(|| self.inner.take_record())
        {
            record.bytes_out = self.sent;
            record.error.get_or_insert(ErrorCode::ClientClosedRequest);
        }
    }
}

impl Body for CodedBody {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        let this = &mut *self;
        loop {
            let Some(encoder) = &mut this.encoder else {
                return Poll::Ready(this.trailers.take().map(Ok));
            };
            match Pin::new(&mut this.inner).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(part) => {
                        let Ok(bytes) = encoder.push(&part) else {
                            return this.broken(AnswerError::Coding);
                        };
                        this.unflushed = true;
                        if !bytes.is_empty() {
                            return this.give(bytes);
                        }
                    }
                    Err(trailers) => this.trailers = Some(trailers),
                },
                Poll::Ready(None) => {
                    let Some(Ok(bytes)) = this.encoder.take().map(Encoder::finish) else {
                        return this.broken(AnswerError::Coding);
                    };
                    this.settle(bytes.len());
                    return this.give(bytes);
                }
                Poll::Ready(Some(Err(error))) => return this.broken(error),
                // The upstream makes a pause: what it has said so far goes out.
                Poll::Pending if this.unflushed => {
                    this.unflushed = false;
                    let Ok(bytes) = encoder.flush() else {
                        return this.broken(AnswerError::Coding);
                    };
                    if bytes.is_empty() {
                        return Poll::Pending;
                    }
                    return this.give(bytes);
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.encoder.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
