//! Saved views, and which of them a page opens with.

use apiverse_contract::saved_views::ViewPage;
use apiverse_contract::{OrganizationId, SavedViewId, UserId};
use apiverse_store::{Conflict, SavedViewRow, Store, StoreError, UserRow};

use crate::samples::{audit, id, t0, tenant};

fn view(organization_id: OrganizationId, owner: &UserRow, name: &str) -> SavedViewRow {
    SavedViewRow {
        id: SavedViewId(id()),
        organization_id,
        owner_id: owner.id,
        owner_email: owner.email.clone(),
        page: ViewPage::Usage,
        name: name.into(),
        query: "span=7d&route=%2Fä".into(),
        shared: false,
        is_default: false,
        created_at: t0(),
    }
}

async fn names(store: &Store, organization: OrganizationId, user: UserId) -> Vec<String> {
    let rows = store.saved_views_list(organization, user).await;
    let rows = rows.expect("reads").into_iter();
    rows.map(|row| row.name).collect()
}

pub async fn what_is_private_is_seen_by_its_owner_alone(store: &Store) {
    let (ada, first) = tenant(store, "ada").await;
    let (eve, second) = tenant(store, "eve").await;
    let line = audit(first.id, "saved_view.created");
    let private = view(first.id, &ada, "private");
    let shared = SavedViewRow {
        shared: true,
        ..view(first.id, &ada, "shared")
    };
    store
        .saved_view_insert(&private, None)
        .await
        .expect("writes");
    store
        .saved_view_insert(&shared, Some(&line))
        .await
        .expect("writes");
    assert_eq!(names(store, first.id, ada.id).await, ["private", "shared"]);
    // Eve is a colleague when she asks in the first organization.
    assert_eq!(names(store, first.id, eve.id).await, ["shared"]);
    assert!(names(store, second.id, ada.id).await.is_empty());
    let get = async |organization, user, id| {
        let found = store.saved_view_get(organization, user, id).await;
        found.expect("reads")
    };
    assert_eq!(
        get(first.id, ada.id, private.id).await,
        Some(private.clone())
    );
    assert_eq!(get(first.id, eve.id, private.id).await, None);
    assert_eq!(get(second.id, ada.id, private.id).await, None);
    assert_eq!(get(first.id, eve.id, shared.id).await, Some(shared.clone()));

    let stolen = SavedViewRow {
        organization_id: second.id,
        ..shared.clone()
    };
    assert!(!store.saved_view_update(&stolen, None).await.expect("runs"));
    let gone = store.saved_view_delete(second.id, shared.id, None).await;
    assert!(!gone.expect("runs"));
    let changed = SavedViewRow {
        name: "all".into(),
        query: String::new(),
        ..shared
    };
    assert!(store.saved_view_update(&changed, None).await.expect("runs"));
    assert_eq!(
        get(first.id, eve.id, changed.id).await,
        Some(changed.clone())
    );
    let gone = store.saved_view_delete(first.id, changed.id, None).await;
    assert!(gone.expect("runs"));
    assert_eq!(names(store, first.id, ada.id).await, ["private"]);
}

pub async fn a_name_is_taken_once_for_each_owner(store: &Store) {
    let (ada, first) = tenant(store, "ada").await;
    let (eve, second) = tenant(store, "eve").await;
    let one = view(first.id, &ada, "mine");
    store.saved_view_insert(&one, None).await.expect("writes");
    let again = store
        .saved_view_insert(&view(first.id, &ada, "mine"), None)
        .await;
    assert!(
        matches!(again, Err(StoreError::Conflict(Conflict::SavedViewName))),
        "{again:?}"
    );
    for (organization, owner) in [(first.id, &eve), (second.id, &ada)] {
        let other = view(organization, owner, "mine");
        store.saved_view_insert(&other, None).await.expect("writes");
    }
    let two = view(first.id, &ada, "two");
    store.saved_view_insert(&two, None).await.expect("writes");
    let renamed = SavedViewRow {
        name: "mine".into(),
        ..two
    };
    let again = store.saved_view_update(&renamed, None).await;
    assert!(
        matches!(again, Err(StoreError::Conflict(Conflict::SavedViewName))),
        "{again:?}"
    );
}

pub async fn a_page_opens_with_a_view_that_is_seen(store: &Store) {
    let (ada, first) = tenant(store, "ada").await;
    let (eve, second) = tenant(store, "eve").await;
    let shared = SavedViewRow {
        shared: true,
        ..view(first.id, &ada, "shared")
    };
    let other = view(first.id, &eve, "other");
    for row in [&shared, &other] {
        store.saved_view_insert(row, None).await.expect("writes");
    }
    let of = async |organization, user| {
        let found = store
            .default_view(organization, user, ViewPage::Usage)
            .await;
        found.expect("reads").map(|row| row.name)
    };
    let set = async |user, id| {
        let set = store
            .default_view_set(first.id, user, ViewPage::Usage, id)
            .await;
        set.expect("writes");
    };
    assert_eq!(of(first.id, ada.id).await, None);
    set(ada.id, shared.id).await;
    set(eve.id, other.id).await;
    set(eve.id, shared.id).await;
    assert_eq!(of(first.id, ada.id).await.as_deref(), Some("shared"));
    assert_eq!(of(first.id, eve.id).await.as_deref(), Some("shared"));
    assert_eq!(of(second.id, ada.id).await, None);
    let listed = store
        .saved_views_list(first.id, eve.id)
        .await
        .expect("reads");
    let defaults: Vec<(&str, bool)> = listed
        .iter()
        .map(|row| (row.name.as_str(), row.is_default))
        .collect();
    assert_eq!(defaults, [("shared", true), ("other", false)]);

    let private = SavedViewRow {
        shared: false,
        ..shared.clone()
    };
    assert!(store.saved_view_update(&private, None).await.expect("runs"));
    assert_eq!(of(first.id, eve.id).await, None);
    assert_eq!(of(first.id, ada.id).await.as_deref(), Some("shared"));
    // It was forgotten, and not only hidden.
    assert!(store.saved_view_update(&shared, None).await.expect("runs"));
    assert_eq!(of(first.id, eve.id).await, None);
    store
        .default_view_clear(ada.id, shared.id)
        .await
        .expect("writes");
    assert_eq!(of(first.id, ada.id).await, None);
    set(eve.id, other.id).await;
    let gone = store.saved_view_delete(first.id, other.id, None).await;
    assert!(gone.expect("runs"));
    assert_eq!(of(first.id, eve.id).await, None);
}
