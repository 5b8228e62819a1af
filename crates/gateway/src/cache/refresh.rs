//! Fetches a stale answer anew, behind the back of the caller who has got the stale one.

use std::rc::Rc;
use std::sync::Arc;

use http::request;

use super::call::Caching;
use super::settle::Coming;
use crate::body::RequestSource;
use crate::call::{CallRecord, unix_micros};
use crate::phases::{Located, ask_upstream, strip_hop};
use crate::snapshot::ApiRecord;

/// `record`: of the call that found the answer stale.
pub(super) fn spawn(
    record: &CallRecord,
    api: Arc<ApiRecord>,
    parts: request::Parts,
    located: &Located<'_>,
    mut caching: Box<Caching>,
) {
    let worker = Rc::clone(&record.worker);
    let activity = worker.activities.begin();
    let (selector, rest) = (located.selector.to_owned(), located.rest.to_owned());
    let (query, below) = (located.query.map(str::to_owned), located.below);
    // It is the gateway's own: nobody is charged for it, and no limit counts it.
    let mut own = CallRecord::begin(
        Rc::clone(&worker),
        Rc::clone(&record.peer),
        record.request_id.clone(),
        parts.method.clone(),
        record.target.clone(),
        below,
        unix_micros(),
    );
    own.version = record.version.clone();
    // Which target, and how often it is tried, is decided as for the call.
    own.key_id = record.key_id;
    own.applied = record.applied.clone();
    tokio::task::spawn_local(async move {
        let located = Located {
            selector: &selector,
            rest: &rest,
            query: query.as_deref(),
            below,
        };
        if caching.is_fresh_elsewhere(&worker.gateway.caches).await {
            own.discard();
            drop(activity);
            return;
        }
        let body = RequestSource::Whole(None);
        let answered = ask_upstream(&mut own, &api, false, parts, body, &located).await;
        let held = own.held.take();
        own.discard();
        if let Ok(answered) = answered {
            let (mut parts, body) = answered.response.into_parts();
            strip_hop(&mut parts.headers);
            // What it comes to is in the memory; nobody reads along.
            let coming = Coming {
                body,
                lease: answered.lease,
                deadline: answered.deadline,
                clocks: answered.clocks,
                held,
            };
            drop(caching.settle(&worker, &mut parts, coming));
        }
        drop(activity);
    });
}
