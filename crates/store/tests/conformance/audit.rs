use apiverse_store::{AuditFilter, Store, audit_link};
use serde_json::json;

use crate::samples::{after, audit, tenant};

pub async fn each_line_holds_the_one_before(store: &Store) {
    let (_, acme) = tenant(store, "ada").await;
    let (_, other) = tenant(store, "bob").await;
    for n in 0..3 {
        let mut line = audit(acme.id, &format!("a{n}"));
        // Members in no order, and numbers that a database may write otherwise.
        line.details =
            json!({ "z": [1, 2.5, null], "a": { "y": true, "b": 100.0 }, "ä": "\u{1F980}" });
        store.audit_insert(&line).await.expect("inserts");
        store
            .audit_insert(&audit(other.id, "x"))
            .await
            .expect("inserts");
    }
    let mut outside = audit(acme.id, "nobody's");
    outside.organization_id = None;
    outside.ip = None;
    outside.request_id = None;
    store.audit_insert(&outside).await.expect("inserts");
    for (chain, count) in [(Some(acme.id), 4), (Some(other.id), 4), (None, 1)] {
        let lines = store.audit_chain(chain, 0, 100).await.expect("reads");
        assert_eq!(lines.len(), count, "with the registration");
        let mut before = Vec::new();
        for (n, line) in lines.iter().enumerate() {
            assert_eq!(line.seq, i64::try_from(n).expect("few") + 1);
            assert_eq!(
                line.hash,
                audit_link(&before, line.seq, &line.row),
                "{line:?}"
            );
            before = line.hash.clone();
        }
        let head = store.audit_head(chain).await.expect("reads");
        assert_eq!(head, Some((i64::try_from(count).expect("few"), before)));
        assert_eq!(store.audit_unchained(chain).await.expect("counts"), 0);
        let rest = store.audit_chain(chain, 1, 100).await.expect("reads");
        assert_eq!(rest.len(), count - 1);
    }
    let all = store.organization_list(None, 10).await.expect("lists");
    assert_eq!(all.len(), 2);
    let rest = store
        .organization_list(Some(all[0].id), 10)
        .await
        .expect("lists");
    assert_eq!(rest.len(), 1);
}

pub async fn of_many_lines_at_once_none_is_lost(store: &Store) {
    let (_, acme) = tenant(store, "ada").await;
    let lines: Vec<_> = (0..8).map(|n| audit(acme.id, &format!("a{n}"))).collect();
    let mut tasks = Vec::new();
    for line in lines {
        let store = store.clone();
        tasks.push(tokio::spawn(async move { store.audit_insert(&line).await }));
    }
    for task in tasks {
        task.await.expect("ends").expect("inserts");
    }
    let chain = store
        .audit_chain(Some(acme.id), 0, 100)
        .await
        .expect("reads");
    let places: Vec<i64> = chain.iter().map(|line| line.seq).collect();
    assert_eq!(places, (1..=9).collect::<Vec<i64>>());
}

pub async fn lines_are_found(store: &Store) {
    let (_, acme) = tenant(store, "ada").await;
    let (_, other) = tenant(store, "bob").await;
    for (n, action) in ["api.created", "api.deleted", "key.created"]
        .into_iter()
        .enumerate()
    {
        let mut line = audit(acme.id, action);
        line.created_at = after(i64::try_from(n).expect("few") + 10);
        line.target_id = Some(format!("id_{n}"));
        store.audit_insert(&line).await.expect("inserts");
    }
    store
        .audit_insert(&audit(other.id, "api.created"))
        .await
        .expect("inserts");
    let find = async |filter: AuditFilter| {
        let found = store
            .audit_search(acme.id, &filter, None, 10)
            .await
            .expect("reads");
        found
            .into_iter()
            .map(|line| line.action)
            .collect::<Vec<_>>()
    };
    let by = AuditFilter::default;
    let action = AuditFilter {
        action: Some("api.created".into()),
        ..by()
    };
    assert_eq!(find(action).await, ["api.created"]);
    let text = AuditFilter {
        text: Some("API.".into()),
        ..by()
    };
    assert_eq!(find(text).await, ["api.deleted", "api.created"]);
    let wildcard = AuditFilter {
        text: Some("id%".into()),
        ..by()
    };
    assert_eq!(find(wildcard).await, Vec::<String>::new());
    let target = AuditFilter {
        target_id: Some("id_2".into()),
        target_type: Some("thing".into()),
        ..by()
    };
    assert_eq!(find(target).await, ["key.created"]);
    let span = AuditFilter {
        from: Some(after(11)),
        to: Some(after(12)),
        ..by()
    };
    assert_eq!(find(span).await, ["api.deleted"]);
}

pub async fn the_beginning_of_a_chain_is_forgotten(store: &Store) {
    let (_, acme) = tenant(store, "ada").await;
    let (_, other) = tenant(store, "bob").await;
    for seconds in [10, 20, 15, 30] {
        let mut line = audit(acme.id, "x");
        line.created_at = after(seconds);
        store.audit_insert(&line).await.expect("inserts");
    }
    let chain = async |id| store.audit_chain(id, 0, 100).await.expect("reads");
    let whole = chain(Some(acme.id)).await;
    assert_eq!(whole.len(), 5, "with the registration");
    assert_eq!(store.audit_oldest(None).await.expect("reads"), None);
    let oldest = store.audit_oldest(Some(acme.id)).await.expect("reads");
    assert_eq!(oldest, Some(whole[0].row.created_at));
    let note = || audit(acme.id, "audit.pruned");
    let prune = async |before| {
        let count = store
            .audit_prune((Some(acme.id), after(before)), &note())
            .await;
        count.expect("prunes")
    };
    assert_eq!(prune(-1000).await, 0);
    assert_eq!(store.audit_anchor(Some(acme.id)).await.expect("ok"), None);
    // The line of 15 comes after the one of 20, which is kept: it stays.
    assert_eq!(prune(18).await, 2);
    let anchor = store.audit_anchor(Some(acme.id)).await.expect("reads");
    assert_eq!(anchor, Some((2, whole[1].hash.clone())));
    let rest = chain(Some(acme.id)).await;
    let places: Vec<i64> = rest.iter().map(|line| line.seq).collect();
    assert_eq!(places, [3, 4, 5, 6]);
    let told = &rest[3].row;
    assert_eq!(
        (told.action.as_str(), &told.details["up_to"]),
        ("audit.pruned", &json!(2))
    );
    let mut before = whole[1].hash.clone();
    for line in &rest {
        assert_eq!(line.hash, audit_link(&before, line.seq, &line.row));
        before = line.hash.clone();
    }
    assert_eq!(prune(18).await, 0, "nothing more");
    // All of it, then.
    assert_eq!(prune(1000).await, 4);
    let rest = chain(Some(acme.id)).await;
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].seq, 7);
    assert_eq!(chain(Some(other.id)).await.len(), 1, "others' are theirs");
}
