use apiverse_contract::versions::{VersionIn, Versioning};
use apiverse_contract::{ApiId, VersionId};
use apiverse_store::{Conflict, Store, StoreError, VersionRow};

use crate::samples::{after, api, audit, id, key, t0, tenant, usage};
use crate::usage::insert;

fn version(api_id: ApiId, name: &str, second: i64) -> VersionRow {
    VersionRow {
        id: VersionId(id()),
        api_id,
        name: name.into(),
        base_url: format!("https://{name}.example.com"),
        deprecated_at: Some(after(1)),
        sunset_at: Some(after(2)),
        refuse_after_sunset: true,
        link: Some("https://example.com/next".into()),
        created_at: after(second),
    }
}

pub async fn versions_are_kept_with_their_api(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (_, bob) = tenant(store, "bob").await;
    let weather = api(ada.id, "weather");
    let line = || audit(ada.id, "version.created");
    store.api_insert(&weather, &line()).await.expect("inserts");
    let first = version(weather.id, "v1", 1);
    let insert = |row: VersionRow, most| async move {
        store.version_insert(ada.id, &row, most, &line()).await
    };
    let before = store.gateway_fingerprint().await.expect("reads");
    assert!(insert(first.clone(), 2).await.expect("inserts"));
    assert!(store.gateway_fingerprint().await.expect("reads") > before);
    let same_name = insert(version(weather.id, "v1", 2), 9).await;
    assert!(matches!(
        same_name.expect_err("the name is taken"),
        StoreError::Conflict(Conflict::VersionName)
    ));
    assert!(
        insert(version(weather.id, "v2", 2), 2)
            .await
            .expect("inserts")
    );
    assert!(
        !insert(version(weather.id, "v3", 3), 2)
            .await
            .expect("is full")
    );
    assert!(
        !insert(version(ApiId(id()), "v1", 3), 2)
            .await
            .expect("no API")
    );

    let all = store.version_list(ada.id, weather.id).await.expect("lists");
    let names: Vec<_> = all.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["default", "v1", "v2"]);
    assert_eq!(all[1], first);
    assert_eq!(
        store.version_list(bob.id, weather.id).await.expect("lists"),
        []
    );

    let mut changed = first.clone();
    changed.sunset_at = None;
    changed.refuse_after_sunset = false;
    let foreign = store.version_update(bob.id, &changed, &line()).await;
    assert!(!foreign.expect("is not bob's"));
    let updated = store.version_update(ada.id, &changed, &line()).await;
    assert!(updated.expect("updates"));
    let api = store
        .gateway_api(weather.id)
        .await
        .expect("reads")
        .expect("is there");
    assert_eq!(api.versions.len(), 2, "`default` has nothing of its own");
    assert_eq!(api.versions[0], changed);
    changed.name = "v2".into();
    let taken = store.version_update(ada.id, &changed, &line()).await;
    assert!(taken.is_err());

    let delete = |organization, id| async move {
        let deleted = store
            .version_delete(organization, weather.id, id, &line())
            .await;
        deleted.expect("answers")
    };
    assert!(!delete(bob.id, first.id).await);
    assert!(!delete(ada.id, all[0].id).await, "`default` stays");
    assert!(delete(ada.id, first.id).await);
    assert!(!delete(ada.id, first.id).await);
}

pub async fn how_callers_choose(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (_, bob) = tenant(store, "bob").await;
    let weather = api(ada.id, "weather");
    let line = || audit(ada.id, "versioning.updated");
    store.api_insert(&weather, &line()).await.expect("inserts");
    let get = |organization| async move {
        store
            .versioning_get(organization, weather.id)
            .await
            .expect("reads")
    };
    assert_eq!(get(ada.id).await, Versioning::default());
    let document = Versioning {
        r#in: VersionIn::Header,
        name: Some("accept-version".into()),
        default: "v2".into(),
    };
    let foreign = store
        .versioning_put(bob.id, weather.id, &document, &line())
        .await;
    assert!(!foreign.expect("is not bob's"));
    for document in [Versioning::default(), document.clone()] {
        let put = store
            .versioning_put(ada.id, weather.id, &document, &line())
            .await;
        assert!(put.expect("puts"));
        assert_eq!(get(ada.id).await, document);
    }
    assert_eq!(get(bob.id).await, Versioning::default());
    let apis = store.gateway_apis().await.expect("lists");
    assert_eq!(apis[0].versioning.as_ref(), Some(&document));
    let alone = store.gateway_api(weather.id).await.expect("reads");
    assert_eq!(alone.as_ref(), Some(&apis[0]));
}

pub async fn callers_are_told_apart(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (_, bob) = tenant(store, "bob").await;
    let mobile = key(ada.id, "AAAAAAAAAAAA");
    let line = audit(ada.id, "x");
    store.key_insert(&mobile, &line).await.expect("inserts");
    let (api_id, old) = (ApiId(id()), VersionId(id()));
    let call = |second, version_id, key_id| {
        let mut row = usage(ada.id, second, 200, 1);
        (row.api_id, row.version_id, row.key_id) = (Some(api_id), version_id, key_id);
        row
    };
    let rows = [
        call(1, Some(old), Some(mobile.id)),
        call(5, Some(old), Some(mobile.id)),
        call(6, Some(old), None),
        call(7, None, Some(mobile.id)),
        call(-100, Some(old), Some(mobile.id)),
    ];
    insert(store, &rows).await;
    let from = t0().timestamp_micros();
    let callers = |organization, version| async move {
        let found = store
            .version_callers(organization, api_id, version, from, 10)
            .await;
        let found = found.expect("lists").into_iter();
        found
            .map(|row| (row.key_name, row.calls, row.last_us))
            .collect::<Vec<_>>()
    };
    let at = |second| after(second).timestamp_micros();
    let name = || Some(mobile.name.clone());
    assert_eq!(
        callers(ada.id, Some(old)).await,
        [(None, 1, at(6)), (name(), 2, at(5))]
    );
    assert_eq!(callers(ada.id, None).await, [(name(), 1, at(7))]);
    assert_eq!(callers(bob.id, Some(old)).await, []);
}
