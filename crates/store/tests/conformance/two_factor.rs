use apiverse_contract::{AccessTokenId, ServiceAccountId};
use apiverse_store::{
    AccessTokenRow, ChallengeRow, Conflict, OrganizationRow, ServiceAccountRow, Store, StoreError,
    TotpRow,
};

use crate::samples::{after, audit, id, session, t0, tenant};

pub async fn a_code_counts_once(store: &Store) {
    let (ada, organization) = tenant(store, "ada").await;
    let line = || audit(organization.id, "user.two_factor");
    let row = TotpRow {
        user_id: ada.id,
        secret: vec![0, 1, 255],
        last_step: 0,
        created_at: t0(),
        confirmed_at: None,
    };
    assert!(store.totp_begin(&row).await.expect("keeps"));
    let other = TotpRow {
        secret: vec![7],
        ..row.clone()
    };
    assert!(
        store.totp_begin(&other).await.expect("keeps"),
        "not in force yet"
    );
    assert_eq!(
        store.totp_get(ada.id).await.expect("reads"),
        Some(other.clone())
    );
    assert!(
        !store.totp_use(ada.id, 5).await.expect("ok"),
        "not in force"
    );
    let confirm = async |step| {
        let at = (ada.id, step, after(1));
        store
            .totp_confirm(at, &[[1; 32], [2; 32]], &line(), &[])
            .await
            .expect("ok")
    };
    assert!(confirm(10).await);
    assert!(!confirm(11).await);
    assert!(
        !store.totp_begin(&row).await.expect("ok"),
        "one is in force"
    );
    for (step, may) in [(10, false), (11, true), (11, false), (9, false), (12, true)] {
        assert_eq!(
            store.totp_use(ada.id, step).await.expect("ok"),
            may,
            "{step}"
        );
    }
    assert!(
        store
            .totp_remove(ada.id, &line(), &[])
            .await
            .expect("removes")
    );
    assert!(!store.totp_remove(ada.id, &line(), &[]).await.expect("ok"));
    assert_eq!(store.recovery_left(ada.id).await.expect("counts"), 0);
}

pub async fn recovery_codes_are_good_once(store: &Store) {
    let (ada, organization) = tenant(store, "ada").await;
    let (bob, _) = tenant(store, "bob").await;
    let line = || audit(organization.id, "user.recovery_codes");
    store
        .recovery_replace(ada.id, &[[1; 32], [2; 32]], &line())
        .await
        .expect("keeps");
    let using = async |user, code: u8| {
        store
            .recovery_use(user, &[code; 32], t0())
            .await
            .expect("ok")
    };
    assert!(!using(bob.id, 1).await);
    assert!(using(ada.id, 1).await);
    assert!(!using(ada.id, 1).await);
    assert_eq!(store.recovery_left(ada.id).await.expect("counts"), 1);
    store
        .recovery_replace(ada.id, &[[3; 32]], &line())
        .await
        .expect("keeps");
    assert!(!using(ada.id, 2).await);
    assert!(using(ada.id, 3).await);
    let row = session(&ada, b"s", "token");
    assert!(store.session_insert(&row).await.expect("inserts"));
    store
        .session_authenticated(row.id, after(9), &line())
        .await
        .expect("notes");
    let read = store
        .session_get(row.id, t0())
        .await
        .expect("reads")
        .expect("is");
    assert_eq!(read.authenticated_at, after(9));
    let wanted = store
        .organization_require_two_factor(organization.id, true, &line())
        .await;
    assert!(wanted.expect("sets"));
    let found = store
        .organization_get(organization.id)
        .await
        .expect("reads");
    assert!(found.is_some_and(|found| found.require_two_factor));
}

pub async fn waiting_sign_ins_have_few_attempts(store: &Store) {
    let (ada, _) = tenant(store, "ada").await;
    let row = ChallengeRow {
        token_hash: b"t".to_vec(),
        user_id: ada.id,
        credentials_version: 1,
        attempts_left: 2,
        expires_at: after(60),
    };
    store.challenge_insert(&row).await.expect("keeps");
    let attempt = async |at| store.challenge_attempt(b"t", after(at)).await.expect("ok");
    assert_eq!(attempt(60).await, None);
    assert_eq!(attempt(1).await.map(|row| row.attempts_left), Some(1));
    assert_eq!(attempt(1).await.map(|row| row.attempts_left), Some(0));
    assert_eq!(attempt(1).await, None);
    assert!(store.challenge_take(b"t").await.expect("takes"));
    assert!(!store.challenge_take(b"t").await.expect("ok"));
    store.challenge_insert(&row).await.expect("keeps");
    assert_eq!(
        store.challenges_forget(after(59)).await.expect("forgets"),
        0
    );
    assert_eq!(
        store.challenges_forget(after(60)).await.expect("forgets"),
        1
    );
}

