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
use super::trailers::clean_trailers;
use crate::call::CallRecord;
use crate::grpc::WebBody;
use crate::timer::Deadline;
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
}

impl GatewayBody {
    /// What a reader finds, of a length if that is known.
    pub(crate) const fn follow(reader: Reader, length: Option<u64>) -> Self {
        Self::Followed(FollowedBody {
            reader,
            left: length,
            record: None,
        })
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
}

/// Reads a body that another task stores. When it ends, well or not, the call is recorded.
pub(crate) struct FollowedBody {
    reader: Reader,
    /// Bytes to come, where that is known.
    left: Option<u64>,
    record: Option<Box<CallRecord>>,
}

impl FollowedBody {
    /// The call that the body is for.
    pub(crate) fn attach(&mut self, record: Box<CallRecord>) {
        self.record = Some(record);
        if self.left == Some(0) {
            self.record = None;
        }
    }

    fn fail(&mut self, code: ErrorCode) {
        if let Some(mut record) = self.record.take() {
            record.error = Some(code);
        }
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
        if self.left == Some(0) {
            return Poll::Ready(None);
        }
        match self.reader.poll_next(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => {
                self.record = None;
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
                    self.record = None;
                }
                Poll::Ready(Some(Ok(Frame::data(part))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Passes an upstream's body on. When it ends, well or not, the call is recorded, and the
/// connection goes back to the pool or is closed. Both happen once: what does them is taken.
pub(crate) struct UpstreamBody {
    incoming: Incoming,
    open: Option<Open>,
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
        };
        if body.incoming.is_end_stream() {
            body.finish();
        }
        body
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
        drop(open.record);
    }

    fn fail(&mut self, code: ErrorCode) {
        if let Some(mut open) = self.open.take() {
            open.record.error = Some(code);
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
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_none(),
            Self::Upstream(body) => body.is_end_stream(),
            Self::Web(body) => body.is_end_stream(),
            Self::Followed(body) => body.is_end_stream(),
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
        }
    }
}
