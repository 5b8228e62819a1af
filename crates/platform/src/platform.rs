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
use crate::breached::BreachedPasswords;
use crate::clock::{Clock, new_id};
use crate::external::SignInConfig;
use crate::live::{Ending, Feeds};
use crate::meters::Meters;
use crate::notifications::{Messages, MessagesConfig};
use crate::passwords::Passwords;
use crate::reports::ReportsConfig;
use crate::throttle::{Throttle, ThrottleConfig};
use crate::tokens::Tokens;
use crate::usage::Turns;

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
    /// How many questions about usage are worked on at once.
    pub questions: usize,
    pub throttle: ThrottleConfig,
    pub messages: MessagesConfig,
    /// Where people may sign in beside here.
    pub sign_in: SignInConfig,
    pub accounts: AccountsConfig,
    pub reports: ReportsConfig,
}

/// What protects accounts, and how long it is known what happened to them.
#[derive(Debug, Default)]
pub struct AccountsConfig {
    /// Passwords that were stolen elsewhere: nobody may choose one.
    pub breached: Option<BreachedPasswords>,
    /// How long lines of the audit log are kept; `None`: for ever.
    pub audit_kept: Option<Duration>,
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
    pub meters: Meters,
    /// Whose turn it is to ask about usage.
    pub turns: Turns,
}

/// A line of the audit log before it is known who, when and from where.
pub(crate) struct Event<'a> {
    pub action: &'a str,
    pub target_type: &'a str,
    pub target_id: String,
    pub details: Value,
}

impl Platform {
    /// Puts the services together; opens and starts nothing. From here on they hear what other nodes
    /// tell.
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
        let throttle = Throttle::new(
            config.throttle,
            blake3::derive_key(
                "apiverse 2026 throttle places",
                config.jwt_refresh_secret.expose().as_bytes(),
            ),
            Some(bus.outlet()),
        );
        let passwords = Passwords::new();
        let turns = Turns::new(config.questions);
        let news = bus.clone();
        let platform = Self {
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
                meters: Meters::new(),
                turns,
            }),
        };
        // The bus is held by what it tells, so it must not hold that in turn.
        let inner = Arc::downgrade(&platform.inner);
        news.on_change(move |change| {
            if let Some(inner) = inner.upgrade() {
                inner.throttle.hear(change, inner.clock.now());
            }
            Box::pin(std::future::ready(()))
        });
        platform
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
