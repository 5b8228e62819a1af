use apiverse_contract::{IdentityId, OrganizationId, UserId};
use apiverse_store::{
    ExternalMark, IdentityRemoved, IdentityRow, MembershipRow, OrganizationRow, Store, UserRow,
};

use crate::samples::{after, audit, id, organization, owner, session, t0, tenant, user};

const ISSUER: &str = "https://id.example.com";

fn identity(user_id: UserId, subject: &str) -> IdentityRow {
    IdentityRow {
        id: IdentityId(id()),
        user_id,
        issuer: ISSUER.to_owned(),
        subject: subject.to_owned(),
        email: Some(format!("{subject}@example.com")),
        created_at: t0(),
        last_used_at: t0(),
    }
}

pub async fn identities_are_one_persons(store: &Store) {
    let (ada, organization) = tenant(store, "ada").await;
    let (bob, _) = tenant(store, "bob").await;
    let line = || audit(organization.id, "identity");
    let row = identity(ada.id, "one");
    assert!(
        store
            .identity_insert(&row, &line(), &[])
            .await
            .expect("adds")
    );
    let taken = identity(bob.id, "one");
    assert!(
        !store
            .identity_insert(&taken, &line(), &[])
            .await
            .expect("ok")
    );
    let found = store.identity_find(ISSUER, "one").await.expect("reads");
    assert_eq!(found.as_ref(), Some(&row));
    for (issuer, subject) in [(ISSUER, "two"), ("https://other.example.com", "one")] {
        let found = store.identity_find(issuer, subject).await.expect("reads");
        assert_eq!(found, None);
    }
    for (email, kept) in [
        (Some("new@example.com"), "new@example.com"),
        (None, "new@example.com"),
    ] {
        store
            .identity_used(row.id, email, after(5))
            .await
            .expect("notes");
        let all = store.identities_of_user(ada.id).await.expect("reads");
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].last_used_at, after(5));
        assert_eq!(all[0].email.as_deref(), Some(kept));
    }
    assert_eq!(store.identities_of_user(bob.id).await.expect("ok"), []);

    // Nobody takes another's away; with a password it may go.
    let remove = async |user_id, id| {
        store
            .identity_remove(user_id, id, &line(), &[])
            .await
            .expect("ok")
    };
    assert_eq!(remove(bob.id, row.id).await, IdentityRemoved::Unknown);
    assert_eq!(remove(ada.id, row.id).await, IdentityRemoved::Done);
    assert_eq!(remove(ada.id, row.id).await, IdentityRemoved::Unknown);
}

fn newcomer(name: &str) -> (UserRow, OrganizationRow, MembershipRow) {
    let mut user = user(&format!("{name}@example.com"));
    user.password_hash = String::new();
    let organization = organization(name);
    let membership = owner(&organization, &user);
    (user, organization, membership)
}

pub async fn somebody_registers_as_they_are_known(store: &Store) {
    let (cleo, organization, membership) = newcomer("cleo");
    let line = || audit(organization.id, "user.registered");
    let row = identity(cleo.id, "cleo");
    let place = (&organization, &membership);
    assert!(
        store
            .user_register_as(&cleo, place, Some(&row), &line())
            .await
            .expect("adds")
    );
    let found = store.identity_find(ISSUER, "cleo").await.expect("reads");
    assert_eq!(found, Some(row.clone()));
    // Another account for the same person is not made at all.
    let (dora, other, membership) = newcomer("dora");
    let twin = identity(dora.id, "cleo");
    assert!(
        !store
            .user_register_as(&dora, (&other, &membership), Some(&twin), &line())
            .await
            .expect("ok")
    );
    assert_eq!(store.user_get(dora.id).await.expect("reads"), None);

    // The only way in stays, of two either may go.
    let remove = async |id| {
        store
            .identity_remove(cleo.id, id, &line(), &[])
            .await
            .expect("ok")
    };
    assert_eq!(remove(row.id).await, IdentityRemoved::LastWay);
    let second = identity(cleo.id, "cleo-2");
    assert!(
        store
            .identity_insert(&second, &line(), &[])
            .await
            .expect("adds")
    );
    assert_eq!(remove(row.id).await, IdentityRemoved::Done);
    assert_eq!(remove(second.id).await, IdentityRemoved::LastWay);

    // When the issuer does not know them any more, the account without another way in is off.
    let begun = session(&cleo, b"begun", "browser");
    assert!(store.session_insert(&begun).await.expect("adds"));
    let end = async |subject| {
        store
            .identity_end((ISSUER, subject), &line(), after(9))
            .await
            .expect("ok")
    };
    assert!(!end("nobody").await);
    assert!(end("cleo-2").await);
    assert!(!end("cleo-2").await);
    let now = store
        .user_get(cleo.id)
        .await
        .expect("reads")
        .expect("there");
    assert!(!now.is_active);
    assert_eq!(now.credentials_version, cleo.credentials_version + 1);
    assert_eq!(
        store.session_get(begun.id, after(9)).await.expect("ok"),
        None
    );
    let (ada, _) = tenant(store, "ada").await;
    let hers = identity(ada.id, "ada");
    assert!(
        store
            .identity_insert(&hers, &line(), &[])
            .await
            .expect("adds")
    );
    assert!(end("ada").await);
    let now = store.user_get(ada.id).await.expect("reads").expect("there");
    assert!(now.is_active, "there is a password");
}

