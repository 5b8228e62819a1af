use apiverse_store::{Conflict, Store, StoreError};

use crate::samples::{after, api, audit, tenant};

pub async fn apis_insert_get_list(store: &Store) {
    let (user, organization) = tenant(store, "ada").await;
    let mut all = Vec::new();
    for n in 0..5 {
        let mut row = api(organization.id, &format!("api-{n}"));
        row.created_by = Some(user.id);
        store
            .api_insert(&row, &audit(organization.id, "api.created"))
            .await
            .expect("inserts");
        all.push(row);
    }
    assert_eq!(store.api_count(organization.id).await.expect("counts"), 5);
    let found = store
        .api_get(organization.id, all[2].id)
        .await
        .expect("reads");
    assert_eq!(found.as_ref(), Some(&all[2]));

    all.reverse();
    let first = store
        .api_list(organization.id, None, None, 3)
        .await
        .expect("lists");
    assert_eq!(first, all[..3]);
    let rest = store
        .api_list(organization.id, None, Some(first[2].id), 3)
        .await
        .expect("lists");
    assert_eq!(rest, all[3..]);
    let mut everything = store.gateway_apis().await.expect("lists");
    everything.sort_by_key(|found| std::cmp::Reverse(found.api.id));
    let everything: Vec<_> = everything.into_iter().map(|found| found.api).collect();
    assert_eq!(everything, all);
    let found = store.gateway_api(all[0].id).await.expect("reads");
    assert_eq!(found.map(|found| found.api).as_ref(), Some(&all[0]));
}

pub async fn slug_is_unique_per_organization(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (_, bob) = tenant(store, "bob").await;
    let first = api(ada.id, "weather");
    store
        .api_insert(&first, &audit(ada.id, "x"))
        .await
        .expect("inserts");
    store
        .api_insert(&api(bob.id, "weather"), &audit(bob.id, "x"))
        .await
        .expect("another tenant");
    let error = store
        .api_insert(&api(ada.id, "weather"), &audit(ada.id, "x"))
        .await
        .expect_err("the slug is taken");
    assert!(
        matches!(error, StoreError::Conflict(Conflict::ApiSlug)),
        "{error:?}"
    );

    let mut second = api(ada.id, "other");
    store
        .api_insert(&second, &audit(ada.id, "x"))
        .await
        .expect("inserts");
    second.slug = "weather".into();
    let error = store
        .api_update(&second, &audit(ada.id, "x"))
        .await
        .expect_err("taken");
    assert!(
        matches!(error, StoreError::Conflict(Conflict::ApiSlug)),
        "{error:?}"
    );
}

pub async fn update_and_delete_stay_inside_the_organization(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (_, bob) = tenant(store, "bob").await;
    let mut row = api(ada.id, "weather");
    store
        .api_insert(&row, &audit(ada.id, "x"))
        .await
        .expect("inserts");
    assert_eq!(store.api_get(bob.id, row.id).await.expect("reads"), None);
    assert_eq!(
        store.api_list(bob.id, None, None, 10).await.expect("lists"),
        []
    );
    assert!(
        !store
            .api_delete(bob.id, row.id, &audit(bob.id, "x"))
            .await
            .expect("ok")
    );

    let mut foreign = row.clone();
    foreign.organization_id = bob.id;
    foreign.base_url = "https://evil.example".into();
    assert!(
        !store
            .api_update(&foreign, &audit(bob.id, "x"))
            .await
            .expect("ok")
    );
    assert_eq!(
        store.api_get(ada.id, row.id).await.expect("reads").as_ref(),
        Some(&row)
    );

    row.base_url = "https://new.example.com".into();
    row.auth_sealed = None;
    row.auth_type = "none".into();
    row.description = None;
    row.is_active = false;
    row.is_sample = true;
    row.updated_at = after(5);
    assert!(
        store
            .api_update(&row, &audit(ada.id, "api.updated"))
            .await
            .expect("ok")
    );
    assert_eq!(
        store.api_get(ada.id, row.id).await.expect("reads").as_ref(),
        Some(&row)
    );
    assert!(
        store
            .api_delete(ada.id, row.id, &audit(ada.id, "api.deleted"))
            .await
            .expect("ok")
    );
    assert_eq!(store.api_get(ada.id, row.id).await.expect("reads"), None);
    assert!(
        !store
            .api_delete(ada.id, row.id, &audit(ada.id, "x"))
            .await
            .expect("ok")
    );
}

pub async fn search_takes_wildcards_literally(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let mut percent = api(ada.id, "percent");
    percent.name = "100% Real_API\\x".into();
    store
        .api_insert(&percent, &audit(ada.id, "x"))
        .await
        .expect("inserts");
    store
        .api_insert(&api(ada.id, "plain"), &audit(ada.id, "x"))
        .await
        .expect("inserts");
    for (q, expected) in [
        ("100% real", 1),
        ("real_api", 1),
        ("real%api", 0),
        ("_", 1),
        ("\\x", 1),
        ("plain.example", 1),
        ("  ", 2),
        ("' OR 1=1 --", 0),
    ] {
        let found = store
            .api_list(ada.id, Some(q), None, 10)
            .await
            .expect("lists");
        assert_eq!(found.len(), expected, "{q}");
    }
}

pub async fn changes_move_the_fingerprint(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let mut last = store.gateway_fingerprint().await.expect("reads");
    let mut row = api(ada.id, "weather");
    store
        .api_insert(&row, &audit(ada.id, "x"))
        .await
        .expect("inserts");
    let inserted = store.gateway_fingerprint().await.expect("reads");
    assert!(inserted > last);
    last = inserted;
    row.name = "new".into();
    store
        .api_update(&row, &audit(ada.id, "x"))
        .await
        .expect("updates");
    let updated = store.gateway_fingerprint().await.expect("reads");
    assert!(updated > last);
    store
        .api_delete(ada.id, row.id, &audit(ada.id, "x"))
        .await
        .expect("deletes");
    assert!(store.gateway_fingerprint().await.expect("reads") > updated);
}
