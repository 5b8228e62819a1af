use apiverse_contract::policies::{PolicyKind, PolicyLevel, PolicyScope};
use apiverse_contract::{OrganizationId, RouteId, VersionId};
use apiverse_store::{PolicyChange, PolicyFilter, RouteRow, Store};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::samples::{api, audit, id, key, t0, tenant};

const KIND: PolicyKind = PolicyKind::Cache;

fn change(scope: PolicyScope, document: Option<&Value>, expected: Option<i32>) -> PolicyChange<'_> {
    PolicyChange {
        scope,
        kind: KIND,
        document,
        expected,
        at: t0(),
        by: "ada@example.com",
    }
}

async fn set(
    store: &Store,
    organization: OrganizationId,
    scope: PolicyScope,
    document: Option<Value>,
    expected: Option<i32>,
) -> Option<i32> {
    let change = change(scope, document.as_ref(), expected);
    let line = audit(organization, "policy.updated");
    let set = store.attached_set(organization, &change, &line).await;
    set.expect("answers")
}

/// An organization with an API, a route and a key, and everything of it that can have a policy
/// but a version.
async fn targets(store: &Store, organization: OrganizationId, name: &str) -> [PolicyScope; 4] {
    let api = api(organization, name);
    let line = audit(organization, "x");
    store.api_insert(&api, &line).await.expect("inserts");
    let route = RouteRow {
        id: RouteId(id()),
        organization_id: organization,
        api_id: api.id,
        name: "all".into(),
        methods: Vec::new(),
        path: "/*".into(),
        policy: Default::default(),
        created_at: t0(),
        updated_at: t0(),
    };
    let line = audit(organization, "x");
    assert!(store.route_insert(&route, 9, &line).await.expect("inserts"));
    let mut prefix = name.to_uppercase();
    prefix.push_str("AAAAAAAAAAAA");
    let key = key(organization, &prefix[..12]);
    let line = audit(organization, "x");
    store.key_insert(&key, &line).await.expect("inserts");
    [
        PolicyScope::Organization,
        PolicyScope::Api(api.id),
        PolicyScope::Route(route.id),
        PolicyScope::Key(key.id),
    ]
}

pub async fn a_change_counts_and_is_kept(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    for scope in targets(store, ada.id, "weather").await {
        let get = || async {
            store
                .attached_get(ada.id, scope, KIND)
                .await
                .expect("reads")
        };
        assert_eq!(get().await, None);
        let before = store.gateway_fingerprint().await.expect("reads");
        let [one, two] = [json!({ "n": 1 }), json!({ "n": 2 })];
        assert_eq!(
            set(store, ada.id, scope, Some(one.clone()), None).await,
            Some(1)
        );
        assert!(store.gateway_fingerprint().await.expect("reads") > before);
        assert_eq!(
            set(store, ada.id, scope, Some(two.clone()), None).await,
            Some(2)
        );
        assert_eq!(set(store, ada.id, scope, None, None).await, Some(3));
        let found = get().await.expect("is there");
        assert_eq!((found.version, found.document), (3, None));
        assert_eq!(found.level, scope.level().as_str());
        assert_eq!(found.target_id, scope.target_id(ada.id));
        assert_eq!(found.updated_by, "ada@example.com");
        assert_eq!(
            set(store, ada.id, scope, Some(one.clone()), None).await,
            Some(4)
        );

        let revisions = |before| async move {
            let page = store
                .attached_revisions(ada.id, scope, KIND, before, 3)
                .await;
            let page = page.expect("lists").into_iter();
            page.map(|row| (row.version, row.document))
                .collect::<Vec<_>>()
        };
        let first = [(4, Some(one.clone())), (3, None), (2, Some(two))];
        assert_eq!(revisions(None).await, first);
        assert_eq!(revisions(Some(2)).await, [(1, Some(one))]);
    }
}

pub async fn an_update_is_not_lost(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let scope = PolicyScope::Organization;
    let document = || Some(json!({}));
    assert_eq!(set(store, ada.id, scope, document(), Some(1)).await, None);
    assert_eq!(
        set(store, ada.id, scope, document(), Some(0)).await,
        Some(1)
    );
    assert_eq!(set(store, ada.id, scope, document(), Some(0)).await, None);
    let before = store.gateway_fingerprint().await.expect("reads");
    assert_eq!(set(store, ada.id, scope, None, Some(2)).await, None);
    assert_eq!(store.gateway_fingerprint().await.expect("reads"), before);
    assert_eq!(set(store, ada.id, scope, None, Some(1)).await, Some(2));

    // Of several who have read the same version, one writes.
    let document = json!({ "n": 1 });
    let line = audit(ada.id, "x");
    let tries = [&line; 4].map(|_| (change(scope, Some(&document), Some(2)), audit(ada.id, "x")));
    let [a, b, c, d] = &tries;
    let (a, b, c, d) = tokio::join!(
        store.attached_set(ada.id, &a.0, &a.1),
        store.attached_set(ada.id, &b.0, &b.1),
        store.attached_set(ada.id, &c.0, &c.1),
        store.attached_set(ada.id, &d.0, &d.1),
    );
    let won = [a, b, c, d].map(|set| set.expect("answers"));
    assert_eq!(won.iter().flatten().count(), 1, "{won:?}");
}