pub async fn late_reports_change_nothing(store: &Store) {
    let (ada, organization) = tenant(store, "ada").await;
    let line = || audit(organization.id, "user.updated");
    let row = identity(ada.id, "ada");
    assert!(
        store
            .identity_insert(&row, &line(), &[])
            .await
            .expect("adds")
    );
    let mark = |version, is_gone| ExternalMark {
        issuer: ISSUER,
        kind: "user",
        external_id: "ada",
        version,
        is_gone,
        now: t0(),
    };
    for (version, is_gone, counts) in [
        (5, false, true),
        (5, false, true),
        (4, false, false),
        (6, false, true),
        (1, true, true),
        (1, true, false),
        (9, false, false),
    ] {
        let fresh = store.external_mark(&mark(version, is_gone)).await;
        assert_eq!(fresh.expect("marks"), counts, "{version} {is_gone}");
    }
    let gone = async |kind| {
        store
            .external_is_gone(ISSUER, kind, "ada")
            .await
            .expect("ok")
    };
    assert!(gone("user").await);
    assert!(!gone("session").await);
    let named = async |kind, version, name| {
        let mark = ExternalMark {
            kind,
            ..mark(version, false)
        };
        store
            .external_user_named(&mark, Some(name), &line())
            .await
            .expect("ok")
    };
    assert!(!named("user", 10, "Nobody").await);
    assert!(named("name", 2, "Ada").await);
    assert!(!named("name", 2, "Ada").await, "that is the name");
    assert!(!named("name", 1, "Former").await);
    let now = store.user_get(ada.id).await.expect("reads").expect("there");
    assert_eq!(now.full_name.as_deref(), Some("Ada"));

    assert!(!store.webhook_seen("clerk", &[1; 32]).await.expect("ok"));
    for _ in 0..2 {
        store
            .webhook_note("clerk", &[1; 32], t0())
            .await
            .expect("notes");
    }
    assert!(store.webhook_seen("clerk", &[1; 32]).await.expect("ok"));
    assert!(!store.webhook_seen("stripe", &[1; 32]).await.expect("ok"));
}

pub async fn organizations_and_sessions_have_origins(store: &Store) {
    let (ada, organization) = tenant(store, "ada").await;
    let (bob, others) = tenant(store, "bob").await;
    let line = || audit(organization.id, "member");
    let ours = async |theirs| {
        let found = store.external_organization(ISSUER, theirs).await;
        found.expect("reads")
    };
    let link = async |id: OrganizationId| {
        store
            .external_organization_link(ISSUER, "org", id)
            .await
            .expect("ok")
    };
    assert_eq!(ours("org").await, None);
    assert!(link(organization.id).await);
    assert!(!link(others.id).await);
    assert_eq!(ours("org").await, Some(organization.id));
    let set = async |user_id, role: &str| {
        let row = MembershipRow {
            organization_id: organization.id,
            user_id,
            role: role.to_owned(),
            created_at: t0(),
        };
        store.external_member_set(&row, &line()).await.expect("ok")
    };
    assert!(set(bob.id, "developer").await);
    assert!(!set(bob.id, "developer").await);
    assert!(set(bob.id, "admin").await);
    assert!(!set(ada.id, "developer").await, "an owner stays one");
    let found = store.membership_get(organization.id, bob.id).await;
    let (_, membership) = found.expect("reads").expect("a member");
    assert_eq!(membership.role, "admin");
    let unlink = async || {
        store
            .external_organization_unlink(ISSUER, "org", &line())
            .await
            .expect("ok")
    };
    assert!(unlink().await);
    assert!(!unlink().await);
    assert_eq!(ours("org").await, None);

    for (token, origin) in [(b"1", "one"), (b"2", "one"), (b"3", "two")] {
        let row = session(&ada, token, "browser");
        assert!(store.session_insert(&row).await.expect("adds"));
        store
            .session_origin_insert(row.id, ISSUER, origin)
            .await
            .expect("ties");
    }
    let end = async |origin| {
        store
            .sessions_end_of_origin(ISSUER, origin)
            .await
            .expect("ok")
    };
    assert_eq!(end("one").await, 2);
    assert_eq!(end("one").await, 0);
    assert_eq!(
        store
            .sessions_of_user(ada.id, t0())
            .await
            .expect("ok")
            .len(),
        1
    );
}
