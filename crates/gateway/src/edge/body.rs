//! The body of whatever the edge answers.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use super::connection::InFlight;
use super::streams::StreamState;
use crate::body::GatewayBody;

/// Why an answer broke off.
pub(super) type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The answer's body; the connection counts as busy until it is dropped.
pub(super) struct EdgeBody {
    content: Content,
    _busy: InFlight,
    stream: Option<Rc<StreamState>>,
}

pub(super) enum Content {
    Gateway(GatewayBody),
    Control(ControlBody),
}

/// A body of the control plane's, which runs on another thread.
pub(super) enum ControlBody {
    /// All of it.
    Whole(Option<Bytes>),
    /// Part by part.
    Streamed {
        frames: mpsc::Receiver<Result<Frame<Bytes>, axum::Error>>,
        size: SizeHint,
    },
}

impl EdgeBody {
    /// `stream`: whom to tell how far it is, in HTTP/2.
    pub(super) fn new(content: Content, busy: InFlight, stream: Option<Rc<StreamState>>) -> Self {
        if let Some(stream) = &stream {
            stream.begin();
        }
        Self {
            content,
            _busy: busy,
            stream,
        }
    }

    fn poll_content(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.content {
            Content::Gateway(body) => Pin::new(body)
                .poll_frame(cx)
                .map_err(|error| Box::new(error) as BodyError),
            Content::Control(ControlBody::Whole(bytes)) => {
                Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes))))
            }
            Content::Control(ControlBody::Streamed { frames, .. }) => frames
                .poll_recv(cx)
                .map_err(|error| Box::new(error) as BodyError),
        }
    }
}

impl Drop for EdgeBody {
    fn drop(&mut self) {
        if let Some(stream) = &self.stream {
            stream.end();
        }
    }
}

impl Body for EdgeBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = self.poll_content(cx);
        if let Some(stream) = &self.stream {
            stream.asked(polled.is_ready());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Gateway(body) => body.is_end_stream(),
            Content::Control(ControlBody::Whole(bytes)) => bytes.is_none(),
            Content::Control(ControlBody::Streamed { .. }) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Gateway(body) => body.size_hint(),
            Content::Control(ControlBody::Whole(bytes)) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Content::Control(ControlBody::Streamed { size, .. }) => *size,
        }
    }
}
