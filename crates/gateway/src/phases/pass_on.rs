//! `pass_on`: an upstream's answer on its way to the caller.

use std::rc::Rc;

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Response, StatusCode, header};
use hyper::upgrade::OnUpgrade;

use super::ask::Answered;
use super::inbound::{inbound, switched_protocol};
use super::policies::own_answer;
use crate::body::{GatewayBody, UpstreamBody};
use crate::cache::{Caching, Coming, Outcome};
use crate::call::CallRecord;
use crate::grpc;
use crate::limits::add_fields;
use crate::tokens::TokenMeter;
use crate::upstream::{Lease, TunnelLimits, tunnel};

pub(super) fn pass_on(
    mut record: Box<CallRecord>,
    answered: Answered,
    caching: Option<Box<Caching>>,
    client_upgrade: Option<OnUpgrade>,
) -> Response<GatewayBody> {
    let Answered {
        mut response,
        lease,
        api,
        deadline,
        clocks,
        by_query,
        web,
    } = answered;
    record.status = response.status().as_u16();
    let switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let upstream_upgrade = switched.then(|| hyper::upgrade::on(&mut response));
    let (mut parts, body) = response.into_parts();
    let protocol = switched_protocol(&parts);
    inbound(&record, &mut parts, &body, by_query);
    let mut coming = Coming {
        body,
        lease,
        deadline,
        clocks,
        held: record.held.take(),
    };
    if let Some(caching) = caching {
        let worker = Rc::clone(&record.worker);
        match caching.settle(&worker, &mut parts, coming) {
            Outcome::Pass(passed) => coming = passed,
            Outcome::Reply(response) => return own_answer(record, response),
            Outcome::Follow(reader, length) => {
                let body = GatewayBody::follow(reader, length);
                return own_answer(record, Response::from_parts(parts, body));
            }
        }
    }
    let Coming {
        body,
        lease,
        deadline,
        clocks,
        held,
    } = coming;
    record.held = held;
    if let Some(grant) = &record.grant {
        add_fields(&grant.fields, &mut parts.headers);
    }

    if let (Some(upstream), Some(client)) = (upstream_upgrade, client_upgrade) {
        parts
            .headers
            .insert(CONNECTION, HeaderValue::from_static("upgrade"));
        let is_websocket = protocol
            .as_ref()
            .is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"));
        if let Some(protocol) = protocol {
            parts.headers.insert(UPGRADE, protocol);
        }
        if let Lease::Http1(connection, _) = lease {
            connection.detach();
        }
        let activity = record.worker.activities.begin();
        let limits = TunnelLimits {
            idle: api.limits.tunnel_idle,
            lifetime: record.worker.gateway.config.tunnel_lifetime,
            is_websocket,
        };
        tokio::task::spawn_local(tunnel(client, upstream, record, limits, activity));
        return Response::from_parts(parts, GatewayBody::Empty);
    }
    let counts_tokens = record
        .applied
        .as_ref()
        .is_some_and(|applied| applied.plan.tokens.is_some());
    if counts_tokens {
        record.tokens = TokenMeter::of_answer(&parts.headers);
    }
    let pool = record.worker.pool.clone();
    let progress = record.progress.clone();
    let mut body = UpstreamBody::new(body, record, lease, pool, progress, clocks, deadline);
    if let Some(kind @ grpc::Kind::Web { is_text }) = web
        && grpc::Kind::of_headers(&parts.headers) == grpc::Kind::Grpc
    {
        grpc::set_kind(&mut parts.headers, kind);
        parts.headers.remove(header::CONTENT_LENGTH);
        // No policy changes it.
        body.let_go();
        let body = grpc::WebBody::new(body, is_text);
        return Response::from_parts(parts, GatewayBody::Web(body));
    }
    Response::from_parts(parts, GatewayBody::Upstream(body))
}
