//! APIs, keys, usage.

use std::sync::Arc;

use apiverse_cluster::{Bus, Change};
use apiverse_connectors::egress::EgressPolicy;
use apiverse_contract::apis::{AuthType, PatchApi};
use apiverse_contract::auth::Role;
use apiverse_contract::keys::{CreateApiKey, PatchApiKey, RotateApiKey};
use apiverse_contract::limits::{CreateRoute, LimitPolicy, PatchRoute};
use apiverse_contract::policies::CachePurge;
use apiverse_contract::usage::UsageQuery;
use apiverse_contract::{ErrorCode, ListQuery};
use chrono::Duration;
use parking_lot::Mutex;

use super::{api, bench, bench_with, config};
use crate::{Actor, Fault, Platform, PolicyTarget};

#[tokio::test]
async fn slugs_are_made_or_chosen() {
    let bench = bench().await;
    let actor = bench.actor("ada").await;
    let mut slugs = Vec::new();
    for _ in 0..3 {
        let created = bench.platform.api_create(&actor, api("My API")).await;
        slugs.push(created.expect("creates").slug);
    }
    assert_eq!(slugs, ["my-api", "my-api-2", "my-api-3"]);
    let mut chosen = api("Another");
    chosen.slug = Some("my-api".to_owned());
    let taken = bench.platform.api_create(&actor, chosen).await;
    assert_eq!(taken.expect_err("is taken").code(), ErrorCode::SlugTaken);
    // Another organization has slugs of its own.
    let bob = bench.actor("bob").await;
    let created = bench.platform.api_create(&bob, api("My API")).await;
    assert_eq!(created.expect("creates").slug, "my-api");
}

#[tokio::test]
async fn credentials_are_encrypted_and_kept() {
    let bench = bench().await;
    let actor = bench.actor("ada").await;
    let mut input = api("weather");
    input.auth_type = AuthType::Basic;
    input.auth_config = Some(serde_json::json!({ "username": "u", "password": "hush-hush" }));
    let created = bench.platform.api_create(&actor, input).await;
    let created = created.expect("creates");
    assert_eq!(created.auth_config, serde_json::json!({ "username": "u" }));
    let stored = async || {
        let row = bench.store.api_get(actor.organization_id, created.id).await;
        row.expect("reads").expect("is there")
    };
    let row = stored().await;
    let sealed = row.auth_sealed.clone().expect("is sealed");
    assert!(!sealed.windows(9).any(|bytes| bytes == b"hush-hush"));

    let rename = PatchApi {
        auth_config: Some(serde_json::json!({ "username": "v" })),
        ..PatchApi::default()
    };
    let patched = bench.platform.api_patch(&actor, created.id, rename).await;
    let patched = patched.expect("changes");
    assert_eq!(patched.auth_config, serde_json::json!({ "username": "v" }));
    let context = format!("apis.auth:{}", created.id);
    let sealed = stored().await.auth_sealed.expect("is sealed");
    let plain = bench
        .platform
        .inner
        .vault
        .open(context.as_bytes(), &sealed)
        .expect("opens");
    let plain: serde_json::Value = serde_json::from_slice(&plain).expect("JSON");
    assert_eq!(plain["password"], "hush-hush");
    assert_eq!(plain["username"], "v");
}

#[tokio::test]
async fn an_api_outside_the_permitted_networks_can_still_be_switched_off() {
    let open = |config: &mut crate::PlatformConfig| {
        config.egress = EgressPolicy::new(vec!["10.0.0.0/8".parse().expect("a network")]);
    };
    let bench = bench_with(open).await;
    let actor = bench.actor("ada").await;
    let mut input = api("inside");
    input.base_url = "http://10.0.0.7".to_owned();
    let created = bench.platform.api_create(&actor, input).await;
    let id = created.expect("is permitted").id;

    let strict = Platform::new(
        config(),
        bench.store.clone(),
        Arc::clone(&bench.platform.inner.vault),
        Bus::local(),
        bench.clock.clone(),
    );
    let off = PatchApi {
        is_active: Some(false),
        ..PatchApi::default()
    };
    let patched = strict.api_patch(&actor, id, off).await.expect("changes");
    assert!(!patched.is_active);
    let elsewhere = PatchApi {
        base_url: Some("http://10.0.0.8".to_owned()),
        ..PatchApi::default()
    };
    let refused = strict.api_patch(&actor, id, elsewhere).await;
    assert_eq!(
        refused.expect_err("is private").fields()[0].field,
        "base_url"
    );
}

