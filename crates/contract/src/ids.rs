//! Typed ids. Each is a UUIDv7 (RFC 9562), so ids sort by creation time and carry no meaning else.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[cfg_attr(feature = "openapi", schema(value_type = String, format = Uuid))]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id from a clock reading (milliseconds since 1970) and ten random bytes.
            #[must_use]
            pub fn from_parts(unix_millis: u64, random: [u8; 10]) -> Self {
                Self(uuid::Builder::from_unix_timestamp_millis(unix_millis, &random).into_uuid())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self)
            }
        }
    )*};
}

ids! {
    /// An organization: the tenant.
    OrganizationId,
    /// A user account.
    UserId,
    /// A registered upstream API.
    ApiId,
    /// An API key. Rotation keeps the id and changes the secret.
    KeyId,
    /// A route: a part of an API with limits of its own.
    RouteId,
    /// A version of an API.
    VersionId,
    /// A browser session or a family of refresh tokens.
    SessionId,
    /// One proxied call.
    UsageEventId,
    /// What calls cost.
    PriceRuleId,
    /// How much they may cost.
    BudgetId,
    /// Something unusual in the traffic.
    FindingId,
    /// What is not told of what is unusual.
    MuteId,
    /// A rule that alerts.
    AlertRuleId,
    /// Once that a rule fired.
    IncidentId,
    /// A time in which nobody is told of alerts.
    SilenceId,
    /// An address that is told of alerts.
    AlertWebhookId,
    /// A service level objective.
    SloId,
    /// When reports are made.
    ReportScheduleId,
    /// A summary of usage.
    ReportId,
    /// A page as somebody wants to see it again.
    SavedViewId,
    /// One line of the audit log.
    AuditEventId,
    /// An e-mail or text message.
    NotificationId,
    /// An invitation to an organization.
    InvitationId,
    /// A personal access token, or one of a service account.
    AccessTokenId,
    /// A passkey of a user.
    PasskeyId,
    /// Somebody in an organization who is no person.
    ServiceAccountId,
    /// Who somebody is at another service they sign in with.
    IdentityId,
}
