use apiverse_contract::RouteId;
use apiverse_contract::apis::ApiLimits;
use apiverse_contract::limits::LimitPolicy;
use apiverse_settings::Secret as Phrase;
use apiverse_settings::vault::Vault;
use apiverse_store::{ApiKeyRow, ApiRow, GatewayApi, GatewayKey, RouteRow};
use chrono::{DateTime, Utc};

use super::*;
use crate::config::GatewayConfig;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn api_row(number: u128, organization: u128, slug: &str) -> ApiRow {
    ApiRow {
        id: ApiId(id(number)),
        organization_id: OrganizationId(id(organization)),
        created_by: None,
        name: slug.to_owned(),
        slug: slug.to_owned(),
        description: None,
        base_url: "http://example.com".to_owned(),
        auth_type: "none".to_owned(),
        auth_public: serde_json::Value::Null,
        auth_sealed: None,
        is_active: true,
        allow_query_key: false,
        limits: ApiLimits::default(),
        is_sample: false,
        created_at: DateTime::<Utc>::UNIX_EPOCH,
        updated_at: DateTime::<Utc>::UNIX_EPOCH,
    }
}

fn api(number: u128, organization: u128, slug: &str) -> ApiRecord {
    record(GatewayApi {
        api: api_row(number, organization, slug),
        policy: None,
        routes: Vec::new(),
        versions: Vec::new(),
        versioning: None,
        policies: Vec::new(),
    })
}

fn record(found: GatewayApi) -> ApiRecord {
    let vault = Vault::new(&Phrase::from("x"), &[]);
    ApiRecord::new(found, &vault, &GatewayConfig::default())
}

fn key(number: u128, prefix: char, previous: Option<char>) -> KeyRecord {
    let text = |c: char| format!("apv_live_{}", String::from(c).repeat(12));
    let row = ApiKeyRow {
        id: KeyId(id(number)),
        organization_id: OrganizationId(id(1)),
        created_by: None,
        name: String::new(),
        environment: "live".to_owned(),
        key_prefix: text(prefix),
        key_hash: String::new(),
        previous_prefix: previous.map(text),
        previous_hash: previous.map(|_| String::new()),
        previous_expires_at: None,
        api_ids: Vec::new(),
        methods: vec!["get".to_owned()],
        scopes: Vec::new(),
        allowed_ips: vec![
            "10.0.0.0/8".to_owned(),
            "192.0.2.7".to_owned(),
            "?".to_owned(),
        ],
        created_at: DateTime::<Utc>::UNIX_EPOCH,
        updated_at: DateTime::<Utc>::UNIX_EPOCH,
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    };
    let found = GatewayKey {
        key: row,
        policy: None,
        policies: Vec::new(),
    };
    let vault = Vault::new(&Phrase::from("x"), &[]);
    let config = GatewayConfig::default();
    let tools = plan::Tools {
        vault: &vault,
        config: &config,
    };
    KeyRecord::new(found, tools).expect("a key")
}

fn found(snapshot: &Snapshot, organization: u128, selector: &str) -> Option<u128> {
    snapshot
        .api(OrganizationId(id(organization)), selector)
        .map(|api| api.id.0.as_u128())
}

#[test]
fn apis_are_found_in_their_organization_only() {
    let mut snapshot = Snapshot::empty();
    snapshot.put_api(api(10, 1, "weather"));
    snapshot.put_api(api(20, 2, "weather"));
    snapshot.put_api(api(21, 2, "only"));

    assert_eq!(found(&snapshot, 1, "weather"), Some(10));
    assert_eq!(found(&snapshot, 2, "weather"), Some(20));
    assert_eq!(found(&snapshot, 3, "weather"), None);
    assert_eq!(found(&snapshot, 1, &id(10).to_string()), Some(10));
    assert_eq!(found(&snapshot, 2, &id(10).to_string()), None);
    assert_eq!(found(&snapshot, 1, &"x".repeat(500)), None);
    assert_eq!(found(&snapshot, 1, ""), None);

    let anyone = |selector: &str| {
        snapshot
            .api_of_anyone(selector)
            .map(|api| api.id.0.as_u128())
    };
    assert_eq!(anyone("weather"), None, "two organizations use it");
    assert_eq!(anyone("only"), Some(21));
    assert_eq!(anyone(&id(20).to_string()), Some(20));
    assert_eq!(anyone("nothing"), None);
}

