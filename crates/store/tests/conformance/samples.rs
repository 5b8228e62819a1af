//! Rows to start from.

use std::sync::atomic::{AtomicU64, Ordering};

use apiverse_contract::apis::ApiLimits;
use apiverse_contract::{
    ApiId, AuditEventId, KeyId, OrganizationId, SessionId, UsageEventId, UserId,
};
use apiverse_store::{
    ApiKeyRow, ApiRow, AuditRow, MembershipRow, OrganizationRow, SessionRow, Store, UsageRow,
    UserRow,
};
use chrono::{DateTime, Duration, Utc};
use serde_json::json;
use uuid::Uuid;

/// Ids in ascending order, unlike any other in this run.
pub fn id() -> Uuid {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut random = [0; 10];
    random[2..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    uuid::Builder::from_unix_timestamp_millis(1_790_000_000_000, &random).into_uuid()
}

/// A fixed moment with a fraction, as real ones have.
pub fn t0() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_790_000_000_123_456).expect("a moment")
}

pub fn after(seconds: i64) -> DateTime<Utc> {
    t0() + Duration::seconds(seconds)
}

pub fn audit(organization_id: OrganizationId, action: &str) -> AuditRow {
    AuditRow {
        id: AuditEventId(id()),
        organization_id: Some(organization_id),
        actor_user_id: None,
        actor: "test".into(),
        action: action.into(),
        target_type: "thing".into(),
        target_id: Some("1".into()),
        details: json!({ "name": { "before": "ä", "after": "ö" } }),
        ip: Some("192.0.2.1".into()),
        request_id: Some("r-1".into()),
        created_at: t0(),
    }
}

pub fn user(email: &str) -> UserRow {
    UserRow {
        id: UserId(id()),
        email: email.into(),
        password_hash: "$argon2id$x".into(),
        full_name: Some("Zoë \"Z\" 'O".into()),
        is_active: true,
        email_verified_at: None,
        credentials_version: 1,
        time_zone: None,
        created_at: t0(),
        updated_at: t0(),
    }
}

pub fn organization(slug: &str) -> OrganizationRow {
    OrganizationRow {
        id: OrganizationId(id()),
        name: format!("{slug}, Inc."),
        slug: slug.into(),
        require_two_factor: false,
        created_at: t0(),
        updated_at: t0(),
    }
}

pub fn owner(organization: &OrganizationRow, user: &UserRow) -> MembershipRow {
    MembershipRow {
        organization_id: organization.id,
        user_id: user.id,
        role: "owner".into(),
        created_at: t0(),
    }
}

/// A registered tenant.
pub async fn tenant(store: &Store, name: &str) -> (UserRow, OrganizationRow) {
    let user = user(&format!("{name}@example.com"));
    let organization = organization(name);
    store
        .user_register(
            &user,
            &organization,
            &owner(&organization, &user),
            &audit(organization.id, "user.registered"),
        )
        .await
        .expect("registers");
    (user, organization)
}

pub fn api(organization_id: OrganizationId, slug: &str) -> ApiRow {
    ApiRow {
        id: ApiId(id()),
        organization_id,
        created_by: None,
        name: format!("The {slug} API"),
        slug: slug.into(),
        description: Some("line\nbreak".into()),
        base_url: format!("https://{slug}.example.com/v1"),
        auth_type: "basic".into(),
        auth_public: json!({ "username": "u" }),
        auth_sealed: Some(vec![0, 1, 2, 255]),
        is_active: true,
        allow_query_key: false,
        limits: ApiLimits {
            max_body_bytes: Some(1 << 33),
            ..ApiLimits::default()
        },
        is_sample: false,
        created_at: t0(),
        updated_at: t0(),
    }
}

pub fn key(organization_id: OrganizationId, prefix: &str) -> ApiKeyRow {
    ApiKeyRow {
        id: KeyId(id()),
        organization_id,
        created_by: None,
        name: format!("key {prefix}"),
        environment: "live".into(),
        key_prefix: format!("apv_live_{prefix}"),
        key_hash: "$argon2id$y".into(),
        previous_prefix: None,
        previous_hash: None,
        previous_expires_at: None,
        api_ids: vec![ApiId(id())],
        methods: vec!["GET".into()],
        scopes: vec!["read".into(), "write".into()],
        allowed_ips: vec!["10.0.0.0/8".into()],
        created_at: t0(),
        updated_at: t0(),
        expires_at: Some(after(3600)),
        revoked_at: None,
        last_used_at: None,
    }
}

pub fn session(user: &UserRow, token: &[u8], kind: &str) -> SessionRow {
    SessionRow {
        id: SessionId(id()),
        kind: kind.into(),
        user_id: Some(user.id),
        token_hash: token.to_vec(),
        data: "{\"a\":1}".into(),
        ip: Some("2001:db8::1".into()),
        user_agent: Some("test".into()),
        created_at: t0(),
        last_seen_at: t0(),
        expires_at: after(60),
        credentials_version: 1,
        organization_id: None,
        authenticated_at: t0(),
    }
}

/// A call `at` seconds after [`t0`].
pub fn usage(organization_id: OrganizationId, at: i64, status: i32, latency_us: i64) -> UsageRow {
    UsageRow {
        id: UsageEventId(id()),
        organization_id,
        api_id: None,
        key_id: None,
        request_id: "r".into(),
        started_at_us: after(at).timestamp_micros(),
        method: "GET".into(),
        path: "/a b".into(),
        status,
        error_code: None,
        latency_us,
        upstream_us: Some(latency_us / 2),
        bytes_in: 10,
        bytes_out: 100,
        refused: false,
        route_id: None,
        verified: None,
        version_id: None,
        cache: None,
        tokens: apiverse_contract::usage::Tokens::default(),
    }
}
