//! Calls for those who watch, what was unusual, and taking usage away.

use apiverse_contract::{ApiId, FindingId, MuteId};
use apiverse_store::{
    DemoRow, FindingFilter, FindingRow, MuteRow, RollupHorizon, Store, UsageMark, UsageRow,
};
use serde_json::json;
use uuid::Uuid;

use crate::samples::{api, audit, id, key, tenant, usage};
use crate::usage::{all, insert};

const EVER: RollupHorizon = RollupHorizon {
    minutes_us: i64::MIN,
    hours_us: i64::MIN,
};

pub async fn watched_calls_are_told(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (_, bob) = tenant(store, "bob").await;
    let first = usage(ada.id, 0, 200, 1_500);
    insert(store, std::slice::from_ref(&first)).await;
    assert_eq!(store.usage_live_latest().await.expect("reads"), 0);
    // `insert` stores at the moment 1.
    store.usage_watch(ada.id, 100).await.expect("watches");
    store.usage_watch(ada.id, 50).await.expect("watches");
    let mut rows: Vec<UsageRow> = (0..1_200).map(|n| usage(ada.id, n, 200, 1_500)).collect();
    rows.push(usage(bob.id, 1, 200, 1));
    rows.push(UsageRow {
        verified: Some(1),
        ..usage(ada.id, 1, 200, 1)
    });
    rows[7].error_code = Some("rate_limited".into());
    rows[7].status = 429;
    insert(store, &rows).await;
    let told = store.usage_live_after(ada.id, 0, 100).await.expect("reads");
    let sizes: Vec<usize> = told.iter().map(|row| row.calls.len()).collect();
    assert_eq!(sizes, [500, 500, 200]);
    assert!(told.is_sorted_by_key(|row| row.id));
    assert!(
        told.iter()
            .all(|row| row.left_out == 0 && row.stored_us == 1)
    );
    let call = &told[0].calls[7];
    assert_eq!((call.id, call.status), (rows[7].id, 429));
    assert_eq!(call.error_code.as_deref(), Some("rate_limited"));
    assert!((call.latency_ms - 1.5).abs() < 1e-9);
    let rest = store.usage_live_after(ada.id, told[1].id, 100).await;
    assert_eq!(rest.expect("reads"), told[2..]);
    let others = store.usage_live_after(bob.id, 0, 100).await;
    assert_eq!(others.expect("reads"), []);
    let latest = store.usage_live_latest().await.expect("reads");
    assert_eq!(latest, told[2].id);

    // Of very many only the latest are told, and how many the others are.
    let rows: Vec<UsageRow> = (0..2_700).map(|n| usage(ada.id, n, 200, 1)).collect();
    insert(store, &rows).await;
    let told = store
        .usage_live_after(ada.id, latest, 100)
        .await
        .expect("reads");
    let calls: usize = told.iter().map(|row| row.calls.len()).sum();
    let left_out: u64 = told.iter().map(|row| row.left_out).sum();
    assert_eq!((calls, left_out), (2_000, 700));

    store.usage_live_forget(2).await.expect("forgets");
    let told = store.usage_live_after(ada.id, 0, 100).await;
    assert_eq!(told.expect("reads"), []);
    // Nobody watches any more.
    store.usage_live_forget(1_000).await.expect("forgets");
    insert(store, &[usage(ada.id, 0, 200, 1)]).await;
    let told = store.usage_live_after(ada.id, 0, 100).await;
    assert_eq!(told.expect("reads"), []);
}

pub fn finding(organization_id: apiverse_contract::OrganizationId, started_us: i64) -> FindingRow {
    FindingRow {
        id: FindingId(id()),
        organization_id,
        api_id: Some(ApiId(Uuid::from_u128(9))),
        route: String::new(),
        metric: "traffic".into(),
        state: "open".into(),
        above: true,
        started_us,
        ended_us: None,
        worst_us: started_us,
        value: 100.5,
        expected: 10.0,
        score: 9.0,
        parts: json!([{ "dimension": "key", "id": null, "name": null, "share": 1.0 }]),
        acknowledged_us: None,
        acknowledged_by: None,
        note: None,
    }
}

