//! The request's body, from the caller to the upstream.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::kept::KeptBody;
use super::trailers::clean_trailers;
use crate::grpc::TextDecoder;
use crate::timer::Timer;

/// What is known of a body that the upstream's connection is taking from us: the connection owns
/// the body, the call reads here how far it is.
pub(crate) struct RequestProgress {
    timer: Timer,
    pub(crate) bytes: Cell<u64>,
    /// When the upstream last took a part, on the thread's clock.
    pub(crate) last_ms: Cell<u64>,
    /// The upstream would take more, but the caller has not sent it.
    pub(crate) waits_for_client: Cell<bool>,
    pub(crate) over_limit: Cell<bool>,
    pub(crate) client_failed: Cell<bool>,
    /// What the caller sent is not what it says it is.
    pub(crate) is_malformed: Cell<bool>,
    /// All of the body was taken.
    pub(crate) finished: Cell<bool>,
}

impl RequestProgress {
    pub(crate) fn new(timer: Timer) -> Rc<Self> {
        let last_ms = Cell::new(timer.now_ms());
        Rc::new(Self {
            timer,
            bytes: Cell::new(0),
            last_ms,
            waits_for_client: Cell::new(false),
            over_limit: Cell::new(false),
            client_failed: Cell::new(false),
            is_malformed: Cell::new(false),
            finished: Cell::new(false),
        })
    }
}

/// The body on its way to the upstream, counted and limited.
pub(crate) struct RequestBody(Inner);

enum Inner {
    Empty,
    Streaming(Streaming),
    Kept(KeptBody),
}

/// A request's body as policies find it, and as they leave it.
pub(crate) enum RequestSource {
    /// On its way from the caller.
    Incoming(Incoming),
    /// Read or made by a policy.
    Whole(Option<Bytes>),
}

impl Body for RequestSource {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Incoming(body) => Pin::new(body).poll_frame(cx),
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Incoming(body) => body.is_end_stream(),
            Self::Whole(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Incoming(body) => body.size_hint(),
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
        }
    }
}

pub(super) struct Streaming {
    incoming: RequestSource,
    progress: Rc<RequestProgress>,
    limit: u64,
    /// It is base64 and goes on decoded.
    text: Option<TextDecoder>,
}

/// The body ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestBodyError {
    #[error("the body is larger than the limit")]
    TooLarge,
    #[error("the caller's body broke off")]
    Client(#[source] hyper::Error),
    #[error("the body is not base64")]
    NotBase64,
}

/// Whether the caller's bytes were wrong, rather than missing.
fn is_malformed(error: &hyper::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return matches!(
                error.kind(),
                std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput
            );
        }
        cause = error.source();
    }
    false
}

impl RequestBody {
    pub(crate) const fn empty() -> Self {
        Self(Inner::Empty)
    }

    pub(crate) const fn new(
        incoming: RequestSource,
        progress: Rc<RequestProgress>,
        limit: u64,
    ) -> Self {
        Self(Inner::Streaming(Streaming {
            incoming,
            progress,
            limit,
            text: None,
        }))
    }

    /// The same body out of its base64.
    pub(crate) fn decoded(mut self) -> Self {
        if let Inner::Streaming(body) = &mut self.0 {
            body.text = Some(TextDecoder::default());
        }
        self
    }

    /// The same body, of which up to `most` bytes are kept on their way, so that it can be sent
    /// again.
    pub(crate) fn kept(self, most: usize) -> Self {
        match self.0 {
            Inner::Streaming(streaming) => Self(Inner::Kept(KeptBody::new(streaming, most))),
            other => Self(other),
        }
    }

    /// The body from its beginning; `None` when that is gone.
    pub(crate) fn again(&self) -> Option<Self> {
        match &self.0 {
            Inner::Empty => Some(Self::empty()),
            Inner::Streaming(_) => None,
            Inner::Kept(kept) => kept.again().map(|again| Self(Inner::Kept(again))),
        }
    }

    /// All of the body, if it has been passed on and kept.
    pub(crate) fn whole(&self) -> Option<Bytes> {
        match &self.0 {
            Inner::Empty => Some(Bytes::new()),
            Inner::Streaming(_) => None,
            Inner::Kept(kept) => kept.whole(),
        }
    }

    /// A body that is at hand.
    pub(crate) fn at_hand(bytes: Bytes, progress: Rc<RequestProgress>) -> Self {
        let limit = bytes.len() as u64;
        Self::new(RequestSource::Whole(Some(bytes)), progress, limit)
    }
}

impl Streaming {
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let progress = &*self.progress;
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        progress.waits_for_client.set(polled.is_pending());
        let Poll::Ready(item) = polled else {
            return Poll::Pending;
        };
        progress.last_ms.set(progress.timer.now_ms());
        match item {
            None if self.text.as_ref().is_some_and(|text| !text.is_whole()) => {
                progress.is_malformed.set(true);
                Poll::Ready(Some(Err(RequestBodyError::NotBase64)))
            }
            None => {
                progress.finished.set(true);
                Poll::Ready(None)
            }
            Some(Err(error)) => {
                progress.client_failed.set(true);
                progress.is_malformed.set(is_malformed(&error));
                Poll::Ready(Some(Err(RequestBodyError::Client(error))))
            }
            Some(Ok(mut frame)) => {
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                let bytes = progress.bytes.get().saturating_add(length);
                if bytes > self.limit {
                    progress.over_limit.set(true);
                    return Poll::Ready(Some(Err(RequestBodyError::TooLarge)));
                }
                progress.bytes.set(bytes);
                if let Some(trailers) = frame.trailers_mut() {
                    clean_trailers(trailers);
                }
                if let Some(text) = &mut self.text {
                    let Ok(data) = frame.into_data() else {
                        return Poll::Ready(None);
                    };
                    let Ok(data) = text.decode(&data) else {
                        progress.is_malformed.set(true);
                        return Poll::Ready(Some(Err(RequestBodyError::NotBase64)));
                    };
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                if self.incoming.is_end_stream() {
                    progress.finished.set(true);
                }
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.text.is_none() && self.incoming.is_end_stream()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        match self.text {
            Some(_) => SizeHint::default(),
            None => self.incoming.size_hint(),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        match &mut self.0 {
            Inner::Empty => Poll::Ready(None),
            Inner::Streaming(body) => body.poll(cx),
            Inner::Kept(body) => body.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Empty => true,
            Inner::Streaming(body) => body.is_end_stream(),
            Inner::Kept(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Streaming(body) => body.size_hint(),
            Inner::Kept(body) => body.size_hint(),
        }
    }
}
