//! One call on one upstream connection: the request's head and body out, the answer back.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use apiverse_contract::ErrorCode;
use tokio::io::{AsyncRead, AsyncWrite};

use super::answer::{self, BadAnswer, Framing, translate};
use super::chunked::{Decoder, LAST_CHUNK, Step, push_chunk};
use super::link::Link;
use super::upload::{Progress, UploadError, poll_fill};
use crate::call::CallRecord;
use crate::timer::Deadline;
use crate::upstream::ExchangeError;
use crate::worker::Worker;

/// Bytes of a long body that are read at once.
const LONG: usize = 64 * 1024;
/// A first part of a body up to this size is copied behind the head; a larger one goes out beside
/// it.
const COPIED: usize = 8 * 1024;
/// Bytes that a caller may send ahead of its answer before it is no longer listened to.
const AHEAD: usize = 16 * 1024;
/// How long a request is passed on after its answer.
const EARLY: Duration = Duration::from_secs(2);

/// Limits of one call.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) first_byte: Duration,
    pub(super) idle: Duration,
    /// How long a caller may leave its answer unread.
    pub(super) send: Duration,
}

/// How the answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passed {
    /// The upstream's connection can serve another call.
    pub(super) keep: bool,
    pub(super) keep_ms: Option<u64>,
    /// The request's body was not taken in full.
    pub(super) is_unread: bool,
}

/// The exchange ended without the whole answer.
#[derive(Debug)]
pub(super) enum Failed {
    /// The upstream closed without a byte.
    Stale(io::Error),
    /// Before the answer began; the gateway can still say something itself.
    Before(ExchangeError),
    /// Within the answer: closing is all that can be said. The record knows why.
    Within,
}

/// What an exchange works on.
pub(super) struct Exchange<'x, S, U> {
    pub(super) worker: &'x Worker,
    pub(super) io: &'x RefCell<S>,
    /// What the caller sends after its request.
    pub(super) input: &'x RefCell<Vec<u8>>,
    pub(super) link: &'x RefCell<Link>,
    pub(super) deadline: &'x Deadline,
    pub(super) limits: Limits,
    /// The rest of the request's body, while it goes on.
    pub(super) upload: Option<Pin<&'x mut U>>,
    pub(super) progress: &'x Progress,
    /// The rest of the request's body is not passed on any more.
    pub(super) is_cut: bool,
    /// What the upstream sent and was not passed on.
    pub(super) buffer: Vec<u8>,
    /// Taken when the call is over, and recorded with that.
    pub(super) record: Option<Box<CallRecord>>,
}

