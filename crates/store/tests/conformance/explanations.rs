use apiverse_contract::OrganizationId;
use apiverse_contract::explain::Explanation;
use apiverse_store::{ExplanationRow, Store};
use uuid::Uuid;

use crate::samples::{after, tenant};

fn row(organization_id: OrganizationId, request_id: &str, second: i64) -> ExplanationRow {
    ExplanationRow {
        organization_id,
        request_id: request_id.to_owned(),
        started_at_us: after(second).timestamp_micros(),
        document: Explanation {
            request_id: Some(request_id.to_owned()),
            started_at: after(second),
            method: "GET".to_owned(),
            path: format!("/proxy/x/{second}"),
            api: None,
            route: None,
            key: None,
            status: Some(502),
            code: None,
            phases: Vec::new(),
            limits: Vec::new(),
            attempts: Vec::new(),
            upstream: None,
        },
    }
}

pub async fn explanations_are_kept_for_a_while(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (_, bob) = tenant(store, "bob").await;
    let gone = OrganizationId(Uuid::from_u128(7));
    let rows = [
        row(ada.id, "r1", 0),
        row(ada.id, "r2", 60),
        row(gone, "r3", 0),
    ];
    store.explanations_insert(&rows).await.expect("inserts");

    let found = store.explanation_get(ada.id, "r1").await.expect("reads");
    assert_eq!(found.as_ref(), Some(&rows[0].document));
    let foreign = store.explanation_get(bob.id, "r1").await.expect("reads");
    assert_eq!(foreign, None);
    assert_eq!(
        store.explanation_get(gone, "r3").await.expect("reads"),
        None
    );

    // The same id again: the last one counts.
    let again = row(ada.id, "r1", 120);
    store
        .explanations_insert(std::slice::from_ref(&again))
        .await
        .expect("inserts");
    let found = store.explanation_get(ada.id, "r1").await.expect("reads");
    assert_eq!(found, Some(again.document));

    let until = after(100).timestamp_micros();
    assert_eq!(store.explanations_forget(until).await.expect("forgets"), 1);
    assert_eq!(
        store.explanation_get(ada.id, "r2").await.expect("reads"),
        None
    );
    assert!(
        store
            .explanation_get(ada.id, "r1")
            .await
            .expect("reads")
            .is_some()
    );
}
