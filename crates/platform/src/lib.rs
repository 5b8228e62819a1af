#![doc = include_str!("../README.md")]
#![warn(clippy::unwrap_used, clippy::expect_used)]

mod accounts;
mod actor;
mod apis;
mod audit;
mod clock;
mod configuration;
mod costs;
mod cursor;
mod demo;
mod explain;
mod fault;
mod first_start;
mod insights;
mod keys;
mod limits;
mod live;
mod passwords;
mod permissions;
mod platform;
mod policies;
mod policy_secrets;
mod preview;
mod purges;
mod routes;
mod session_store;
mod sessions;
mod throttle;
mod tokens;
mod urls;
mod usage;
mod verify;
mod versions;

#[cfg(test)]
mod tests;

pub use accounts::{ChangePasswordError, LoginError, MeError, RegisterError, UpdateProfileError};
pub use actor::{Actor, RequestInfo, Via};
pub use apis::{ApiCreateError, ApiDeleteError, ApiGetError, ApiListError, ApiUpdateError};
pub use audit::AuditListError;
pub use clock::Clock;
pub use configuration::{ConfigurationError, Draft};
pub use costs::CostError;
pub use demo::{Demo, DemoError, DemoOptions};
pub use explain::ExplainError;
pub use fault::{Fault, StoreFault};
pub use first_start::{
    FirstAccount, FirstStartError, OperatorError, PasswordResetError, Sample, UserCreateError,
};
pub use insights::InsightsError;
pub use keys::{
    KeyCreateError, KeyGetError, KeyListError, KeyRevokeError, KeyRotateError, KeyTicketError,
    KeyUpdateError,
};
pub use limits::{EffectiveError, PolicyGetError, PolicyPutError};
pub use live::{LiveError, LiveEvent, LiveStream};
pub use permissions::{Permission, Permit};
pub use platform::{Platform, PlatformConfig};
pub use policies::{
    Condition, EffectivePoliciesError, PlaceFound, PoliciesListError, PolicyHistoryError,
    PolicyPlace, PolicyReadError, PolicyWriteError,
};
pub use preview::PolicyPreviewError;
pub use purges::CachePurgeError;
pub use routes::{
    RouteCreateError, RouteDeleteError, RouteGetError, RouteListError, RouteUpdateError,
};
pub use session_store::StoredSessions;
pub use sessions::{
    BearerError, LogoutError, RefreshError, SessionActorError, SessionListError,
    SessionRevokeError, SignOutError,
};
pub use throttle::ThrottleConfig;
pub use usage::UsageError;
pub use verify::{KeyFacts, KeyVerifyError};
pub use versions::{
    VersionCallersError, VersionCreateError, VersionDeleteError, VersionGetError, VersionListError,
    VersionUpdateError, VersioningPutError,
};

pub use apiverse_store::PolicyTarget;

/// Base URL of the built-in sample upstream; only the sample itself may have it.
pub const SAMPLE_BASE_URL: &str = "http://sample.apiverse.internal";