impl<S, U> Exchange<'_, S, U>
where
    S: AsyncRead + AsyncWrite + Unpin,
    U: Future<Output = Result<(), UploadError>>,
{
    /// Sends the head and what goes with it.
    pub(super) async fn send_request(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        let mut written = 0;
        self.deadline.set(self.limits.first_byte);
        let sent = poll_fn(|cx| {
            while written < bytes.len() {
                let polled = {
                    let mut link = self.link.borrow_mut();
                    Pin::new(&mut link.io).poll_write(cx, &bytes[written..])
                };
                match polled {
                    Poll::Ready(Ok(0)) => {
                        return Poll::Ready(Err(Failed::Stale(io::ErrorKind::WriteZero.into())));
                    }
                    Poll::Ready(Ok(count)) => written += count,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(Failed::Stale(error))),
                    Poll::Pending if self.deadline.poll(cx).is_ready() => {
                        return Poll::Ready(Err(Failed::Before(ExchangeError::Timeout)));
                    }
                    Poll::Pending => return Poll::Pending,
                }
            }
            Poll::Ready(Ok(()))
        });
        sent.await
    }

    /// Waits for the answer's head, and leaves the caller's in `out`.
    pub(super) async fn head(
        &mut self,
        context: &answer::Context<'_>,
        out: &mut Vec<u8>,
    ) -> Result<answer::Head, Failed> {
        self.deadline.set(self.limits.first_byte);
        let mut looked = 0;
        loop {
            self.fill_head().await?;
            let is_new_line = self.buffer[looked..].contains(&b'\n');
            looked = self.buffer.len();
            if !is_new_line && looked < LONG {
                continue;
            }
            out.clear();
            match translate(&self.buffer, context, out) {
                Ok(Some(head)) => {
                    self.deadline.clear();
                    return Ok(head);
                }
                Ok(None) => {}
                Err(bad) => return Err(Failed::Before(bad.into())),
            }
        }
    }

    /// Reads some of the head, while the body goes up and the caller is listened to.
    async fn fill_head(&mut self) -> Result<(), Failed> {
        self.buffer.reserve(1);
        poll_fn(|cx| {
            if let Err(error) = self.poll_upload(cx) {
                return Poll::Ready(Err(Failed::Before(error)));
            }
            let polled = poll_fill(&mut self.link.borrow_mut().io, cx, &mut self.buffer);
            match polled {
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(Err(self.closed(io::ErrorKind::UnexpectedEof.into())));
                }
                Poll::Ready(Ok(_)) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.closed(error))),
                Poll::Pending => {}
            }
            if self.poll_caller(cx).is_ready() {
                return Poll::Ready(Err(Failed::Before(ExchangeError::ClientGone)));
            }
            match self.poll_first_byte(cx) {
                Poll::Ready(error) => Poll::Ready(Err(Failed::Before(error))),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    fn closed(&self, error: io::Error) -> Failed {
        if self.buffer.is_empty() {
            Failed::Stale(error)
        } else {
            Failed::Before(ExchangeError::Closed(error.into()))
        }
    }

    /// Whether some of the request is not read.
    pub(super) fn is_unread(&self) -> bool {
        self.upload.is_some() || self.is_cut
    }

    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<(), ExchangeError> {
        let Some(upload) = &mut self.upload else {
            return Ok(());
        };
        let Poll::Ready(ended) = upload.as_mut().poll(cx) else {
            return Ok(());
        };
        self.upload = None;
        self.is_cut = ended.is_err();
        match ended {
            Ok(()) => Ok(()),
            Err(UploadError::Gone) => Err(ExchangeError::ClientGone),
            Err(UploadError::Malformed) => Err(ExchangeError::BadBody),
            Err(UploadError::TooLarge) => Err(ExchangeError::BodyTooLarge),
            // It may have answered before it closed: that is read first.
            Err(UploadError::Upstream) => Ok(()),
        }
    }

    /// Ready when the caller has closed. What it sends ahead is kept, up to a limit.
    fn poll_caller(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.upload.is_some() {
            return Poll::Pending;
        }
        let mut input = self.input.borrow_mut();
        while input.len() < AHEAD {
            match poll_fill(&mut *self.io.borrow_mut(), cx, &mut input) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Pending
    }

    /// The limit on the wait for an answer counts from the last byte of the request that moved.
    fn poll_first_byte(&self, cx: &Context<'_>) -> Poll<ExchangeError> {
        let limit = u64::try_from(self.limits.first_byte.as_millis()).unwrap_or(u64::MAX / 2);
        while self.deadline.poll(cx).is_ready() {
            let until_ms = self.progress.last_ms.get().saturating_add(limit);
            if until_ms <= self.worker.timer.now_ms() {
                let stalled = self.upload.is_some() && self.progress.waits_for_client.get();
                return Poll::Ready(if stalled {
                    ExchangeError::ClientStalled
                } else {
                    ExchangeError::Timeout
                });
            }
            self.deadline.set_at(until_ms);
        }
        Poll::Pending
    }

    /// Passes the answer on: `out` holds the caller's head, the buffer the upstream's.
    pub(super) async fn pass(
        &mut self,
        head: answer::Head,
        out: &mut Vec<u8>,
    ) -> Result<Passed, Failed> {
        let mut keep = head.keep;
        match head.framing {
            Framing::None => {
                keep &= self.buffer.len() == head.end;
                self.finish(0);
                self.send(out, &[]).await?;
            }
            Framing::Length(length) => {
                let buffered = (self.buffer.len() - head.end) as u64;
                keep &= buffered <= length;
                let first = usize::try_from(buffered.min(length)).unwrap_or(usize::MAX);
                let left = length - first as u64;
                self.passed_on(first, left == 0);
                let end = head.end + first;
                if first <= COPIED {
                    out.extend_from_slice(&self.buffer[head.end..end]);
                    self.send(out, &[]).await?;
                } else {
                    let buffer = std::mem::take(&mut self.buffer);
                    let sent = self.send(out, &buffer[head.end..end]).await;
                    self.buffer = buffer;
                    sent?;
                }
                keep &= self.counted(left).await?;
            }
            Framing::Chunked => {
                keep &= self.chunked(head.end, out).await?;
            }
            Framing::UntilClose => self.until_close(head.end, out).await?,
        }
        if self.upload.is_some() {
            self.end_upload().await;
        }
        let is_unread = self.is_unread();
        Ok(Passed {
            keep: keep && !is_unread,
            keep_ms: head.keep_ms,
            is_unread,
        })
    }

    /// An upstream may answer before it has read the request. What is on its way is passed on for
    /// a moment: closing both connections would hit a caller that sends its next request.
    async fn end_upload(&mut self) {
        self.deadline.set(EARLY);
        poll_fn(|cx| {
            // How it ended is seen by `is_unread`.
            let _ = self.poll_upload(cx);
            match self.upload {
                Some(_) => self.deadline.poll(cx),
                None => Poll::Ready(()),
            }
        })
        .await;
        self.deadline.clear();
    }

    /// The rest of a body of known length; whether nothing follows it.
    async fn counted(&mut self, mut left: u64) -> Result<bool, Failed> {
        while left > 0 {
            self.buffer.clear();
            self.buffer
                .reserve(LONG.min(usize::try_from(left).unwrap_or(LONG)));
            if self.fill().await? == 0 {
                return Err(self.broke(ErrorCode::UpstreamUnreachable));
            }
            let there = self.buffer.len();
            let part = usize::try_from(left).map_or(there, |left| left.min(there));
            left -= part as u64;
            self.passed_on(part, left == 0);
            let buffer = std::mem::take(&mut self.buffer);
            let sent = self.send(&buffer[..part], &[]).await;
            self.buffer = buffer;
            sent?;
            if part < there {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A chunked body, in chunks of our own: what stands between an upstream's chunks is its
    /// business. Whether nothing follows it.
    async fn chunked(&mut self, start: usize, out: &mut Vec<u8>) -> Result<bool, Failed> {
        let mut decoder = Decoder::default();
        let mut at = start;
        loop {
            let end = loop {
                match decoder.step(&self.buffer, at) {
                    Err(_) => {
                        // What came before is whole, and the caller gets it.
                        self.send(out, &[]).await?;
                        return Err(self.broke(ErrorCode::UpstreamUnreachable));
                    }
                    Ok(Step::Data { from, to }) => {
                        push_chunk(out, &self.buffer[from..to]);
                        self.passed_on(to - from, false);
                        at = to;
                    }
                    Ok(Step::More) => break None,
                    Ok(Step::End(end)) => break Some(end),
                }
            };
            if let Some(end) = end {
                out.extend_from_slice(LAST_CHUNK);
                self.finish(0);
                self.send(out, &[]).await?;
                return Ok(end == self.buffer.len());
            }
            if !out.is_empty() {
                self.send(out, &[]).await?;
                out.clear();
            }
            self.buffer.clear();
            self.buffer.reserve(LONG);
            at = 0;
            if self.fill().await? == 0 {
                return Err(self.broke(ErrorCode::UpstreamUnreachable));
            }
        }
    }

    async fn until_close(&mut self, start: usize, out: &mut Vec<u8>) -> Result<(), Failed> {
        let mut at = start;
        loop {
            push_chunk(out, &self.buffer[at..]);
            self.passed_on(self.buffer.len() - at, false);
            if !out.is_empty() {
                self.send(out, &[]).await?;
                out.clear();
            }
            self.buffer.clear();
            self.buffer.reserve(LONG);
            at = 0;
            if self.fill().await? == 0 {
                self.finish(0);
                return self.send(LAST_CHUNK, &[]).await;
            }
        }
    }

    /// Reads some of the body.
    async fn fill(&mut self) -> Result<usize, Failed> {
        self.deadline.clear();
        let filled = poll_fn(|cx| {
            if self.poll_upload(cx).is_err() {
                return Poll::Ready(Err(ErrorCode::ClientClosedRequest));
            }
            let polled = poll_fill(&mut self.link.borrow_mut().io, cx, &mut self.buffer);
            match polled {
                Poll::Ready(Ok(count)) => return Poll::Ready(Ok(count)),
                Poll::Ready(Err(_)) => return Poll::Ready(Err(ErrorCode::UpstreamUnreachable)),
                Poll::Pending => {}
            }
            if self.poll_caller(cx).is_ready() {
                return Poll::Ready(Err(ErrorCode::ClientClosedRequest));
            }
            if !self.deadline.is_set() {
                self.deadline.set(self.limits.idle);
            }
            if self.deadline.poll(cx).is_ready() {
                return Poll::Ready(Err(ErrorCode::UpstreamTimeout));
            }
            Poll::Pending
        })
        .await;
        filled.map_err(|code| self.broke(code))
    }

    /// Sends both parts to the caller, in one call to the system where that takes them.
    async fn send(&mut self, first: &[u8], second: &[u8]) -> Result<(), Failed> {
        self.deadline.clear();
        let all = first.len() + second.len();
        let mut written = 0;
        let sent = poll_fn(|cx| {
            while written < all {
                let polled = {
                    let mut io = self.io.borrow_mut();
                    let io = Pin::new(&mut *io);
                    if written >= first.len() {
                        io.poll_write(cx, &second[written - first.len()..])
                    } else if second.is_empty() {
                        io.poll_write(cx, &first[written..])
                    } else {
                        let parts = [IoSlice::new(&first[written..]), IoSlice::new(second)];
                        io.poll_write_vectored(cx, &parts)
                    }
                };
                match polled {
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(())),
                    Poll::Ready(Ok(count)) => {
                        written += count;
                        self.deadline.clear();
                    }
                    Poll::Pending => {
                        // An upstream may wait for the rest of the request before it goes on.
                        if self.poll_upload(cx).is_err() {
                            return Poll::Ready(Err(()));
                        }
                        if !self.deadline.is_set() {
                            self.deadline.set(self.limits.send);
                        }
                        return match self.deadline.poll(cx) {
                            Poll::Ready(()) => Poll::Ready(Err(())),
                            Poll::Pending => Poll::Pending,
                        };
                    }
                }
            }
            Poll::Ready(Ok(()))
        })
        .await;
        sent.map_err(|()| self.broke(ErrorCode::ClientClosedRequest))
    }

    /// Notes the part's bytes before it is sent; with the last one the call is recorded: whoever
    /// has the answer finds its record.
    fn passed_on(&mut self, bytes: usize, is_last: bool) {
        if is_last {
            self.finish(bytes);
        } else if let Some(record) = &mut self.record {
            record.bytes_out += bytes as u64;
        }
    }

    fn finish(&mut self, bytes: usize) {
        if let Some(mut record) = self.record.take() {
            record.bytes_out += bytes as u64;
            record.bytes_in = self.progress.bytes.get();
        }
    }

    /// Records that the answer broke off.
    fn broke(&mut self, code: ErrorCode) -> Failed {
        if let Some(mut record) = self.record.take() {
            record.error = Some(code);
            record.bytes_in = self.progress.bytes.get();
        }
        Failed::Within
    }
}

impl From<BadAnswer> for ExchangeError {
    fn from(bad: BadAnswer) -> Self {
        match bad {
            BadAnswer::Garbage | BadAnswer::Framing => Self::Garbage(bad.into()),
            BadAnswer::TooLarge => Self::HeadTooLarge(bad.into()),
            BadAnswer::UnaskedUpgrade => Self::UnaskedUpgrade,
        }
    }
}