#[tokio::test]
async fn revoked_keys_stay_as_they_are() {
    let bench = bench().await;
    let actor = bench.actor("ada").await;
    let input = CreateApiKey {
        name: "k".to_owned(),
        ..CreateApiKey::default()
    };
    let created = bench.platform.key_create(&actor, input).await;
    let id = created.expect("creates").view.id;

    let rotate = RotateApiKey {
        grace_seconds: Some(0),
    };
    let rotated = bench.platform.key_rotate(&actor, id, rotate).await;
    assert_eq!(rotated.expect("rotates").view.previous_expires_at, None);
    let row = bench.store.key_get(actor.organization_id, id).await;
    let row = row.expect("reads").expect("is there");
    assert_eq!((row.previous_prefix, row.previous_hash), (None, None));
    assert!(row.key_hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"));

    bench
        .platform
        .key_revoke(&actor, id)
        .await
        .expect("revokes");
    let rename = PatchApiKey {
        name: Some("another".to_owned()),
        ..PatchApiKey::default()
    };
    let over = bench.platform.key_patch(&actor, id, rename).await;
    assert_eq!(over.expect_err("is over").code(), ErrorCode::ApiKeyRevoked);
    let ticket = bench.platform.key_ticket(&actor, id).await;
    assert_eq!(
        ticket.expect_err("is over").code(),
        ErrorCode::ApiKeyRevoked
    );
}

#[tokio::test]
async fn changes_are_announced_before_the_call_returns() {
    let bench = bench().await;
    let actor = bench.actor("ada").await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&heard);
    bench.platform.inner.bus.on_change(move |change| {
        let ears = Arc::clone(&ears);
        Box::pin(async move {
            // A handler that takes its time: the call waits for it.
            tokio::task::yield_now().await;
            ears.lock().push(change.to_string());
        })
    });
    let count = || heard.lock().len();
    let created = bench.platform.api_create(&actor, api("a")).await;
    let id = created.expect("creates").id;
    assert_eq!(count(), 1);
    assert!(heard.lock()[0].contains(&id.to_string()));
    let patch = PatchApi {
        name: Some("b".to_owned()),
        ..PatchApi::default()
    };
    bench
        .platform
        .api_patch(&actor, id, patch)
        .await
        .expect("changes");
    assert_eq!(count(), 2);
    let key = CreateApiKey {
        name: "k".to_owned(),
        ..CreateApiKey::default()
    };
    let key = bench.platform.key_create(&actor, key).await;
    let key = key.expect("creates").view.id;
    assert_eq!(count(), 3);
    bench
        .platform
        .key_revoke(&actor, key)
        .await
        .expect("revokes");
    assert_eq!(count(), 4);
    bench
        .platform
        .api_delete(&actor, id)
        .await
        .expect("deletes");
    assert_eq!(count(), 5);
}

#[tokio::test]
async fn roles_are_asked_before_anything_is_looked_up() {
    let bench = bench().await;
    let owner = bench.actor("ada").await;
    let created = bench.platform.api_create(&owner, api("a")).await;
    let id = created.expect("creates").id;
    let with = |role| Actor {
        role,
        ..owner.clone()
    };
    let (viewer, billing) = (with(Role::Viewer), with(Role::Billing));
    assert!(bench.platform.api_get(&viewer, id).await.is_ok());
    let refused = bench.platform.api_delete(&viewer, id).await;
    assert_eq!(refused.expect_err("may not").code(), ErrorCode::Forbidden);
    let refused = bench.platform.api_get(&billing, id).await;
    assert_eq!(refused.expect_err("may not").code(), ErrorCode::Forbidden);
    let usage = bench
        .platform
        .usage_report(&billing, UsageQuery::default())
        .await;
    assert_eq!(usage.expect("may").totals.calls, 0);
    assert!(bench.platform.me(&billing).await.is_ok());
    let audit = bench
        .platform
        .audit_list(&viewer, ListQuery::default())
        .await;
    assert_eq!(audit.expect_err("may not").code(), ErrorCode::Forbidden);
}

#[tokio::test]
async fn who_may_change_an_api_may_purge_it() {
    let bench = bench().await;
    let owner = bench.actor("ada").await;
    let created = bench.platform.api_create(&owner, api("a")).await;
    let id = created.expect("creates").id;
    let seen = Arc::<Mutex<Vec<Change>>>::default();
    let heard = Arc::clone(&seen);
    bench.platform.inner.bus.on_change(move |change| {
        heard.lock().push(change);
        Box::pin(async {})
    });
    let all = CachePurge {
        all: true,
        ..CachePurge::default()
    };
    let purge = async |actor: &Actor| {
        let may = bench.platform.may_purge(actor, id, &all).await;
        let done = bench.platform.cache_purge(actor, id, &all, 7).await;
        assert_eq!(may.is_ok(), done.is_ok());
        done.map_err(|error| error.code())
    };
    for role in Role::ALL {
        let may = matches!(role, Role::Owner | Role::Admin | Role::Developer);
        let actor = Actor {
            role,
            ..owner.clone()
        };
        let expected = if may {
            Ok(())
        } else {
            Err(ErrorCode::Forbidden)
        };
        assert_eq!(purge(&actor).await, expected, "{role:?}");
    }
    assert_eq!(seen.lock().len(), 3);
    let eve = bench.actor("eve").await;
    assert_eq!(purge(&eve).await, Err(ErrorCode::ApiNotFound));
    assert_eq!(seen.lock().len(), 3, "nobody is told");
}

