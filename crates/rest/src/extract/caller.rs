//! The request as far as services want to know it.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use apiverse_platform::RequestInfo;
use axum::extract::{ConnectInfo, FromRequestParts};
use http::header::USER_AGENT;
use http::request::Parts;

use crate::RequestId;

/// The client's address after trusted proxies were taken off. Whoever accepts connections puts
/// it into the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddr(pub IpAddr);

/// Request id, client address and user agent. The layers put the [`RequestInfo`] into every
/// request's extensions, for the console too.
#[derive(Clone, Debug)]
pub struct Caller(pub RequestInfo);

/// User agents are kept with sessions; the rest of a longer one says nothing.
const USER_AGENT_MAX: usize = 400;

impl Caller {
    #[must_use]
    pub fn from_parts(parts: &Parts) -> Self {
        if let Some(info) = parts.extensions.get::<RequestInfo>() {
            return Self(info.clone());
        }
        let request_id = parts
            .extensions
            .get::<RequestId>()
            .map(|id| id.0.clone())
            .unwrap_or_default();
        let ip = match parts.extensions.get::<ClientAddr>() {
            Some(ClientAddr(ip)) => Some(*ip),
            None => parts
                .extensions
                .get::<ConnectInfo<SocketAddr>>()
                .map(|ConnectInfo(peer)| peer.ip().to_canonical()),
        };
        let user_agent = parts
            .headers
            .get(USER_AGENT)
            .and_then(|value| value.to_str().ok())
            .map(|text| text.chars().take(USER_AGENT_MAX).collect());
        Self(RequestInfo {
            request_id,
            ip,
            user_agent,
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::from_parts(parts))
    }
}
