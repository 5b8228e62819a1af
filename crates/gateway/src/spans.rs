//! The spans of a sampled call, put together when it is over.

use std::borrow::Cow;
use std::time::Duration;

use apiverse_telemetry::{Kind, Span, SpanId, TraceContext, Value};

use crate::call::CallRecord;
use crate::random::unlike_others;

/// The call, what it took of it to ask the upstream, and the phases before.
pub(crate) fn spans(record: &CallRecord, context: &TraceContext, took: Duration) -> Vec<Span> {
    let began_us = record.started_at_us;
    let total_us = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
    let part = |id: SpanId, name: Cow<'static, str>, kind, (from_us, to_us): (u32, u32)| Span {
        trace_id: context.trace_id,
        id,
        parent: Some(context.span),
        name,
        kind,
        started_us: began_us.saturating_add(from_us.into()),
        ended_us: began_us.saturating_add(to_us.into()),
        attributes: Vec::new(),
        has_failed: false,
    };
    let whole = Span {
        parent: context.parent,
        attributes: attributes(record),
        has_failed: record.status >= 500,
        ..part(
            context.span,
            format!("{} /proxy", record.method).into(),
            Kind::Server,
            (0, total_us),
        )
    };
    let mut all = vec![whole];
    let notes = &record.notes;
    let mut from_us = 0;
    for (name, at_us) in [
        ("identify", notes.admitted_us),
        ("limits", notes.limited_us),
        ("cache", notes.cache.as_ref().map(|(_, at_us)| *at_us)),
        ("prepare", notes.prepared_us),
    ] {
        let Some(at_us) = at_us else { continue };
        all.push(part(
            unlike_others(),
            name.into(),
            Kind::Internal,
            (from_us.min(at_us), at_us),
        ));
        from_us = at_us;
    }
    for policy in &notes.policies {
        let to_us = policy.began_us.saturating_add(policy.took_us);
        let mut span = part(
            unlike_others(),
            format!("policy {}", policy.kind.as_str()).into(),
            Kind::Internal,
            (policy.began_us, to_us),
        );
        if let Some(code) = policy.code {
            span.attributes.push(("error.type", code.as_str().into()));
        }
        all.push(span);
    }
    // Also when it never answered: until the call was over.
    if let (false, Some(asked_us)) = (record.refused, notes.prepared_us) {
        let answered_us = notes.answered_us.unwrap_or(total_us);
        let mut span = part(
            context.client,
            "upstream".into(),
            Kind::Client,
            (asked_us, answered_us),
        );
        span.has_failed = notes.answered_us.is_none();
        let method: Value = record.method.as_str().to_owned().into();
        span.attributes.push(("http.request.method", method));
        all.push(span);
        if notes.answered_us.is_some() {
            let answer = (answered_us.min(total_us), total_us);
            all.push(part(
                unlike_others(),
                "answer".into(),
                Kind::Internal,
                answer,
            ));
        }
    }
    all
}

/// Without the query, which may carry secrets, and without the key.
fn attributes(record: &CallRecord) -> Vec<(&'static str, Value)> {
    let mut all: Vec<(&'static str, Value)> = vec![
        (
            "http.request.method",
            record.method.as_str().to_owned().into(),
        ),
        ("http.response.status_code", i64::from(record.status).into()),
        ("url.path", record.target.path().to_owned().into()),
        (
            "apiverse.request_id",
            record
                .request_id
                .to_str()
                .unwrap_or_default()
                .to_owned()
                .into(),
        ),
        ("apiverse.refused", record.refused.into()),
    ];
    if let Some(api) = &record.api {
        all.push(("apiverse.api_id", api.id.to_string().into()));
    }
    if let Some(key_id) = record.key_id {
        all.push(("apiverse.key_id", key_id.to_string().into()));
    }
    if let Some(id) = record.organization_id {
        all.push(("apiverse.organization_id", id.to_string().into()));
    }
    if let Some(error) = record.error {
        all.push(("error.type", error.as_str().into()));
    }
    all
}
