//! The handle to all services.

use std::sync::Arc;
use std::time::Duration;

use apiverse_cluster::{Bus, Change};
use apiverse_connectors::egress::EgressPolicy;
use apiverse_contract::OrganizationId;
use apiverse_settings::{Secret, Vault};
use apiverse_store::{AuditRow, Store};
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::actor::{Actor, RequestInfo};
use crate::clock::{Clock, new_id};
use crate::live::{Ending, Feeds};
use crate::notifications::{Messages, MessagesConfig};
use crate::passwords::Passwords;
use crate::throttle::{Throttle, ThrottleConfig};
use crate::tokens::Tokens;

/// What the services need to be told.
pub struct PlatformConfig {
    pub jwt_secret: Secret,
    /// Former values of it: what they signed is good until it expires.
    pub jwt_secret_previous: Vec<Secret>,
    pub jwt_refresh_secret: Secret,
    /// How long an access token lives.
    pub jwt_lifetime: Duration,
    /// How long a refresh token lives when it is not used.
    pub refresh_lifetime: Duration,
    /// How long a browser session lives after its last use.
    pub session_lifetime: Duration,
    pub unified_api_key: Option<Secret>,
    /// Which private networks upstreams may be in.
    pub egress: EgressPolicy,
    /// Whether the built-in sample upstream runs.
    pub sample_enabled: bool,
    /// Whether people reach the service by HTTPS only.
    pub secure_cookies: bool,
    /// How long calls are kept; `None`: for ever.
    pub calls_kept: Option<Duration>,
    /// How long sums of calls by minute are kept.
    pub minutes_kept: Duration,
    pub throttle: ThrottleConfig,
    pub messages: MessagesConfig,
}

/// The control plane's services; clones share everything.
#[derive(Clone)]
pub struct Platform {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub config: PlatformConfig,
    pub store: Store,
    pub vault: Arc<Vault>,
    pub bus: Bus,
    pub clock: Clock,
    pub passwords: Passwords,
    pub tokens: Tokens,
    pub throttle: Throttle,
    pub feeds: Feeds,
    pub ending: Ending,
    pub messages: Messages,
}

/// A line of the audit log before it is known who, when and from where.
pub(crate) struct Event<'a> {
    pub action: &'a str,
    pub target_type: &'a str,
    pub target_id: String,
    pub details: Value,
}

impl Platform {
    /// Puts the services together; opens and starts nothing.
    #[must_use]
    pub fn new(
        config: PlatformConfig,
        store: Store,
        vault: Arc<Vault>,
        bus: Bus,
        clock: Clock,
    ) -> Self {
        let tokens = Tokens::new(
            &config.jwt_secret,
            &config.jwt_secret_previous,
            &config.jwt_refresh_secret,
        );
        let throttle = Throttle::new(config.throttle);
        let passwords = Passwords::new();
        Self {
            inner: Arc::new(Inner {
                config,
                store,
                vault,
                bus,
                clock,
                passwords,
                tokens,
                throttle,
                feeds: Feeds::default(),
                ending: Ending::default(),
                messages: Messages::default(),
            }),
        }
    }

    /// The services' time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.inner.clock.now()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The audit line of something an actor does in their organization.
    pub(crate) fn audit(&self, actor: &Actor, event: Event<'_>) -> AuditRow {
        let who = (actor.user_id, actor.name.clone());
        self.audit_line(Some(actor.organization_id), who, &actor.request, event)
    }

    pub(crate) fn audit_line(
        &self,
        organization_id: Option<OrganizationId>,
        (actor_user_id, actor): (Option<apiverse_contract::UserId>, String),
        request: &RequestInfo,
        event: Event<'_>,
    ) -> AuditRow {
        AuditRow {
            id: new_id!(self.inner.clock, AuditEventId),
            organization_id,
            actor_user_id,
            actor,
            action: event.action.to_owned(),
            target_type: event.target_type.to_owned(),
            target_id: Some(event.target_id),
            details: event.details,
            ip: request.ip.map(|ip| ip.to_string()),
            request_id: Some(request.request_id.clone()).filter(|id| !id.is_empty()),
            created_at: self.now(),
        }
    }

    /// Announces a stored change; when this returns, this process follows it.
    pub(crate) async fn announce(&self, change: Change) {
        self.inner.bus.publish(change).await;
    }
}
