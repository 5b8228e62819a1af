//! Rows as the database holds them.

use apiverse_contract::apis::ApiLimits;
use apiverse_contract::{ApiId, AuditEventId, KeyId, OrganizationId, SessionId, UserId};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::Row;
use sqlx::types::Json;
use uuid::Uuid;

/// A user account. `email` is lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRow {
    pub id: UserId,
    pub email: String,
    /// Argon2id, PHC string.
    pub password_hash: String,
    pub full_name: Option<String>,
    pub is_active: bool,
    /// Since when it is known that the address is theirs.
    pub email_verified_at: Option<DateTime<Utc>>,
    /// Sessions begun under another number are over.
    pub credentials_version: i32,
    /// A name of the tz database; `None`: none was chosen.
    pub time_zone: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganizationRow {
    pub id: OrganizationId,
    pub name: String,
    pub slug: String,
    /// Members need a second factor to act in it.
    pub require_two_factor: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A user in an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembershipRow {
    pub organization_id: OrganizationId,
    pub user_id: UserId,
    pub role: String,
    pub created_at: DateTime<Utc>,
}

/// A registered upstream with its version `default`.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiRow {
    pub id: ApiId,
    pub organization_id: OrganizationId,
    pub created_by: Option<UserId>,
    pub name: String,
    pub slug: String,
    pub description: Option<String>,
    pub base_url: String,
    pub auth_type: String,
    /// The credentials without their secrets, for showing.
    pub auth_public: Value,
    /// The credentials, encrypted for `apis.auth:{id}`.
    pub auth_sealed: Option<Vec<u8>>,
    pub is_active: bool,
    pub allow_query_key: bool,
    pub limits: ApiLimits,
    pub is_sample: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// An API key; only hashes of its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyRow {
    pub id: KeyId,
    pub organization_id: OrganizationId,
    pub created_by: Option<UserId>,
    pub name: String,
    pub environment: String,
    pub key_prefix: String,
    /// Argon2id, PHC string.
    pub key_hash: String,
    /// The secret before the last rotation, good until `previous_expires_at`.
    pub previous_prefix: Option<String>,
    pub previous_hash: Option<String>,
    pub previous_expires_at: Option<DateTime<Utc>>,
    pub api_ids: Vec<ApiId>,
    pub methods: Vec<String>,
    pub scopes: Vec<String>,
    pub allowed_ips: Vec<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A browser session, or a family of refresh tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    pub id: SessionId,
    pub kind: String,
    pub user_id: Option<UserId>,
    /// Hash of what the client holds, so that a copy of the database opens no session.
    pub token_hash: Vec<u8>,
    /// JSON; the session's own.
    pub data: String,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub created_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// The user's, when it began.
    pub credentials_version: i32,
    /// Which one it acts in; the one its user joined first when not set.
    pub organization_id: Option<OrganizationId>,
    /// When its user last proved who they are.
    pub authenticated_at: DateTime<Utc>,
}

/// One line of the audit log.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRow {
    pub id: AuditEventId,
    pub organization_id: Option<OrganizationId>,
    pub actor_user_id: Option<UserId>,
    pub actor: String,
    pub action: String,
    pub target_type: String,
    pub target_id: Option<String>,
    pub details: Value,
    pub ip: Option<String>,
    pub request_id: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// Writes `FromRow` for both databases from one body.
