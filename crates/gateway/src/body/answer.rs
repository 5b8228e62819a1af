//! The answer's body, from the upstream, or the gateway itself, to the caller.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use apiverse_cache::{Broken, Reader};
use apiverse_contract::ErrorCode;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::RequestProgress;
use super::followed::FollowedBody;
use super::trailers::clean_trailers;
use crate::call::CallRecord;
use crate::grpc::WebBody;
use crate::timer::Deadline;
use crate::transform::CodedBody;
use crate::upstream::{Lease, Pool};

/// The body of whatever the gateway answers.
pub(crate) enum GatewayBody {
    Empty,
    /// The gateway's own words.
    Full(Option<Bytes>),
    Upstream(UpstreamBody),
    /// The same as gRPC-Web.
    Web(WebBody),
    /// One that is being stored.
    Followed(FollowedBody),
    /// Written in a coding while it passes.
    Coded(Box<CodedBody>),
    /// Another body in the place of an upstream's, whose call is recorded with it.
    Recorded(Box<RecordedBody>),
}

/// A body that policies have put in an upstream's place, or answer with.
pub(crate) struct RecordedBody {
    body: GatewayBody,
    record: Box<CallRecord>,
    /// Policies still decide what becomes of the answer.
    keeps_record: bool,
}

impl GatewayBody {
    /// What a reader finds, of a length if that is known.
    pub(crate) const fn follow(reader: Reader, length: Option<u64>) -> Self {
        Self::Followed(FollowedBody::new(reader, length))
    }

    /// Has a call recorded with this body, once policies have let it go.
    pub(crate) fn record_with(&mut self, record: Box<CallRecord>) {
        let body = std::mem::replace(self, Self::Empty);
        *self = Self::Recorded(Box::new(RecordedBody {
            body,
            record,
            keeps_record: true,
        }));
    }

    /// The record of the call, if the body has it and keeps it: see [`UpstreamBody`].
    pub(crate) fn take_record(&mut self) -> Option<Box<CallRecord>> {
        match self {
            Self::Upstream(body) => body.take_record(),
            Self::Followed(body) => body.take_record(),
            Self::Recorded(..) => match std::mem::replace(self, Self::Empty) {
                Self::Recorded(recorded) => {
                    let RecordedBody { body, record, .. } = *recorded;
                    *self = body;
                    Some(record)
                }
                other => {
                    *self = other;
                    None
                }
            },
            Self::Empty | Self::Full(_) | Self::Coded(_) | Self::Web(_) => None,
        }
    }

    /// The record of the call, where the body has it.
    pub(crate) fn record_mut(&mut self) -> Option<&mut CallRecord> {
        match self {
            Self::Upstream(body) => body.record_mut(),
            Self::Followed(body) => body.record_mut(),
            Self::Recorded(recorded) => Some(&mut recorded.record),
            Self::Coded(body) => body.record_mut(),
            Self::Empty | Self::Full(_) | Self::Web(_) => None,
        }
    }

    /// Nothing more becomes of the answer: the call is recorded with the body's end, at once if
    /// that is here.
    pub(crate) fn let_go(&mut self) {
        match self {
            Self::Upstream(body) => body.let_go(),
            Self::Followed(body) => body.let_go(),
            Self::Recorded(recorded) => {
                recorded.keeps_record = false;
                if recorded.body.is_end_stream() {
                    recorded.record.settle();
                }
            }
            // It takes the record of what it holds when it ends.
            Self::Coded(_) | Self::Empty | Self::Full(_) | Self::Web(_) => {}
        }
    }
}

