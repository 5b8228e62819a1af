//! What a connection becomes after 101 (RFC 9110, 7.8): bytes both ways, until either side ends or
//! it has been quiet, or open, for too long.
//!
//! A quiet tunnel holds no buffer. A WebSocket that the gateway ends gets a close frame on both
//! sides (RFC 6455, 7.4.1: 1001, going away), so that both know it was not an accident.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::io::poll_read_buf;

use super::websocket::{Frames, close_frame};
use crate::activity::Activity;
use crate::buffers::Buffers;
use crate::call::CallRecord;
use crate::peer::Peer;
use crate::timer::Deadline;
use crate::worker::Worker;

/// How long a side may take to close after the other has.
const FAREWELL: Duration = Duration::from_secs(5);

/// Limits of one tunnel.
#[derive(Clone, Copy)]
pub(crate) struct TunnelLimits {
    /// Without a byte in either direction.
    pub(crate) idle: Duration,
    pub(crate) lifetime: Duration,
    /// Frames are followed, so that it can be closed between two of them.
    pub(crate) is_websocket: bool,
}

/// Joins both sides once they have switched, and records the call when the tunnel ends. `activity`
/// keeps a shutdown waiting for it.
pub(crate) async fn tunnel(
    client: OnUpgrade,
    upstream: OnUpgrade,
    mut record: Box<CallRecord>,
    limits: TunnelLimits,
    _activity: Activity,
) {
    let _open = OpenTunnel::begin(&record.peer);
    let (client, upstream) = match futures_util::future::try_join(client, upstream).await {
        Ok(both) => both,
        Err(error) => {
            tracing::debug!(%error, "a connection was not switched");
            return;
        }
    };
    let mut tunnel = Tunnel::new(
        Rc::clone(&record.worker),
        TokioIo::new(client),
        TokioIo::new(upstream),
        limits,
    );
    if let Err(error) = std::future::poll_fn(|cx| tunnel.poll(cx)).await {
        tracing::debug!(%error, "a tunnel broke");
    }
    record.bytes_in = tunnel.up.written;
    record.bytes_out = tunnel.down.written;
}

/// Counts for the client's connection.
struct OpenTunnel(Rc<Peer>);

impl OpenTunnel {
    fn begin(peer: &Rc<Peer>) -> Self {
        peer.tunnel_begins();
        Self(Rc::clone(peer))
    }
}

impl Drop for OpenTunnel {
    fn drop(&mut self) {
        self.0.tunnel_ends();
    }
}

/// One direction.
#[derive(Default)]
struct Way {
    /// What was read and is not written yet, from `at`.
    buffer: Vec<u8>,
    at: usize,
    written: u64,
    /// Its source has ended.
    is_over: bool,
    /// Its end has been told that.
    is_shut: bool,
    /// Where between frames it stands, in a WebSocket.
    frames: Frames,
}

struct Tunnel<C, U> {
    worker: Rc<Worker>,
    client: C,
    upstream: U,
    limits: TunnelLimits,
    up: Way,
    down: Way,
    deadline: Deadline,
    /// When a byte was last written, on the thread's clock.
    last_ms: u64,
    /// When it ends in any case.
    until_ms: u64,
    /// It is being closed by us: nothing is passed on any more.
    is_closing: bool,
}

impl Tunnel<TokioIo<Upgraded>, TokioIo<Upgraded>> {
    fn new(
        worker: Rc<Worker>,
        client: TokioIo<Upgraded>,
        upstream: TokioIo<Upgraded>,
        limits: TunnelLimits,
    ) -> Self {
        let now_ms = worker.timer.now_ms();
        Self {
            deadline: worker.timer.deadline(),
            worker,
            client,
            upstream,
            up: Way::default(),
            down: Way::default(),
            last_ms: now_ms,
            until_ms: now_ms.saturating_add(millis(limits.lifetime)),
            limits,
            is_closing: false,
        }
    }
}