pub async fn policies_stay_inside_their_organization(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (_, bob) = tenant(store, "bob").await;
    let scopes = targets(store, ada.id, "weather").await;
    for scope in scopes {
        assert!(
            set(store, ada.id, scope, Some(json!({})), None)
                .await
                .is_some()
        );
    }
    for scope in &scopes[1..] {
        assert_eq!(
            set(store, bob.id, *scope, Some(json!({})), None).await,
            None
        );
        let got = store.attached_get(bob.id, *scope, KIND).await;
        assert_eq!(got.expect("reads"), None);
        let kept = store
            .attached_revisions(bob.id, *scope, KIND, None, 9)
            .await;
        assert_eq!(kept.expect("reads"), []);
    }
    for scope in scopes {
        let found = store.attached_target(ada.id, scope).await.expect("reads");
        let found = found.expect("is there");
        let of_api = matches!(scope, PolicyScope::Api(_) | PolicyScope::Route(_));
        assert_eq!(found.api_id.is_some(), of_api);
        assert!(!found.name.is_empty());
        let foreign = store.attached_target(bob.id, scope).await.expect("reads");
        let is_own = scope == PolicyScope::Organization;
        assert_eq!(foreign.is_some(), is_own);
    }
    let nowhere = PolicyScope::Version(VersionId(id()));
    assert_eq!(
        set(store, ada.id, nowhere, Some(json!({})), None).await,
        None
    );

    let list = |organization, filter, after: Option<Uuid>| async move {
        let after = after.map(|target| (target, KIND.as_str()));
        let found = store.attached_list(organization, filter, after, 10).await;
        let found = found.expect("lists").into_iter();
        found.map(|row| row.target_id).collect::<Vec<_>>()
    };
    let mut all = scopes.map(|scope| scope.target_id(ada.id));
    all.sort();
    let none = PolicyFilter::default();
    assert_eq!(list(ada.id, none, None).await, all);
    assert_eq!(list(ada.id, none, Some(all[1])).await, all[2..]);
    assert!(list(bob.id, none, None).await.is_empty());
    let keys = PolicyFilter {
        level: Some(PolicyLevel::Key),
        kind: Some(KIND),
        ..none
    };
    assert_eq!(
        list(ada.id, keys, None).await,
        [scopes[3].target_id(ada.id)]
    );
    let PolicyScope::Api(weather) = scopes[1] else {
        unreachable!("the second is the API")
    };
    let of_api = PolicyFilter {
        api_id: Some(weather),
        ..none
    };
    assert_eq!(list(ada.id, of_api, None).await.len(), 2);
    let other = PolicyFilter {
        kind: Some(PolicyKind::Cors),
        ..none
    };
    assert!(list(ada.id, other, None).await.is_empty());

    // What goes takes its policies with it.
    let line = audit(ada.id, "x");
    assert!(
        store
            .api_delete(ada.id, weather, &line)
            .await
            .expect("deletes")
    );
    assert_eq!(list(ada.id, none, None).await.len(), 2);
    assert_eq!(
        set(store, ada.id, scopes[1], Some(json!({})), None).await,
        None
    );
}

pub async fn the_gateway_gets_what_applies(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (_, bob) = tenant(store, "bob").await;
    let scopes = targets(store, ada.id, "weather").await;
    targets(store, bob.id, "maps").await;
    for scope in scopes {
        assert_eq!(
            set(store, ada.id, scope, Some(json!({ "n": 1 })), None).await,
            Some(1)
        );
    }
    let removed = PolicyChange {
        kind: PolicyKind::Cors,
        ..change(scopes[1], None, None)
    };
    let line = audit(ada.id, "x");
    store
        .attached_set(ada.id, &removed, &line)
        .await
        .expect("removes");

    let organizations = store.gateway_organizations().await.expect("lists");
    assert_eq!(organizations.len(), 1);
    assert_eq!(organizations[0].policy, None);
    assert_eq!(organizations[0].policies.len(), 1);
    let one = store.gateway_organization(ada.id).await.expect("reads");
    assert_eq!(one.as_ref(), Some(&organizations[0]));
    assert_eq!(
        store.gateway_organization(bob.id).await.expect("reads"),
        None
    );

    for found in store.gateway_apis().await.expect("lists") {
        let is_ada = found.api.organization_id == ada.id;
        let levels: Vec<&str> = found.policies.iter().map(|row| &*row.level).collect();
        let mut sorted = levels.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, if is_ada { vec!["api", "route"] } else { vec![] });
        let alone = store.gateway_api(found.api.id).await.expect("reads");
        assert_eq!(alone, Some(found));
    }
    let keys = store.gateway_keys(None, 10).await.expect("lists");
    assert_eq!(keys.len(), 2);
    for found in keys {
        let expected = usize::from(found.key.organization_id == ada.id);
        assert_eq!(found.policies.len(), expected);
        let alone = store.gateway_key(found.key.id).await.expect("reads");
        assert_eq!(alone, Some(found));
    }
}
