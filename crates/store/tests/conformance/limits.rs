use apiverse_contract::limits::{Algorithm, LimitPolicy, Per, Period, Quota, QuotaPer, RateLimit};
use apiverse_contract::{ApiId, OrganizationId, RouteId};
use apiverse_store::{Conflict, PolicyRow, PolicyTarget, RouteRow, Store, StoreError};

use crate::samples::{after, api, audit, id, key, t0, tenant};

fn policy(limit: u32) -> LimitPolicy {
    LimitPolicy {
        rate_limits: vec![RateLimit {
            name: "burst".into(),
            limit,
            window_seconds: 60,
            algorithm: Algorithm::SlidingWindow,
            burst: None,
            per: Per::Address,
            count_denied: true,
            replaces_organization: true,
        }],
        quotas: vec![Quota {
            name: "monthly".into(),
            limit: 1_000_000_000_000_000,
            period: Period::Month,
            per: QuotaPer::Key,
            replaces_organization: false,
        }],
        concurrency: Some(7),
    }
}

fn document(limit: u32) -> PolicyRow {
    PolicyRow {
        document: policy(limit),
        updated_at: after(i64::from(limit)),
    }
}

fn route(organization_id: OrganizationId, api_id: ApiId, name: &str) -> RouteRow {
    RouteRow {
        id: RouteId(id()),
        organization_id,
        api_id,
        name: name.into(),
        methods: vec!["GET".into(), "POST".into()],
        path: "/users/{id}/*".into(),
        policy: policy(3),
        created_at: t0(),
        updated_at: t0(),
    }
}

pub async fn policies_belong_to_a_target(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (_, bob) = tenant(store, "bob").await;
    let weather = api(ada.id, "weather");
    store
        .api_insert(&weather, &audit(ada.id, "limits.updated"))
        .await
        .expect("inserts");
    let mobile = key(ada.id, "AAAAAAAAAAAA");
    store
        .key_insert(&mobile, &audit(ada.id, "limits.updated"))
        .await
        .expect("inserts");

    let targets = [
        PolicyTarget::Organization,
        PolicyTarget::Api(weather.id),
        PolicyTarget::Key(mobile.id),
    ];
    for target in targets {
        assert_eq!(store.policy_get(ada.id, target).await.expect("reads"), None);
    }
    for (n, target) in (1..).zip(targets) {
        let before = store.gateway_fingerprint().await.expect("reads");
        let put = store
            .policy_put(
                ada.id,
                target,
                &document(n),
                &audit(ada.id, "limits.updated"),
            )
            .await;
        assert!(put.expect("puts"), "{target:?}");
        assert!(store.gateway_fingerprint().await.expect("reads") > before);
    }
    for (n, target) in (1..).zip(targets) {
        let found = store.policy_get(ada.id, target).await.expect("reads");
        assert_eq!(found, Some(document(n)), "{target:?}");
    }
    let empty = PolicyRow {
        document: LimitPolicy::default(),
        updated_at: after(9),
    };
    assert!(
        store
            .policy_put(ada.id, targets[1], &empty, &audit(ada.id, "limits.updated"))
            .await
            .expect("puts")
    );
    assert_eq!(
        store.policy_get(ada.id, targets[1]).await.expect("reads"),
        Some(empty)
    );

    // Another organization neither sees nor changes them, and leaves no trace by trying.
    let before = store.gateway_fingerprint().await.expect("reads");
    for target in targets {
        assert_eq!(store.policy_get(bob.id, target).await.expect("reads"), None);
    }
    for target in &targets[1..] {
        let put = store
            .policy_put(
                bob.id,
                *target,
                &document(5),
                &audit(ada.id, "limits.updated"),
            )
            .await;
        assert!(!put.expect("is refused"), "{target:?}");
    }
    assert_eq!(store.gateway_fingerprint().await.expect("reads"), before);
    assert_eq!(
        store.policy_get(ada.id, targets[2]).await.expect("reads"),
        Some(document(3))
    );
}

