use apiverse_contract::auth::Role;
use apiverse_store::{
    AccountTokenRow, Conflict, NotificationRow, OutboxScope, PasswordChange, Place, Store,
    StoreError, UserDeleted, UserRow,
};

use crate::samples::{after, audit, session, t0, tenant};

fn link(user: &UserRow, secret: &[u8], purpose: &str) -> AccountTokenRow {
    AccountTokenRow {
        token_hash: secret.to_vec(),
        user_id: user.id,
        purpose: purpose.into(),
        email: user.email.clone(),
        created_at: t0(),
        expires_at: after(60),
    }
}

fn message(key: &str) -> NotificationRow {
    NotificationRow {
        id: apiverse_contract::NotificationId(crate::samples::id()),
        organization_id: None,
        user_id: None,
        event: "password_changed".into(),
        channel: "email".into(),
        recipient: "ada@example.com".into(),
        idempotency_key: key.into(),
        subject: "x".into(),
        content: None,
        status: "pending".into(),
        attempts: 0,
        due_at: t0(),
        leased_until: None,
        provider: None,
        provider_id: None,
        last_error: None,
        created_at: t0(),
        updated_at: t0(),
    }
}

async fn messages(store: &Store) -> usize {
    let all = store.notification_list(OutboxScope::All, None, 100).await;
    all.expect("lists").len()
}

pub async fn links_are_good_once(store: &Store) {
    let (ada, organization) = tenant(store, "ada").await;
    let first = link(&ada, b"one", "verify_email");
    let second = link(&ada, b"two", "verify_email");
    for (row, key) in [(&first, "a"), (&second, "b")] {
        store
            .account_token_insert(row, &[message(key)])
            .await
            .expect("keeps");
    }
    assert_eq!(messages(store).await, 2);
    let get = async |secret: &[u8], purpose, at| {
        store
            .account_token_get(secret, purpose, after(at))
            .await
            .expect("reads")
    };
    assert_eq!(
        get(b"one", "verify_email", 0).await,
        None,
        "a later one took its place"
    );
    assert_eq!(get(b"two", "reset_password", 0).await, None);
    assert_eq!(get(b"two", "verify_email", 60).await, None);
    assert_eq!(get(b"two", "verify_email", 59).await, Some(second.clone()));
    let verify = async |at| {
        let line = audit(organization.id, "user.email_verified");
        store
            .user_verify_email(&second, after(at), &line)
            .await
            .expect("ok")
    };
    assert!(!verify(60).await);
    assert!(verify(5).await);
    assert!(!verify(6).await);
    let user = store.user_get(ada.id).await.expect("reads").expect("is");
    assert_eq!(user.email_verified_at, Some(after(5)));
    assert_eq!(
        store
            .account_tokens_forget(after(61), t0())
            .await
            .expect("forgets"),
        0
    );
}

pub async fn an_address_changes_by_its_link(store: &Store) {
    let (ada, organization) = tenant(store, "ada").await;
    let (bob, _) = tenant(store, "bob").await;
    let mut change = link(&ada, b"one", "change_email");
    change.email = bob.email.clone();
    store
        .account_token_insert(&change, &[])
        .await
        .expect("keeps");
    let reset = link(&ada, b"two", "reset_password");
    store
        .account_token_insert(&reset, &[])
        .await
        .expect("keeps");
    let take = async |token: &AccountTokenRow, key| {
        let line = audit(organization.id, "user.email_changed");
        store
            .user_change_email(token, after(3), &line, &[message(key)])
            .await
    };
    let error = take(&change, "a").await.expect_err("is taken");
    assert!(
        matches!(error, StoreError::Conflict(Conflict::Email)),
        "{error:?}"
    );
    change.email = "lovelace@example.com".into();
    assert!(
        take(&change, "b").await.expect("changes"),
        "a failure used nothing up"
    );
    assert!(!take(&change, "c").await.expect("ok"));
    assert_eq!(messages(store).await, 1);
    let user = store.user_get(ada.id).await.expect("reads").expect("is");
    assert_eq!(
        (user.email.as_str(), user.email_verified_at),
        ("lovelace@example.com", Some(after(3)))
    );
    let former = store
        .account_token_get(b"two", "reset_password", t0())
        .await;
    assert_eq!(
        former.expect("reads"),
        None,
        "it went to the former address"
    );
}

