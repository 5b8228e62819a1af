//! Copies of calls. They are sent when the call has its answer, from what was kept of it; nobody
//! waits for them, and there are never many.

use std::rc::Rc;
use std::time::{Duration, Instant};

use http::uri::PathAndQuery;
use http_body_util::BodyExt;

use super::state::State;
use crate::body::{RequestBody, RequestProgress};
use crate::explain::Notes;
use crate::snapshot::{Limits, Target};
use crate::upstream::{Outbound, exchange};
use crate::worker::Worker;

/// Copies under way on one thread; more are left out.
const MOST: usize = 32;
/// Bytes of an answer that are read so that its connection can be used again.
const READ: usize = 256 * 1024;

/// Sends a copy of a call whose body, if it has one, is at hand.
pub(super) fn send(
    worker: &Rc<Worker>,
    state: &State,
    target: std::sync::Arc<Target>,
    limits: Limits,
    template: &Outbound,
    path: PathAndQuery,
    most: usize,
) {
    let body = template
        .request
        .body()
        .whole()
        .filter(|body| body.len() <= most);
    let is_upgrade = template.upgrade.is_some();
    let (Some(body), true, false) = (body, worker.mirrored.get() < MOST, is_upgrade) else {
        state.meters.mirror_dropped.increment(1);
        return;
    };
    let Some(mut copy) = template.again(path) else {
        state.meters.mirror_dropped.increment(1);
        return;
    };
    // Its progress is its own: the call's record must not count it.
    copy.progress = None;
    if !body.is_empty() {
        let progress = RequestProgress::new(worker.timer.clone());
        *copy.request.body_mut() = RequestBody::at_hand(body, progress);
    }
    state.meters.mirrored.increment(1);
    worker.mirrored.set(worker.mirrored.get() + 1);
    let worker = Rc::clone(worker);
    tokio::task::spawn_local(async move {
        let counted = Counted(Rc::clone(&worker));
        let whole = limits.connect + limits.first_byte + Duration::from_secs(5);
        let sent = run(&worker, &target, limits, copy);
        if tokio::time::timeout(whole, sent).await.is_err() {
            tracing::debug!(target = %target.origin.text(), "a copy of a call was not answered");
        }
        drop(counted);
    });
}

struct Counted(Rc<Worker>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.mirrored.set(self.0.mirrored.get() - 1);
    }
}

async fn run(worker: &Worker, target: &Target, limits: Limits, copy: Outbound) {
    let deadline = worker.timer.deadline();
    let mut notes = Notes::default();
    let began = Instant::now();
    let exchanged = exchange(worker, &limits, target, copy, &deadline, &mut notes, began).await;
    let answer = match exchanged {
        Ok(answer) => answer,
        Err(failed) => {
            tracing::debug!(error = %failed.error, target = %target.origin.text(), "a copy of a call failed");
            return;
        }
    };
    let mut body = answer.response.into_body();
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, bytes::Bytes::len);
        if read > READ {
            return;
        }
    }
    answer.lease.give_back(&worker.pool, true);
}