pub async fn policies_go_with_their_target(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let weather = api(ada.id, "weather");
    store
        .api_insert(&weather, &audit(ada.id, "x"))
        .await
        .expect("inserts");
    let target = PolicyTarget::Api(weather.id);
    store
        .policy_put(ada.id, target, &document(1), &audit(ada.id, "x"))
        .await
        .expect("puts");
    let one = route(ada.id, weather.id, "one");
    store
        .route_insert(&one, 10, &audit(ada.id, "x"))
        .await
        .expect("inserts");
    store
        .api_delete(ada.id, weather.id, &audit(ada.id, "x"))
        .await
        .expect("deletes");
    assert_eq!(store.policy_get(ada.id, target).await.expect("reads"), None);
    let gone = store.route_get(ada.id, weather.id, one.id).await;
    assert_eq!(gone.expect("reads"), None);
    let put = store
        .policy_put(ada.id, target, &document(1), &audit(ada.id, "x"))
        .await;
    assert!(!put.expect("there is no such API"));

    let mut mobile = key(ada.id, "AAAAAAAAAAAA");
    store
        .key_insert(&mobile, &audit(ada.id, "x"))
        .await
        .expect("inserts");
    mobile.revoked_at = Some(after(1));
    store
        .key_update(&mobile, &audit(ada.id, "x"))
        .await
        .expect("revokes");
    let put = store
        .policy_put(
            ada.id,
            PolicyTarget::Key(mobile.id),
            &document(1),
            &audit(ada.id, "x"),
        )
        .await;
    assert!(!put.expect("the key is revoked"));
}

pub async fn routes_insert_get_list(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let weather = api(ada.id, "weather");
    store
        .api_insert(&weather, &audit(ada.id, "x"))
        .await
        .expect("inserts");
    let mut all = Vec::new();
    for n in 0..3 {
        let row = route(ada.id, weather.id, &format!("route {n}"));
        let before = store.gateway_fingerprint().await.expect("reads");
        assert!(
            store
                .route_insert(&row, 3, &audit(ada.id, "route.created"))
                .await
                .expect("inserts")
        );
        assert!(store.gateway_fingerprint().await.expect("reads") > before);
        all.push(row);
    }
    let before = store.gateway_fingerprint().await.expect("reads");
    let many = route(ada.id, weather.id, "one too many");
    assert!(
        !store
            .route_insert(&many, 3, &audit(ada.id, "x"))
            .await
            .expect("is full")
    );
    assert_eq!(store.gateway_fingerprint().await.expect("reads"), before);
    let same_name = route(ada.id, weather.id, "route 1");
    let taken = store
        .route_insert(&same_name, 10, &audit(ada.id, "x"))
        .await
        .expect_err("the name is taken");
    assert!(matches!(taken, StoreError::Conflict(Conflict::RouteName)));

    all.reverse();
    let first = store.route_list(ada.id, weather.id, None, 2).await;
    let first = first.expect("lists");
    assert_eq!(first, all[..2]);
    let rest = store
        .route_list(ada.id, weather.id, Some(first[1].id), 2)
        .await;
    assert_eq!(rest.expect("lists"), all[2..]);

    let mut row = all[0].clone();
    row.name = "ROUTE 1".into();
    row.methods = Vec::new();
    row.path = "/*".into();
    row.policy = LimitPolicy::default();
    row.updated_at = after(5);
    assert!(
        store
            .route_update(&row, &audit(ada.id, "route.updated"))
            .await
            .expect("updates")
    );
    let found = store.route_get(ada.id, weather.id, row.id).await;
    assert_eq!(found.expect("reads").as_ref(), Some(&row));
    row.name = "route 0".into();
    let taken = store.route_update(&row, &audit(ada.id, "x")).await;
    assert!(matches!(
        taken.expect_err("the name is taken"),
        StoreError::Conflict(Conflict::RouteName)
    ));
    assert!(
        store
            .route_delete(ada.id, weather.id, row.id, &audit(ada.id, "route.deleted"))
            .await
            .expect("deletes")
    );
    assert!(
        !store
            .route_delete(ada.id, weather.id, row.id, &audit(ada.id, "x"))
            .await
            .expect("is gone")
    );
}