pub async fn a_new_password_ends_sessions(store: &Store) {
    let (ada, organization) = tenant(store, "ada").await;
    let kept = session(&ada, b"kept", "browser");
    for row in [&kept, &session(&ada, b"ended", "token")] {
        assert!(store.session_insert(row).await.expect("inserts"));
    }
    let reset = link(&ada, b"one", "reset_password");
    store
        .account_token_insert(&reset, &[])
        .await
        .expect("keeps");
    let set = async |hash: &str, keep, token: Option<&[u8]>, at| {
        let change = PasswordChange {
            user_id: ada.id,
            password_hash: hash,
            keep,
            token_hash: token,
            now: after(at),
        };
        let line = audit(organization.id, "user.password_changed");
        let sent = message(&format!("{hash}{at}"));
        store
            .user_set_password(&change, &line, &[sent])
            .await
            .expect("ok")
    };
    assert!(set("first", Some(kept.id), None, 1).await);
    let left = store.sessions_of_user(ada.id, t0()).await.expect("lists");
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].id, left[0].credentials_version), (kept.id, 2));
    let user = store.user_get(ada.id).await.expect("reads").expect("is");
    assert_eq!(
        (user.password_hash.as_str(), user.credentials_version),
        ("first", 2)
    );
    assert_eq!(user.email_verified_at, None);
    assert!(
        !set("second", None, Some(b"one"), 2).await,
        "a new password ends open links"
    );

    store
        .account_token_insert(&reset, &[])
        .await
        .expect("keeps");
    assert!(!set("second", None, Some(b"one"), 60).await, "it is over");
    assert!(!set("second", None, Some(b"other"), 3).await);
    assert!(set("second", None, Some(b"one"), 3).await);
    assert!(!set("third", None, Some(b"one"), 4).await);
    let user = store.user_get(ada.id).await.expect("reads").expect("is");
    assert_eq!(
        (user.password_hash.as_str(), user.credentials_version),
        ("second", 3)
    );
    assert_eq!(user.email_verified_at, Some(after(3)));
    assert_eq!(
        store.sessions_of_user(ada.id, t0()).await.expect("lists"),
        []
    );
    assert_eq!(messages(store).await, 2);

    let line = || audit(organization.id, "user.signed_in_and_rehashed");
    let rehash = async |former| {
        store
            .user_rehash(ada.id, former, "new", &line())
            .await
            .expect("ok")
    };
    assert!(!rehash("first").await);
    assert!(rehash("second").await);
}

pub async fn accounts_are_deleted_with_what_is_theirs_alone(store: &Store) {
    let (ada, hers) = tenant(store, "ada").await;
    let (bob, _) = tenant(store, "bob").await;
    let line = || {
        let mut line = audit(hers.id, "user.deleted");
        line.organization_id = None;
        line
    };
    assert!(
        store
            .session_insert(&session(&ada, b"s", "token"))
            .await
            .expect("inserts")
    );
    let gone = store
        .user_delete(ada.id, &line(), &[message("a")])
        .await
        .expect("ok");
    assert_eq!(gone, UserDeleted::Gone(vec![hers.id]));
    assert_eq!(store.user_get(ada.id).await.expect("reads"), None);
    assert_eq!(store.organization_get(hers.id).await.expect("reads"), None);
    assert_eq!(
        store.sessions_of_user(ada.id, t0()).await.expect("lists"),
        []
    );
    let again = store.user_delete(ada.id, &line(), &[]).await.expect("ok");
    assert_eq!(again, UserDeleted::Unknown);
    assert!(store.user_get(bob.id).await.expect("reads").is_some());
    assert_eq!(messages(store).await, 1);
    let all = store.memberships_of_user(bob.id).await.expect("lists");
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].1.role, Role::Owner.as_str());
}

pub async fn places_are_known_again(store: &Store) {
    let (ada, _) = tenant(store, "ada").await;
    let note = async |place: &[u8], at| {
        store
            .place_note(ada.id, place, after(at))
            .await
            .expect("notes")
    };
    assert_eq!(note(b"here", 0).await, Place::First);
    assert_eq!(note(b"here", 1).await, Place::Known);
    assert_eq!(note(b"there", 2).await, Place::New);
    assert_eq!(note(b"there", 3).await, Place::Known);
    store
        .account_tokens_forget(t0(), after(2))
        .await
        .expect("forgets");
    assert_eq!(note(b"here", 4).await, Place::New);
    let mut done = audit(apiverse_contract::OrganizationId(crate::samples::id()), "x");
    done.organization_id = None;
    done.actor_user_id = Some(ada.id);
    store.audit_insert(&done).await.expect("inserts");
    let lines = store.audit_of_user(ada.id, 10).await.expect("reads");
    assert_eq!(lines, [done]);
}
