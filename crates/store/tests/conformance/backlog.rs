//! What waits.

use apiverse_contract::{ApiId, BudgetId};
use apiverse_store::{Backlog, BudgetRow, BudgetState, FindingRow, NotificationRow, Store};
use serde_json::json;
use uuid::Uuid;

use crate::live::finding;
use crate::notifications::message;
use crate::samples::{after, audit, id, t0, tenant, usage};
use crate::usage::insert;

pub async fn what_waits_is_counted(store: &Store) {
    assert_eq!(
        store.backlog(t0()).await.expect("counts"),
        Backlog::default()
    );
    let (_, ada) = tenant(store, "ada").await;
    for (key, status, due) in [
        ("a", "pending", 0),
        ("b", "uncertain", -5),
        ("c", "requested", 9),
        ("d", "failed", 0),
        ("e", "sent", 0),
        ("f", "kept", 0),
    ] {
        let row = NotificationRow {
            status: status.into(),
            due_at: after(due),
            ..message(key)
        };
        assert!(store.notification_insert(&row).await.expect("inserts"));
    }
    insert(store, &[usage(ada.id, 0, 200, 5)]).await;
    let passed = FindingRow {
        state: "passed".into(),
        ..finding(ada.id, 1)
    };
    let known = FindingRow {
        api_id: Some(ApiId(Uuid::from_u128(3))),
        ..finding(ada.id, 2)
    };
    let findings = [finding(ada.id, 0), passed, known.clone()];
    store.findings_put(&findings).await.expect("stores");
    store
        .finding_acknowledge(
            ada.id,
            known.id,
            Some((7, "Ada")),
            None,
            &audit(ada.id, "x"),
        )
        .await
        .expect("writes");
    for blocked in [false, true] {
        let budget = BudgetRow {
            id: BudgetId(id()),
            organization_id: ada.id,
            budget: serde_json::from_value(json!({
                "name": "all", "amount_micros": 1, "currency": "EUR", "thresholds": [80], "block": true
            }))
            .expect("a budget"),
            state: BudgetState::default(),
            created_at: t0(),
            updated_at: t0(),
        };
        let line = audit(ada.id, "x");
        store.budget_put(&budget, &line).await.expect("writes");
        if blocked {
            let state = BudgetState {
                blocked_until_us: Some(after(60).timestamp_micros()),
                ..budget.state
            };
            let noted = store
                .budget_note(&budget, state, true, &[audit(ada.id, "x")])
                .await;
            assert!(noted.expect("writes"));
        }
    }
    let expected = Backlog {
        sums: 1,
        messages_due: 2,
        messages_later: 1,
        message_due_at: Some(after(-5)),
        messages_failed: 1,
        findings_open: 1,
        budgets: 2,
        budgets_blocking: 1,
    };
    assert_eq!(store.backlog(t0()).await.expect("counts"), expected);
    let later = store.backlog(after(61)).await.expect("counts");
    assert_eq!((later.messages_due, later.messages_later), (3, 0));
    assert_eq!(later.budgets_blocking, 0);
}
