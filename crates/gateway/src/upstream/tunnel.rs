//! What a connection becomes after 101 (RFC 9110, 7.8): bytes both ways, until either side ends.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::activity::Activity;
use crate::call::CallRecord;

/// Joins both sides once they have switched, and records the call when the tunnel ends. `activity`
/// keeps a shutdown waiting for it.
pub(crate) async fn tunnel(
    client: OnUpgrade,
    upstream: OnUpgrade,
    mut record: Box<CallRecord>,
    _activity: Activity,
) {
    let (client, upstream) = match futures_util::future::try_join(client, upstream).await {
        Ok(both) => both,
        Err(error) => {
            tracing::debug!(%error, "a connection was not switched");
            return;
        }
    };
    let mut client = Counted {
        io: TokioIo::new(client),
        read: 0,
        written: 0,
    };
    let mut upstream = TokioIo::new(upstream);
    if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut upstream).await {
        tracing::debug!(%error, "a tunnel broke");
    }
    record.bytes_in = client.read;
    record.bytes_out = client.written;
}

/// Counts also what was copied before an error, which `copy_bidirectional` does not tell.
struct Counted<S> {
    io: S,
    read: u64,
    written: u64,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buffer);
        self.read += (buffer.filled().len() - before) as u64;
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = polled {
            self.written += count as u64;
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
