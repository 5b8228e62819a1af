#![doc = include_str!("../README.md")]
#![warn(clippy::unwrap_used, clippy::expect_used)]

mod access_tokens;
mod accounts;
mod alert_webhooks;
mod alerts;
mod apis;
mod audit;
mod backlog;
mod configuration;
mod connect;
mod credentials;
mod error;
mod explanations;
mod findings;
mod gateway;
mod identities;
mod key_places;
mod keys;
mod limits;
mod notifications;
mod notify;
mod onboarding;
mod organizations;
mod passkeys;
mod phones;
mod policies;
mod pool;
mod prices;
mod reports;
mod rows;
mod saved_views;
mod sessions;
mod two_factor;
mod usage;
mod usage_backfill;
mod usage_counts;
mod usage_deltas;
mod usage_erase;
mod usage_live;
mod usage_postgres;
mod usage_queries;
mod usage_retention;
mod usage_rollups;
mod usage_scan;
mod usage_sqlite;
mod versions;

pub use access_tokens::{AccessTokenRow, ServiceAccountRow};
pub use alert_webhooks::{AlertWebhookRow, SloRow};
pub use alerts::{AlertRuleRow, AlertStanding, IncidentFilter, IncidentRow, SilenceRow};
pub use audit::{AuditFilter, ChainedAudit, link as audit_link};
pub use backlog::Backlog;
pub use configuration::{Applied, ConfigurationStep};
pub use connect::ConnectOptions;
pub use credentials::{AccountTokenRow, PasswordChange, Place, UserDeleted};
pub use error::{Conflict, StoreError};
pub use explanations::ExplanationRow;
pub use findings::{FindingFilter, FindingRow, MuteRow};
pub use gateway::{Fingerprint, GatewayApi, GatewayKey, GatewayOrganization};
pub use identities::{ExternalMark, IdentityRemoved, IdentityRow};
pub use limits::{PolicyRow, PolicyTarget, RouteRow};
pub use notifications::{
    NotificationOutcome, NotificationRow, OutboxScope, PreferenceRow, ProviderReport,
    SuppressionRow,
};
pub use notify::{Heard, Listener};
pub use organizations::{InvitationRow, MemberChange, MemberRow};
pub use passkeys::{CeremonyRow, PasskeyRow};
pub use phones::{PhoneCodeRow, PhoneRow};
pub use policies::{AttachedRow, PolicyChange, PolicyFilter, RevisionRow, TargetRow};
pub use pool::{Kind, PoolStatus, Store};
pub use prices::{BudgetBlock, BudgetRow, BudgetState, PriceRuleRow};
pub use reports::{ReportRow, ReportScheduleRow};
pub use rows::{ApiKeyRow, ApiRow, AuditRow, MembershipRow, OrganizationRow, SessionRow, UserRow};
pub use saved_views::SavedViewRow;
pub use sessions::RefreshUse;
pub use two_factor::{ChallengeRow, SecondFactors, TotpRow};
pub use usage::{Ingested, UsageEvent, UsageMark, UsageRow};
pub use usage_counts::ServedFilter;
pub use usage_erase::DemoRow;
pub use usage_live::{LIVE_KEPT_US, LiveRow};
pub use usage_queries::{CallRow, PathFilter, UsageFilter};
pub use usage_rollups::RollupHorizon;
pub use versions::{VersionCallerRow, VersionRow};

type Result<T> = std::result::Result<T, StoreError>;
