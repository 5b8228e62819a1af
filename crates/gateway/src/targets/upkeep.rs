//! What goes on beside calls: active checks, and names that are resolved anew.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use apiverse_contract::policies::upstream::{Checks, HttpVersion};
use bytes::Bytes;
use futures_util::future::join_all;
use http::header::{HOST, USER_AGENT};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

use super::compile::Upstreaming;
use super::registry::{Own, Registry};
use super::state::State;
use crate::Gateway;
use crate::config::GatewayConfig;
use crate::snapshot::Target;
use crate::upstream::{Purpose, dial, handshake_tls};

/// How often a task without checks looks whether it is still wanted.
const LOOK: Duration = Duration::from_secs(5);

/// How long what is known of targets outlives its policy.
const KEPT: Duration = Duration::from_secs(60);

/// Begins the upkeep of a state, on the control plane's runtime. It ends when the configuration is
/// another.
pub(super) fn start(gateway: &Arc<Gateway>, state: &Arc<State>, compiled: &Arc<Upstreaming>) {
    let runtime = gateway.runtime.clone();
    let (gateway, state) = (Arc::downgrade(gateway), Arc::downgrade(state));
    let document = &compiled.document;
    let checks = document.checks.clone();
    let refresh = Duration::from_secs(u64::from(document.dns_refresh_seconds));
    runtime.spawn(run(gateway, state, checks, refresh));
}

async fn run(
    gateway: Weak<Gateway>,
    state: Weak<State>,
    checks: Option<Checks>,
    refresh: Duration,
) {
    let interval = checks.as_ref().map_or(LOOK.min(refresh), |checks| {
        Duration::from_millis(u64::from(checks.interval_ms))
    });
    let mut refreshed = Instant::now();
    loop {
        {
            let (Some(gateway), Some(state)) = (gateway.upgrade(), state.upgrade()) else {
                return;
            };
            let Some(compiled) = state.compiled.upgrade() else {
                break;
            };
            if state.api.strong_count() == 0 {
                break;
            }
            if refreshed.elapsed() >= refresh {
                refreshed = Instant::now();
                resolve_names(&gateway.config, &state).await;
            }
            if let (Some(checks), Some(rules)) = (&checks, compiled.check_rules()) {
                let all = state.parts().flat_map(|(is_canary, part)| {
                    let targets = part.targets.iter().enumerate();
                    targets.map(move |(index, listed)| (is_canary, index, &listed.target))
                });
                let results = join_all(all.map(async |(is_canary, index, target)| {
                    let limit = Duration::from_millis(u64::from(checks.timeout_ms));
                    let checked =
                        tokio::time::timeout(limit, check(&gateway.config, target, checks));
                    let is_good = checked.await.unwrap_or(false);
                    (is_canary, index, is_good)
                }));
                for (is_canary, index, is_good) in results.await {
                    let group = &state.part(is_canary).group;
                    let now_ms = state.clock.now_ms();
                    if let Some(change) = group.check(index, is_good, rules, now_ms) {
                        state.note(is_canary, index, change);
                    }
                }
            }
        }
        // Nodes that were started together should not check together.
        let jitter = interval.mul_f64(0.9 + 0.2 * rand::random::<f64>());
        tokio::time::sleep(jitter).await;
    }
    if let (Some(gateway), Some(state)) = (gateway.upgrade(), state.upgrade())
        && renew(&gateway, &state)
    {
        return;
    }
    // The next call renews it; what is known by then is not to be lost.
    tokio::time::sleep(KEPT).await;
    if let (Some(gateway), Some(state)) = (gateway.upgrade(), state.upgrade()) {
        gateway.targets.forget(&state);
    }
}

/// The configuration was changed: the state is made anew, if what it is of is still there. That of
/// a version, a route or a key waits for a call.
fn renew(gateway: &Arc<Gateway>, state: &State) -> bool {
    let found = Registry::policy_of(gateway, state.organization_id, state.api_id);
    let is_same = |compiled: &Upstreaming| {
        (compiled.place.level, compiled.place.target_id)
            == (state.place.level, state.place.target_id)
    };
    match found {
        Some((api, compiled)) if state.version.is_none() && is_same(&compiled) => {
            let own = Own {
                target: api.target.as_ref(),
                version: None,
            };
            Registry::state(gateway, &api, own, &compiled).is_some()
        }
        _ => false,
    }
}

/// A name that is not resolved keeps its addresses; the next call tells, if that is wrong.
async fn resolve_names(config: &GatewayConfig, state: &State) {
    for (_, part) in state.parts() {
        for listed in &part.targets {
            let origin = &listed.target.origin;
            let Some(profile) = &origin.profile else {
                continue;
            };
            let names = &origin.names;
            let resolved = names.addresses(
                &config.egress,
                &origin.host,
                origin.port,
                // A little less, so that what was resolved by the last turn is old now.
                profile.dns_refresh / 2,
            );
            if let Err(error) = resolved.await {
                tracing::debug!(%error, target = %origin.text(), "a target's name was not resolved");
            }
        }
    }
}

/// One check; false also when it is not answered.
async fn check(config: &GatewayConfig, target: &Target, checks: &Checks) -> bool {
    match status(config, target, checks).await {
        Some(status) if checks.statuses.is_empty() => {
            status.is_success() || status.is_redirection()
        }
        Some(status) => checks.statuses.contains(&status.as_u16()),
        None => false,
    }
}

async fn status(config: &GatewayConfig, target: &Target, checks: &Checks) -> Option<StatusCode> {
    let origin = &target.origin;
    let limit = Duration::from_millis(u64::from(checks.timeout_ms));
    let tcp = dial(origin, config, limit).await.ok()?;
    let is_http2 = origin.http() == HttpVersion::Http2 || target.is_grpc;
    if !origin.tls {
        return ask(tcp, is_http2, target, checks).await;
    }
    let purpose = match is_http2 {
        true => Purpose::Http2,
        false => Purpose::Upgrade,
    };
    let tls = handshake_tls(origin, config, tcp, purpose).await.ok()?;
    let is_http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
    ask(tls, is_http2, target, checks).await
}

async fn ask<S>(stream: S, is_http2: bool, target: &Target, checks: &Checks) -> Option<StatusCode>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut request = Request::new(Empty::<Bytes>::new());
    let agent = HeaderValue::from_static("apiverse-health");
    request.headers_mut().insert(USER_AGENT, agent);
    let io = TokioIo::new(stream);
    // The connection ends with the task, which ends with the sender.
    if is_http2 {
        let (scheme, authority) = (target.scheme.as_str(), target.authority.as_str());
        *request.uri_mut() = format!("{scheme}://{authority}{}", checks.path)
            .parse()
            .ok()?;
        let handshake = http2::handshake(TokioExecutor::new(), io).await;
        let (mut sender, connection) = handshake.ok()?;
        let task = tokio::spawn(connection);
        let answer = sender.send_request(request).await;
        task.abort();
        return answer.ok().map(|answer| answer.status());
    }
    *request.uri_mut() = checks.path.parse().ok()?;
    request.headers_mut().insert(HOST, target.host.clone());
    let (mut sender, connection) = http1::handshake(io).await.ok()?;
    let task = tokio::spawn(connection);
    let answer = sender.send_request(request).await;
    task.abort();
    answer.ok().map(|answer| answer.status())
}
