//! A client's socket, with what the edge wants to know of it.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::guard::{Guard, Guarded};
use super::http1::BadHead;

/// How a connection that speaks HTTP/2 with prior knowledge begins (RFC 9113, 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long a closing connection goes on reading when it has to.
const LINGER: Duration = Duration::from_secs(2);
/// Bytes that are read at once to be looked at.
const PIECE: usize = 16 * 1024;

/// What the connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// What happens on a socket, for the task that watches over it. hyper owns the socket, and an
/// upgraded one goes to another task, so it must be `Send`; all access is from one thread.
#[derive(Default)]
pub(super) struct Signals {
    /// Bytes came since this was last cleared.
    pub(super) read: AtomicBool,
    /// The socket takes no more bytes now.
    pub(super) write_blocked: AtomicBool,
    /// It took some since this was last cleared.
    pub(super) wrote: AtomicBool,
    /// How far the answer to the last request is, an [`Answer`].
    answer: AtomicU8,
    asking: Mutex<Option<Waker>>,
    /// The number of the request that has a bad head, counted from zero.
    refused: Mutex<Option<(u64, BadHead)>>,
}

/// How far the answer to a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is being made or sent.
    Open = 0,
    /// The next request may be read.
    Over = 1,
    /// What follows is in another protocol.
    Switched = 2,
}

impl Signals {
    pub(super) fn answer(&self) -> Answer {
        match self.answer.load(Ordering::Relaxed) {
            0 => Answer::Open,
            1 => Answer::Over,
            _ => Answer::Switched,
        }
    }

    pub(super) fn set_answer(&self, answer: Answer) {
        self.answer.store(answer as u8, Ordering::Relaxed);
        if answer != Answer::Open
            && let Some(waker) = self.asking.lock().take()
        {
            waker.wake();
        }
    }

    pub(super) fn wait_for_answer(&self, waker: &Waker) {
        *self.asking.lock() = Some(waker.clone());
    }

    pub(super) fn refuse(&self, number: u64, bad: BadHead) {
        *self.refused.lock() = Some((number, bad));
    }

    /// Why the request of this number is to be refused, if it is.
    pub(super) fn refused(&self, number: u64) -> Option<BadHead> {
        let (refused, bad) = (*self.refused.lock())?;
        (refused == number).then_some(bad)
    }
}

/// The socket.
pub(super) struct EdgeStream<S> {
    socket: S,
    signals: Arc<Signals>,
    linger: Arc<AtomicBool>,
    prefix: Prefix,
    /// Reads along what hyper is given.
    guard: Option<Box<Guard>>,
    lingering: Option<Pin<Box<Sleep>>>,
}