macro_rules! from_row {
    ($($ty:ty, $row:ident => $body:expr;)*) => {$(
        impl<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow> for $ty {
            fn from_row($row: &'r sqlx::sqlite::SqliteRow) -> sqlx::Result<Self> { Ok($body) }
        }
        impl<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow> for $ty {
            fn from_row($row: &'r sqlx::postgres::PgRow) -> sqlx::Result<Self> { Ok($body) }
        }
    )*};
}
pub(crate) use from_row;

from_row! {
    UserRow, row => UserRow {
        id: UserId(row.try_get("id")?),
        email: row.try_get("email")?,
        password_hash: row.try_get("password_hash")?,
        full_name: row.try_get("full_name")?,
        is_active: row.try_get("is_active")?,
        email_verified_at: row.try_get("email_verified_at")?,
        credentials_version: row.try_get("credentials_version")?,
        time_zone: row.try_get("time_zone")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    };
    OrganizationRow, row => OrganizationRow {
        id: OrganizationId(row.try_get("id")?),
        name: row.try_get("name")?,
        slug: row.try_get("slug")?,
        require_two_factor: row.try_get("require_two_factor")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    };
    ApiRow, row => ApiRow {
        id: ApiId(row.try_get("id")?),
        organization_id: OrganizationId(row.try_get("organization_id")?),
        created_by: row.try_get::<Option<Uuid>, _>("created_by")?.map(UserId),
        name: row.try_get("name")?,
        slug: row.try_get("slug")?,
        description: row.try_get("description")?,
        base_url: row.try_get("base_url")?,
        auth_type: row.try_get("auth_type")?,
        auth_public: row.try_get::<Json<Value>, _>("auth_public")?.0,
        auth_sealed: row.try_get("auth_sealed")?,
        is_active: row.try_get("is_active")?,
        allow_query_key: row.try_get("allow_query_key")?,
        limits: row.try_get::<Json<ApiLimits>, _>("limits")?.0,
        is_sample: row.try_get("is_sample")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    };
    ApiKeyRow, row => ApiKeyRow {
        id: KeyId(row.try_get("id")?),
        organization_id: OrganizationId(row.try_get("organization_id")?),
        created_by: row.try_get::<Option<Uuid>, _>("created_by")?.map(UserId),
        name: row.try_get("name")?,
        environment: row.try_get("environment")?,
        key_prefix: row.try_get("key_prefix")?,
        key_hash: row.try_get("key_hash")?,
        previous_prefix: row.try_get("previous_prefix")?,
        previous_hash: row.try_get("previous_hash")?,
        previous_expires_at: row.try_get("previous_expires_at")?,
        api_ids: row.try_get::<Json<Vec<ApiId>>, _>("api_ids")?.0,
        methods: row.try_get::<Json<Vec<String>>, _>("methods")?.0,
        scopes: row.try_get::<Json<Vec<String>>, _>("scopes")?.0,
        allowed_ips: row.try_get::<Json<Vec<String>>, _>("allowed_ips")?.0,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
        expires_at: row.try_get("expires_at")?,
        revoked_at: row.try_get("revoked_at")?,
        last_used_at: row.try_get("last_used_at")?,
    };
    SessionRow, row => SessionRow {
        id: SessionId(row.try_get("id")?),
        kind: row.try_get("kind")?,
        user_id: row.try_get::<Option<Uuid>, _>("user_id")?.map(UserId),
        token_hash: row.try_get("token_hash")?,
        data: row.try_get("data")?,
        ip: row.try_get("ip")?,
        user_agent: row.try_get("user_agent")?,
        created_at: row.try_get("created_at")?,
        last_seen_at: row.try_get("last_seen_at")?,
        expires_at: row.try_get("expires_at")?,
        credentials_version: row.try_get("credentials_version")?,
        organization_id: row.try_get::<Option<Uuid>, _>("organization_id")?.map(OrganizationId),
        authenticated_at: match row.try_get("authenticated_at")? {
            Some(at) => at,
            None => row.try_get("created_at")?,
        },
    };
    AuditRow, row => AuditRow {
        id: AuditEventId(row.try_get("id")?),
        organization_id: row.try_get::<Option<Uuid>, _>("organization_id")?.map(OrganizationId),
        actor_user_id: row.try_get::<Option<Uuid>, _>("actor_user_id")?.map(UserId),
        actor: row.try_get("actor")?,
        action: row.try_get("action")?,
        target_type: row.try_get("target_type")?,
        target_id: row.try_get("target_id")?,
        details: row.try_get::<Json<Value>, _>("details")?.0,
        ip: row.try_get("ip")?,
        request_id: row.try_get("request_id")?,
        created_at: row.try_get("created_at")?,
    };
}

/// An organization and the membership that led to it, from one joined row.
pub(crate) struct Joined(pub OrganizationRow, pub MembershipRow);

from_row! {
    Joined, row => Joined(
        OrganizationRow {
            id: OrganizationId(row.try_get("id")?),
            name: row.try_get("name")?,
            slug: row.try_get("slug")?,
            require_two_factor: row.try_get("require_two_factor")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        },
        MembershipRow {
            organization_id: OrganizationId(row.try_get("id")?),
            user_id: UserId(row.try_get("user_id")?),
            role: row.try_get("role")?,
            created_at: row.try_get("joined_at")?,
        },
    );
}

/// The pattern of a search for rows containing `text`, to be used with `LIKE … ESCAPE '\'`.
pub(crate) fn like_pattern(text: Option<&str>) -> Option<String> {
    let text = text?.trim();
    if text.is_empty() {
        return None;
    }
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    Some(pattern)
}