impl<C, U> Tunnel<C, U>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_closing {
            ready!(self.poll_open(cx))?;
            if !self.is_closing {
                return Poll::Ready(Ok(()));
            }
        }
        self.poll_closing(cx)
    }

    /// Ready when both sides have ended, or the gateway ends it.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let before = self.up.written + self.down.written;
        let buffers = &self.worker.buffers;
        let follow = self.limits.is_websocket;
        let up = self
            .up
            .poll(cx, &mut self.client, &mut self.upstream, buffers, follow)?;
        let down = self
            .down
            .poll(cx, &mut self.upstream, &mut self.client, buffers, follow)?;
        if up.is_ready() && down.is_ready() {
            return Poll::Ready(Ok(()));
        }
        let now_ms = self.worker.timer.now_ms();
        if self.up.written + self.down.written > before {
            self.last_ms = now_ms;
        }
        if follow && (up.is_ready() || down.is_ready()) {
            // There is no half of a WebSocket.
            self.until_ms = self.until_ms.min(self.last_ms + millis(FAREWELL));
        }
        if follow && self.worker.is_closing.get() {
            return self.begin_close();
        }
        if !self.deadline.is_set() {
            self.deadline.set_at(self.ends_ms());
        }
        while self.deadline.poll(cx).is_ready() {
            if self.ends_ms() <= self.worker.timer.now_ms() {
                return self.begin_close();
            }
            self.deadline.set_at(self.ends_ms());
        }
        Poll::Pending
    }

    fn ends_ms(&self) -> u64 {
        let idle_ms = self.last_ms.saturating_add(millis(self.limits.idle));
        self.until_ms.min(idle_ms)
    }

    fn begin_close(&mut self) -> Poll<io::Result<()>> {
        self.is_closing = true;
        self.up.say_good_bye(self.limits.is_websocket, true);
        self.down.say_good_bye(self.limits.is_websocket, false);
        self.deadline.set(FAREWELL);
        Poll::Ready(Ok(()))
    }

    /// Ready when both sides know of the end.
    fn poll_closing(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.deadline.poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let up = self.up.poll_end(cx, &mut self.upstream)?;
        let down = self.down.poll_end(cx, &mut self.client)?;
        // Read to the end: closing with bytes unread would overtake what we said last.
        let client = poll_drain(cx, &mut self.client);
        let upstream = poll_drain(cx, &mut self.upstream);
        if up.is_ready() && down.is_ready() && client.is_ready() && upstream.is_ready() {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }
}

impl Way {
    /// Ready when the source has ended and the other side has been told.
    fn poll<F: AsyncRead + Unpin, T: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut F,
        to: &mut T,
        buffers: &Buffers,
        follow: bool,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut has_written = false;
            while self.at < self.buffer.len() {
                let rest = &self.buffer[self.at..];
                let count = ready!(Pin::new(&mut *to).poll_write(cx, rest))?;
                if count == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                if follow {
                    self.frames.follow(&rest[..count]);
                }
                self.at += count;
                self.written += count as u64;
                has_written = true;
            }
            self.buffer.clear();
            self.at = 0;
            if self.is_over {
                if !self.is_shut {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    self.is_shut = true;
                }
                return Poll::Ready(Ok(()));
            }
            if has_written && Pin::new(&mut *to).poll_flush(cx)?.is_pending() {
                // It goes on by itself when the socket takes more.
            }
            if self.buffer.capacity() == 0 {
                self.buffer = buffers.take();
            }
            match poll_read_buf(Pin::new(&mut *from), cx, &mut self.buffer) {
                Poll::Ready(Ok(0)) => self.is_over = true,
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    buffers.put(std::mem::take(&mut self.buffer));
                    return Poll::Pending;
                }
            }
        }
    }

    /// Adds a close frame where one can stand.
    fn say_good_bye(&mut self, is_websocket: bool, is_masked: bool) {
        let is_between = self.at == self.buffer.len() && self.frames.is_between();
        self.buffer.clear();
        self.at = 0;
        if is_websocket && is_between && !self.frames.has_closed() && !self.is_shut {
            self.buffer = close_frame(is_masked);
        }
    }

    fn poll_end<T: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut T,
    ) -> Poll<io::Result<()>> {
        while self.at < self.buffer.len() {
            let count = ready!(Pin::new(&mut *to).poll_write(cx, &self.buffer[self.at..]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.at += count;
        }
        if !self.is_shut {
            ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
            self.is_shut = true;
        }
        Poll::Ready(Ok(()))
    }
}

/// Reads and forgets; ready when the other side has ended.
fn poll_drain<S: AsyncRead + Unpin>(cx: &mut Context<'_>, io: &mut S) -> Poll<()> {
    let mut scrap = [0; 1024];
    loop {
        let mut part = ReadBuf::new(&mut scrap);
        match ready!(Pin::new(&mut *io).poll_read(cx, &mut part)) {
            Ok(()) if !part.filled().is_empty() => {}
            Ok(()) | Err(_) => return Poll::Ready(()),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    // Half of what there is, so that adding to it stays within.
    u64::try_from(duration.as_millis()).map_or(u64::MAX / 2, |ms| ms.min(u64::MAX / 2))
}
