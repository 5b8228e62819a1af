//! The context of one call, which every phase adds to, and which is its usage event in the end.

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use apiverse_contract::policies::{PolicyKind, PolicyLevel};
use apiverse_contract::usage::Tokens;
use apiverse_contract::{ErrorCode, KeyId, OrganizationId, RouteId, UsageEventId};
use apiverse_store::ExplanationRow;
use apiverse_telemetry::TraceContext;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method};

use crate::body::RequestProgress;
use crate::explain::{Notes, PolicyNote, explanation};
use crate::grpc;
use crate::limits::{Grant, Set};
use crate::meters::count_policy;
use crate::peer::Peer;
use crate::phases::Applied;
use crate::random::unlike_others;
use crate::snapshot::{ApiRecord, VersionRecord};
use crate::spans::spans;
use crate::targets::Held;
use crate::tokens::TokenMeter;
use crate::usage::{Event, cache_state};
use crate::worker::Worker;

/// One call. It is recorded once, whichever way it ends: by [`CallRecord::settle`], before the last
/// of its answer leaves our hands, else when it is dropped.
pub(crate) struct CallRecord {
    pub(crate) worker: Rc<Worker>,
    pub(crate) peer: Rc<Peer>,
    pub(crate) started: Instant,
    /// Microseconds since 1970.
    pub(crate) started_at_us: i64,
    pub(crate) request_id: HeaderValue,
    pub(crate) method: Method,
    pub(crate) target: PathAndQuery,
    /// Where in `target` the path below the API begins.
    pub(crate) below: usize,
    /// Whose the call is: the key's organization, or the API's when there is no valid key.
    pub(crate) organization_id: Option<OrganizationId>,
    pub(crate) api: Option<Arc<ApiRecord>>,
    /// `None`: the API has one version only.
    pub(crate) version: Option<Arc<VersionRecord>>,
    pub(crate) key_id: Option<KeyId>,
    pub(crate) route_id: Cell<Option<RouteId>>,
    /// The status of the answer; 0 while there is none.
    pub(crate) status: u16,
    pub(crate) error: Option<ErrorCode>,
    /// In which way it is refused.
    pub(crate) grpc: grpc::Kind,
    /// The upstream never saw the call.
    pub(crate) refused: bool,
    pub(crate) upstream_us: Option<i64>,
    /// What the call has taken of its limits.
    pub(crate) grant: Option<Grant>,
    /// The limits that were asked.
    pub(crate) limits: Option<Rc<Set>>,
    /// Its policies; `None`: the call is only forwarded, or it is not known yet.
    pub(crate) applied: Option<Rc<Applied>>,
    /// Its place at one of several targets.
    pub(crate) held: Option<Held>,
    /// The site whose page makes the call, as a browser says it.
    pub(crate) origin: Option<HeaderValue>,
    pub(crate) progress: Option<Rc<RequestProgress>>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    /// Counts the tokens that its answer tells of.
    pub(crate) tokens: Option<Box<TokenMeter>>,
    pub(crate) notes: Notes,
    /// Its place in a trace; `None`: calls are not traced.
    pub(crate) trace: Option<TraceContext>,
    /// It is recorded, or another record is made for the same call.
    is_settled: bool,
}

impl CallRecord {
    /// Begins now, which is `started_at_us` by the system's clock.
    pub(crate) fn begin(
        worker: Rc<Worker>,
        peer: Rc<Peer>,
        request_id: HeaderValue,
        method: Method,
        target: PathAndQuery,
        below: usize,
        started_at_us: i64,
    ) -> Box<Self> {
        worker.under_way.set(worker.under_way.get() + 1);
        Box::new(Self {
            worker,
            peer,
            started: Instant::now(),
            started_at_us,
            request_id,
            method,
            target,
            below,
            organization_id: None,
            api: None,
            version: None,
            key_id: None,
            route_id: Cell::default(),
            status: 0,
            error: None,
            grpc: grpc::Kind::Other,
            refused: true,
            upstream_us: None,
            grant: None,
            limits: None,
            applied: None,
            held: None,
            origin: None,
            progress: None,
            bytes_in: 0,
            bytes_out: 0,
            tokens: None,
            notes: Notes::default(),
            trace: None,
            is_settled: false,
        })
    }

    /// Takes a place in a trace, when calls are traced. `traceparent` is the caller's, if there is
    /// one.
    pub(crate) fn begin_trace(&mut self, traceparent: Option<&[u8]>) {
        if let Some(tracer) = &self.worker.gateway.config.tracer {
            self.trace = Some(tracer.begin(traceparent));
        }
    }

