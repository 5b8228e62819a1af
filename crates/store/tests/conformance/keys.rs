use apiverse_store::{ApiKeyRow, Conflict, GatewayKey, Store, StoreError};

use crate::samples::{after, audit, key, tenant};

pub async fn keys_insert_get_list(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (_, bob) = tenant(store, "bob").await;
    let first = key(ada.id, "AAAAAAAAAAAA");
    let second = key(ada.id, "BBBBBBBBBBBB");
    store
        .key_insert(&first, &audit(ada.id, "x"))
        .await
        .expect("inserts");
    store
        .key_insert(&second, &audit(ada.id, "x"))
        .await
        .expect("inserts");
    assert_eq!(
        store
            .key_get(ada.id, first.id)
            .await
            .expect("reads")
            .as_ref(),
        Some(&first)
    );
    assert_eq!(store.key_get(bob.id, first.id).await.expect("reads"), None);
    assert_eq!(
        store.key_list(ada.id, None, None, 10).await.expect("lists"),
        [second.clone(), first.clone()]
    );
    assert_eq!(
        store
            .key_list(ada.id, Some("bbbb"), None, 10)
            .await
            .expect("lists")
            .len(),
        1
    );
    assert_eq!(
        store
            .key_list(ada.id, None, Some(second.id), 10)
            .await
            .expect("lists"),
        [first]
    );
    assert_eq!(store.key_count(ada.id).await.expect("counts"), 2);

    let error = store
        .key_insert(&key(bob.id, "AAAAAAAAAAAA"), &audit(bob.id, "x"))
        .await
        .expect_err("the prefix is taken");
    assert!(
        matches!(error, StoreError::Conflict(Conflict::KeyPrefix)),
        "{error:?}"
    );
}

pub async fn update_and_revoke(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (_, bob) = tenant(store, "bob").await;
    let mut row = key(ada.id, "AAAAAAAAAAAA");
    store
        .key_insert(&row, &audit(ada.id, "x"))
        .await
        .expect("inserts");
    row.previous_prefix = Some(row.key_prefix.clone());
    row.previous_hash = Some(row.key_hash.clone());
    row.previous_expires_at = Some(after(100));
    row.key_prefix = "apv_live_NEWNEWNEWNEW".into();
    row.key_hash = "$argon2id$z".into();
    row.api_ids.clear();
    row.expires_at = None;
    row.updated_at = after(1);
    assert!(
        store
            .key_update(&row, &audit(ada.id, "api_key.rotated"))
            .await
            .expect("ok")
    );
    assert_eq!(
        store.key_get(ada.id, row.id).await.expect("reads").as_ref(),
        Some(&row)
    );

    let mut foreign = row.clone();
    foreign.organization_id = bob.id;
    foreign.revoked_at = Some(after(2));
    assert!(
        !store
            .key_update(&foreign, &audit(bob.id, "x"))
            .await
            .expect("ok")
    );
    assert!(store.gateway_key(row.id).await.expect("reads").is_some());
}

pub async fn touch_moves_forward_only(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let row = key(ada.id, "AAAAAAAAAAAA");
    store
        .key_insert(&row, &audit(ada.id, "x"))
        .await
        .expect("inserts");
    let before = store.gateway_fingerprint().await.expect("reads");
    store
        .keys_touch(&[(row.id, after(10))])
        .await
        .expect("touches");
    store
        .keys_touch(&[(row.id, after(5))])
        .await
        .expect("touches");
    store.keys_touch(&[]).await.expect("nothing to touch");
    let found = store
        .key_get(ada.id, row.id)
        .await
        .expect("reads")
        .expect("is there");
    assert_eq!(found.last_used_at, Some(after(10)));
    assert_eq!(
        store.gateway_fingerprint().await.expect("reads"),
        before,
        "no change of config"
    );
}

pub async fn the_gateway_sees_what_is_not_revoked(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let mut rows = Vec::new();
    for prefix in ["AAAAAAAAAAAA", "BBBBBBBBBBBB", "CCCCCCCCCCCC"] {
        let row = key(ada.id, prefix);
        store
            .key_insert(&row, &audit(ada.id, "x"))
            .await
            .expect("inserts");
        rows.push(row);
    }
    rows[1].revoked_at = Some(after(1));
    store
        .key_update(&rows[1], &audit(ada.id, "api_key.revoked"))
        .await
        .expect("updates");
    assert!(
        store
            .gateway_key(rows[1].id)
            .await
            .expect("reads")
            .is_none()
    );
    for row in &rows {
        let found = store.gateway_key_by_prefix(&row.key_prefix).await;
        let found = found.expect("reads").map(|found| found.key);
        assert_eq!(found.as_ref(), row.revoked_at.is_none().then_some(row));
    }
    rows[2].previous_prefix = Some(rows[2].key_prefix.clone());
    rows[2].key_prefix = "apv_live_DDDDDDDDDDDD".into();
    store
        .key_update(&rows[2], &audit(ada.id, "api_key.rotated"))
        .await
        .expect("updates");
    for prefix in ["apv_live_CCCCCCCCCCCC", "apv_live_DDDDDDDDDDDD"] {
        let found = store.gateway_key_by_prefix(prefix).await.expect("reads");
        assert_eq!(found.map(|found| found.key.id), Some(rows[2].id));
    }
    let first = store.gateway_keys(None, 1).await.expect("lists");
    let keys_of = |found: &[GatewayKey]| -> Vec<ApiKeyRow> {
        found.iter().map(|found| found.key.clone()).collect()
    };
    assert_eq!(keys_of(&first), rows[..1]);
    let rest = store
        .gateway_keys(Some(first[0].key.id), 10)
        .await
        .expect("lists");
    assert_eq!(keys_of(&rest), rows[2..]);
    let listed = store.key_list(ada.id, None, None, 10).await.expect("lists");
    assert_eq!(listed.len(), 3, "the owner still sees it");
}

pub async fn places_of_keys_are_new_once(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (first, second) = (key(ada.id, "AAAAAAAAAAAA"), key(ada.id, "BBBBBBBBBBBB"));
    for one in [&first, &second] {
        let inserted = store.key_insert(one, &audit(ada.id, "x")).await;
        inserted.expect("inserts");
    }
    let mut now_us = 0;
    let mut noted = async |id, network: &str| {
        now_us += 1;
        let line = audit(ada.id, "elsewhere");
        let noted = store.key_place_note(id, network, now_us, 3, &line).await;
        noted.expect("notes")
    };
    for (network, is_new) in [
        ("192.0.2.0/24", false),
        ("192.0.2.0/24", false),
        ("198.51.100.0/24", true),
        ("198.51.100.0/24", false),
        ("203.0.113.0/24", true),
        // More than it has room for.
        ("10.0.0.0/24", false),
        ("192.0.2.0/24", false),
    ] {
        assert_eq!(noted(first.id, network).await, is_new, "{network}");
    }
    assert!(!noted(second.id, "198.51.100.0/24").await);
    // The first one was seen again last.
    store.key_places_forget(7).await.expect("forgets");
    assert!(noted(first.id, "198.51.100.0/24").await);
    let lines = store.audit_list(ada.id, None, 100).await.expect("reads");
    let told = lines.iter().filter(|line| line.action == "elsewhere");
    assert_eq!(told.count(), 3);
}
