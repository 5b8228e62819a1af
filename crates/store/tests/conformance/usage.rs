use apiverse_contract::usage::{CacheState, UsageKind};
use apiverse_contract::{ApiId, KeyId, OrganizationId, RouteId, VersionId};
use apiverse_store::{
    Ingested, PathFilter, ServedFilter, Store, UsageEvent, UsageFilter, UsageMark, UsageRow,
};

use crate::samples::{after, api, audit, id, key, tenant, usage};

pub fn all(organization_id: OrganizationId) -> UsageFilter {
    UsageFilter::calls(
        organization_id,
        after(-1_000_000).timestamp_micros(),
        after(1_000_000).timestamp_micros(),
    )
}

/// Stores rows as from a journal of their own. SQLite has one writer: whoever stores calls waits a
/// second for it, and tries again, as the gateway does.
pub async fn insert(store: &Store, rows: &[UsageRow]) {
    let events: Vec<UsageEvent<'_>> = rows.iter().map(UsageRow::as_event).collect();
    let mark = UsageMark {
        journal: id(),
        from: 0,
        to: 1,
    };
    for _ in 0..60 {
        match store.usage_ingest(&events, &[mark], 1).await {
            Err(error) if error.is_transient() => {}
            stored => return assert_eq!(stored.expect("stores"), Ingested::Stored),
        }
    }
    panic!("others write without end");
}

async fn count(store: &Store, organization_id: OrganizationId) -> usize {
    let filter = all(organization_id);
    let calls = store.usage_calls(&filter, None, 1_000_000);
    calls.await.expect("reads").len()
}

pub async fn events_are_stored_with_their_marks(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let rows: Vec<UsageRow> = (0..10_000)
        .map(|n| usage(ada.id, n % 50, 200, 1_000))
        .collect();
    let events: Vec<UsageEvent<'_>> = rows.iter().map(UsageRow::as_event).collect();
    let (first, second) = (id(), id());
    let mark = |journal, from, to| UsageMark { journal, from, to };
    let ingest = async |events: &[UsageEvent<'_>], marks: &[UsageMark]| {
        store.usage_ingest(events, marks, 5).await.expect("stores")
    };
    let positions = async || {
        let positions = store.usage_positions(&[first, second]).await;
        positions.expect("reads")
    };
    assert_eq!(positions().await, [(first, 0), (second, 0)]);

    let marks = [mark(first, 0, 700), mark(second, 0, 64)];
    assert_eq!(ingest(&events[..9_000], &marks).await, Ingested::Stored);
    assert_eq!(count(store, ada.id).await, 9_000);
    // The same again, as after a commit whose answer was lost.
    let elsewhere = Ingested::Elsewhere(vec![(first, 700), (second, 64)]);
    assert_eq!(ingest(&events[..9_000], &marks).await, elsewhere);
    // One journal fits, the other does not: nothing is stored of either.
    let marks = [mark(first, 700, 800), mark(second, 63, 100)];
    assert_eq!(ingest(&events[9_000..], &marks).await, elsewhere);
    assert_eq!(count(store, ada.id).await, 9_000);
    assert_eq!(positions().await, [(first, 700), (second, 64)]);
    let marks = [mark(first, 700, 800)];
    assert_eq!(ingest(&events[9_000..], &marks).await, Ingested::Stored);
    assert_eq!(count(store, ada.id).await, 10_000);
    // Records that are no events move their journal alone.
    assert_eq!(
        ingest(&[], &[mark(first, 800, 900)]).await,
        Ingested::Stored
    );
    assert_eq!(positions().await, [(first, 900), (second, 64)]);

    store
        .usage_forget_journals(&[second])
        .await
        .expect("forgets");
    assert_eq!(positions().await, [(first, 900), (second, 0)]);
    let before = async |at| {
        store
            .usage_forget_journals_before(at)
            .await
            .expect("forgets")
    };
    assert_eq!(before(5).await, 0);
    assert_eq!(before(6).await, 1);
}

pub async fn every_field_comes_back(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let mut full = usage(ada.id, 1, 502, i64::MAX);
    full.api_id = Some(ApiId(id()));
    full.key_id = Some(KeyId(id()));
    full.error_code = Some("upstream_unreachable".into());
    full.request_id = "ä'\"\\\t\n".into();
    full.path = "/%00/\u{10ffff}".into();
    full.bytes_out = i64::MAX;
    full.refused = true;
    full.cache = Some(CacheState::Stale);
    let mut empty = usage(ada.id, 0, 0, -1);
    empty.upstream_us = None;
    empty.request_id = String::new();
    empty.path = String::new();
    insert(store, &[empty.clone(), full.clone()]).await;
    let calls = store
        .usage_calls(&all(ada.id), None, 9)
        .await
        .expect("reads");
    let calls: Vec<UsageRow> = calls.into_iter().map(|call| call.usage).collect();
    assert_eq!(calls, [full, empty]);
}