    /// Lets go of the record: the call begins anew elsewhere.
    pub(crate) fn discard(mut self: Box<Self>) {
        self.is_settled = true;
    }

    /// Microseconds since the call began.
    pub(crate) fn since_us(&self) -> u32 {
        u32::try_from(self.started.elapsed().as_micros()).unwrap_or(u32::MAX)
    }

    /// Notes what a policy did, and counts it: it ended the call with a code, or not.
    pub(crate) fn note_policy(
        &mut self,
        (kind, level): (PolicyKind, PolicyLevel),
        began_us: u32,
        code: Option<ErrorCode>,
        said: impl Into<Cow<'static, str>>,
    ) {
        let took_us = self.since_us().saturating_sub(began_us);
        count_policy(kind, code.is_some());
        self.notes.policies.push(PolicyNote {
            kind,
            level,
            began_us,
            took_us,
            code,
            said: said.into(),
        });
    }

    /// What the answer has told of tokens, noted as what the policy did.
    fn count_tokens(&mut self) -> Tokens {
        let Some(mut meter) = self.tokens.take() else {
            return Tokens::default();
        };
        let tokens = meter.counted();
        let applied = self.applied.as_ref();
        if let Some(policy) = applied.and_then(|applied| applied.plan.tokens.as_ref()) {
            let said = match tokens.counted() {
                Some(Tokens { input, output }) => format!("{input} read, {output} written"),
                None => "the answer tells of none".to_owned(),
            };
            let kind = (PolicyKind::Tokens, policy.origin.level);
            self.note_policy(kind, self.since_us(), None, said);
        }
        tokens
    }

    /// The path below the API, without the query.
    pub(crate) fn path(&self) -> &str {
        self.target.path().get(self.below..).unwrap_or_default()
    }

    /// Records the call as it is now; later changes are not seen.
    pub(crate) fn settle(&mut self) {
        if std::mem::replace(&mut self.is_settled, true) {
            return;
        }
        if self.status == 0 {
            // Nothing was answered: the caller hung up, and the call's future was dropped.
            self.status = ErrorCode::ClientClosedRequest.status();
            self.error = Some(ErrorCode::ClientClosedRequest);
        }
        if let (true, Some(grant)) = (self.refused, &self.grant) {
            grant.give_back();
        }
        let took = self.started.elapsed();
        let api_id = self.api.as_ref().map(|api| api.id);
        let meters = match &self.api {
            Some(api) => &api.meters,
            None => &self.worker.gateway.meters.unattributed,
        };
        meters.record(api_id, &self.method, self.status, took);
        if let (Some(tracer), Some(context)) = (&self.worker.gateway.config.tracer, &self.trace)
            && context.is_sampled
        {
            tracer.record(spans(self, context, took));
        }

        let Some(organization_id) = self.organization_id else {
            return;
        };
        let tokens = self.count_tokens();
        let body_in = self
            .progress
            .as_ref()
            .map_or(0, |progress| progress.bytes.get());
        if self
            .worker
            .explain_budget
            .allows(self.started_at_us, self.status, self.error)
        {
            let total_us = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
            self.worker.gateway.explained.offer(ExplanationRow {
                organization_id,
                request_id: self.request_id.to_str().unwrap_or_default().to_owned(),
                started_at_us: self.started_at_us,
                document: explanation(self, total_us),
            });
        }
        let started_ms = u64::try_from(self.started_at_us / 1000).unwrap_or(0);
        self.worker.record(Event {
            id: UsageEventId::from_parts(started_ms, unlike_others()),
            organization_id,
            api_id,
            key_id: self.key_id,
            request_id: self.request_id.to_str().unwrap_or_default(),
            started_at_us: self.started_at_us,
            method: &self.method,
            path: self.path(),
            status: self.status,
            error: self.error,
            latency_us: i64::try_from(took.as_micros()).unwrap_or(i64::MAX),
            upstream_us: self.upstream_us,
            bytes_in: self.bytes_in + body_in,
            bytes_out: self.bytes_out,
            refused: self.refused,
            route_id: self.route_id.get(),
            verified: None,
            version_id: self.version.as_ref().and_then(|version| version.id),
            cache: self.notes.cache.as_ref().map(|(line, _)| cache_state(line)),
            tokens,
        });
    }
}

impl Drop for CallRecord {
    fn drop(&mut self) {
        self.settle();
        self.worker.under_way.set(self.worker.under_way.get() - 1);
    }
}

/// The system's clock in microseconds since 1970.
pub(crate) fn unix_micros() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
        })
}
