//! Who asks.

use std::net::IpAddr;

use apiverse_contract::auth::Role;
use apiverse_contract::{AccessTokenId, OrganizationId, SessionId, UserId};
use chrono::{DateTime, Utc};

use crate::fault::UserGone;
use crate::permissions::Permission;

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
    /// A personal access token, or one of a service account.
    AccessToken(AccessTokenId),
    /// A session token of Clerk.
    External,
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
    /// What their token is limited to, when they came with one.
    pub grant: Option<Grant>,
    /// The organization wants a second factor they do not have.
    pub needs_two_factor: bool,
    /// When they last proved who they are.
    pub authenticated_at: Option<DateTime<Utc>>,
}

/// What an access token is limited to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub scopes: Vec<Permission>,
    pub expires_at: Option<DateTime<Utc>>,
}

impl Actor {
    /// The process itself.
    pub(crate) fn system(organization_id: OrganizationId) -> Self {
        Self {
            user_id: None,
            name: "system".to_owned(),
            organization_id,
            role: Role::Owner,
            via: Via::System,
            request: RequestInfo::default(),
            grant: None,
            needs_two_factor: false,
            authenticated_at: None,
        }
    }

    /// The session this actor came with.
    #[must_use]
    pub const fn session_id(&self) -> Option<SessionId> {
        match self.via {
            Via::Browser(id) | Via::Token(id) => Some(id),
            Via::AccessToken(_) | Via::External | Via::UnifiedKey | Via::System => None,
        }
    }

    /// The account of somebody who signed in themself: a token of theirs does not change it.
    ///
    /// # Errors
    /// When nobody did.
    pub(crate) fn account(&self) -> Result<UserId, UserGone> {
        match self.session_id() {
            Some(_) => self.user_id.ok_or(UserGone),
            None => Err(UserGone),
        }
    }
}
