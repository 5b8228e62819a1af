//! A connection's calls, one after the other.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use apiverse_contract::ErrorCode;
use http::{Method, Response};
use http_body_util::BodyExt;
use tokio::io::{AsyncRead, AsyncWrite};

use super::answer::{self, push_length, write_status};
use super::exchange::{Exchange, Failed, Limits, Passed};
use super::lines::push_field;
use super::link::Link;
use super::prepare::{Earlier, Forward, Prepared, prepare};
use super::request::{BadHead, Framing, Read, read, slots};
use super::scan::{Scanned, Scanner, leading_lines};
use super::upload::{Progress, Upload, poll_fill};
use crate::body::GatewayBody;
use crate::call::{CallRecord, unix_micros};
use crate::edge::thread::{Phase, Thread};
use crate::keys;
use crate::peer::Peer;
use crate::phases::{self, Refusal};
use crate::timer::Deadline;
use crate::upstream::{ConnectError, ExchangeError, dial};

/// Bytes that are read at once.
const PIECE: usize = 16 * 1024;
/// A body up to this size that came with its head goes out with it.
const TOGETHER: usize = 64 * 1024;

/// How the connection's time here ended.
pub(in crate::edge) enum Ended {
    /// It is to be closed.
    Closed,
    /// The next request, whose first bytes these are, is for hyper.
    General(Vec<u8>),
}

/// What follows a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    Next,
    /// Close, once all is sent.
    Close,
    /// Close at once: the caller must see that the answer is not whole.
    Abort,
}

/// How one try on one connection ended.
enum Tried {
    Passed(Passed),
    /// Within the answer; the record knows why.
    BrokeOff,
    /// Nothing came back: once more, on a new connection.
    Again(Box<CallRecord>, Vec<u8>),
    /// Before the answer, with some of the request perhaps still to come.
    Failed(Box<CallRecord>, ExchangeError, bool),
}

pub(super) struct Lane<'t, S> {
    pub(super) thread: &'t Rc<Thread>,
    pub(super) peer: &'t Rc<Peer>,
    pub(super) deadline: &'t Deadline,
    pub(super) io: RefCell<S>,
    /// What was read and not used.
    pub(super) input: RefCell<Vec<u8>>,
    /// The caller wants the connection closed after its current request.
    pub(super) wants_close: bool,
    /// The upstream's head.
    pub(super) request: Vec<u8>,
    /// The caller's head.
    pub(super) reply: Vec<u8>,
}

/// Serves plain calls from `io` until it ends or something else is asked for.
pub(in crate::edge) async fn serve<S>(
    thread: &Rc<Thread>,
    peer: &Rc<Peer>,
    deadline: &Deadline,
    io: &mut S,
) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut lane = Lane {
        thread,
        peer,
        deadline,
        io: RefCell::new(io),
        input: RefCell::default(),
        wants_close: false,
        request: Vec::new(),
        reply: Vec::new(),
    };
    loop {
        let after = match lane.next().await {
            Next::Closed => return Ended::Closed,
            Next::Head(end) => match lane.call(end).await {
                Some(after) => after,
                None => return Ended::General(lane.input.into_inner()),
            },
            Next::Bad(bad) => lane.refuse_head(bad).await,
        };
        match after {
            After::Next => {}
            After::Close => {
                lane.close().await;
                return Ended::Closed;
            }
            After::Abort => return Ended::Closed,
        }
    }
}

/// What came next on the connection.
enum Next {
    Closed,
    /// A head that ends here.
    Head(usize),
    Bad(BadHead),
}

/// The answer to a head that is refused.
pub(in crate::edge) fn refusal(bad: BadHead) -> Response<GatewayBody> {
    let unix_ms = u64::try_from(unix_micros() / 1000).unwrap_or(0);
    let request_id = phases::new_request_id(unix_ms);
    let (code, detail) = match bad {
        BadHead::Malformed => (
            ErrorCode::InvalidRequest,
            "The request's head is malformed.",
        ),
        BadHead::Framing => (
            ErrorCode::InvalidRequest,
            "The request's length must be stated once, as Content-Length or as \
             Transfer-Encoding: chunked.",
        ),
        BadHead::Host => (
            ErrorCode::InvalidRequest,
            "An HTTP/1.1 request has exactly one Host header.",
        ),
        BadHead::TooLarge => (
            ErrorCode::HeadersTooLarge,
            "The request has too many or too large headers.",
        ),
    };
    phases::problem(code, detail.to_owned(), &request_id, &Method::GET)
}

