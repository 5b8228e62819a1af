//! The rest of a request's body, from the caller to the upstream.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::poll_read_buf;

use super::chunked::{Decoder, LAST_CHUNK, Step, push_chunk};
use super::link::Link;
use super::request::Framing;
use crate::timer::Timer;

/// Bytes that are read at once.
const PIECE: usize = 32 * 1024;

/// How far the body is, for who waits for the answer.
pub(super) struct Progress {
    timer: Timer,
    /// When something last moved, on the thread's clock.
    pub(super) last_ms: Cell<u64>,
    /// The next move is the caller's.
    pub(super) waits_for_client: Cell<bool>,
    /// Bytes of content taken from the caller.
    pub(super) bytes: Cell<u64>,
}

impl Progress {
    pub(super) fn new(timer: Timer) -> Self {
        Self {
            last_ms: Cell::new(timer.now_ms()),
            timer,
            waits_for_client: Cell::new(false),
            bytes: Cell::new(0),
        }
    }

    fn moved(&self) {
        self.last_ms.set(self.timer.now_ms());
    }
}

/// Why the body did not arrive in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UploadError {
    /// The caller closed the connection.
    Gone,
    /// The chunks are malformed.
    Malformed,
    TooLarge,
    /// The upstream takes no more; it may have answered.
    Upstream,
}

/// Where the body comes from and goes to.
pub(super) struct Upload<'x, S> {
    pub(super) io: &'x RefCell<S>,
    /// What was read of it with the head. What follows the body is left here.
    pub(super) input: &'x RefCell<Vec<u8>>,
    pub(super) link: &'x RefCell<Link>,
    pub(super) progress: &'x Progress,
    /// Most bytes of content.
    pub(super) limit: u64,
}

impl<S: AsyncRead + Unpin> Upload<'_, S> {
    /// Passes on what `left` says.
    pub(super) async fn run(self, left: Framing) -> Result<(), UploadError> {
        match left {
            Framing::None => Ok(()),
            Framing::Length(left) => self.counted(left).await,
            Framing::Chunked => self.chunked().await,
        }
    }

    async fn counted(&self, mut left: u64) -> Result<(), UploadError> {
        // Some may have come while the upstream was being connected to.
        let mut piece = std::mem::take(&mut *self.input.borrow_mut());
        while left > 0 {
            if piece.is_empty() {
                piece.reserve(PIECE.min(usize::try_from(left).unwrap_or(PIECE)));
                self.read(&mut piece).await?;
            }
            if piece.len() as u64 > left {
                let end = usize::try_from(left).unwrap_or(piece.len());
                self.input.borrow_mut().extend_from_slice(&piece[end..]);
                piece.truncate(end);
            }
            left -= piece.len() as u64;
            self.count(piece.len())?;
            self.write(&piece).await?;
            piece.clear();
        }
        Ok(())
    }

    async fn chunked(&self) -> Result<(), UploadError> {
        let mut decoder = Decoder::default();
        let mut raw = std::mem::take(&mut *self.input.borrow_mut());
        let mut coded = Vec::new();
        loop {
            let mut at = 0;
            let end = loop {
                match decoder.step(&raw, at).map_err(|_| UploadError::Malformed)? {
                    Step::Data { from, to } => {
                        self.count(to - from)?;
                        push_chunk(&mut coded, &raw[from..to]);
                        at = to;
                    }
                    Step::More => break None,
                    Step::End(end) => break Some(end),
                }
            };
            if let Some(end) = end {
                coded.extend_from_slice(LAST_CHUNK);
                raw.drain(..end);
                *self.input.borrow_mut() = raw;
                return self.write(&coded).await;
            }
            if !coded.is_empty() {
                self.write(&coded).await?;
                coded.clear();
            }
            raw.clear();
            raw.reserve(PIECE);
            self.read(&mut raw).await?;
        }
    }

    fn count(&self, bytes: usize) -> Result<(), UploadError> {
        let all = self.progress.bytes.get().saturating_add(bytes as u64);
        if all > self.limit {
            return Err(UploadError::TooLarge);
        }
        self.progress.bytes.set(all);
        Ok(())
    }

    async fn read(&self, buffer: &mut Vec<u8>) -> Result<(), UploadError> {
        let read = poll_fn(|cx| {
            let polled = poll_read_buf(Pin::new(&mut *self.io.borrow_mut()), cx, buffer);
            self.progress.waits_for_client.set(polled.is_pending());
            polled
        });
        match read.await {
            Ok(0) | Err(_) => Err(UploadError::Gone),
            Ok(_) => {
                self.progress.moved();
                Ok(())
            }
        }
    }

    async fn write(&self, bytes: &[u8]) -> Result<(), UploadError> {
        let mut written = 0;
        while written < bytes.len() {
            let count = poll_fn(|cx| {
                let mut link = self.link.borrow_mut();
                Pin::new(&mut link.io).poll_write(cx, &bytes[written..])
            });
            match count.await {
                Ok(0) | Err(_) => return Err(UploadError::Upstream),
                Ok(count) => written += count,
            }
            self.progress.moved();
        }
        Ok(())
    }
}

/// Reads what is there behind what `buffer` holds.
pub(super) fn poll_fill<S: AsyncRead + Unpin>(
    io: &mut S,
    cx: &mut std::task::Context<'_>,
    buffer: &mut Vec<u8>,
) -> Poll<std::io::Result<usize>> {
    poll_read_buf(Pin::new(io), cx, buffer)
}