#[test]
fn a_renamed_api_leaves_its_old_slug() {
    let mut snapshot = Snapshot::empty();
    snapshot.put_api(api(10, 1, "old"));
    snapshot.put_api(api(10, 1, "new"));
    assert_eq!(found(&snapshot, 1, "old"), None);
    assert_eq!(found(&snapshot, 1, "new"), Some(10));
    assert_eq!(snapshot.api_count(), 1);

    // The slug goes to another API before the first one's own change arrives.
    snapshot.put_api(api(11, 1, "new"));
    snapshot.put_api(api(10, 1, "newest"));
    assert_eq!(found(&snapshot, 1, "new"), Some(11));

    snapshot.remove_api(ApiId(id(11)));
    snapshot.remove_api(ApiId(id(11)));
    assert_eq!(found(&snapshot, 1, "new"), None);
    assert_eq!(
        snapshot
            .api_of_anyone("newest")
            .map(|api| api.id.0.as_u128()),
        Some(10)
    );
    assert_eq!(snapshot.api_count(), 1);
}

#[test]
fn a_rotated_key_is_found_by_both_prefixes() {
    let mut snapshot = Snapshot::empty();
    snapshot.put_key(key(1, 'a', None));
    let first = snapshot.key(KeyId(id(1))).expect("is there").stamp;
    snapshot.put_key(key(1, 'b', Some('a')));
    for c in ["a", "b"] {
        let prefix = format!("apv_live_{}", c.repeat(12));
        let record = snapshot.key_by_prefix(prefix.as_bytes()).expect("is there");
        assert_ne!(record.stamp, first, "what was verified before is void");
    }
    snapshot.put_key(key(1, 'c', None));
    assert!(snapshot.key_by_prefix(b"apv_live_aaaaaaaaaaaa").is_none());
    snapshot.remove_key(KeyId(id(1)));
    assert!(snapshot.key_by_prefix(b"apv_live_cccccccccccc").is_none());
    assert!(snapshot.key_by_prefix(b"short").is_none());
    assert_eq!(snapshot.key_count(), 0);
}

#[test]
fn an_older_version_is_untouched_by_changes() {
    let mut snapshot = Snapshot::empty();
    snapshot.put_api(api(10, 1, "weather"));
    let before = snapshot.clone();
    snapshot.remove_api(ApiId(id(10)));
    assert_eq!(found(&before, 1, "weather"), Some(10));
    assert_eq!(found(&snapshot, 1, "weather"), None);
}

#[test]
fn restrictions_are_read() {
    let record = key(1, 'a', None);
    assert!(record.allows_method(&http::Method::GET));
    assert!(!record.allows_method(&http::Method::POST));
    assert!(record.allows_address([10, 1, 2, 3].into()));
    assert!(record.allows_address([192, 0, 2, 7].into()));
    assert!(!record.allows_address([192, 0, 2, 8].into()));
}

fn limited(calls: u32) -> LimitPolicy {
    LimitPolicy {
        concurrency: Some(calls),
        ..LimitPolicy::default()
    }
}

#[test]
fn limits_are_with_what_they_are_for() {
    let route = |number: u128, path: &str| RouteRow {
        id: RouteId(id(number)),
        organization_id: OrganizationId(id(1)),
        api_id: ApiId(id(10)),
        name: path.to_owned(),
        methods: vec!["GET".to_owned()],
        path: path.to_owned(),
        policy: limited(3),
        created_at: DateTime::<Utc>::UNIX_EPOCH,
        updated_at: DateTime::<Utc>::UNIX_EPOCH,
    };
    let api = record(GatewayApi {
        api: api_row(10, 1, "weather"),
        policy: Some(limited(2)),
        routes: vec![route(1, "no path at all"), route(2, "/users/{id}")],
        versions: Vec::new(),
        versioning: None,
        policies: Vec::new(),
    });
    assert_eq!(api.policy.as_deref(), Some(&limited(2)));
    assert_eq!(api.routes.len(), 1, "what cannot be read is left out");
    let found = api.routes.find("GET", "/users/7").expect("matches");
    assert_eq!((found.id, &*found.name), (RouteId(id(2)), "/users/{id}"));
    assert_eq!(found.policy.as_deref(), Some(&limited(3)));
    assert!(api.routes.find("POST", "/users/7").is_none());

    let mut snapshot = Snapshot::empty();
    let organization = OrganizationId(id(1));
    assert_eq!(snapshot.organization_policy(organization), None);
    let put = |limits| OrganizationRecord {
        limits,
        policies: None,
        blocked: Box::default(),
    };
    snapshot.put_organization(organization, put(Some(Arc::new(limited(1)))));
    let before = snapshot.clone();
    snapshot.put_organization(organization, put(None));
    assert_eq!(snapshot.organization_policy(organization), None);
    let policy = before.organization_policy(organization);
    assert_eq!(policy.as_deref(), Some(&limited(1)));
    assert_eq!(key(1, 'a', None).policy, None);
}
