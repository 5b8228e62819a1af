//! An answer's body that is stored while callers get it.

use std::pin::Pin;
use std::task::{Context, Poll};

use apiverse_cache::Reader;
use apiverse_contract::ErrorCode;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::AnswerError;
use crate::call::CallRecord;

/// Reads a body that another task stores. When it ends, well or not, the call is recorded.
pub(crate) struct FollowedBody {
    reader: Reader,
    /// Bytes to come, where that is known.
    left: Option<u64>,
    /// All of it was read.
    is_whole: bool,
    record: Option<Box<CallRecord>>,
    /// The record outlives the body: policies decide what becomes of the answer.
    keeps_record: bool,
}

impl FollowedBody {
    pub(super) const fn new(reader: Reader, left: Option<u64>) -> Self {
        Self {
            reader,
            left,
            is_whole: matches!(left, Some(0)),
            record: None,
            keeps_record: false,
        }
    }

    /// The call that the body is for.
    pub(crate) fn attach(&mut self, record: Box<CallRecord>) {
        self.keeps_record = record.applied.is_some();
        self.record = Some(record);
        if self.is_whole {
            self.finish();
        }
    }

    pub(super) fn take_record(&mut self) -> Option<Box<CallRecord>> {
        if self.keeps_record {
            self.record.take()
        } else {
            None
        }
    }

    pub(super) fn record_mut(&mut self) -> Option<&mut CallRecord> {
        self.record.as_deref_mut()
    }

    /// See [`super::GatewayBody::let_go`].
    pub(super) fn let_go(&mut self) {
        self.keeps_record = false;
        if self.is_whole {
            self.record = None;
        }
    }

    fn finish(&mut self) {
        self.is_whole = true;
        if !self.keeps_record {
            self.record = None;
        }
    }

    fn fail(&mut self, code: ErrorCode) {
        if self.is_whole {
            return;
        }
        if let Some(record) = &mut self.record {
            record.error.get_or_insert(code);
        }
        self.finish();
    }
}

impl Drop for FollowedBody {
    fn drop(&mut self) {
        self.fail(ErrorCode::ClientClosedRequest);
    }
}

impl Body for FollowedBody {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        if self.is_whole {
            return Poll::Ready(None);
        }
        match self.reader.poll_next(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => {
                self.finish();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(broken))) => {
                self.fail(ErrorCode::UpstreamUnreachable);
                Poll::Ready(Some(Err(broken.into())))
            }
            Poll::Ready(Some(Ok(part))) => {
                if let Some(record) = &mut self.record {
                    record.bytes_out += part.len() as u64;
                }
                if let Some(left) = &mut self.left {
                    *left = left.saturating_sub(part.len() as u64);
                }
                if self.left == Some(0) {
                    // Whoever has the answer finds the call recorded.
                    self.finish();
                }
                Poll::Ready(Some(Ok(Frame::data(part))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_whole
    }

    fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
