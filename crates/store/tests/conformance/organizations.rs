use apiverse_contract::{InvitationId, NotificationId};
use apiverse_store::{
    Conflict, InvitationRow, MemberChange, MembershipRow, NotificationRow, OrganizationRow, Store,
    StoreError, UserRow,
};

use crate::samples::{after, audit, id, organization, owner, session, t0, tenant};

fn invitation(to: &OrganizationRow, email: &str, secret: &[u8]) -> InvitationRow {
    InvitationRow {
        id: InvitationId(id()),
        organization_id: to.id,
        email: email.into(),
        role: "developer".into(),
        token_hash: secret.to_vec(),
        invited_by: None,
        created_at: t0(),
        sent_at: t0(),
        expires_at: after(60),
        accepted_at: None,
        revoked_at: None,
    }
}

fn message() -> NotificationRow {
    NotificationRow {
        id: NotificationId(id()),
        organization_id: None,
        user_id: None,
        event: "invitation".into(),
        channel: "email".into(),
        recipient: "x@example.com".into(),
        idempotency_key: id().to_string(),
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

/// Makes a user a member through an invitation.
async fn join(store: &Store, to: &OrganizationRow, user: &UserRow) {
    let row = invitation(to, &user.email, user.email.as_bytes());
    let line = audit(to.id, "invitation.created");
    store
        .invitation_insert(&row, &line, &message())
        .await
        .expect("inserts");
    let line = audit(to.id, "invitation.accepted");
    let accepted = store
        .invitation_accept(&row, user.id, after(1), &line, &[])
        .await;
    assert!(accepted.expect("accepts"));
}

pub async fn organizations_insert_update_delete(store: &Store) {
    let (ada, first) = tenant(store, "ada").await;
    let second = organization("second");
    let line = || audit(second.id, "organization.created");
    let made = store
        .organization_insert(&second, &owner(&second, &ada), &line())
        .await;
    made.expect("inserts");
    let clash = organization("second");
    let refused = store
        .organization_insert(&clash, &owner(&clash, &ada), &audit(first.id, "x"))
        .await;
    assert!(
        matches!(
            refused,
            Err(StoreError::Conflict(Conflict::OrganizationSlug))
        ),
        "{refused:?}"
    );
    let mut changed = second.clone();
    changed.name = "Zweite".into();
    assert!(
        store
            .organization_update(&changed, &line())
            .await
            .expect("updates")
    );
    changed.slug = first.slug.clone();
    let refused = store.organization_update(&changed, &line()).await;
    assert!(
        matches!(
            refused,
            Err(StoreError::Conflict(Conflict::OrganizationSlug))
        ),
        "{refused:?}"
    );
    assert!(
        !store
            .organization_update(&clash, &line())
            .await
            .expect("ok")
    );
    let found = store
        .organization_get(second.id)
        .await
        .expect("reads")
        .expect("is");
    assert_eq!(
        (found.name.as_str(), found.slug.as_str()),
        ("Zweite", "second")
    );

    let token = session(&ada, b"s", "token");
    assert!(store.session_insert(&token).await.expect("inserts"));
    assert!(
        store
            .session_switch(token.id, second.id)
            .await
            .expect("switches")
    );
    let (_, foreign) = tenant(store, "bob").await;
    assert!(
        !store
            .session_switch(token.id, foreign.id)
            .await
            .expect("ok")
    );
    let read = store
        .session_get(token.id, t0())
        .await
        .expect("reads")
        .expect("is");
    assert_eq!(read.organization_id, Some(second.id));
    let ids: Vec<_> = store
        .memberships_of_user(ada.id)
        .await
        .expect("lists")
        .into_iter()
        .map(|(organization, _)| organization.id)
        .collect();
    assert_eq!(ids, [first.id, second.id]);

    let mut outside = audit(second.id, "organization.deleted");
    outside.organization_id = None;
    assert!(
        store
            .organization_delete(second.id, &outside)
            .await
            .expect("deletes")
    );
    assert!(
        !store
            .organization_delete(second.id, &outside)
            .await
            .expect("ok")
    );
    let read = store
        .session_get(token.id, t0())
        .await
        .expect("reads")
        .expect("is");
    assert_eq!(read.organization_id, None, "the session goes on elsewhere");
}

pub async fn there_is_always_an_owner(store: &Store) {
    let (ada, acme) = tenant(store, "ada").await;
    let (bob, _) = tenant(store, "bob").await;
    join(store, &acme, &bob).await;
    let line = || audit(acme.id, "member.changed");
    let set = async |user: &UserRow, role| {
        let place = (acme.id, user.id);
        store
            .member_set_role(place, (role, true), &line(), &[])
            .await
            .expect("ok")
    };
    let remove = async |user: &UserRow| {
        store
            .member_remove((acme.id, user.id), true, &line(), &[])
            .await
            .expect("ok")
    };
    assert_eq!(set(&ada, "viewer").await, MemberChange::LastOwner);
    assert_eq!(remove(&ada).await, MemberChange::LastOwner);
    assert_eq!(set(&ada, "owner").await, MemberChange::Done);
    let by_admin = async |user: &UserRow, role| {
        let place = (acme.id, user.id);
        store
            .member_set_role(place, (role, false), &line(), &[])
            .await
            .expect("ok")
    };
    assert_eq!(by_admin(&bob, "owner").await, MemberChange::OwnersOnly);
    assert_eq!(by_admin(&ada, "viewer").await, MemberChange::OwnersOnly);
    assert_eq!(by_admin(&bob, "viewer").await, MemberChange::Done);
    assert_eq!(set(&bob, "owner").await, MemberChange::Done);
    let place = (acme.id, bob.id);
    let removed = store.member_remove(place, false, &line(), &[]).await;
    assert_eq!(removed.expect("ok"), MemberChange::OwnersOnly);
    assert_eq!(set(&ada, "viewer").await, MemberChange::Done);
    assert_eq!(remove(&bob).await, MemberChange::LastOwner);
    let transfer = async |from: &UserRow, to: &UserRow| {
        store
            .ownership_transfer(acme.id, from.id, to.id, &line(), &[])
            .await
            .expect("ok")
    };
    assert_eq!(
        transfer(&ada, &bob).await,
        MemberChange::Unknown,
        "she is no owner"
    );
    let (cyd, _) = tenant(store, "cyd").await;
    assert_eq!(transfer(&bob, &cyd).await, MemberChange::Unknown);
    assert_eq!(transfer(&bob, &ada).await, MemberChange::Done);
    let members = store.member_list(acme.id, None, 10).await.expect("lists");
    let roles: Vec<(&str, &str)> = members
        .iter()
        .map(|member| (member.email.as_str(), member.role.as_str()))
        .collect();
    assert_eq!(
        roles,
        [("ada@example.com", "owner"), ("bob@example.com", "admin")]
    );
    let rest = store
        .member_list(acme.id, Some(ada.id), 10)
        .await
        .expect("lists");
    assert_eq!(rest.len(), 1);
    assert_eq!(remove(&bob).await, MemberChange::Done);
    assert_eq!(remove(&bob).await, MemberChange::Unknown);
    assert_eq!(set(&bob, "owner").await, MemberChange::Unknown);
    assert_eq!(
        store.member_get(acme.id, bob.id).await.expect("reads"),
        None
    );
}

pub async fn of_two_owners_that_leave_one_stays(store: &Store) {
    let (ada, acme) = tenant(store, "ada").await;
    let (bob, _) = tenant(store, "bob").await;
    join(store, &acme, &bob).await;
    let place = (acme.id, bob.id);
    let line = audit(acme.id, "x");
    store
        .member_set_role(place, ("owner", true), &line, &[])
        .await
        .expect("ok");
    let lines = [audit(acme.id, "a"), audit(acme.id, "b")];
    let (one, two) = tokio::join!(
        store.member_remove((acme.id, ada.id), true, &lines[0], &[]),
        store.member_remove((acme.id, bob.id), true, &lines[1], &[]),
    );
    let mut outcomes = [one.expect("ok"), two.expect("ok")];
    outcomes.sort_by_key(|outcome| *outcome != MemberChange::Done);
    assert_eq!(outcomes, [MemberChange::Done, MemberChange::LastOwner]);
    assert_eq!(
        store
            .member_list(acme.id, None, 10)
            .await
            .expect("lists")
            .len(),
        1
    );
}

pub async fn invitations_are_open_until_they_are_not(store: &Store) {
    let (ada, acme) = tenant(store, "ada").await;
    let (bob, other) = tenant(store, "bob").await;
    let first = invitation(&acme, &bob.email, b"one");
    let second = invitation(&acme, &bob.email, b"two");
    let line = || audit(acme.id, "invitation");
    for row in [&first, &second] {
        store
            .invitation_insert(row, &line(), &message())
            .await
            .expect("inserts");
    }
    let by = async |secret: &[u8], at| {
        store
            .invitation_by_token(secret, after(at))
            .await
            .expect("reads")
    };
    assert_eq!(by(b"one", 0).await, None, "another took its place");
    assert_eq!(by(b"two", 60).await, None);
    assert_eq!(by(b"two", 59).await, Some(second.clone()));
    let get = store
        .invitation_get(other.id, second.id)
        .await
        .expect("reads");
    assert_eq!(get, None, "it is another organization's");
    let list = store
        .invitation_list(acme.id, None, 10)
        .await
        .expect("lists");
    assert_eq!(list.len(), 2);
    assert_eq!(list[1].revoked_at, Some(t0()));
    let rest = store
        .invitation_list(acme.id, Some(list[0].id), 10)
        .await
        .expect("lists");
    assert_eq!(rest.len(), 1);

    let mut renewed = second.clone();
    renewed.token_hash = b"three".to_vec();
    renewed.expires_at = after(120);
    assert!(
        store
            .invitation_renew(&renewed, &line(), &message())
            .await
            .expect("renews")
    );
    assert_eq!(by(b"two", 0).await, None);
    let accept = async |row: &InvitationRow, at| {
        store
            .invitation_accept(row, bob.id, after(at), &line(), &[])
            .await
            .expect("ok")
    };
    assert!(!accept(&second, 1).await, "its link is not the latest");
    assert!(!accept(&renewed, 120).await);
    assert!(accept(&renewed, 100).await);
    assert!(!accept(&renewed, 101).await);
    let member = store
        .member_get(acme.id, bob.id)
        .await
        .expect("reads")
        .expect("is");
    assert_eq!(
        (member.role.as_str(), member.joined_at),
        ("developer", after(100))
    );
    let user = store.user_get(bob.id).await.expect("reads").expect("is");
    assert_eq!(user.email_verified_at, Some(after(100)));
    assert!(
        !store
            .invitation_renew(&renewed, &line(), &message())
            .await
            .expect("ok")
    );

    let third = invitation(&acme, "cyd@example.com", b"four");
    store
        .invitation_insert(&third, &line(), &message())
        .await
        .expect("inserts");
    let revoke = async |organization: &OrganizationRow| {
        store
            .invitation_revoke(organization.id, third.id, after(2), &line())
            .await
            .expect("ok")
    };
    assert!(!revoke(&other).await);
    assert!(revoke(&acme).await);
    assert!(!revoke(&acme).await);
    // Who is a member already keeps their role.
    let again = invitation(&acme, &ada.email, b"five");
    store
        .invitation_insert(&again, &line(), &message())
        .await
        .expect("inserts");
    let kept = store
        .invitation_accept(&again, ada.id, after(3), &line(), &[])
        .await;
    assert!(kept.expect("accepts"));
    let role: Option<MembershipRow> = store
        .membership_get(acme.id, ada.id)
        .await
        .expect("reads")
        .map(|(_, membership)| membership);
    assert_eq!(
        role.map(|membership| membership.role),
        Some("owner".to_owned())
    );
}

pub async fn members_show_their_second_factor_and_when_they_were_seen(store: &Store) {
    let (ada, acme) = tenant(store, "ada").await;
    let member = async || {
        let found = store.member_get(acme.id, ada.id).await.expect("reads");
        let found = found.expect("is a member");
        let listed = store.member_list(acme.id, None, 10).await.expect("lists");
        assert_eq!(listed, std::slice::from_ref(&found));
        (found.two_factor, found.last_seen_at)
    };
    assert_eq!(member().await, (false, None));
    for (seen, token) in [(after(5), b"one"), (after(3), b"two")] {
        let mut row = session(&ada, token, "browser");
        row.last_seen_at = seen;
        assert!(store.session_insert(&row).await.expect("inserts"));
    }
    assert_eq!(member().await, (false, Some(after(5))));
    let totp = apiverse_store::TotpRow {
        user_id: ada.id,
        secret: vec![1],
        last_step: 0,
        created_at: t0(),
        confirmed_at: None,
    };
    assert!(store.totp_begin(&totp).await.expect("begins"));
    assert!(!member().await.0, "it is not confirmed yet");
    let line = audit(acme.id, "user.two_factor_on");
    store
        .totp_confirm((ada.id, 1, after(6)), &[], &line, &[])
        .await
        .expect("confirms");
    assert!(member().await.0);
}

pub async fn first_steps_are_dismissed_by_each_member(store: &Store) {
    let (ada, acme) = tenant(store, "ada").await;
    let (bob, other) = tenant(store, "bob").await;
    join(store, &acme, &bob).await;
    let dismissed = async |of: &OrganizationRow, user: &UserRow| {
        let at = store.onboarding_dismissed(of.id, user.id).await;
        at.expect("reads")
    };
    assert_eq!(dismissed(&acme, &ada).await, None);
    for at in [after(1), after(2)] {
        let kept = store.onboarding_dismiss(acme.id, ada.id, at).await;
        kept.expect("is kept");
    }
    assert_eq!(dismissed(&acme, &ada).await, Some(after(1)));
    assert_eq!(dismissed(&acme, &bob).await, None);
    assert_eq!(dismissed(&other, &ada).await, None);
}
