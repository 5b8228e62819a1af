//! Accounts, sign-in, sessions, and what a member may do.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::patch::Patch;
use crate::redacted::redacted_debug;
use crate::validation::{is_email, is_name};
use crate::{FieldError, OrganizationId, SessionId, UserId, Validation};

redacted_debug! {
    RegisterRequest { email, full_name }
    LoginRequest { email }
    ChangePassword {}
    TokenResponse { token_type, expires_in }
    RefreshRequest {}
    LinkRequest {}
    ResetPassword {}
    ChangeEmail { new_email }
    DeleteAccount {}
    StrengthRequest {}
}

/// Passwords are measured in characters; the upper bound keeps hashing cheap for hostile input.
pub const PASSWORD_MIN: usize = 10;
pub const PASSWORD_MAX: usize = 256;

/// `POST /auth/register`
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RegisterRequest {
    #[cfg_attr(feature = "openapi", schema(example = "ada@example.com"))]
    pub email: String,
    /// 10 to 256 characters.
    #[cfg_attr(feature = "openapi", schema(format = Password))]
    pub password: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
}

impl RegisterRequest {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        v.check(is_email(&self.email), "email", "must be an e-mail address");
        if let Some(message) = password_problem(&self.password, &self.email) {
            v.push(FieldError::new("password", message));
        }
        if let Some(name) = &self.full_name {
            v.check(
                name.trim().is_empty() || is_name(name, 120),
                "full_name",
                "must have at most 120 characters",
            );
        }
        v.finish()
    }
}

/// Why a new password is not acceptable, or `None`.
#[must_use]
pub fn password_problem(password: &str, email: &str) -> Option<&'static str> {
    let count = password.chars().count();
    if count < PASSWORD_MIN {
        return Some("must have at least 10 characters");
    }
    if count > PASSWORD_MAX {
        return Some("must have at most 256 characters");
    }
    if password.eq_ignore_ascii_case(email) {
        return Some("must not be the e-mail address");
    }
    let first = password.chars().next()?;
    if password.chars().all(|c| c == first) {
        return Some("must not be one character repeated");
    }
    None
}

/// `POST /auth/login`
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    pub email: String,
    #[cfg_attr(feature = "openapi", schema(format = Password))]
    pub password: String,
}

/// The answer to a login or refresh.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenResponse {
    /// A JWT (RFC 7519), HS256; send it as `Authorization: Bearer`.
    pub access_token: String,
    /// Good for one `POST /auth/refresh`.
    pub refresh_token: String,
    /// Always `bearer`.
    pub token_type: String,
    /// Seconds the access token lives.
    pub expires_in: u64,
}

/// `POST /auth/refresh`
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    pub refresh_token: String,
}

/// A user account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserView {
    pub id: UserId,
    pub email: String,
    pub full_name: Option<String>,
    pub is_active: bool,
    /// Whether it is known that the address is theirs.
    #[serde(default)]
    pub email_verified: bool,
    /// The time zone the console shows times in, as `Europe/Oslo`; `null`: none was chosen, and it is
    /// UTC.
    #[serde(default)]
    pub time_zone: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// What a member may do in an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Owner,
    Admin,
    Developer,
    Billing,
    Viewer,
}

impl Role {
    pub const ALL: [Self; 5] = [
        Self::Owner,
        Self::Admin,
        Self::Developer,
        Self::Billing,
        Self::Viewer,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Developer => "developer",
            Self::Billing => "billing",
            Self::Viewer => "viewer",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// The organization a request acts in, and as what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OrganizationView {
    pub id: OrganizationId,
    pub name: String,
    pub slug: String,
    pub role: Role,
}

/// `GET /auth/me`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MeView {
    #[serde(flatten)]
    pub user: UserView,
    pub organization: OrganizationView,
}

/// `PATCH /auth/me`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateProfile {
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub full_name: Patch<String>,
    /// A name of the tz database, as `Europe/Oslo`; `null` takes the choice back.
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub time_zone: Patch<String>,
}

