//! Who asks.

use std::net::IpAddr;

use apiverse_contract::auth::Role;
use apiverse_contract::{OrganizationId, SessionId, UserId};

/// What is known of a request before it is known who sent it.
#[derive(Clone, Debug, Default)]
pub struct RequestInfo {
    /// The `x-request-id` of the answer.
    pub request_id: String,
    /// The client's address, behind trusted proxies.
    pub ip: Option<IpAddr>,
    pub user_agent: Option<String>,
}

/// How an actor proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// The console's cookie.
    Browser(SessionId),
    /// An access token of this session.
    Token(SessionId),
    /// `UNIFIED_API_KEY`.
    UnifiedKey,
    /// The process itself, at start-up or from the command line.
    System,
}

/// Somebody in an organization, and in what role.
#[derive(Clone, Debug)]
pub struct Actor {
    pub user_id: Option<UserId>,
    /// For the audit log: an e-mail address, `unified_api_key` or `system`.
    pub name: String,
    pub organization_id: OrganizationId,
    pub role: Role,
    pub via: Via,
    pub request: RequestInfo,
}

impl Actor {
    /// The session this actor came with.
    #[must_use]
    pub const fn session_id(&self) -> Option<SessionId> {
        match self.via {
            Via::Browser(id) | Via::Token(id) => Some(id),
            Via::UnifiedKey | Via::System => None,
        }
    }
}