pub async fn routes_stay_inside_their_api(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (_, bob) = tenant(store, "bob").await;
    let (weather, maps) = (api(ada.id, "weather"), api(ada.id, "maps"));
    for row in [&weather, &maps] {
        store
            .api_insert(row, &audit(ada.id, "x"))
            .await
            .expect("inserts");
    }
    let row = route(ada.id, weather.id, "search");
    store
        .route_insert(&row, 10, &audit(ada.id, "x"))
        .await
        .expect("inserts");
    let same = route(ada.id, maps.id, "search");
    assert!(
        store
            .route_insert(&same, 10, &audit(ada.id, "x"))
            .await
            .expect("names are the API's")
    );
    let foreign = route(bob.id, weather.id, "theirs");
    assert!(
        !store
            .route_insert(&foreign, 10, &audit(bob.id, "x"))
            .await
            .expect("is not bob's")
    );

    for (organization_id, api_id) in [(bob.id, weather.id), (ada.id, maps.id)] {
        let got = store.route_get(organization_id, api_id, row.id).await;
        assert_eq!(got.expect("reads"), None);
        let mut other = row.clone();
        other.organization_id = organization_id;
        other.api_id = api_id;
        other.name = "changed".into();
        let line = audit(organization_id, "x");
        assert!(!store.route_update(&other, &line).await.expect("ok"));
        let deleted = store
            .route_delete(organization_id, api_id, row.id, &line)
            .await;
        assert!(!deleted.expect("ok"));
    }
    let listed = store.route_list(bob.id, weather.id, None, 10).await;
    assert_eq!(listed.expect("lists"), []);
    let found = store.route_get(ada.id, weather.id, row.id).await;
    assert_eq!(found.expect("reads").as_ref(), Some(&row));
}

pub async fn the_gateway_gets_them_with_their_targets(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (_, bob) = tenant(store, "bob").await;
    let (weather, maps) = (api(ada.id, "weather"), api(bob.id, "maps"));
    for row in [&weather, &maps] {
        store
            .api_insert(row, &audit(row.organization_id, "x"))
            .await
            .expect("inserts");
    }
    let mobile = key(ada.id, "AAAAAAAAAAAA");
    let plain = key(ada.id, "BBBBBBBBBBBB");
    for row in [&mobile, &plain] {
        store
            .key_insert(row, &audit(ada.id, "x"))
            .await
            .expect("inserts");
    }
    let routes = [
        route(ada.id, weather.id, "first"),
        route(ada.id, weather.id, "second"),
    ];
    for row in &routes {
        store
            .route_insert(row, 10, &audit(ada.id, "x"))
            .await
            .expect("inserts");
    }
    for (n, target) in (1..).zip([
        PolicyTarget::Organization,
        PolicyTarget::Api(weather.id),
        PolicyTarget::Key(mobile.id),
    ]) {
        store
            .policy_put(ada.id, target, &document(n), &audit(ada.id, "x"))
            .await
            .expect("puts");
    }

    let organizations = store.gateway_organizations().await.expect("lists");
    assert_eq!(organizations.len(), 1);
    assert_eq!(organizations[0].id, ada.id);
    assert_eq!(organizations[0].policy, Some(policy(1)));
    let one = store.gateway_organization(ada.id).await.expect("reads");
    assert_eq!(one.as_ref(), Some(&organizations[0]));
    assert_eq!(
        store.gateway_organization(bob.id).await.expect("reads"),
        None
    );

    let apis = store.gateway_apis().await.expect("lists");
    assert_eq!(apis.len(), 2);
    for found in apis {
        let is_weather = found.api.id == weather.id;
        assert_eq!(found.policy, is_weather.then(|| policy(2)));
        let expected: &[RouteRow] = if is_weather { &routes } else { &[] };
        assert_eq!(found.routes, expected);
        let alone = store.gateway_api(found.api.id).await.expect("reads");
        assert_eq!(alone, Some(found));
    }
    let keys = store.gateway_keys(None, 10).await.expect("lists");
    assert_eq!(keys.len(), 2);
    for found in keys {
        let is_mobile = found.key.id == mobile.id;
        assert_eq!(found.policy, is_mobile.then(|| policy(3)));
        let alone = store.gateway_key(found.key.id).await.expect("reads");
        assert_eq!(alone, Some(found));
    }
}
