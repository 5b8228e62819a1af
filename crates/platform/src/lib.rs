#![doc = include_str!("../README.md")]
#![warn(clippy::unwrap_used, clippy::expect_used)]

mod access_tokens;
mod account_end;
mod accounts;
mod actor;
mod alerts;
mod apis;
mod audit;
mod audit_chain;
mod audit_retention;
mod breached;
mod clock;
mod configuration;
mod costs;
mod csv;
mod cursor;
mod demo;
mod device;
mod explain;
mod external;
mod fault;
mod first_start;
mod insights;
mod invitations;
mod key_places;
mod keys;
mod limits;
mod links;
mod live;
mod members;
mod meters;
mod notifications;
mod onboarding;
mod organizations;
mod passkeys;
mod passwords;
mod permissions;
mod phones;
mod platform;
mod policies;
mod policy_secrets;
mod preview;
mod purges;
mod registration;
mod reports;
mod routes;
mod saved_views;
mod session_store;
mod sessions;
mod strength;
mod throttle;
mod tokens;
mod two_factor;
mod urls;
mod usage;
mod verify;
mod versions;
mod webauthn;
mod zones;

#[cfg(test)]
mod tests;

pub use access_tokens::{
    AccessTokenCreateError, AccessTokenListError, AccessTokenRevokeError,
    ServiceAccountCreateError, ServiceAccountDeleteError, ServiceAccountListError,
};
pub use account_end::{DeleteAccountError, ExportError};
pub use accounts::{
    ChangePasswordError, LoginError, MeError, RegisterError, Registered, UpdateProfileError,
};
pub use actor::{Actor, Grant, RequestInfo, Via};
pub use alerts::AlertError;
pub use apis::{ApiCreateError, ApiDeleteError, ApiGetError, ApiListError, ApiUpdateError};
pub use audit::{AuditExportError, AuditListError};
pub use audit_chain::{ChainCheckError, ChainFault, ChainReport};
pub use breached::BreachedPasswords;
pub use clock::Clock;
pub use configuration::{ConfigurationError, Draft};
pub use costs::CostError;
pub use csv::Csv;
pub use demo::{Demo, DemoError, DemoOptions};
pub use explain::ExplainError;
pub use external::{
    Arrival, ClerkReportError, Departure, ExternalSignInError, IdentityListError,
    IdentityRemoveError, SignInConfig,
};
pub use fault::{Fault, StoreFault};
pub use first_start::{
    FirstAccount, FirstStartError, OperatorError, PasswordResetError, Sample, UserCreateError,
};
pub use insights::InsightsError;
pub use invitations::{
    InvitationAcceptError, InvitationCreateError, InvitationListError, InvitationOfferError,
    InvitationResendError, InvitationRevokeError,
};
pub use keys::{
    KeyCreateError, KeyGetError, KeyListError, KeyRevokeError, KeyRotateError, KeyTicketError,
    KeyUpdateError,
};
pub use limits::{EffectiveError, PolicyGetError, PolicyPutError};
pub use links::{
    ChangeEmailError, ConfirmEmailError, EmailVerifyError, ForgotPasswordError, ResetPasswordError,
    VerificationError,
};
pub use live::{LiveError, LiveEvent, LiveStream};
pub use members::{LeaveError, MemberListError, MemberRemoveError, MemberRoleError, TransferError};
pub use notifications::{
    MessagePreview, MessagesConfig, OutboxGetError, OutboxListError, PreferencesError,
    PreferencesPutError, ReportError, SuppressionListError, SuppressionRemoveError, TemplateError,
};
pub use onboarding::{Onboarding, OnboardingError};
pub use organizations::{
    OrganizationCreateError, OrganizationDeleteError, OrganizationListError,
    OrganizationSwitchError, OrganizationUpdateError,
};
pub use passkeys::{
    PasskeyAskError, PasskeyCreateError, PasskeyListError, PasskeyRemoveError, PasskeyRenameError,
};
pub use permissions::{Permission, Permit};
pub use phones::{PhoneAddError, PhoneCodeError, PhoneConfirmError, PhoneRemoveError};
pub use platform::{AccountsConfig, Platform, PlatformConfig};
pub use policies::{
    Condition, EffectivePoliciesError, PlaceFound, PoliciesListError, PolicyHistoryError,
    PolicyPlace, PolicyReadError, PolicyWriteError,
};
pub use preview::PolicyPreviewError;
pub use purges::CachePurgeError;
pub use reports::{ReportFile, ReportsConfig, ReportsError};
pub use routes::{
    RouteCreateError, RouteDeleteError, RouteGetError, RouteListError, RouteUpdateError,
};
pub use saved_views::SavedViewError;
pub use session_store::StoredSessions;
pub use sessions::{
    BearerError, LogoutError, RefreshError, SessionActorError, SessionListError,
    SessionRevokeError, SignOutError,
};
pub use strength::StrengthError;
pub use throttle::ThrottleConfig;
pub use two_factor::{
    RecoveryError, RequireTwoFactorError, StepUpError, TotpBeginError, TotpConfirmError,
    TotpRemoveError, TwoFactorError,
};
pub use usage::UsageError;
pub use verify::{KeyFacts, KeyVerifyError};
pub use versions::{
    VersionCallersError, VersionCreateError, VersionDeleteError, VersionGetError, VersionListError,
    VersionUpdateError, VersioningPutError,
};
pub use zones::{ZoneOffset, ZoneOffsets, names as zone_names, offsets as zone_offsets};

pub use apiverse_connectors::clerk::Delivery as ClerkDelivery;
pub use apiverse_store::PolicyTarget;

/// Base URL of the built-in sample upstream; only the sample itself may have it.
pub const SAMPLE_BASE_URL: &str = "http://sample.apiverse.internal";