/// The answer broke off; the connection or stream to the caller is aborted, so that the caller
/// sees that something is missing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerError {
    #[error("the upstream's answer broke off")]
    Broken(#[source] hyper::Error),
    #[error("the upstream's answer stopped arriving")]
    Timeout,
    #[error(transparent)]
    Lost(#[from] Broken),
    #[error("the answer cannot be written in its coding")]
    Coding,
}

/// Passes an upstream's body on. When it ends, well or not, the call is recorded, and the
/// connection goes back to the pool or is closed. Both happen once: what does them is taken.
pub(crate) struct UpstreamBody {
    incoming: Incoming,
    open: Option<Open>,
    /// The record outlives the upstream's body: policies decide what becomes of the answer.
    keeps_record: bool,
    kept: Option<Box<CallRecord>>,
}

/// Limits of an answer's body.
#[derive(Clone, Copy)]
pub(crate) struct Clocks {
    /// Silence in it.
    pub(crate) idle: Duration,
    /// When all of it has to be here; `None`: no limit.
    pub(crate) until: Option<Instant>,
}

impl Clocks {
    pub(crate) fn is_over(self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// The limit of the wait for the next part.
    pub(crate) fn wait(self) -> Duration {
        let left = self
            .until
            .map(|until| until.saturating_duration_since(Instant::now()));
        left.map_or(self.idle, |left| left.min(self.idle))
    }
}

struct Open {
    record: Box<CallRecord>,
    lease: Lease,
    pool: Pool,
    /// The request's body, if it has one.
    progress: Option<Rc<RequestProgress>>,
    clocks: Clocks,
    deadline: Deadline,
}

impl UpstreamBody {
    pub(crate) fn new(
        incoming: Incoming,
        record: Box<CallRecord>,
        lease: Lease,
        pool: Pool,
        progress: Option<Rc<RequestProgress>>,
        clocks: Clocks,
        deadline: Deadline,
    ) -> Self {
        let keeps_record = record.applied.is_some();
        let mut body = Self {
            incoming,
            open: Some(Open {
                record,
                lease,
                pool,
                progress,
                clocks,
                deadline,
            }),
            keeps_record,
            kept: None,
        };
        if body.incoming.is_end_stream() {
            body.finish();
        }
        body
    }

    /// See [`GatewayBody::let_go`].
    pub(crate) fn let_go(&mut self) {
        self.keeps_record = false;
        self.kept = None;
    }

    fn record_mut(&mut self) -> Option<&mut CallRecord> {
        match &mut self.open {
            Some(open) => Some(&mut *open.record),
            None => self.kept.as_deref_mut(),
        }
    }

    fn take_record(&mut self) -> Option<Box<CallRecord>> {
        if self.keeps_record
            && let Some(open) = self.open.take()
        {
            // In the middle: the rest of the body is not wanted, nor its connection.
            self.kept = Some(open.record);
        }
        self.kept.take()
    }

    /// The whole answer was passed on.
    fn finish(&mut self) {
        let Some(open) = self.open.take() else {
            return;
        };
        // An upstream may answer before it has taken all of the request. The rest has nobody to
        // read it then; dropping the connection ends it.
        let request_is_sent = open
            .progress
            .as_ref()
            .is_none_or(|progress| progress.finished.get());
        if !request_is_sent {
            open.record.peer.linger();
        }
        match open.lease {
            Lease::Http1(connection, origin) if request_is_sent => {
                open.pool.put_http1(&origin, connection);
            }
            Lease::Http1(..) | Lease::Http2 => {}
        }
        if self.keeps_record {
            self.kept = Some(open.record);
        }
    }

    fn fail(&mut self, code: ErrorCode) {
        if let Some(mut open) = self.open.take() {
            open.record.error = Some(code);
            if self.keeps_record {
                self.kept = Some(open.record);
            }
        }
    }
}

impl Drop for UpstreamBody {
    fn drop(&mut self) {
        // Nobody asked for the rest: the caller has gone.
        self.fail(ErrorCode::ClientClosedRequest);
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        let this = &mut *self;
        match Pin::new(&mut this.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(mut frame))) => {
                if let Some(trailers) = frame.trailers_mut() {
                    clean_trailers(trailers);
                }
                if let Some(open) = &mut this.open {
                    open.record.bytes_out += frame.data_ref().map_or(0, Bytes::len) as u64;
                    if let (Some(meter), Some(part)) = (&mut open.record.tokens, frame.data_ref()) {
                        meter.see(part);
                    }
                    if open.deadline.is_set() {
                        open.deadline.clear();
                    }
                }
                if this.open.as_ref().is_some_and(|open| open.clocks.is_over()) {
                    this.fail(ErrorCode::UpstreamTimeout);
                    return Poll::Ready(Some(Err(AnswerError::Timeout)));
                }
                // Before the last part leaves our hands: whoever has the answer finds the call
                // recorded.
                if this.incoming.is_end_stream() {
                    this.finish();
                } else if this.incoming.size_hint().exact() == Some(0)
                    && !this.keeps_record
                    && let Some(open) = &mut this.open
                {
                    // All that was announced is here, though the upstream's end is not: the caller
                    // does not wait for that.
                    open.record.settle();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                this.finish();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                this.fail(ErrorCode::UpstreamUnreachable);
                Poll::Ready(Some(Err(AnswerError::Broken(error))))
            }
            Poll::Pending => {
                let Some(open) = &this.open else {
                    return Poll::Pending;
                };
                if !open.deadline.is_set() {
                    open.deadline.set(open.clocks.wait());
                }
                if open.deadline.poll(cx).is_pending() {
                    return Poll::Pending;
                }
                this.fail(ErrorCode::UpstreamTimeout);
                Poll::Ready(Some(Err(AnswerError::Timeout)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Body for GatewayBody {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Upstream(body) => Pin::new(body).poll_frame(cx),
            Self::Web(body) => Pin::new(body).poll_frame(cx),
            Self::Followed(body) => Pin::new(body).poll_frame(cx),
            Self::Coded(body) => Pin::new(&mut **body).poll_frame(cx),
            Self::Recorded(recorded) => {
                let RecordedBody { body, record, .. } = &mut **recorded;
                let polled = Pin::new(body).poll_frame(cx);
                if let Poll::Ready(Some(Ok(frame))) = &polled {
                    record.bytes_out += frame.data_ref().map_or(0, Bytes::len) as u64;
                }
                if recorded.body.is_end_stream() && !recorded.keeps_record {
                    recorded.record.settle();
                }
                polled
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_none(),
            Self::Upstream(body) => body.is_end_stream(),
            Self::Web(body) => body.is_end_stream(),
            Self::Followed(body) => body.is_end_stream(),
            Self::Coded(body) => body.is_end_stream(),
            Self::Recorded(recorded) => recorded.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Upstream(body) => body.size_hint(),
            Self::Web(body) => body.size_hint(),
            Self::Followed(body) => body.size_hint(),
            Self::Coded(body) => body.size_hint(),
            Self::Recorded(recorded) => recorded.body.size_hint(),
        }
    }
}