pub async fn old_calls_go(store: &Store) {
    const DAY: i64 = 86_400;
    let (_, ada) = tenant(store, "ada").await;
    let (_, bob) = tenant(store, "bob").await;
    let mut rows = Vec::new();
    for organization in [ada.id, bob.id] {
        // More than SQLite deletes at once, at one moment and at many.
        rows.extend((0..6_000).map(|_| usage(organization, -9 * DAY, 200, 1)));
        rows.extend((0..6_000).map(|n| usage(organization, -8 * DAY + n % 60, 200, 1)));
        rows.extend((0..100).map(|n| usage(organization, n, 200, 1)));
    }
    insert(store, &rows).await;
    let oldest = after(-3 * DAY).timestamp_micros();
    assert!(store.usage_retain(oldest).await.expect("deletes") > 0);
    assert_eq!(store.usage_retain(oldest).await.expect("deletes"), 0);
    assert_eq!(count(store, ada.id).await, 100);
    assert_eq!(count(store, bob.id).await, 100);
    // A late event of a day that has gone is stored all the same.
    insert(store, &[usage(ada.id, -8 * DAY, 200, 1)]).await;
    assert_eq!(count(store, ada.id).await, 101);
    store
        .usage_prepare(after(0).timestamp_micros())
        .await
        .expect("prepares");
    store
        .usage_prepare(after(DAY).timestamp_micros())
        .await
        .expect("prepares");
    insert(store, &[usage(ada.id, DAY, 200, 1)]).await;
    assert_eq!(count(store, ada.id).await, 102);
}

/// Two nodes meet a new day at the same moment.
pub async fn several_store_at_once(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let mut tasks = Vec::new();
    for node in 0..4 {
        let (store, organization) = (store.clone(), ada.id);
        tasks.push(tokio::spawn(async move {
            for batch in 0..5 {
                let at = 86_400 * batch + node;
                let rows: Vec<_> = (0..50).map(|_| usage(organization, at, 200, 1)).collect();
                insert(&store, &rows).await;
            }
        }));
    }
    for task in tasks {
        task.await.expect("stores");
    }
    assert_eq!(count(store, ada.id).await, 1_000);
}

pub async fn filters(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (_, bob) = tenant(store, "bob").await;
    let api_id = ApiId(id());
    let mut with_api = usage(ada.id, 0, 404, 1);
    with_api.api_id = Some(api_id);
    let rows = [
        with_api,
        usage(ada.id, 10, 200, 1),
        usage(ada.id, 20, 500, 1),
        usage(bob.id, 0, 404, 1),
    ];
    insert(store, &rows).await;
    let count = async |filter: UsageFilter| {
        store
            .usage_calls(&filter, None, 100)
            .await
            .expect("reads")
            .len()
    };
    assert_eq!(count(all(ada.id)).await, 3);
    assert_eq!(count(all(bob.id)).await, 1);
    assert_eq!(
        count(UsageFilter {
            api_id: Some(api_id),
            ..all(ada.id)
        })
        .await,
        1
    );
    assert_eq!(
        count(UsageFilter {
            api_id: Some(api_id),
            ..all(bob.id)
        })
        .await,
        0
    );
    for (status, expected) in [
        ((200, 299), 1),
        ((300, 399), 0),
        ((404, 404), 1),
        ((500, 400), 0),
    ] {
        let filter = UsageFilter {
            status: Some(status),
            ..all(ada.id)
        };
        assert_eq!(count(filter).await, expected, "{status:?}");
    }
    let edge = UsageFilter {
        from_us: rows[0].started_at_us,
        to_us: rows[1].started_at_us,
        ..all(ada.id)
    };
    assert_eq!(count(edge).await, 1, "from is inclusive, to is exclusive");
}