/// The first bytes, read to tell the protocol, until hyper has read them.
#[derive(Default)]
struct Prefix {
    bytes: [u8; PREFACE.len()],
    read: usize,
    given: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> EdgeStream<S> {
    pub(super) fn new(socket: S, signals: Arc<Signals>, linger: Arc<AtomicBool>) -> Self {
        Self {
            socket,
            signals,
            linger,
            prefix: Prefix::default(),
            guard: None,
            lingering: None,
        }
    }

    /// Whoever reads from now on gets HTTP/1.1 that is beyond doubt. `input`: bytes that were read
    /// already.
    pub(super) fn guard(&mut self, input: Vec<u8>, max_head: usize, max_fields: usize) {
        let signals = Arc::clone(&self.signals);
        let guard = Guard::new(signals, max_head, max_fields, input);
        self.guard = Some(Box::new(guard));
    }

    /// Reads until the protocol is clear. `None`: the client closed before it was.
    pub(super) fn poll_protocol(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Protocol>>> {
        let prefix = &mut self.prefix;
        loop {
            let mut buffer = ReadBuf::new(&mut prefix.bytes[prefix.read..]);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buffer))?;
            let count = buffer.filled().len();
            if count == 0 {
                return Poll::Ready(Ok(None));
            }
            prefix.read += count;
            if prefix.bytes[..prefix.read] != PREFACE[..prefix.read] {
                return Poll::Ready(Ok(Some(Protocol::Http1)));
            }
            if prefix.read == PREFACE.len() {
                return Poll::Ready(Ok(Some(Protocol::Http2)));
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for EdgeStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let prefix = &mut this.prefix;
        if prefix.given < prefix.read {
            let rest = &prefix.bytes[prefix.given..prefix.read];
            let count = rest.len().min(buffer.remaining());
            buffer.put_slice(&rest[..count]);
            prefix.given += count;
            this.signals.read.store(true, Ordering::Relaxed);
            return Poll::Ready(Ok(()));
        }
        if let Some(guard) = &mut this.guard {
            return poll_guarded(guard, &mut this.socket, &this.signals, cx, buffer);
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.socket).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            this.signals.read.store(true, Ordering::Relaxed);
        }
        polled
    }
}

/// Reads what the guard lets through.
fn poll_guarded<S: AsyncRead + Unpin>(
    guard: &mut Guard,
    socket: &mut S,
    signals: &Signals,
    cx: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    loop {
        match guard.next()? {
            Guarded::Give(bytes) => {
                let count = bytes.len().min(buffer.remaining());
                buffer.put_slice(&bytes[..count]);
                guard.gave(count);
                signals.read.store(true, Ordering::Relaxed);
                return Poll::Ready(Ok(()));
            }
            Guarded::Pass(most) => {
                let most = usize::try_from(most).unwrap_or(usize::MAX);
                let before = buffer.filled().len();
                let polled = if most >= buffer.remaining() {
                    Pin::new(&mut *socket).poll_read(cx, buffer)
                } else {
                    // The end of a body; what follows it is looked at.
                    let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
                    let polled = Pin::new(&mut *socket).poll_read(cx, &mut part);
                    let count = part.filled().len();
                    buffer.advance(count);
                    polled
                };
                let count = buffer.filled().len() - before;
                if count > 0 {
                    guard.passed(count as u64);
                    signals.read.store(true, Ordering::Relaxed);
                }
                return polled;
            }
            Guarded::Read => {
                let mut piece = [MaybeUninit::uninit(); PIECE];
                let mut part = ReadBuf::uninit(&mut piece);
                guard.wait(cx);
                ready!(Pin::new(&mut *socket).poll_read(cx, &mut part))?;
                if part.filled().is_empty() {
                    return Poll::Ready(Ok(()));
                }
                guard.add(part.filled());
                signals.read.store(true, Ordering::Relaxed);
            }
            Guarded::Wait => {
                guard.wait(cx);
                return Poll::Pending;
            }
        }
    }
}

impl<S> EdgeStream<S> {
    fn note_write(&self, polled: &Poll<io::Result<usize>>) {
        self.signals
            .write_blocked
            .store(polled.is_pending(), Ordering::Relaxed);
        if polled.is_ready() {
            self.signals.wrote.store(true, Ordering::Relaxed);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for EdgeStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.note_write(&polled);
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write_vectored(cx, parts);
        self.note_write(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    /// Closes our side; then, if the last answer came before the request was read, reads on for a
    /// moment, so that the client gets the answer before it gets a reset.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.socket).poll_shutdown(cx))?;
            if !this.linger.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
        }
        let sleep = this
            .lingering
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        if sleep.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let mut scrap = [0; 16 * 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut scrap);
            match ready!(Pin::new(&mut this.socket).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                // The client has closed too, or is gone.
                Ok(()) | Err(_) => return Poll::Ready(Ok(())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    async fn sniffed(parts: &[&[u8]]) -> (Option<Protocol>, Vec<u8>) {
        let (mut client, server) = duplex(1024);
        let mut stream = EdgeStream::new(server, Arc::default(), Arc::default());
        let sent: Vec<Vec<u8>> = parts.iter().map(|part| part.to_vec()).collect();
        let writer = tokio::spawn(async move {
            for part in sent {
                client.write_all(&part).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        let protocol = poll_fn(|cx| stream.poll_protocol(cx)).await.unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        writer.await.unwrap();
        (protocol, all)
    }

    #[tokio::test]
    async fn the_protocol_is_told_and_no_byte_is_lost() {
        let get = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        assert_eq!(sniffed(&[get]).await, (Some(Protocol::Http1), get.to_vec()));
        let h2 = [PREFACE.as_slice(), b"more"].concat();
        assert_eq!(sniffed(&[&h2]).await, (Some(Protocol::Http2), h2.clone()));
        let dribbled: Vec<&[u8]> = h2.chunks(1).collect();
        assert_eq!(
            sniffed(&dribbled).await,
            (Some(Protocol::Http2), h2.clone())
        );
        let put = b"P".as_slice();
        assert_eq!(
            sniffed(&[put, b"UT / HTTP/1.1"]).await,
            (Some(Protocol::Http1), b"PUT / HTTP/1.1".to_vec())
        );
        assert_eq!(sniffed(&[b"PRI"]).await.0, None);
        assert_eq!(sniffed(&[]).await.0, None);
    }
}