fn token(of: &OrganizationRow, hash: &[u8]) -> AccessTokenRow {
    AccessTokenRow {
        id: AccessTokenId(id()),
        organization_id: of.id,
        user_id: None,
        service_account_id: None,
        name: "t".into(),
        token_hash: hash.to_vec(),
        token_prefix: "apvp_abc".into(),
        scopes: vec!["apis:read".into()],
        created_at: t0(),
        expires_at: Some(after(60)),
        last_used_at: None,
        last_used_ip: None,
        revoked_at: None,
    }
}

pub async fn tokens_are_found_until_they_end(store: &Store) {
    let (ada, acme) = tenant(store, "ada").await;
    let (bob, other) = tenant(store, "bob").await;
    let line = || audit(acme.id, "access_token");
    let mut row = token(&acme, b"one");
    row.user_id = Some(ada.id);
    store
        .access_token_insert(&row, &line())
        .await
        .expect("inserts");
    let by = async |at| {
        store
            .access_token_by_hash(b"one", after(at))
            .await
            .expect("reads")
    };
    assert_eq!(by(59).await, Some(row.clone()));
    assert_eq!(by(60).await, None);
    store
        .access_token_touch(row.id, after(5), Some("192.0.2.1"))
        .await
        .expect("notes");
    let used = store
        .access_token_get(acme.id, row.id)
        .await
        .expect("reads")
        .expect("is");
    assert_eq!(
        (used.last_used_at, used.last_used_ip.as_deref()),
        (Some(after(5)), Some("192.0.2.1"))
    );
    assert_eq!(
        store
            .access_token_get(other.id, row.id)
            .await
            .expect("reads"),
        None
    );
    let list = async |user| {
        store
            .access_token_list(acme.id, user, None, 10)
            .await
            .expect("lists")
            .len()
    };
    assert_eq!(
        (
            list(Some(ada.id)).await,
            list(Some(bob.id)).await,
            list(None).await
        ),
        (1, 0, 0)
    );
    let revoke = async |of: &OrganizationRow| {
        store
            .access_token_revoke(of.id, row.id, after(6), &line())
            .await
            .expect("ok")
    };
    assert!(!revoke(&other).await);
    assert!(revoke(&acme).await);
    assert!(!revoke(&acme).await);
    assert_eq!(by(7).await, None);
}

pub async fn service_accounts_have_names_and_tokens(store: &Store) {
    let (ada, acme) = tenant(store, "ada").await;
    let (_, other) = tenant(store, "bob").await;
    let line = || audit(acme.id, "service_account");
    let account = |name: &str| ServiceAccountRow {
        id: ServiceAccountId(id()),
        organization_id: acme.id,
        name: name.into(),
        role: "viewer".into(),
        created_by: Some(ada.id),
        created_at: t0(),
    };
    let first = account("deploy");
    store
        .service_account_insert(&first, &line())
        .await
        .expect("inserts");
    let error = store
        .service_account_insert(&account("deploy"), &line())
        .await
        .expect_err("taken");
    assert!(
        matches!(error, StoreError::Conflict(Conflict::ServiceAccountName)),
        "{error:?}"
    );
    let get = async |of: &OrganizationRow| {
        store
            .service_account_get(of.id, first.id)
            .await
            .expect("reads")
    };
    assert_eq!(get(&acme).await, Some(first.clone()));
    assert_eq!(get(&other).await, None);
    let mut row = token(&acme, b"one");
    row.service_account_id = Some(first.id);
    row.expires_at = None;
    store
        .access_token_insert(&row, &line())
        .await
        .expect("inserts");
    let tokens = store
        .access_token_list(acme.id, None, None, 10)
        .await
        .expect("lists");
    assert_eq!(tokens, [row]);
    assert_eq!(
        store
            .service_account_list(acme.id, None, 10)
            .await
            .expect("lists")
            .len(),
        1
    );
    assert!(
        !store
            .service_account_delete(other.id, first.id, &line())
            .await
            .expect("ok")
    );
    assert!(
        store
            .service_account_delete(acme.id, first.id, &line())
            .await
            .expect("deletes")
    );
    let gone = store
        .access_token_by_hash(b"one", t0())
        .await
        .expect("reads");
    assert_eq!(gone, None);
}