pub async fn filters_of_what_calls_have(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (route_id, version_id) = (RouteId(id()), VersionId(id()));
    let mut n = 0;
    let mut with = |change: &dyn Fn(&mut UsageRow)| {
        n += 1;
        let mut row = usage(ada.id, n, 200, 1);
        change(&mut row);
        row
    };
    let rows = [
        with(&|row| row.route_id = Some(route_id)),
        with(&|row| row.version_id = Some(version_id)),
        with(&|row| row.cache = Some(CacheState::Hit)),
        with(&|row| row.error_code = Some("rate_limited".into())),
        with(&|row| row.method = "PUT".into()),
        with(&|row| row.path = "/users/7/x_y".into()),
        with(&|row| row.path = "/users/7/xay".into()),
    ];
    insert(store, &rows).await;
    let found = async |change: &dyn Fn(&mut UsageFilter)| -> Vec<usize> {
        let mut filter = all(ada.id);
        change(&mut filter);
        let calls = store.usage_calls(&filter, None, 100).await.expect("reads");
        let place = |id| rows.iter().position(|row| row.id == id);
        let mut found: Vec<usize> = calls
            .iter()
            .filter_map(|call| place(call.usage.id))
            .collect();
        found.sort_unstable();
        found
    };
    assert_eq!(found(&|filter| filter.route_id = Some(route_id)).await, [0]);
    assert_eq!(
        found(&|filter| filter.version_id = Some(Some(version_id))).await,
        [1]
    );
    assert_eq!(
        found(&|filter| filter.version_id = Some(None)).await,
        [0, 2, 3, 4, 5, 6]
    );
    assert_eq!(
        found(&|filter| filter.cache = Some(CacheState::Hit)).await,
        [2]
    );
    let code = || Some("rate_limited".to_owned());
    assert_eq!(found(&|filter| filter.error_code = code()).await, [3]);
    assert_eq!(
        found(&|filter| filter.method = Some("PUT".to_owned())).await,
        [4]
    );
    for (template, expected) in [
        ("/users/{id}/x_y", vec![5]),
        ("/users/{id}/{name}", vec![5, 6]),
        ("/nowhere", vec![]),
    ] {
        let path = || Some(PathFilter::like(template));
        assert_eq!(found(&|filter| filter.path = path()).await, expected);
    }
}

pub async fn names_of_what_calls_belong_to(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (_, bob) = tenant(store, "bob").await;
    let (api, key) = (api(ada.id, "first"), key(ada.id, "AAAAAAAAAAAA"));
    let line = || audit(ada.id, "x");
    store.api_insert(&api, &line()).await.expect("inserts");
    store.key_insert(&key, &line()).await.expect("inserts");
    let of_api = async |organization| {
        let name = store.usage_api_name(organization, api.id.0).await;
        name.expect("reads")
    };
    let of_key = async |organization| {
        let name = store.usage_key_name(organization, key.id.0).await;
        name.expect("reads")
    };
    assert_eq!(of_api(ada.id).await.as_deref(), Some("The first API"));
    assert_eq!(of_key(ada.id).await.as_deref(), Some("key AAAAAAAAAAAA"));
    assert_eq!((of_api(bob.id).await, of_key(bob.id).await), (None, None));
    let nothing = store.usage_version_name(ada.id, id()).await;
    assert_eq!(nothing.expect("reads"), None);
    let nothing = store.usage_route_path(ada.id, id()).await;
    assert_eq!(nothing.expect("reads"), None);
    store.vacuum().await.expect("vacuums");
}

pub async fn calls_page_without_gaps(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    // Several at the same microsecond: the id decides.
    let mut rows: Vec<UsageRow> = (0..25).map(|n| usage(ada.id, n / 5, 200, 1)).collect();
    insert(store, &rows).await;
    rows.sort_by_key(|row| std::cmp::Reverse((row.started_at_us, row.id)));
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = store
            .usage_calls(&all(ada.id), before, 7)
            .await
            .expect("reads");
        let Some(last) = page.last() else { break };
        before = Some((last.usage.started_at_us, last.usage.id));
        seen.extend(page.into_iter().map(|call| call.usage));
    }
    assert_eq!(seen, rows);
}

