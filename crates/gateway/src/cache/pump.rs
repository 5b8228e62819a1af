//! Stores a body while callers get it, as a task of its own.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use apiverse_cache::{Entry, KeyWriter, Pump, Stored, Ticket};
use bytes::Bytes;
use http_body::Body;
use hyper::body::Incoming;

use super::now_ms;
use crate::timer::Deadline;
use crate::upstream::Lease;
use crate::worker::Worker;

/// What the task works on.
pub(super) struct PumpTask {
    pub(super) worker: Rc<Worker>,
    pub(super) body: Incoming,
    pub(super) lease: Lease,
    pub(super) pump: Pump,
    /// The answer, but for its body.
    pub(super) draft: Entry,
    pub(super) keys: KeyWriter,
    /// Kept until the end, so that those who come meanwhile follow.
    pub(super) ticket: Option<Ticket>,
    pub(super) deadline: Deadline,
    pub(super) idle: Duration,
}

pub(super) fn spawn(task: PumpTask) {
    let activity = task.worker.activities.begin();
    tokio::task::spawn_local(async move {
        task.run().await;
        drop(activity);
    });
}

impl PumpTask {
    async fn run(mut self) {
        loop {
            let pump = &self.pump;
            if !poll_fn(|cx| pump.poll_room(cx)).await {
                // Nobody wants it, and it is not stored: ending the connection ends its work.
                return;
            }
            let next = {
                let (body, deadline, idle) = (&mut self.body, &self.deadline, self.idle);
                poll_fn(|cx| poll_part(body, deadline, idle, cx)).await
            };
            match next {
                // It broke off: dropping the pump says so.
                Err(()) => return,
                Ok(Some(part)) => {
                    let is_last =
                        self.body.is_end_stream() || self.body.size_hint().exact() == Some(0);
                    if is_last {
                        // Before anybody has the last part: whoever asks then finds it.
                        self.store(&part);
                        self.pump.push(part);
                        break;
                    }
                    self.pump.push(part);
                }
                Ok(None) => {
                    self.store(b"");
                    break;
                }
            }
        }
        let is_over = self.body.is_end_stream();
        drop(self.ticket);
        self.pump.finish();
        self.lease.give_back(&self.worker.pool, is_over);
    }

    fn store(&mut self, last: &[u8]) {
        let Some(body) = self.pump.whole(last) else {
            return;
        };
        let caches = &self.worker.gateway.caches;
        let entry = self.draft.clone().with_body(body);
        if let Stored::Yes(_) = caches.memory.store(&mut self.keys, entry, now_ms()) {
            caches.meters.stored.increment(1);
        }
    }
}

/// The next part that has bytes; trailers are not stored.
fn poll_part(
    body: &mut Incoming,
    deadline: &Deadline,
    idle: Duration,
    cx: &mut Context<'_>,
) -> Poll<Result<Option<Bytes>, ()>> {
    loop {
        match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Ready(None) => return Poll::Ready(Ok(None)),
            Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(())),
            Poll::Ready(Some(Ok(frame))) => {
                deadline.clear();
                if let Ok(part) = frame.into_data()
                    && !part.is_empty()
                {
                    return Poll::Ready(Ok(Some(part)));
                }
            }
            Poll::Pending => {
                if !deadline.is_set() {
                    deadline.set(idle);
                }
                return match deadline.poll(cx) {
                    Poll::Ready(()) => Poll::Ready(Err(())),
                    Poll::Pending => Poll::Pending,
                };
            }
        }
    }
}
