//! The body of whatever the edge answers.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use super::connection::InFlight;
use crate::body::GatewayBody;

/// Why an answer broke off.
pub(super) type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The answer's body; the connection counts as busy until it is dropped.
pub(super) struct EdgeBody {
    content: Content,
    _busy: InFlight,
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
    pub(super) const fn new(content: Content, busy: InFlight) -> Self {
        Self {
            content,
            _busy: busy,
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
