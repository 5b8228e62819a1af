use apiverse_store::{Conflict, Store, StoreError};

use crate::samples::{audit, organization, owner, t0, tenant, user};

pub async fn register_and_find(store: &Store) {
    assert_eq!(store.user_count().await.expect("counts"), 0);
    assert_eq!(store.organization_first().await.expect("reads"), None);
    let (user, organization) = tenant(store, "ada").await;
    assert_eq!(store.user_count().await.expect("counts"), 1);
    assert_eq!(
        store.user_by_email("ada@example.com").await.expect("reads"),
        Some(user.clone())
    );
    assert_eq!(
        store.user_by_email("ADA@example.com").await.expect("reads"),
        None
    );
    assert_eq!(store.user_get(user.id).await.expect("reads"), Some(user));
    assert_eq!(
        store.organization_first().await.expect("reads"),
        Some(organization.clone())
    );
    assert_eq!(
        store
            .organization_get(organization.id)
            .await
            .expect("reads"),
        Some(organization)
    );
}

pub async fn email_and_slug_are_unique(store: &Store) {
    tenant(store, "ada").await;
    let same_email = user("ada@example.com");
    let other = organization("other");
    let error = store
        .user_register(
            &same_email,
            &other,
            &owner(&other, &same_email),
            &audit(other.id, "x"),
        )
        .await
        .expect_err("the e-mail is taken");
    assert!(
        matches!(error, StoreError::Conflict(Conflict::Email)),
        "{error:?}"
    );

    let bob = user("bob@example.com");
    let same_slug = organization("ada");
    let error = store
        .user_register(
            &bob,
            &same_slug,
            &owner(&same_slug, &bob),
            &audit(same_slug.id, "x"),
        )
        .await
        .expect_err("the slug is taken");
    assert!(
        matches!(error, StoreError::Conflict(Conflict::OrganizationSlug)),
        "{error:?}"
    );
}

pub async fn a_failed_registration_leaves_nothing(store: &Store) {
    tenant(store, "ada").await;
    let bob = user("bob@example.com");
    let same_slug = organization("ada");
    store
        .user_register(
            &bob,
            &same_slug,
            &owner(&same_slug, &bob),
            &audit(same_slug.id, "x"),
        )
        .await
        .expect_err("the slug is taken");
    assert_eq!(
        store.user_by_email("bob@example.com").await.expect("reads"),
        None
    );
}

pub async fn update_user(store: &Store) {
    let (mut user, organization) = tenant(store, "ada").await;
    user.full_name = None;
    user.is_active = false;
    user.time_zone = Some("America/Argentina/Buenos_Aires".into());
    assert!(
        store
            .user_update(&user, &audit(organization.id, "user.updated"))
            .await
            .expect("ok")
    );
    assert_eq!(
        store.user_get(user.id).await.expect("reads"),
        Some(user.clone())
    );
    let stranger = crate::samples::user("nobody@example.com");
    assert!(
        !store
            .user_update(&stranger, &audit(organization.id, "x"))
            .await
            .expect("ok")
    );
    let lines = store
        .audit_list(organization.id, None, 10)
        .await
        .expect("reads");
    assert_eq!(lines.len(), 2, "what changed nothing leaves no line");
}

pub async fn memberships(store: &Store) {
    let (ada, first) = tenant(store, "ada").await;
    let (bob, second) = tenant(store, "bob").await;
    let (organization, membership) = store
        .membership_first(ada.id)
        .await
        .expect("reads")
        .expect("has one");
    assert_eq!(organization, first);
    assert_eq!(membership.role, "owner");
    assert_eq!(membership.user_id, ada.id);
    assert_eq!(membership.created_at, t0());
    assert!(
        store
            .membership_get(second.id, bob.id)
            .await
            .expect("reads")
            .is_some()
    );
    assert!(
        store
            .membership_get(second.id, ada.id)
            .await
            .expect("reads")
            .is_none()
    );
}

pub async fn audit_lines_page(store: &Store) {
    let (_, mine) = tenant(store, "ada").await;
    let (_, other) = tenant(store, "bob").await;
    for n in 0..5 {
        store
            .audit_insert(&audit(mine.id, &format!("a{n}")))
            .await
            .expect("inserts");
    }
    store
        .audit_insert(&audit(other.id, "foreign"))
        .await
        .expect("inserts");
    let first = store.audit_list(mine.id, None, 4).await.expect("reads");
    let actions: Vec<&str> = first.iter().map(|line| line.action.as_str()).collect();
    assert_eq!(actions, ["a4", "a3", "a2", "a1"]);
    let rest = store
        .audit_list(mine.id, first.last().map(|l| l.id), 4)
        .await
        .expect("reads");
    let actions: Vec<&str> = rest.iter().map(|line| line.action.as_str()).collect();
    assert_eq!(actions, ["a0", "user.registered"]);
    assert_eq!(first[0].details["name"]["after"], "ö");
}
