use apiverse_contract::NotificationId;
use apiverse_store::{
    NotificationOutcome, NotificationRow, OutboxScope, PreferenceRow, ProviderReport, Store,
};
use uuid::Uuid;

use crate::samples::{after, id, t0, tenant};

pub fn message(key: &str) -> NotificationRow {
    NotificationRow {
        id: NotificationId(id()),
        organization_id: None,
        user_id: None,
        event: "password_changed".into(),
        channel: "email".into(),
        recipient: "ada@example.com".into(),
        idempotency_key: key.into(),
        subject: "Überraschung".into(),
        content: Some(vec![0, 1, 255]),
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

fn outcome(status: &'static str) -> NotificationOutcome {
    NotificationOutcome {
        status,
        due_at: t0(),
        provider: Some("mailgun"),
        provider_id: Some("1@x".into()),
        error: None,
        erase: true,
    }
}

async fn add(store: &Store, row: &NotificationRow) {
    assert!(store.notification_insert(row).await.expect("inserts"));
}

async fn read(store: &Store, id: NotificationId) -> NotificationRow {
    let found = store.notification_get(OutboxScope::All, id).await;
    found.expect("reads").expect("is there")
}

pub async fn one_cause_one_message(store: &Store) {
    let first = message("a");
    add(store, &first).await;
    let again = message("a");
    assert!(!store.notification_insert(&again).await.expect("reads"));
    assert_eq!(read(store, first.id).await, first);
    let all = store.notification_list(OutboxScope::All, None, 10).await;
    assert_eq!(all.expect("lists").len(), 1);
}

pub async fn one_node_works_on_a_message(store: &Store) {
    let row = message("a");
    add(store, &row).await;
    let mut late = message("b");
    late.due_at = after(100);
    add(store, &late).await;
    let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let claimed = store.notification_claim(one, t0(), after(60)).await;
    assert_eq!(claimed.expect("claims").map(|row| row.id), Some(row.id));
    let other = store.notification_claim(two, after(59), after(119)).await;
    assert_eq!(
        other.expect("claims"),
        None,
        "it is taken, the other is not due"
    );
    for (lease, at, may) in [(two, 1, false), (one, 60, false), (one, 59, true)] {
        let begun = store.notification_begin(row.id, lease, after(at)).await;
        assert_eq!(begun.expect("begins"), may, "{lease} {at}");
    }
    let settled = |lease| {
        let outcome = outcome("sent");
        async move {
            store
                .notification_settle(row.id, lease, &outcome, after(2))
                .await
        }
    };
    assert!(!settled(two).await.expect("settles"));
    assert!(settled(one).await.expect("settles"));
    assert!(!settled(one).await.expect("settles"), "it was given back");
    let sent = read(store, row.id).await;
    assert_eq!(
        (
            sent.status.as_str(),
            sent.attempts,
            sent.content,
            sent.leased_until
        ),
        ("sent", 1, None, None)
    );
    assert_eq!(sent.provider_id.as_deref(), Some("1@x"));
    let none = store.notification_claim(two, after(99), after(199)).await;
    assert_eq!(none.expect("claims"), None);
    let next = store.notification_claim(two, after(100), after(200)).await;
    assert_eq!(next.expect("claims").map(|row| row.id), Some(late.id));
}

pub async fn what_was_begun_is_known(store: &Store) {
    let mut row = message("a");
    row.status = "requested".into();
    row.content = None;
    add(store, &row).await;
    let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let claimed = store.notification_claim(one, t0(), after(60)).await;
    assert_eq!(
        claimed.expect("claims").expect("is due").status,
        "requested"
    );
    row.content = Some(vec![7]);
    row.subject = "now known".into();
    assert!(
        !store
            .notification_prepare(&row, two, t0())
            .await
            .expect("writes")
    );
    assert!(
        store
            .notification_prepare(&row, one, t0())
            .await
            .expect("writes")
    );
    assert!(
        store
            .notification_begin(row.id, one, after(1))
            .await
            .expect("begins")
    );
    // The node dies; another one finds out how far it came.
    let found = store.notification_claim(two, after(60), after(120)).await;
    let found = found.expect("claims").expect("is due");
    assert_eq!((found.status.as_str(), found.attempts), ("sending", 1));
    assert_eq!(
        (found.subject.as_str(), found.content),
        ("now known", Some(vec![7]))
    );
    store
        .notification_drop(row.id, one)
        .await
        .expect("is not its to drop");
    assert_eq!(read(store, row.id).await.status, "sending");
    store.notification_drop(row.id, two).await.expect("drops");
    let gone = store.notification_get(OutboxScope::All, row.id).await;
    assert_eq!(gone.expect("reads"), None);
}

pub async fn lists_stay_inside_their_scope(store: &Store) {
    let (ada, first) = tenant(store, "ada").await;
    let (bob, second) = tenant(store, "bob").await;
    let mut rows = Vec::new();
    for (key, organization, user) in [
        ("a", Some(first.id), None),
        ("b", None, Some(ada.id)),
        ("c", Some(second.id), Some(bob.id)),
        ("d", None, None),
    ] {
        let mut row = message(key);
        row.organization_id = organization;
        row.user_id = user;
        add(store, &row).await;
        rows.push(row);
    }
    let scope = OutboxScope::Of(first.id, Some(ada.id));
    let seen = store
        .notification_list(scope, None, 10)
        .await
        .expect("lists");
    assert_eq!(seen, [rows[1].clone(), rows[0].clone()]);
    let rest = store.notification_list(scope, Some(rows[1].id), 10).await;
    assert_eq!(rest.expect("lists"), [rows[0].clone()]);
    let foreign = store.notification_get(scope, rows[2].id).await;
    assert_eq!(foreign.expect("reads"), None);
    let nobody = OutboxScope::Of(first.id, None);
    assert_eq!(
        store
            .notification_list(nobody, None, 10)
            .await
            .expect("lists")
            .len(),
        1
    );
    let all = store.notification_list(OutboxScope::All, None, 3).await;
    assert_eq!(all.expect("lists").len(), 3);
}

/// A report of the one message there is.
fn report<'a>(receipt: &'a [u8], status: Option<&'static str>) -> ProviderReport<'a> {
    ProviderReport {
        provider: "mailgun",
        receipt,
        provider_id: "1@x",
        status,
        error: Some("bounce"),
        suppress: (status == Some("failed")).then_some(("email", "ada@example.com", "bounce")),
        now: after(3),
    }
}

pub async fn reports_count_once(store: &Store) {
    let row = message("a");
    add(store, &row).await;
    let lease = Uuid::from_u128(1);
    let claim = store.notification_claim(lease, t0(), after(60)).await;
    assert!(claim.expect("claims").is_some());
    let outcome = outcome("sent");
    let settled = store
        .notification_settle(row.id, lease, &outcome, t0())
        .await;
    assert!(settled.expect("settles"));
    let heard = async |receipt: &[u8], status| {
        store
            .notification_report(&report(receipt, status))
            .await
            .expect("hears")
    };
    assert!(heard(b"1", Some("delivered")).await);
    assert!(!heard(b"1", Some("failed")).await, "the same receipt");
    assert_eq!(read(store, row.id).await.status, "delivered");
    assert_eq!(
        store
            .suppression_get("email", "ada@example.com")
            .await
            .expect("reads"),
        None
    );
    assert!(heard(b"2", None).await);
    assert!(heard(b"3", Some("failed")).await);
    let failed = read(store, row.id).await;
    assert_eq!(
        (failed.status.as_str(), failed.last_error.as_deref()),
        ("failed", Some("bounce"))
    );
    assert!(heard(b"4", Some("delivered")).await);
    assert_eq!(read(store, row.id).await.status, "failed", "it came back");
    let reason = store.suppression_get("email", "ada@example.com").await;
    assert_eq!(reason.expect("reads").as_deref(), Some("bounce"));
    let all = store.suppression_list(None, 10).await.expect("lists");
    assert_eq!(all.len(), 1);
    let next = store
        .suppression_list(Some(("ada@example.com", "email")), 10)
        .await;
    assert_eq!(next.expect("lists"), []);
    let removed = async || {
        store
            .suppression_remove("email", "ada@example.com")
            .await
            .expect("ok")
    };
    assert!(removed().await);
    assert!(!removed().await);
}

pub async fn choices_are_kept(store: &Store) {
    let (ada, _) = tenant(store, "ada").await;
    let choice = |event: &str, enabled| PreferenceRow {
        event: event.into(),
        channel: "email".into(),
        enabled,
    };
    let put = [choice("b", false), choice("a", true)];
    store.preferences_put(ada.id, &put).await.expect("keeps");
    store
        .preferences_put(ada.id, &[choice("b", true)])
        .await
        .expect("keeps");
    let kept = store.preferences_of(ada.id).await.expect("reads");
    assert_eq!(kept, [choice("a", true), choice("b", true)]);
}

pub async fn settled_messages_are_forgotten(store: &Store) {
    let mut sent = message("a");
    sent.status = "sent".into();
    add(store, &sent).await;
    add(store, &message("b")).await;
    assert_eq!(store.notifications_forget(t0()).await.expect("forgets"), 0);
    assert_eq!(
        store.notifications_forget(after(1)).await.expect("forgets"),
        1
    );
    let left = store.notification_list(OutboxScope::All, None, 10).await;
    assert_eq!(left.expect("lists")[0].idempotency_key, "b");
}