impl<S: AsyncRead + AsyncWrite + Unpin> Lane<'_, S> {
    /// Waits for a whole head at the beginning of the input.
    async fn next(&mut self) -> Next {
        let config = &self.thread.config;
        let mut scanner = Scanner::default();
        let mut is_begun = false;
        let (input, io) = (self.input.get_mut(), self.io.get_mut());
        self.deadline.clear();
        poll_fn(|cx| {
            loop {
                if !is_begun && !input.is_empty() {
                    let Some(lines) = leading_lines(input) else {
                        return Poll::Ready(Next::Bad(BadHead::Malformed));
                    };
                    input.drain(..lines);
                    is_begun = !matches!(input.as_slice(), [] | [b'\r']);
                    if is_begun {
                        self.deadline.set(config.header_read_timeout);
                    }
                }
                if is_begun {
                    match scanner.scan(input) {
                        Scanned::End(end) if end > config.max_header_bytes => {
                            return Poll::Ready(Next::Bad(BadHead::TooLarge));
                        }
                        Scanned::End(end) => {
                            self.deadline.clear();
                            return Poll::Ready(Next::Head(end));
                        }
                        Scanned::Ambiguous => {
                            return Poll::Ready(Next::Bad(BadHead::Malformed));
                        }
                        Scanned::More if input.len() > config.max_header_bytes => {
                            return Poll::Ready(Next::Bad(BadHead::TooLarge));
                        }
                        Scanned::More => {}
                    }
                } else if !self.deadline.is_set() {
                    self.deadline.set(config.idle_timeout);
                }
                if input.capacity() == 0 {
                    *input = self.thread.worker.buffers.take();
                }
                match poll_fill(io, cx, input) {
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Next::Closed),
                    Poll::Ready(Ok(_)) => continue,
                    Poll::Pending => {}
                }
                if input.is_empty() {
                    // An idle connection holds no memory.
                    self.thread.worker.buffers.put(std::mem::take(input));
                    if self.thread.phase.get() == Phase::Closing {
                        return Poll::Ready(Next::Closed);
                    }
                }
                return match self.deadline.poll(cx) {
                    Poll::Ready(()) => Poll::Ready(Next::Closed),
                    Poll::Pending => Poll::Pending,
                };
            }
        })
        .await
    }

    /// Serves the request whose head ends at `end`. `None`: it is for hyper.
    async fn call(&mut self, end: usize) -> Option<After> {
        let mut earlier = Earlier::default();
        let (prepared, framing) = loop {
            self.request.clear();
            let prepared = {
                let input = self.input.borrow();
                let mut slots = slots();
                match read(&input[..end], &mut slots, self.thread.config.max_headers) {
                    Ok(Read::Call(head)) => {
                        let framing = head.framing;
                        self.wants_close = head.close;
                        let worker = &self.thread.worker;
                        let out = &mut self.request;
                        let prepared = prepare(worker, self.peer, &head, out, &mut earlier);
                        Ok((prepared, framing))
                    }
                    Ok(Read::Other { .. }) => return None,
                    Err(bad) => Err(bad),
                }
            };
            match prepared {
                Ok((Prepared::Read(wanted), _)) => {
                    let is_read = keys::read(&self.thread.worker, self.peer, wanted).await;
                    earlier.is_key_unread = !is_read;
                }
                Ok((Prepared::Wait(wait), _)) => wait.over(&self.thread.worker.gateway).await,
                Ok(prepared) => break prepared,
                Err(bad) => return Some(self.refuse_head(bad).await),
            }
        };
        let forward = match prepared {
            Prepared::General | Prepared::Wait(_) | Prepared::Read(_) => return None,
            Prepared::Refuse { record, refusal } => {
                let is_unread = self.skip(end, framing);
                return Some(self.refuse(record, &refusal, is_unread).await);
            }
            Prepared::Hit {
                record,
                hit,
                by_query,
            } => {
                self.input.get_mut().drain(..end);
                return Some(self.hit(record, &hit, by_query).await);
            }
            Prepared::Through(through) => {
                self.input.get_mut().drain(..end);
                return Some(self.through(*through).await);
            }
            Prepared::Forward(forward) => forward,
        };
        self.input.get_mut().drain(..end);
        Some(self.forward(forward).await)
    }

    /// Takes a refused request out of the input; whether some of it is still to come.
    fn skip(&mut self, end: usize, framing: Framing) -> bool {
        let input = self.input.get_mut();
        let there = input.len() - end;
        match framing {
            Framing::None => {
                input.drain(..end);
                false
            }
            Framing::Length(length) => match usize::try_from(length) {
                Ok(length) if length <= there => {
                    input.drain(..end + length);
                    false
                }
                _ => true,
            },
            Framing::Chunked => true,
        }
    }

    async fn forward(&mut self, forward: Forward) -> After {
        let Forward {
            mut record,
            api,
            framing,
            by_query,
            token,
        } = forward;
        let Some(target) = &api.target else {
            return self.refuse(record, &Refusal::NoTarget, true).await;
        };
        let worker = Rc::clone(&self.thread.worker);
        let progress = Progress::new(worker.timer.clone());
        let rest = self.take_body(framing, &progress);
        // Until the upstream has been reached.
        record.refused = false;
        let asked_us = record.since_us();
        record.notes.prepared_us = Some(asked_us);
        let limits = Limits {
            first_byte: api.limits.first_byte,
            idle: api.limits.idle,
            send: self.thread.config.send_timeout,
        };
        let is_closing = self.wants_close || self.thread.phase.get() > Phase::Serving;
        let repeatable = rest == Framing::None && record.method.is_idempotent();
        let mut may_reuse = true;
        let mut buffer = worker.buffers.take();
        loop {
            // The clock is read again for a second try only.
            let began_us = if may_reuse {
                asked_us
            } else {
                record.since_us()
            };
            let link = match may_reuse
                .then(|| worker.links.take(&target.origin))
                .flatten()
            {
                Some(link) => {
                    worker.gateway.meters.upstream_reused.increment(1);
                    record.notes.begin_try(began_us, true);
                    link
                }
                None => {
                    record.notes.begin_try(began_us, false);
                    let config = &worker.gateway.config;
                    let dialed = dial(&target.origin, config, api.limits.connect);
                    match self.unless_gone(dialed, api.limits.connect).await {
                        Ok(io) => {
                            worker.gateway.meters.upstream_opened.increment(1);
                            record.notes.connected(record.since_us());
                            Link::new(io)
                        }
                        Err(error) => {
                            let is_unread = rest != Framing::None;
                            return self.refuse(record, &error.into(), is_unread).await;
                        }
                    }
                }
            };
            let is_used = link.is_used;
            let link = RefCell::new(link);
            let tried = {
                let mut upload = pin!(
                    Upload {
                        io: &self.io,
                        input: &self.input,
                        link: &link,
                        progress: &progress,
                        limit: api.limits.max_body,
                    }
                    .run(rest)
                );
                let mut exchange = Exchange {
                    worker: &worker,
                    io: &self.io,
                    input: &self.input,
                    link: &link,
                    deadline: self.deadline,
                    limits,
                    upload: (rest != Framing::None).then_some(upload.as_mut()),
                    progress: &progress,
                    is_cut: false,
                    buffer,
                    record: None,
                };
                let context = answer::Context {
                    is_head: record.method == Method::HEAD,
                    request_id: record.request_id.as_bytes(),
                    own_cookies: &worker.gateway.config.own_cookies,
                    by_query,
                    limits: record.grant.as_ref().map(|grant| &grant.fields),
                    close: is_closing,
                    date: &|| worker.date(),
                };
                let head = match exchange.send_request(&self.request).await {
                    Ok(()) => exchange.head(&context, &mut self.reply).await,
                    Err(failed) => Err(failed),
                };
                match head {
                    Ok(head) => {
                        let answered_us = record.since_us();
                        record.notes.answered(answered_us);
                        record.upstream_us = Some(i64::from(answered_us - asked_us));
                        record.status = head.status;
                        if let (Some(token), 401) = (&token, head.status) {
                            phases::forget_token(&worker, &api, token);
                        }
                        exchange.record = Some(record);
                        let passed = exchange.pass(head, &mut self.reply).await;
                        worker.buffers.put(exchange.buffer);
                        match passed {
                            Ok(passed) => Tried::Passed(passed),
                            Err(_) => Tried::BrokeOff,
                        }
                    }
                    // The upstream closed an idle connection just now. The method may be sent
                    // twice (RFC 9110, 9.2.2), and all of the request is at hand.
                    Err(Failed::Stale(_)) if is_used && repeatable => {
                        Tried::Again(record, exchange.buffer)
                    }
                    Err(failed) => {
                        record.bytes_in = progress.bytes.get();
                        let error = match failed {
                            Failed::Stale(error) => ExchangeError::Closed(error.into()),
                            Failed::Before(error) => error,
                            Failed::Within => ExchangeError::ClientGone,
                        };
                        let is_unread = exchange.is_unread();
                        worker.buffers.put(exchange.buffer);
                        Tried::Failed(record, error, is_unread)
                    }
                }
            };
            let mut link = link.into_inner();
            let passed = match tried {
                Tried::Passed(passed) => passed,
                Tried::BrokeOff => return After::Abort,
                Tried::Again(same, empty) => {
                    record = same;
                    buffer = empty;
                    may_reuse = false;
                    continue;
                }
                Tried::Failed(record, error, is_unread) => {
                    // Closed before the caller is told: it is what ends the upstream's work.
                    drop(link);
                    return self.refuse(record, &error.into(), is_unread).await;
                }
            };
            if passed.keep {
                link.keep_ms = passed.keep_ms;
                worker.links.put(&target.origin, link);
            }
            if passed.is_unread {
                self.peer.linger();
                return After::Close;
            }
            return if is_closing {
                After::Close
            } else {
                After::Next
            };
        }
    }

    /// Puts the part of the body that is there behind the upstream's head; what is left of it.
    fn take_body(&mut self, framing: Framing, progress: &Progress) -> Framing {
        let Framing::Length(length) = framing else {
            return framing;
        };
        let input = self.input.get_mut();
        let there = input.len().min(TOGETHER);
        let part = usize::try_from(length).map_or(there, |length| length.min(there));
        self.request.extend_from_slice(&input[..part]);
        input.drain(..part);
        progress.bytes.set(part as u64);
        match length - part as u64 {
            0 => Framing::None,
            left => Framing::Length(left),
        }
    }

    /// Waits for a connection, but not longer than the caller does.
    async fn unless_gone<T>(
        &self,
        dialed: impl Future<Output = Result<T, ConnectError>>,
        limit: std::time::Duration,
    ) -> Result<T, ExchangeError> {
        let mut dialed = pin!(dialed);
        self.deadline.set(limit);
        let waited = poll_fn(|cx| {
            if let Poll::Ready(dialed) = dialed.as_mut().poll(cx) {
                return Poll::Ready(dialed.map_err(ExchangeError::Connect));
            }
            if self.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(ExchangeError::ClientGone));
            }
            match self.deadline.poll(cx) {
                Poll::Ready(()) => Poll::Ready(Err(ConnectError::Timeout.into())),
                Poll::Pending => Poll::Pending,
            }
        });
        waited.await
    }

    pub(super) fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut input = self.input.borrow_mut();
        while input.len() < PIECE {
            match poll_fill(&mut *self.io.borrow_mut(), cx, &mut input) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Pending
    }

    async fn refuse(
        &mut self,
        mut record: Box<CallRecord>,
        refusal: &Refusal,
        is_unread: bool,
    ) -> After {
        let response = phases::note_refusal(&mut record, refusal);
        let is_gone = record.error == Some(ErrorCode::ClientClosedRequest);
        drop(record);
        if is_gone {
            return After::Abort;
        }
        let close = is_unread || self.wants_close || self.thread.phase.get() > Phase::Serving;
        if is_unread {
            self.peer.linger();
        }
        self.say(response, close).await
    }

    /// A head that cannot be trusted: nothing after it can be either.
    async fn refuse_head(&mut self, bad: BadHead) -> After {
        self.peer.linger();
        self.say(refusal(bad), true).await
    }

    /// Sends an answer of the gateway's own.
    async fn say(&mut self, response: Response<GatewayBody>, close: bool) -> After {
        let (parts, body) = response.into_parts();
        let out = &mut self.reply;
        out.clear();
        write_status(out, parts.status.as_u16(), "");
        let mut has_length = false;
        for (name, value) in &parts.headers {
            has_length |= name == http::header::CONTENT_LENGTH;
            push_field(out, name.as_str().as_bytes(), value.as_bytes());
        }
        // The gateway's own answers are whole.
        let body = body.collect().await.map(|all| all.to_bytes());
        let body = body.unwrap_or_default();
        if !has_length {
            push_length(out, body.len() as u64);
        }
        push_field(out, b"date", &self.thread.worker.date());
        if close {
            out.extend_from_slice(b"connection: close\r\n");
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&body);

        match (self.write(&self.reply, &[]).await, close) {
            (false, _) => After::Abort,
            (true, true) => After::Close,
            (true, false) => After::Next,
        }
    }

    /// Says good-bye; see `EdgeStream` for how.
    async fn close(&mut self) {
        self.deadline.set(self.thread.config.send_timeout);
        poll_fn(|cx| {
            let mut io = self.io.borrow_mut();
            if Pin::new(&mut *io).poll_shutdown(cx).is_ready() || self.deadline.poll(cx).is_ready()
            {
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }
}