#[tokio::test]
async fn lists_of_calls_may_span_any_time() {
    let bench = bench().await;
    let actor = bench.actor("ada").await;
    let now = bench.platform.now();
    let years = UsageQuery {
        from: Some(now - Duration::days(3650)),
        ..UsageQuery::default()
    };
    let calls = bench.platform.usage_calls(&actor, years.clone()).await;
    assert!(calls.expect("answers").data.is_empty());
    let top = bench.platform.usage_top(&actor, years.clone()).await;
    assert!(top.expect("answers").is_empty());
    // A series of ten years has too many steps at any width.
    let series = bench.platform.usage_report(&actor, years).await;
    assert_eq!(
        series.expect_err("is too long").fields()[0].field,
        "granularity"
    );
    let backwards = UsageQuery {
        from: Some(now),
        to: Some(now),
        ..UsageQuery::default()
    };
    let refused = bench.platform.usage_calls(&actor, backwards).await;
    assert_eq!(refused.expect_err("is empty").fields()[0].field, "from");
}

#[tokio::test]
async fn limits_leave_a_line_and_are_announced() {
    let bench = bench().await;
    let actor = bench.actor("ada").await;
    let platform = &bench.platform;
    let created = platform.api_create(&actor, api("a")).await;
    let api_id = created.expect("creates").id;
    let key = CreateApiKey {
        name: "k".to_owned(),
        ..CreateApiKey::default()
    };
    let key_id = platform.key_create(&actor, key).await;
    let key_id = key_id.expect("creates").view.id;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&heard);
    platform.inner.bus.on_change(move |change| {
        ears.lock().push(change);
        Box::pin(std::future::ready(()))
    });
    let policy = |calls| LimitPolicy {
        concurrency: Some(calls),
        ..LimitPolicy::default()
    };
    for (calls, target) in [
        (1, PolicyTarget::Organization),
        (2, PolicyTarget::Api(api_id)),
        (3, PolicyTarget::Key(key_id)),
    ] {
        let set = platform.limits_put(&actor, target, policy(calls)).await;
        assert_eq!(set.expect("sets").policy, policy(calls));
    }
    let route = CreateRoute {
        name: "r".to_owned(),
        path: "/*".to_owned(),
        ..CreateRoute::default()
    };
    let route = platform.route_create(&actor, api_id, route).await;
    let route_id = route.expect("creates").id;
    let patch = PatchRoute {
        policy: Some(policy(4)),
        ..PatchRoute::default()
    };
    let patched = platform.route_patch(&actor, api_id, route_id, patch).await;
    assert_eq!(patched.expect("changes").policy, policy(4));
    let deleted = platform.route_delete(&actor, api_id, route_id).await;
    deleted.expect("deletes");
    assert_eq!(
        *heard.lock(),
        [
            Change::Organization(actor.organization_id),
            Change::Api(api_id),
            Change::Key(key_id),
            Change::Api(api_id),
            Change::Api(api_id),
            Change::Api(api_id),
        ]
    );

    let lines = platform.audit_list(&actor, ListQuery::default()).await;
    let lines = lines.expect("lists").data;
    let told: Vec<(&str, &str)> = lines[..6]
        .iter()
        .map(|line| (line.action.as_str(), line.target_type.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("route.deleted", "route"),
            ("route.updated", "route"),
            ("route.created", "route"),
            ("limits.updated", "api_key"),
            ("limits.updated", "api"),
            ("limits.updated", "organization"),
        ]
    );
    assert_eq!(
        lines[4].details,
        serde_json::json!({ "before": {}, "after": { "concurrency": 2 } })
    );

    // What developers may not: the organization's. What nobody may: a revoked key's.
    let developer = Actor {
        role: Role::Developer,
        ..actor.clone()
    };
    let refused = platform
        .limits_put(&developer, PolicyTarget::Organization, policy(9))
        .await;
    assert_eq!(refused.expect_err("may not").code(), ErrorCode::Forbidden);
    let own = PolicyTarget::Key(key_id);
    assert!(
        platform
            .limits_put(&developer, own, policy(9))
            .await
            .is_ok()
    );
    platform.key_revoke(&actor, key_id).await.expect("revokes");
    let over = platform.limits_put(&actor, own, policy(9)).await;
    assert_eq!(over.expect_err("is over").code(), ErrorCode::ApiKeyRevoked);
    assert!(platform.limits_get(&actor, own).await.is_ok());
}