pub async fn served_calls_are_what_quotas_count(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (_, bob) = tenant(store, "bob").await;
    let (api_id, key_id, route_id) = (ApiId(id()), KeyId(id()), RouteId(id()));
    let at = |at_us: i64| UsageRow {
        api_id: Some(api_id),
        key_id: Some(key_id),
        started_at_us: at_us,
        ..usage(ada.id, 0, 200, 1)
    };
    // Not at the edge of anything, in the second week of a month.
    let day = 86_400_000_000;
    let month = after(0).timestamp_micros().div_euclid(day) * day - 10 * day;
    let now = month + 10 * day + 7 * 3_600_000_000 + 123_456_789;
    let mut rows = Vec::new();
    for n in 0..40 {
        // Some of each day, and of the last minutes.
        rows.push(at(month + n * day / 4 + n));
        rows.push(at(now - n * 30_000_000 - 1));
    }
    rows.push(UsageRow {
        refused: true,
        ..at(month + 1)
    });
    rows.push(UsageRow {
        route_id: Some(route_id),
        ..at(month + 2)
    });
    rows.push(UsageRow {
        route_id: Some(route_id),
        ..at(now - 2)
    });
    // Verifications count for what they say; one that is refused for nothing.
    for (cost, refused) in [(7, false), (1_000, true)] {
        rows.push(UsageRow {
            verified: Some(cost),
            refused,
            ..at(now - 2)
        });
        rows.push(UsageRow {
            verified: Some(cost),
            refused,
            ..at(month + 3 * day)
        });
    }
    // Without an API, without a key, and another's.
    rows.push(UsageRow {
        api_id: None,
        ..at(month + 5)
    });
    rows.push(UsageRow {
        key_id: None,
        ..at(now - 3)
    });
    rows.push(UsageRow {
        organization_id: bob.id,
        ..at(month + 5)
    });
    // In several batches, as a journal comes.
    for batch in rows.chunks(7) {
        insert(store, batch).await;
    }
    let all = ServedFilter {
        organization_id: ada.id,
        api_id: None,
        key_id: None,
        route_id: None,
        from_us: month,
        to_us: now,
    };
    let of_api = ServedFilter {
        api_id: Some(api_id),
        ..all
    };
    let filters = [
        all,
        of_api,
        ServedFilter {
            key_id: Some(key_id),
            ..all
        },
        ServedFilter {
            key_id: Some(key_id),
            ..of_api
        },
        ServedFilter {
            route_id: Some(route_id),
            ..of_api
        },
        ServedFilter {
            key_id: Some(KeyId(id())),
            ..all
        },
    ];
    // The same, call by call.
    let by_hand = |filter: &ServedFilter| -> i64 {
        rows.iter()
            .filter(|row| {
                row.organization_id == filter.organization_id
                    && !row.refused
                    && (filter.from_us..filter.to_us).contains(&row.started_at_us)
                    && filter.api_id.is_none_or(|id| row.api_id == Some(id))
                    && filter.key_id.is_none_or(|id| row.key_id == Some(id))
                    && filter.route_id.is_none_or(|id| row.route_id == Some(id))
            })
            .map(|row| row.verified.unwrap_or(1))
            .sum()
    };
    assert_eq!(by_hand(&all), 80 + 2 + 14 + 2);
    let check = async |what: &str| {
        for filter in filters {
            for (from, to) in [
                (month, now),
                (month, now - 1),
                (month, now - 400_000_000),
                (month + 10 * day, now),
                (month + 10 * day, month + 10 * day + 1_000_000),
                (month, month + 10 * day),
            ] {
                let filter = ServedFilter {
                    from_us: from,
                    to_us: to,
                    ..filter
                };
                let served = store.usage_served(&filter).await.expect("counts");
                assert_eq!(served, by_hand(&filter), "{what}: {filter:?}");
            }
        }
    };
    check("at first").await;
    // Days that are over become one row, and count the same; late calls are added to them.
    for _ in 0..2 {
        store.usage_condense(now).await.expect("condenses");
        check("condensed").await;
    }
    let late = [at(month + day / 2), at(month + 6 * day)];
    insert(store, &late).await;
    let served = store.usage_served(&all).await.expect("counts");
    assert_eq!(served, by_hand(&all) + 2);
    store.usage_condense(now).await.expect("condenses");
    let served = store.usage_served(&all).await.expect("counts");
    assert_eq!(served, by_hand(&all) + 2);

    // Whatever becomes of the calls themselves, the sums stay for as long as a quota needs them.
    store.usage_retain(month + 9 * day).await.expect("deletes");
    let served = store.usage_served(&all).await.expect("counts");
    assert_eq!(served, by_hand(&all) + 2);
    store
        .usage_condense(now + 80 * day)
        .await
        .expect("condenses");
    let long_ago = ServedFilter {
        to_us: month + 9 * day,
        ..all
    };
    assert_eq!(store.usage_served(&long_ago).await.expect("counts"), 0);
}

pub async fn verifications_are_told_from_calls(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let verification = UsageRow {
        verified: Some(3),
        ..usage(ada.id, 1, 200, 1)
    };
    insert(store, &[usage(ada.id, 0, 200, 1), verification.clone()]).await;
    assert_eq!(count(store, ada.id).await, 1);
    let filter = UsageFilter {
        kind: UsageKind::Verification,
        ..all(ada.id)
    };
    let found = store.usage_calls(&filter, None, 10).await.expect("reads");
    let found: Vec<UsageRow> = found.into_iter().map(|row| row.usage).collect();
    assert_eq!(found, [verification]);
}