pub async fn findings_are_kept_up_to_date(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (_, bob) = tenant(store, "bob").await;
    let rows: Vec<FindingRow> = (0..5).map(|n| finding(ada.id, n)).collect();
    store.findings_put(&rows).await.expect("stores");
    let filter = FindingFilter {
        organization_id: ada.id,
        api_id: None,
        state: None,
        metric: None,
        acknowledged: None,
    };
    let list = async |filter: &FindingFilter, before| {
        store.findings_list(filter, before, 3).await.expect("reads")
    };
    let page = list(&filter, None).await;
    assert_eq!(page, [rows[4].clone(), rows[3].clone(), rows[2].clone()]);
    let page = list(&filter, Some((rows[2].started_us, rows[2].id))).await;
    assert_eq!(page, [rows[1].clone(), rows[0].clone()]);
    let of_bob = FindingFilter {
        organization_id: bob.id,
        ..filter.clone()
    };
    assert_eq!(list(&of_bob, None).await, []);

    let line = || audit(ada.id, "finding.acknowledged");
    let by = Some((77, "Ada"));
    for (organization, expected) in [(bob.id, false), (ada.id, true)] {
        let done = store
            .finding_acknowledge(organization, rows[4].id, by, Some("known"), &line())
            .await;
        assert_eq!(done.expect("writes"), expected);
    }
    // Found again, with another id and another end: what was said about it stays.
    let again = FindingRow {
        state: "passed".into(),
        ended_us: Some(50),
        value: 200.0,
        ..finding(ada.id, 4)
    };
    store.findings_put(&[again]).await.expect("stores");
    let found = store.finding_get(ada.id, rows[4].id).await.expect("reads");
    let found = found.expect("is there");
    assert_eq!((found.state.as_str(), found.ended_us), ("passed", Some(50)));
    assert_eq!(found.acknowledged_by.as_deref(), Some("Ada"));
    assert_eq!(found.note.as_deref(), Some("known"));
    for (changed, expected) in [
        (
            FindingFilter {
                acknowledged: Some(true),
                ..filter.clone()
            },
            1,
        ),
        (
            FindingFilter {
                state: Some("open".into()),
                ..filter.clone()
            },
            3,
        ),
        (
            FindingFilter {
                metric: Some("latency".into()),
                ..filter.clone()
            },
            0,
        ),
        (
            FindingFilter {
                api_id: Some(ApiId(id())),
                ..filter.clone()
            },
            0,
        ),
    ] {
        assert_eq!(list(&changed, None).await.len(), expected, "{changed:?}");
    }
    let nobody = store.finding_get(bob.id, rows[4].id).await;
    assert_eq!(nobody.expect("reads"), None);
    for (organization, since, expected) in [(ada.id, 2, 3), (ada.id, 5, 0), (bob.id, 0, 0)] {
        let found = store.findings_since(organization, since).await;
        assert_eq!(found.expect("reads").len(), expected);
    }
    assert_eq!(store.findings_forget(2).await.expect("forgets"), 2);

    let mute = MuteRow {
        id: MuteId(id()),
        organization_id: ada.id,
        api_id: None,
        route: Some("/x".into()),
        metric: Some("latency".into()),
        until_us: Some(5),
        created_by: "Ada".into(),
        created_us: 3,
    };
    let line = audit(ada.id, "mute.created");
    store.mute_insert(&mute, &line).await.expect("inserts");
    let mutes = store.mutes_list(ada.id).await.expect("reads");
    assert_eq!(mutes, std::slice::from_ref(&mute));
    assert_eq!(store.mutes_list(bob.id).await.expect("reads"), []);
    for (organization, expected) in [(bob.id, false), (ada.id, true), (ada.id, false)] {
        let line = audit(ada.id, "mute.deleted");
        let done = store.mute_delete(organization, mute.id, &line).await;
        assert_eq!(done.expect("deletes"), expected);
    }
}

