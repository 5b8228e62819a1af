use apiverse_contract::RouteId;
use apiverse_contract::limits::LimitPolicy;
use apiverse_contract::policies::{PolicyKind, PolicyScope};
use apiverse_contract::versions::Versioning;
use apiverse_store::{Applied, ConfigurationStep, PolicyTarget, RouteRow, Store};
use serde_json::json;

use crate::samples::{api, audit, id, t0, tenant};

pub async fn all_of_it_or_nothing(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (_, bob) = tenant(store, "bob").await;
    let found = store.organization_by_slug(&ada.slug).await;
    assert_eq!(found.expect("reads").as_ref(), Some(&ada));
    let none = store.organization_by_slug("nobody").await;
    assert_eq!(none.expect("reads"), None);
    let line = || audit(ada.id, "configuration.applied");
    let weather = api(ada.id, "weather");
    let route = RouteRow {
        id: RouteId(id()),
        organization_id: ada.id,
        api_id: weather.id,
        name: "all".into(),
        methods: Vec::new(),
        path: "/*".into(),
        policy: LimitPolicy::default(),
        created_at: t0(),
        updated_at: t0(),
    };
    let limits = LimitPolicy {
        concurrency: Some(3),
        ..LimitPolicy::default()
    };
    let scope = PolicyScope::Route(route.id);
    let steps = vec![
        ConfigurationStep::ApiInsert(weather.clone()),
        ConfigurationStep::RouteInsert(route.clone()),
        ConfigurationStep::Limits(PolicyTarget::Api(weather.id), limits.clone()),
        ConfigurationStep::Versioning(weather.id, Versioning::default()),
        ConfigurationStep::Policy {
            scope,
            kind: PolicyKind::Cache,
            document: Some(json!({ "n": 1 })),
        },
    ];
    let fingerprint = store.gateway_fingerprint().await.expect("reads");
    let apply = |steps: Vec<ConfigurationStep>, expected| async move {
        let by = (t0(), "ada");
        let line = audit(ada.id, "configuration.applied");
        store
            .configuration_apply(ada.id, (expected, 2), &steps, &line, by)
            .await
    };

    // The last step fails: nothing of the others stays.
    let mut bad = steps.clone();
    bad.push(ConfigurationStep::RouteDelete(weather.id, RouteId(id())));
    let refused = apply(bad, fingerprint).await.expect("answers");
    assert_eq!(refused, Applied::Refused(5));
    assert_eq!(
        store.api_get(ada.id, weather.id).await.expect("reads"),
        None
    );
    assert_eq!(
        store.gateway_fingerprint().await.expect("reads"),
        fingerprint
    );

    let done = apply(steps.clone(), fingerprint).await.expect("answers");
    assert_eq!(done, Applied::All);
    let after = store.gateway_fingerprint().await.expect("reads");
    assert_eq!(after.0, fingerprint.0 + 2);
    let found = store
        .gateway_api(weather.id)
        .await
        .expect("reads")
        .expect("is there");
    assert_eq!(
        (found.api, found.routes),
        (weather.clone(), vec![route.clone()])
    );
    assert_eq!(found.policy, Some(limits));
    assert_eq!(found.policies.len(), 1);

    // What was compared with an older state is not applied.
    let late = vec![ConfigurationStep::ApiDelete(weather.id)];
    let changed = apply(late.clone(), fingerprint).await.expect("answers");
    assert_eq!(changed, Applied::Changed);
    let foreign = store
        .configuration_apply(bob.id, (after, 1), &late, &line(), (t0(), "bob"))
        .await;
    assert_eq!(foreign.expect("answers"), Applied::Refused(0));
    assert_eq!(apply(late, after).await.expect("answers"), Applied::All);
    assert_eq!(
        store.api_get(ada.id, weather.id).await.expect("reads"),
        None
    );
}
