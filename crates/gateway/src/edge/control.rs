//! Handing a request to the control plane, and its answer back.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body as AxumBody;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::Sleep;
use tower::ServiceExt;

use super::body::{BodyError, ControlBody};

/// Bodies up to this size come in one piece.
const WHOLE: u64 = 64 * 1024;
/// Parts of a body on their way between the threads.
const CHANNEL: usize = 4;

/// The control plane did not answer: its task panicked, or its runtime is gone.
#[derive(Debug, thiserror::Error)]
#[error("the control plane's task failed")]
pub(super) struct NoAnswer;

/// Has `router` answer the request on `handle`'s runtime. A handler runs to its end also when the
/// client goes away meanwhile, so that a change is never left half done.
pub(super) async fn forward(
    router: Router,
    handle: &Handle,
    socket: SocketAddr,
    request: Request<Incoming>,
    body_timeout: Duration,
    linger: Arc<AtomicBool>,
) -> Result<Response<ControlBody>, NoAnswer> {
    let (parts, incoming) = request.into_parts();
    let body = AxumBody::new(TimedBody {
        incoming,
        limit: body_timeout,
        sleep: None,
        ended: false,
        linger,
    });
    let mut request = Request::from_parts(parts, body);
    request.extensions_mut().insert(ConnectInfo(socket));
    let task = handle.spawn(respond(router, request));
    match task.await {
        Ok(answer) => answer,
        Err(_) => Err(NoAnswer),
    }
}

async fn respond(
    router: Router,
    request: Request<AxumBody>,
) -> Result<Response<ControlBody>, NoAnswer> {
    let Ok(response) = router.oneshot(request).await;
    let (parts, body) = response.into_parts();
    let size = body.size_hint();
    let content = if body.is_end_stream() {
        ControlBody::Whole(None)
    } else if size.exact().is_some_and(|length| length <= WHOLE) {
        let whole = body.collect().await.map_err(|_| NoAnswer)?;
        ControlBody::Whole(Some(whole.to_bytes()))
    } else {
        let (sender, frames) = mpsc::channel(CHANNEL);
        // Polled here, not by the edge: rendering a page in parts is work.
        tokio::spawn(pump(body, sender));
        ControlBody::Streamed { frames, size }
    };
    Ok(Response::from_parts(parts, content))
}

async fn pump(mut body: AxumBody, frames: mpsc::Sender<Result<Frame<Bytes>, axum::Error>>) {
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            // The client is gone.
            () = frames.closed() => return,
        };
        let Some(frame) = frame else { return };
        if frames.send(frame).await.is_err() {
            return;
        }
    }
}

/// A request body that fails when nothing of it arrives for too long.
struct TimedBody {
    incoming: Incoming,
    limit: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    ended: bool,
    /// See `Peer::linger`: set when the handler left some of the body unread.
    linger: Arc<AtomicBool>,
}

impl Drop for TimedBody {
    fn drop(&mut self) {
        if !self.ended && !self.incoming.is_end_stream() {
            self.linger.store(true, Ordering::Relaxed);
        }
    }
}

/// The client stopped sending.
#[derive(Debug, thiserror::Error)]
#[error("the request's body stopped arriving")]
struct Stalled;

impl Body for TimedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        match Pin::new(&mut this.incoming).poll_frame(cx) {
            Poll::Ready(item) => {
                this.sleep = None;
                this.ended |= item.is_none();
                Poll::Ready(item.map(|frame| frame.map_err(Into::into)))
            }
            Poll::Pending => {
                let limit = this.limit;
                let sleep = this
                    .sleep
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
                match sleep.as_mut().poll(cx) {
                    Poll::Ready(()) => Poll::Ready(Some(Err(Stalled.into()))),
                    Poll::Pending => Poll::Pending,
                }
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
