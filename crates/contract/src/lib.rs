#![doc = include_str!("../README.md")]
#![warn(clippy::unwrap_used, clippy::expect_used)]

pub mod access_tokens;
pub mod alerts;
pub mod apis;
pub mod audit;
pub mod auth;
pub mod configuration;
pub mod costs;
mod credentials;
pub mod explain;
pub mod ids;
pub mod insights;
pub mod key_format;
pub mod keys;
pub mod latency;
pub mod limits;
pub mod notifications;
pub mod organizations;
pub mod page;
pub mod passkeys;
pub mod patch;
pub mod policies;
pub mod problem;
mod redacted;
pub mod reports;
pub mod routes;
pub mod saved_views;
pub mod sign_in;
pub mod two_factor;
pub mod usage;
pub mod validation;
pub mod verify;
pub mod versions;

pub use ids::{
    AccessTokenId, AlertRuleId, AlertWebhookId, ApiId, AuditEventId, BudgetId, FindingId,
    IdentityId, IncidentId, InvitationId, KeyId, MuteId, NotificationId, OrganizationId, PasskeyId,
    PriceRuleId, ReportId, ReportScheduleId, RouteId, SavedViewId, ServiceAccountId, SessionId,
    SilenceId, SloId, UsageEventId, UserId, VersionId,
};
pub use page::{ListQuery, Page};
pub use problem::{ErrorCode, Problem};
pub use validation::{FieldError, Validation};
