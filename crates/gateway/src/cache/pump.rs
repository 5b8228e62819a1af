//! Stores a body while callers get it, as a task of its own.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use apiverse_cache::{Entry, KeyWriter, Pump, Stored, Ticket};
use apiverse_cluster::Count;
use bytes::Bytes;
use http_body::Body;

use super::now_ms;
use super::settle::Coming;
use crate::worker::Worker;

/// What the task works on.
pub(super) struct PumpTask {
    pub(super) worker: Rc<Worker>,
    pub(super) coming: Coming,
    pub(super) pump: Pump,
    /// The answer, but for its body.
    pub(super) draft: Entry,
    pub(super) keys: KeyWriter,
    /// For sharing it; see [`super::Caches::share`].
    pub(super) count: Option<Count>,
    /// Kept until the end, so that those who come meanwhile follow.
    pub(super) ticket: Option<Ticket>,
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
                let coming = &mut self.coming;
                poll_fn(|cx| poll_part(coming, cx)).await
            };
            match next {
                // It broke off: dropping the pump says so.
                Err(()) => return,
                Ok(Some(part)) => {
                    let body = &self.coming.body;
                    let is_last = body.is_end_stream() || body.size_hint().exact() == Some(0);
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
        let is_over = self.coming.body.is_end_stream();
        drop(self.ticket);
        self.pump.finish();
        self.coming.lease.give_back(&self.worker.pool, is_over);
    }

    fn store(&mut self, last: &[u8]) {
        let Some(body) = self.pump.whole(last) else {
            return;
        };
        let caches = &self.worker.gateway.caches;
        let entry = self.draft.clone().with_body(body);
        if let Stored::Yes(entry) = caches.memory.store(&mut self.keys, entry, now_ms()) {
            caches.meters.stored.increment(1);
            caches.share(&mut self.keys, &entry, self.count.take());
        }
    }
}

/// The next part that has bytes; trailers are not stored.
fn poll_part(coming: &mut Coming, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, ()>> {
    let deadline = &coming.deadline;
    loop {
        if coming.clocks.is_over() {
            return Poll::Ready(Err(()));
        }
        match Pin::new(&mut coming.body).poll_frame(cx) {
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
                    deadline.set(coming.clocks.wait());
                }
                return match deadline.poll(cx) {
                    Poll::Ready(()) => Poll::Ready(Err(())),
                    Poll::Pending => Poll::Pending,
                };
            }
        }
    }
}
