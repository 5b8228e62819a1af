//! Calls that go through the cache: answered from the edge's bytes where that is all, else by the
//! phases that know of policies.

use std::future::poll_fn;
use std::io::IoSlice;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Response, StatusCode, header};
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite};

use super::answer::{push_length, write_status};
use super::chunked::{LAST_CHUNK, push_chunk};
use super::connection::{After, Lane};
use super::lines::push_field;
use super::prepare::Through;
use crate::body::{AnswerError, GatewayBody, RequestSource};
use crate::cache::{Hit, write_hit};
use crate::call::CallRecord;
use crate::edge::thread::Phase;
use crate::phases::{self, Refusal, conclude, proceed};

/// A body up to this size is copied behind its head.
const COPIED: usize = 8 * 1024;

/// How a body is delimited.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    None,
    Length(u64),
    Chunked,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Lane<'_, S> {
    /// Answers from the cache.
    pub(super) async fn hit(
        &mut self,
        mut record: Box<CallRecord>,
        hit: &Hit,
        by_query: bool,
    ) -> After {
        let close = self.is_closing();
        let out = &mut self.reply;
        out.clear();
        let body = write_hit(hit, &mut record, out);
        push_field(out, b"x-request-id", record.request_id.as_bytes());
        if let Some(grant) = &record.grant {
            grant
                .fields
                .each(|name, value| push_field(out, name, value));
        }
        if by_query {
            // See `phases::seal`.
            push_field(out, b"content-security-policy", b"sandbox");
        }
        if close {
            out.extend_from_slice(b"connection: close\r\n");
        }
        out.extend_from_slice(b"\r\n");
        // Whoever has the answer finds the call recorded.
        drop(record);
        let sent = if body.len() <= COPIED {
            out.extend_from_slice(&body);
            self.write(&self.reply, &[]).await
        } else {
            self.write(&self.reply, &body).await
        };
        after(sent, close)
    }

    /// Takes a call through the policies, and passes its answer on.
    pub(super) async fn through(&mut self, through: Through) -> After {
        let Through {
            mut record,
            api,
            parts,
            by_query,
        } = through;
        let is_head = record.method == Method::HEAD;
        let target = record.target.clone();
        let answered = {
            let called = async {
                let located = phases::locate(&target).ok_or(Refusal::ApiNotFound)?;
                let body = RequestSource::Whole(None);
                proceed(&mut record, &api, by_query, parts, body, located).await
            };
            let mut called = pin!(called);
            let raced = poll_fn(|cx| {
                if let Poll::Ready(answered) = called.as_mut().poll(cx) {
                    return Poll::Ready(Some(answered));
                }
                self.poll_gone(cx).map(|()| None)
            });
            raced.await
        };
        let Some(answered) = answered else {
            // The record says so when it is dropped.
            return After::Abort;
        };
        let response = conclude(record, answered, None, false).await;
        self.stream(response, is_head).await
    }

    /// Passes an answer on as it comes.
    async fn stream(&mut self, response: Response<GatewayBody>, is_head: bool) -> After {
        let (parts, body) = response.into_parts();
        let close = self.is_closing();
        let out = &mut self.reply;
        out.clear();
        write_status(out, parts.status.as_u16(), "");
        let mut stated: Option<u64> = None;
        for (name, value) in &parts.headers {
            if name == header::CONTENT_LENGTH {
                stated = value.to_str().ok().and_then(|text| text.parse().ok());
                continue;
            }
            push_field(out, name.as_str().as_bytes(), value.as_bytes());
        }
        let is_bare = matches!(
            parts.status,
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        );
        let framing = match body.size_hint().exact() {
            _ if is_head || is_bare => Framing::None,
            Some(length) => Framing::Length(length),
            None => stated.map_or(Framing::Chunked, Framing::Length),
        };
        match framing {
            // The length is of what is not sent.
            Framing::None => {
                if let (Some(length), false) = (stated, is_bare) {
                    push_length(out, length);
                }
            }
            Framing::Length(length) => push_length(out, length),
            Framing::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        }
        if !parts.headers.contains_key(header::DATE) {
            push_field(out, b"date", &self.thread.worker.date());
        }
        if close {
            out.extend_from_slice(b"connection: close\r\n");
        }
        out.extend_from_slice(b"\r\n");
        let sent = self.send_body(body, framing).await;
        after(sent, close)
    }

    /// Sends what is in the reply, and the body behind it; whether all was sent.
    async fn send_body(&mut self, body: GatewayBody, framing: Framing) -> bool {
        let mut body = pin!(body);
        let mut left = match framing {
            Framing::None => return self.flush().await,
            Framing::Length(length) => length,
            Framing::Chunked => u64::MAX,
        };
        while left > 0 {
            // A part that is there goes with what was not sent yet.
            let next = poll_fn(|cx| Poll::Ready(poll_part(body.as_mut(), cx))).await;
            let next = match next {
                Poll::Ready(next) => next,
                Poll::Pending => {
                    if !self.flush().await {
                        return false;
                    }
                    let waited = poll_fn(|cx| match poll_part(body.as_mut(), cx) {
                        Poll::Ready(next) => Poll::Ready(Some(next)),
                        Poll::Pending => self.poll_gone(cx).map(|()| None),
                    });
                    match waited.await {
                        Some(next) => next,
                        None => return false,
                    }
                }
            };
            let part = match next {
                Some(Ok(part)) => part,
                Some(Err(_)) => {
                    // What came before is whole, and the caller gets it.
                    self.flush().await;
                    return false;
                }
                None => break,
            };
            if framing == Framing::Chunked {
                push_chunk(&mut self.reply, &part);
                if !self.flush().await {
                    return false;
                }
                continue;
            }
            let Some(rest) = left.checked_sub(part.len() as u64) else {
                return false;
            };
            left = rest;
            let sent = self.write(&self.reply, &part).await;
            self.reply.clear();
            if !sent {
                return false;
            }
        }
        match framing {
            Framing::Chunked => self.reply.extend_from_slice(LAST_CHUNK),
            _ if left > 0 => return false,
            _ => {}
        }
        self.flush().await
    }

    /// Sends what is in the reply.
    async fn flush(&mut self) -> bool {
        let sent = self.write(&self.reply, &[]).await;
        self.reply.clear();
        sent
    }

    /// Sends both parts, in one call to the system where that takes them; whether that went well.
    pub(super) async fn write(&self, first: &[u8], second: &[u8]) -> bool {
        let all = first.len() + second.len();
        let mut written = 0;
        self.deadline.clear();
        poll_fn(|cx| {
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
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(false),
                    Poll::Ready(Ok(count)) => {
                        written += count;
                        self.deadline.clear();
                    }
                    Poll::Pending => {
                        if !self.deadline.is_set() {
                            self.deadline.set(self.thread.config.send_timeout);
                        }
                        return self.deadline.poll(cx).map(|()| false);
                    }
                }
            }
            Poll::Ready(true)
        })
        .await
    }

    fn is_closing(&self) -> bool {
        self.wants_close || self.thread.phase.get() > Phase::Serving
    }
}

fn after(sent: bool, close: bool) -> After {
    match (sent, close) {
        (false, _) => After::Abort,
        (true, true) => After::Close,
        (true, false) => After::Next,
    }
}

/// The next part of a body that has bytes.
fn poll_part(
    mut body: Pin<&mut GatewayBody>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, AnswerError>>> {
    loop {
        match body.as_mut().poll_frame(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
            Poll::Ready(Some(Ok(frame))) => {
                if let Ok(part) = frame.into_data()
                    && !part.is_empty()
                {
                    return Poll::Ready(Some(Ok(part)));
                }
            }
        }
    }
}