pub async fn one_node_has_a_lease(store: &Store) {
    let (first, second) = (id(), id());
    let take = async |holder, now, until| {
        store
            .lease_take("x", holder, now, until)
            .await
            .expect("writes")
    };
    assert!(take(first, 0, 10).await);
    assert!(!take(second, 5, 15).await);
    assert!(take(first, 9, 20).await);
    assert!(!take(second, 19, 30).await);
    assert!(take(second, 20, 30).await);
    assert!(!take(first, 20, 30).await);
}

pub async fn an_apis_usage_is_taken_away(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (kept, gone) = (api(ada.id, "kept"), api(ada.id, "gone"));
    let line = || audit(ada.id, "x");
    for row in [&kept, &gone] {
        store.api_insert(row, &line()).await.expect("inserts");
    }
    let mut rows = Vec::new();
    for n in 0..600 {
        let mut row = usage(ada.id, n * 400, 200, 1_000);
        row.api_id = Some(if n % 3 == 0 { gone.id } else { kept.id });
        row.path = "/users/1".into();
        rows.push(row);
    }
    let events: Vec<_> = rows.iter().map(UsageRow::as_event).collect();
    let mark = UsageMark {
        journal: id(),
        from: 0,
        to: 1,
    };
    store
        .usage_import(&events, &[mark], 1)
        .await
        .expect("imports");
    while store.usage_roll(EVER).await.expect("rolls") > 0 {}
    let hours = store.usage_organizations(0).await.expect("reads");
    assert_eq!(hours, [ada.id]);
    // Imported calls are in no quota.
    let served = store
        .usage_served(&apiverse_store::ServedFilter {
            organization_id: ada.id,
            api_id: None,
            key_id: None,
            route_id: None,
            from_us: 0,
            to_us: rows[0].started_at_us / 86_400_000_000 * 86_400_000_000,
        })
        .await;
    assert_eq!(served.expect("counts"), 0);
    let totals = async || {
        let mut scan = apiverse_rollup::Scan::new(apiverse_rollup::Question {
            by: vec![apiverse_rollup::Dimension::Api],
            ..Default::default()
        });
        let kept = apiverse_rollup::Kept {
            calls_us: i64::MIN,
            minutes_us: i64::MIN,
            long_us: (0, 0),
        };
        let filter = all(ada.id);
        let pieces = apiverse_rollup::plan(
            filter.from_us,
            filter.to_us,
            apiverse_rollup::Step::Day,
            kept,
        );
        let scanned = store.usage_scan(ada.id, &pieces, &mut scan);
        scanned.await.expect("reads");
        let answer = scan.finish();
        (answer.groups.len(), answer.total().calls)
    };
    assert_eq!(totals().await, (2, 600));
    let unusual = |api_id, n| FindingRow {
        api_id: Some(api_id),
        ..finding(ada.id, n)
    };
    let unusual = [unusual(gone.id, 1), unusual(kept.id, 2)];
    store.findings_put(&unusual).await.expect("stores");
    for _ in 0..2 {
        store
            .usage_erase_api(ada.id, gone.id)
            .await
            .expect("erases");
        assert_eq!(totals().await, (1, 400));
        let calls = store.usage_calls(&all(ada.id), None, 1_000).await;
        assert_eq!(calls.expect("reads").len(), 400);
        let left = store.findings_since(ada.id, 0).await.expect("reads");
        assert_eq!(left, unusual[1..]);
    }

    let mut consumer = key(ada.id, "AAAAAAAAAAAA");
    store.key_insert(&consumer, &line()).await.expect("inserts");
    let demo = DemoRow {
        apis: vec![gone.id],
        keys: vec![consumer.id],
    };
    assert_eq!(store.demo_get(ada.id).await.expect("reads"), None);
    store.demo_put(ada.id, &demo).await.expect("writes");
    store.demo_put(ada.id, &demo).await.expect("writes");
    assert_eq!(
        store.demo_get(ada.id).await.expect("reads"),
        Some(demo.clone())
    );
    consumer.revoked_at = Some(crate::samples::t0());
    store.key_update(&consumer, &line()).await.expect("revokes");
    store.demo_delete(ada.id, &demo).await.expect("deletes");
    assert_eq!(store.demo_get(ada.id).await.expect("reads"), None);
    let key = store.key_get(ada.id, consumer.id).await;
    assert_eq!(key.expect("reads"), None);
}
