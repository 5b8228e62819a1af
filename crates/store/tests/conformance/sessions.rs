use apiverse_store::{RefreshUse, Store};

use crate::samples::{after, audit, session, t0, tenant};

pub async fn put_find_expire(store: &Store) {
    let (user, _) = tenant(store, "ada").await;
    let mut row = session(&user, b"one", "browser");
    assert!(store.session_insert(&row).await.expect("inserts"));
    assert_eq!(
        store
            .session_by_token(b"one", t0())
            .await
            .expect("reads")
            .as_ref(),
        Some(&row)
    );
    let another = session(&user, b"one", "browser");
    assert!(!store.session_insert(&another).await.expect("is there"));
    row.data = "{}".into();
    row.last_seen_at = after(3);
    assert!(store.session_update(&row, t0()).await.expect("updates"));
    assert_eq!(
        store
            .session_get(row.id, t0())
            .await
            .expect("reads")
            .as_ref(),
        Some(&row)
    );
    store
        .session_touch(row.id, after(9))
        .await
        .expect("touches");
    let found = store
        .session_get(row.id, t0())
        .await
        .expect("reads")
        .expect("is there");
    assert_eq!(found.last_seen_at, after(9));

    assert_eq!(
        store
            .session_by_token(b"one", after(60))
            .await
            .expect("reads"),
        None
    );
    assert_eq!(
        store.sessions_delete_expired(after(59)).await.expect("ok"),
        0
    );
    assert_eq!(
        store.sessions_delete_expired(after(60)).await.expect("ok"),
        1
    );
    assert_eq!(store.session_get(row.id, t0()).await.expect("reads"), None);

    assert!(store.session_insert(&row).await.expect("inserts"));
    store
        .session_delete_by_token(b"one")
        .await
        .expect("deletes");
    assert_eq!(store.session_get(row.id, t0()).await.expect("reads"), None);
}

pub async fn what_is_over_is_not_written(store: &Store) {
    let (user, _) = tenant(store, "ada").await;
    let row = session(&user, b"one", "browser");
    assert!(!store.session_update(&row, t0()).await.expect("ok"));
    assert_eq!(store.session_get(row.id, t0()).await.expect("reads"), None);

    assert!(store.session_insert(&row).await.expect("inserts"));
    let mut longer = row.clone();
    longer.expires_at = after(600);
    assert!(!store.session_update(&longer, after(60)).await.expect("ok"));
    let found = store.session_get(row.id, t0()).await.expect("reads");
    assert_eq!(found.as_ref(), Some(&row));
    assert!(store.session_update(&longer, after(59)).await.expect("ok"));
    let found = store.session_get(row.id, after(60)).await.expect("reads");
    assert_eq!(found.as_ref(), Some(&longer));
}

pub async fn revoke(store: &Store) {
    let (ada, organization) = tenant(store, "ada").await;
    let (bob, _) = tenant(store, "bob").await;
    let first = session(&ada, b"one", "browser");
    let second = session(&ada, b"two", "token");
    let third = session(&ada, b"three", "browser");
    let foreign = session(&bob, b"four", "browser");
    for row in [&first, &second, &third, &foreign] {
        assert!(store.session_insert(row).await.expect("inserts"));
    }
    store
        .session_touch(second.id, after(1))
        .await
        .expect("touches");
    let listed = store.sessions_of_user(ada.id, t0()).await.expect("lists");
    assert_eq!(listed.first().map(|row| row.id), Some(second.id));
    assert_eq!(listed.len(), 3);

    let line = audit(organization.id, "session.revoked");
    assert!(
        !store
            .session_revoke(ada.id, foreign.id, &line)
            .await
            .expect("ok")
    );
    assert!(
        store
            .session_revoke(ada.id, first.id, &line)
            .await
            .expect("ok")
    );
    assert_eq!(
        store
            .sessions_revoke_others(ada.id, Some(third.id), &audit(organization.id, "x"))
            .await
            .expect("ok"),
        1
    );
    let left = store.sessions_of_user(ada.id, t0()).await.expect("lists");
    assert_eq!(left.len(), 1);
    assert_eq!(
        store
            .sessions_revoke_others(ada.id, None, &audit(organization.id, "x"))
            .await
            .expect("ok"),
        1
    );
    assert!(
        store
            .session_get(foreign.id, t0())
            .await
            .expect("reads")
            .is_some()
    );
}

pub async fn refresh_tokens_are_used_once(store: &Store) {
    let (user, _) = tenant(store, "ada").await;
    let family = session(&user, b"family", "token");
    assert!(store.session_insert(&family).await.expect("inserts"));
    store
        .refresh_insert(b"r1", family.id, after(600))
        .await
        .expect("inserts");
    store
        .refresh_insert(b"old", family.id, after(5))
        .await
        .expect("inserts");
    store
        .refresh_insert(b"r1b", family.id, after(600))
        .await
        .expect("inserts");

    assert_eq!(
        store.refresh_use(b"nope", t0()).await.expect("ok"),
        RefreshUse::Unknown
    );
    assert_eq!(
        store.refresh_use(b"old", after(5)).await.expect("ok"),
        RefreshUse::Unknown
    );
    let RefreshUse::Fresh(found) = store.refresh_use(b"r1", after(1)).await.expect("ok") else {
        panic!("the first use is fresh")
    };
    assert_eq!(found.id, family.id);
    assert_eq!(
        found.expires_at,
        after(600),
        "the family lives as long as its youngest token"
    );

    assert_eq!(
        store.refresh_use(b"r1", after(2)).await.expect("ok"),
        RefreshUse::Reused(found)
    );
    assert_eq!(
        store.session_get(family.id, t0()).await.expect("reads"),
        None
    );
    assert_eq!(
        store.refresh_use(b"r1b", after(3)).await.expect("ok"),
        RefreshUse::Unknown
    );
}

pub async fn of_two_uses_one_wins(store: &Store) {
    let (user, _) = tenant(store, "ada").await;
    let family = session(&user, b"family", "token");
    assert!(store.session_insert(&family).await.expect("inserts"));
    store
        .refresh_insert(b"r1", family.id, after(600))
        .await
        .expect("inserts");
    let (a, b) = tokio::join!(
        store.refresh_use(b"r1", after(1)),
        store.refresh_use(b"r1", after(1))
    );
    let fresh = [a.expect("ok"), b.expect("ok")]
        .iter()
        .filter(|outcome| matches!(outcome, RefreshUse::Fresh(_)))
        .count();
    assert_eq!(fresh, 1);
}
