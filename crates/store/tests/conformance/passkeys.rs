use apiverse_contract::{NotificationId, PasskeyId, UserId};
use apiverse_store::{
    CeremonyRow, NotificationRow, PasskeyRow, PhoneCodeRow, PhoneRow, SecondFactors, Store, TotpRow,
};

use crate::samples::{after, audit, id, t0, tenant};

fn message() -> NotificationRow {
    let id = id();
    NotificationRow {
        id: NotificationId(id),
        organization_id: None,
        user_id: None,
        event: "second_factor_code".into(),
        channel: "sms".into(),
        recipient: "+4915112345678".into(),
        idempotency_key: id.to_string(),
        subject: String::new(),
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

fn passkey(user_id: UserId, credential: u8) -> PasskeyRow {
    PasskeyRow {
        id: PasskeyId(id()),
        user_id,
        name: "Télephone".into(),
        credential_id: vec![credential, 0, 255],
        transports: 33,
        public_key: vec![1, 2, 3],
        state: vec![0; 7],
        created_at: t0(),
        last_used_at: None,
    }
}

pub async fn an_answer_is_judged_once(store: &Store) {
    let (ada, _) = tenant(store, "ada").await;
    for (hash, user_id) in [(vec![1], Some(ada.id)), (vec![2], None)] {
        let row = CeremonyRow {
            token_hash: hash.clone(),
            purpose: "sign_in".into(),
            user_id,
            state: vec![9, 0],
            expires_at: after(60),
        };
        store.ceremony_insert(&row).await.expect("keeps");
        let take = async |purpose: &str, at| {
            let taken = store.ceremony_take(&hash, purpose, after(at)).await;
            taken.expect("takes")
        };
        assert_eq!(take("register", 0).await, None, "for something else");
        assert_eq!(take("sign_in", 60).await, None, "too late");
        assert_eq!(take("sign_in", 59).await, Some(row));
        assert_eq!(take("sign_in", 59).await, None, "once");
    }
    let row = CeremonyRow {
        token_hash: vec![3],
        purpose: "register".into(),
        user_id: Some(ada.id),
        state: Vec::new(),
        expires_at: after(60),
    };
    store.ceremony_insert(&row).await.expect("keeps");
    assert_eq!(store.ceremonies_forget(after(59)).await.expect("ok"), 0);
    assert_eq!(store.ceremonies_forget(after(60)).await.expect("ok"), 1);
}

pub async fn a_passkey_is_its_owners(store: &Store) {
    let (ada, organization) = tenant(store, "ada").await;
    let (bob, _) = tenant(store, "bob").await;
    let line = || audit(organization.id, "user.passkey");
    let row = passkey(ada.id, 1);
    let insert = async |row: &PasskeyRow| {
        let added = store.passkey_insert(row, &[], &line(), &[message()]).await;
        added.expect("ok")
    };
    assert!(insert(&row).await);
    let same = passkey(bob.id, 1);
    assert!(!insert(&same).await, "the authenticator's id is in use");
    let other = passkey(bob.id, 2);
    assert!(insert(&other).await);
    let of = async |user| store.passkeys_of(user).await.expect("lists");
    assert_eq!(of(ada.id).await, std::slice::from_ref(&row));
    let found = store.passkey_by_credential(&[2, 0, 255]).await;
    assert_eq!(found.expect("finds"), Some(other.clone()));
    let found = store.passkey_by_credential(&[7]).await.expect("ok");
    assert_eq!(found, None);

    let rename = async |user, name: &str| {
        let renamed = store.passkey_rename(user, row.id, name, &line()).await;
        renamed.expect("ok")
    };
    assert!(!rename(bob.id, "mine").await);
    assert!(rename(ada.id, "Key").await);
    assert_eq!(of(ada.id).await[0].name, "Key");
    let remove = async |user| {
        let removed = store.passkey_remove(user, row.id, &line(), &[]).await;
        removed.expect("ok")
    };
    assert!(!remove(bob.id).await);
    assert!(remove(ada.id).await);
    assert!(!remove(ada.id).await);
    assert_eq!((of(ada.id).await.len(), of(bob.id).await.len()), (0, 1));
}

pub async fn of_two_uses_at_once_one_counts(store: &Store) {
    let (ada, organization) = tenant(store, "ada").await;
    let row = passkey(ada.id, 1);
    let line = audit(organization.id, "user.passkey");
    store
        .passkey_insert(&row, &[], &line, &[])
        .await
        .expect("adds");
    let used = async |after_use: &[u8], at| {
        let used = store
            .passkey_used(row.id, (&row.state, after_use), after(at))
            .await;
        used.expect("ok")
    };
    assert!(used(&[1; 7], 1).await);
    assert!(!used(&[2; 7], 2).await, "its state is another by now");
    let now = store.passkeys_of(ada.id).await.expect("lists");
    assert_eq!(now[0].state, [1; 7]);
    assert_eq!(now[0].last_used_at, Some(after(1)));
}

pub async fn recovery_codes_stay_with_the_last_factor(store: &Store) {
    let (ada, organization) = tenant(store, "ada").await;
    let line = || audit(organization.id, "user.factor");
    let factors = async || store.second_factors(ada.id).await.expect("counts");
    assert_eq!(factors().await, SecondFactors::default());
    let codes = [[1; 32], [2; 32]];
    let row = passkey(ada.id, 1);
    store
        .passkey_insert(&row, &codes, &line(), &[])
        .await
        .expect("adds");
    let totp = TotpRow {
        user_id: ada.id,
        secret: vec![1],
        last_step: 0,
        created_at: t0(),
        confirmed_at: None,
    };
    assert!(store.totp_begin(&totp).await.expect("keeps"));
    assert_eq!(factors().await.totp, 0, "not in force");
    let at = (ada.id, 1, t0());
    let confirmed = store.totp_confirm(at, &codes, &line(), &[]).await;
    assert!(confirmed.expect("ok"));
    let expected = SecondFactors {
        totp: 1,
        passkeys: 1,
        phones: 0,
    };
    assert_eq!(factors().await, expected);
    let left = async || store.recovery_left(ada.id).await.expect("counts");
    let removed = store.totp_remove(ada.id, &line(), &[]).await;
    assert!(removed.expect("removes"));
    assert_eq!(left().await, 2, "there is a passkey");
    let removed = store.passkey_remove(ada.id, row.id, &line(), &[]).await;
    assert!(removed.expect("removes"));
    assert_eq!(left().await, 0);
}

fn code(user_id: UserId, purpose: &str, hash: u8) -> PhoneCodeRow {
    PhoneCodeRow {
        user_id,
        purpose: purpose.into(),
        code_hash: vec![hash],
        attempts_left: 3,
        expires_at: after(300),
    }
}

pub async fn a_telephone_is_in_force_once_its_code_was_seen(store: &Store) {
    let (ada, organization) = tenant(store, "ada").await;
    let line = || audit(organization.id, "user.phone");
    let row = PhoneRow {
        user_id: ada.id,
        phone: "+4915112345678".into(),
        created_at: t0(),
        confirmed_at: None,
    };
    let begin = async |row: &PhoneRow| {
        let begun = store
            .phone_begin(row, &code(ada.id, "confirm", 1), &message())
            .await;
        begun.expect("ok")
    };
    assert!(begin(&row).await);
    let other = PhoneRow {
        phone: "+12025550123".into(),
        ..row.clone()
    };
    assert!(begin(&other).await, "not in force yet");
    let got = store.phone_get(ada.id).await.expect("reads");
    assert_eq!(got, Some(other.clone()));
    let confirm = async |row: &PhoneRow| {
        let (line, message) = (line(), message());
        let confirmed = store
            .phone_confirm(row, after(1), &[[7; 32]], (&line, &message))
            .await;
        confirmed.expect("ok")
    };
    assert!(!confirm(&row).await, "another one waits by now");
    assert!(confirm(&other).await);
    assert!(!confirm(&other).await);
    assert!(!begin(&row).await, "one is in force");
    assert_eq!(store.second_factors(ada.id).await.expect("ok").phones, 1);
    assert_eq!(store.recovery_left(ada.id).await.expect("counts"), 1);
    let remove = async || {
        let removed = store.phone_remove(ada.id, &line(), &message()).await;
        removed.expect("ok")
    };
    assert!(remove().await);
    assert!(!remove().await);
    assert_eq!(store.phone_get(ada.id).await.expect("reads"), None);
    assert_eq!(store.recovery_left(ada.id).await.expect("counts"), 0);
}

pub async fn a_code_has_few_attempts(store: &Store) {
    let (ada, _) = tenant(store, "ada").await;
    let (bob, _) = tenant(store, "bob").await;
    let put = async |hash| {
        let row = code(ada.id, "second_factor", hash);
        store.phone_code_put(&row, &message()).await.expect("keeps");
    };
    let uses = async |user, purpose: &str, hash: u8, at| {
        let used = store
            .phone_code_use((user, purpose), &[hash], after(at))
            .await;
        used.expect("ok")
    };
    put(1).await;
    put(2).await;
    assert!(
        !uses(ada.id, "second_factor", 1, 0).await,
        "the newest counts"
    );
    assert!(!uses(ada.id, "confirm", 2, 0).await, "for something else");
    assert!(!uses(bob.id, "second_factor", 2, 0).await);
    assert!(!uses(ada.id, "second_factor", 2, 300).await, "too late");
    assert!(uses(ada.id, "second_factor", 2, 299).await);
    assert!(!uses(ada.id, "second_factor", 2, 0).await, "once");
    put(3).await;
    for _ in 0..3 {
        assert!(!uses(ada.id, "second_factor", 9, 0).await);
    }
    assert!(
        !uses(ada.id, "second_factor", 3, 0).await,
        "no attempt left"
    );
    assert_eq!(store.phone_codes_forget(after(299)).await.expect("ok"), 0);
    assert_eq!(store.phone_codes_forget(after(300)).await.expect("ok"), 1);
}