impl UpdateProfile {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        if let Patch::Value(name) = &self.full_name {
            v.check(
                is_name(name, 120),
                "full_name",
                "must have 1 to 120 characters",
            );
        }
        v.finish()
    }
}

/// `POST /auth/password`
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    #[cfg_attr(feature = "openapi", schema(format = Password))]
    pub current_password: String,
    /// 10 to 256 characters. Other sessions and refresh tokens end.
    #[cfg_attr(feature = "openapi", schema(format = Password))]
    pub new_password: String,
}

/// The answer to `POST /auth/register` where accounts begin with a link: the same whether there is
/// an account with the address or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegistrationPending {
    /// Where the link was sent to.
    pub email: String,
    /// What happens next, in words.
    pub detail: String,
}

impl RegistrationPending {
    #[must_use]
    pub fn new(email: String) -> Self {
        let detail = "a link was sent to this address; the account is there once it is followed";
        Self {
            email,
            detail: detail.to_owned(),
        }
    }
}

/// `POST /auth/password/forgot`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct EmailRequest {
    pub email: String,
}

/// The secret of a link that was sent by e-mail: its `token` parameter.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LinkRequest {
    pub token: String,
}

/// `POST /auth/password/reset`
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ResetPassword {
    /// The `token` of the link.
    pub token: String,
    /// 10 to 256 characters, and not easy to guess. All sessions and refresh tokens end.
    #[cfg_attr(feature = "openapi", schema(format = Password))]
    pub new_password: String,
}

/// `POST /auth/email`
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangeEmail {
    pub new_email: String,
    #[cfg_attr(feature = "openapi", schema(format = Password))]
    pub current_password: String,
}

/// `DELETE /auth/me`
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DeleteAccount {
    #[cfg_attr(feature = "openapi", schema(format = Password))]
    pub current_password: String,
}

/// `POST /auth/password/strength`
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct StrengthRequest {
    #[cfg_attr(feature = "openapi", schema(format = Password))]
    pub password: String,
    /// What a guesser knows of its owner: name, e-mail address.
    #[serde(default)]
    pub hints: Vec<String>,
}

/// How hard a password is to guess (zxcvbn).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PasswordStrength {
    /// 0: at once, to 4: very hard.
    pub score: u8,
    /// Whether it would be taken.
    pub is_acceptable: bool,
    /// Guesses it takes, as a power of ten.
    pub guesses_log10: f64,
    /// What is weak about it.
    pub warning: Option<String>,
    /// What would help.
    pub suggestions: Vec<String>,
}

/// The answer to `DELETE /auth/sessions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionsEnded {
    pub ended: u64,
}

/// `GET /auth/export`: what is kept about a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AccountExport {
    pub exported_at: DateTime<Utc>,
    pub user: UserView,
    pub organizations: Vec<OrganizationView>,
    pub sessions: Vec<SessionView>,
    pub preferences: Vec<crate::notifications::PreferenceView>,
    pub passkeys: Vec<crate::passkeys::PasskeyView>,
    /// Who they are at other providers.
    pub identities: Vec<crate::sign_in::IdentityView>,
    /// The number codes are sent to, E.164.
    pub phone: Option<String>,
    /// What they did, as the audit log has it, oldest first.
    pub activity: Vec<crate::audit::AuditView>,
}

/// How a session came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SessionKind {
    /// The console, with a cookie.
    Browser,
    /// `POST /auth/login`, with tokens.
    Token,
}

/// One place where the user is signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionView {
    pub id: SessionId,
    pub kind: SessionKind,
    pub ip: Option<String>,
    /// `Firefox on Linux`; made of the user agent.
    #[serde(default)]
    pub device: String,
    pub user_agent: Option<String>,
    pub created_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// The session this very request belongs to.
    pub current: bool,
}
