//! Sums of calls are what counting the calls comes to, whatever happened in between.

use std::collections::BTreeMap;

use apiverse_contract::usage::CacheState;
use apiverse_contract::{ApiId, KeyId, OrganizationId, RouteId, VersionId};
use apiverse_rollup::{
    Dimension, Filter, Group, Kept, OTHER, Question, Route, Scan, Step, UNMATCHED, Value, plan,
};
use apiverse_store::{Ingested, RollupHorizon, Store, UsageEvent, UsageMark, UsageRow};
use uuid::Uuid;

use crate::samples::{after, id, tenant, usage};
use crate::usage::insert;

const HOUR: i64 = 3600;
const DAY: i64 = 86_400;
const EVER: RollupHorizon = RollupHorizon {
    minutes_us: i64::MIN,
    hours_us: i64::MIN,
};
const ALL_KEPT: Kept = Kept {
    calls_us: i64::MIN,
    minutes_us: i64::MIN,
    long_us: (0, 0),
};

async fn roll(store: &Store, horizon: RollupHorizon) -> u64 {
    let mut rolled = 0;
    loop {
        match store.usage_roll(horizon).await.expect("rolls") {
            0 => return rolled,
            some => rolled += some,
        }
    }
}

async fn ask(
    store: &Store,
    organization_id: OrganizationId,
    question: Question,
    (from_us, to_us): (i64, i64),
    kept: Kept,
) -> Vec<Group> {
    let coarsest = if question.steps.is_empty() {
        Step::Long
    } else {
        Step::Hour
    };
    let pieces = plan(from_us, to_us, coarsest, kept);
    let mut scan = Scan::new(question);
    let scanned = store.usage_scan(organization_id, &pieces, &mut scan);
    scanned.await.expect("reads");
    let mut groups = scan.finish().groups;
    groups.sort_by(|a, b| a.values.cmp(&b.values));
    groups
}

/// Numbers that are no more random than a test may be.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Calls over four days, of three APIs, five keys and two versions.
fn calls(organization: OrganizationId, count: usize, dice: &mut Dice) -> Vec<UsageRow> {
    let named = |n: u64| Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + u128::from(n));
    (0..count)
        .map(|_| {
            let at = -(dice.roll(4 * 86_400) as i64);
            let status = [200, 200, 200, 204, 302, 404, 429, 500][dice.roll(8) as usize];
            let mut row = usage(organization, at, status, dice.roll(2_000_000) as i64 + 2);
            row.started_at_us += dice.roll(1_000_000) as i64;
            row.api_id = Some(ApiId(named(1 + dice.roll(3))));
            row.key_id = (dice.roll(6) > 0).then(|| KeyId(named(10 + dice.roll(5))));
            row.version_id = (dice.roll(3) == 0).then(|| VersionId(named(20)));
            row.route_id = (dice.roll(2) == 0).then(|| RouteId(named(30 + dice.roll(2))));
            row.path = format!("/things/{}/parts", dice.roll(1000));
            row.method = ["GET", "POST", "BREW"][dice.roll(3) as usize].into();
            row.refused = status == 429;
            row.error_code = row.refused.then(|| "rate_limited".into());
            row.cache = (dice.roll(2) == 0).then(|| CacheState::ALL[dice.roll(5) as usize]);
            row.bytes_in = dice.roll(5_000) as i64;
            row.bytes_out = dice.roll(50_000) as i64;
            row
        })
        .collect()
}

/// The same as sums, call by call: calls, errors, refused, bytes, cache hits, all latencies.
type Plain = (u64, u64, u64, u64, u64, u64, Vec<i64>);

fn by_hand(
    rows: &[UsageRow],
    (from_us, to_us): (i64, i64),
    value: impl Fn(&UsageRow) -> Option<Value>,
) -> BTreeMap<Value, Plain> {
    let mut sums: BTreeMap<Value, Plain> = BTreeMap::new();
    for row in rows {
        if !(from_us..to_us).contains(&row.started_at_us) {
            continue;
        }
        let Some(value) = value(row) else { continue };
        let sum = sums.entry(value).or_default();
        sum.0 += 1;
        sum.1 += u64::from(row.status >= 400);
        sum.2 += u64::from(row.refused);
        sum.3 += row.bytes_in as u64;
        sum.4 += row.bytes_out as u64;
        sum.5 += u64::from(row.cache.is_some_and(CacheState::is_hit));
        sum.6.push(row.latency_us);
    }
    for sum in sums.values_mut() {
        sum.6.sort_unstable();
    }
    sums
}

fn assert_same(groups: &[Group], expected: &BTreeMap<Value, Plain>, what: &str) {
    assert_eq!(groups.len(), expected.len(), "{what}");
    for group in groups {
        let plain = &expected[&group.values[0]];
        let sum = &group.total;
        let counts = (
            sum.calls,
            sum.errors,
            sum.refused,
            sum.bytes_in,
            sum.bytes_out,
            sum.cache_hits,
        );
        let (calls, errors, refused, bytes_in, bytes_out, hits, latencies) = plain;
        assert_eq!(
            counts,
            (*calls, *errors, *refused, *bytes_in, *bytes_out, *hits),
            "{what}: {:?}",
            group.values
        );
        for q in [0.5, 0.95, 0.99] {
            let at = (q * (latencies.len() - 1) as f64).floor() as usize;
            let exact = latencies[at] as f64;
            let read = sum.latency.quantile_us(q).expect("has calls");
            assert!(
                (read - exact).abs() <= exact * 0.01 + 1e-6,
                "{what}: {read} for {exact}"
            );
        }
    }
}

async fn check(store: &Store, organization: OrganizationId, rows: &[UsageRow], what: &str) {
    let key = rows.iter().find_map(|row| row.key_id).map(|id| id.0);
    let api = rows[0].api_id.map(|id| id.0);
    let now = after(1).timestamp_micros();
    let odd = after(-3 * DAY).timestamp_micros() + 1_234_567;
    let ranges = [
        (after(-5 * DAY).timestamp_micros(), now),
        (odd, now - 17 * HOUR * 1_000_000 - 7_654_321),
        (Step::Day.floor(odd), Step::Day.floor(now)),
        (
            Step::Minute.floor(odd),
            Step::Minute.floor(odd) + 60_000_000 * 45,
        ),
    ];
    type ValueOf = fn(&UsageRow) -> Value;
    let dimensions: [(Dimension, ValueOf); 5] = [
        (Dimension::Api, |row| Value::Id(row.api_id.map(|id| id.0))),
        (Dimension::Key, |row| Value::Id(row.key_id.map(|id| id.0))),
        (Dimension::Version, |row| {
            Value::Id(row.version_id.map(|id| id.0))
        }),
        (Dimension::Status, |row| Value::Number(row.status)),
        (Dimension::Cache, |row| Value::Cache(row.cache)),
    ];
    for range in ranges {
        for (dimension, value) in dimensions {
            for filter in [
                Filter::default(),
                Filter {
                    key,
                    ..Filter::default()
                },
                Filter {
                    api,
                    status_class: Some(4),
                    ..Filter::default()
                },
            ] {
                let question = Question {
                    by: vec![dimension],
                    filter: filter.clone(),
                    latency: true,
                    ..Question::default()
                };
                let groups = ask(store, organization, question, range, ALL_KEPT).await;
                let expected = by_hand(rows, range, |row| {
                    let is_meant = (filter.key.is_none()
                        || row.key_id.map(|id| id.0) == filter.key)
                        && (filter.api.is_none() || row.api_id.map(|id| id.0) == filter.api)
                        && (filter.status_class.is_none() || row.status / 100 == 4);
                    is_meant.then(|| value(row))
                });
                assert_same(
                    &groups,
                    &expected,
                    &format!("{what} {range:?} {dimension:?} {filter:?}"),
                );
            }
        }
    }
}

pub async fn sums_are_what_calls_are(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (_, bob) = tenant(store, "bob").await;
    let mut dice = Dice(42);
    let mut rows = calls(ada.id, 3_000, &mut dice);
    let others = calls(bob.id, 100, &mut dice);
    // In batches of both, most of them late; now and then sums are brought to blocks.
    let mixed: Vec<UsageRow> = rows.iter().chain(&others).cloned().collect();
    for (n, batch) in mixed.chunks(170).enumerate() {
        insert(store, batch).await;
        if n % 5 == 2 {
            store.usage_roll(EVER).await.expect("rolls");
        }
    }
    check(store, ada.id, &rows, "some rolled").await;
    assert!(roll(store, EVER).await > 0);
    assert_eq!(roll(store, EVER).await, 0);
    check(store, ada.id, &rows, "all rolled").await;
    // Late ones are added to what is there.
    let late = calls(ada.id, 200, &mut dice);
    insert(store, &late).await;
    rows.extend(late);
    check(store, ada.id, &rows, "late ones come").await;
    roll(store, EVER).await;
    check(store, ada.id, &rows, "late ones rolled").await;
    // Sums do not need the calls any more.
    let oldest = after(-2 * DAY).timestamp_micros();
    store.usage_retain(oldest).await.expect("deletes");
    let whole = (
        after(-5 * DAY).timestamp_micros(),
        after(HOUR).timestamp_micros(),
    );
    let whole = (Step::Hour.floor(whole.0), Step::Hour.ceil(whole.1));
    let groups = ask(store, ada.id, Question::default(), whole, ALL_KEPT).await;
    assert_eq!(groups[0].total.calls, rows.len() as u64);
    let groups = ask(store, bob.id, Question::default(), whole, ALL_KEPT).await;
    assert_eq!(groups[0].total.calls, others.len() as u64);
    // A series has in each step what began there.
    let steps: Vec<i64> = (0..130).map(|n| whole.0 + n * HOUR * 1_000_000).collect();
    let question = Question {
        steps: steps.clone(),
        ..Question::default()
    };
    let groups = ask(store, ada.id, question, whole, ALL_KEPT).await;
    for (n, sum) in groups[0].series.iter().enumerate() {
        let step = steps[n]..steps[n] + HOUR * 1_000_000;
        let calls = rows.iter().filter(|row| step.contains(&row.started_at_us));
        assert_eq!(sum.calls, calls.count() as u64, "step {n}");
    }
}

pub async fn duplicates_count_once(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let rows = calls(ada.id, 300, &mut Dice(7));
    let events: Vec<UsageEvent<'_>> = rows.iter().map(UsageRow::as_event).collect();
    let mark = UsageMark {
        journal: id(),
        from: 0,
        to: 10,
    };
    let first = store.usage_ingest(&events, &[mark], 1).await;
    assert_eq!(first.expect("stores"), Ingested::Stored);
    roll(store, EVER).await;
    // The answer was lost, and the batch comes again: as a whole, and as the first half of another.
    for batch in [&events[..], &events[..150]] {
        let again = store.usage_ingest(batch, &[mark], 1).await;
        let elsewhere = Ingested::Elsewhere(vec![(mark.journal, 10)]);
        assert_eq!(again.expect("answers"), elsewhere);
    }
    roll(store, EVER).await;
    check(store, ada.id, &rows, "again").await;
}

/// Many nodes bring sums to blocks while others store calls.
pub async fn several_roll_at_once(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let mut dice = Dice(3);
    let portions: Vec<Vec<UsageRow>> = (0..4).map(|_| calls(ada.id, 400, &mut dice)).collect();
    let mut tasks = Vec::new();
    for rows in portions.clone() {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            for batch in rows.chunks(40) {
                insert(&store, batch).await;
                store.usage_roll(EVER).await.expect("rolls");
            }
        }));
    }
    for task in tasks {
        task.await.expect("stores");
    }
    roll(store, EVER).await;
    let rows: Vec<UsageRow> = portions.into_iter().flatten().collect();
    check(store, ada.id, &rows, "several").await;
}

pub async fn routes_are_learned(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let api = ApiId(id());
    let mut n = 0;
    let mut to = |path: &str, status: i32| {
        n += 1;
        let mut row = usage(ada.id, n % 50, status, 1_000);
        row.api_id = Some(api);
        row.path = path.to_owned();
        row
    };
    let mut rows = Vec::new();
    for user in 0..40 {
        rows.push(to(&format!("/users/{user}"), 200));
        rows.push(to(&format!("/.env/{user}/x"), 404));
    }
    insert(store, &rows).await;
    let routes = async || -> BTreeMap<String, u64> {
        let question = Question {
            by: vec![Dimension::Route],
            ..Question::default()
        };
        let range = (
            after(-HOUR).timestamp_micros(),
            after(HOUR).timestamp_micros(),
        );
        let groups = ask(store, ada.id, question, range, ALL_KEPT).await;
        let named = groups.into_iter().map(|group| match &group.values[0] {
            Value::Route(Some(_), Route::Learned(text)) => (text.to_string(), group.total.calls),
            other => panic!("{other:?}"),
        });
        named.collect()
    };
    let expected = BTreeMap::from([("/users/{id}".to_owned(), 40), (UNMATCHED.to_owned(), 40)]);
    assert_eq!(routes().await, expected);
    roll(store, EVER).await;
    assert_eq!(routes().await, expected);

    // Words in one place become names, those of before too.
    let word = |n: u64| {
        format!(
            "w{}{}",
            (b'a' + (n / 26) as u8) as char,
            (b'a' + (n % 26) as u8) as char
        )
    };
    let rows: Vec<UsageRow> = (0..120)
        .map(|n| to(&format!("/shop/{}", word(n)), 200))
        .collect();
    for batch in rows.chunks(30) {
        insert(store, batch).await;
        roll(store, EVER).await;
    }
    let found = routes().await;
    assert_eq!(found.get("/shop/{name}"), Some(&120));
    assert_eq!(found.len(), 3);

    // No more than there is room for, whatever is called.
    let rows: Vec<UsageRow> = (0..1_500u64)
        .map(|n| to(&format!("/{}/{}", word(n / 40), word(n % 40)), 200))
        .collect();
    insert(store, &rows).await;
    roll(store, EVER).await;
    let found = routes().await;
    assert!(found.len() <= 303, "{}", found.len());
    assert_eq!(found.values().sum::<u64>(), 80 + 120 + 1_500);
    assert!(!found.contains_key(OTHER) || found[OTHER] > 0);
}

pub async fn old_sums_go(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let rows: Vec<UsageRow> = (0..40)
        .map(|n| usage(ada.id, -n * DAY - 7, 200, 1))
        .collect();
    let horizon = RollupHorizon {
        minutes_us: Step::Hour.floor(after(-8 * DAY).timestamp_micros()),
        hours_us: Step::Day.floor(after(-30 * DAY).timestamp_micros()),
    };
    insert(store, &rows).await;
    roll(store, EVER).await;
    assert!(store.usage_rollups_retain(horizon).await.expect("deletes") > 0);
    assert_eq!(
        store.usage_rollups_retain(horizon).await.expect("deletes"),
        0
    );
    let kept = Kept {
        calls_us: i64::MAX,
        minutes_us: horizon.minutes_us,
        ..ALL_KEPT
    };
    let range = (
        after(-100 * DAY).timestamp_micros(),
        after(1).timestamp_micros(),
    );
    let count = async || {
        let groups = ask(store, ada.id, Question::default(), range, kept).await;
        groups[0].total.calls
    };
    let expected = rows
        .iter()
        .filter(|row| row.started_at_us >= horizon.hours_us);
    let expected = expected.count() as u64;
    assert_eq!(count().await, expected);
    // What comes far too late is in no sum; what comes late is, though not by minute.
    let late = [
        usage(ada.id, -60 * DAY, 200, 1),
        usage(ada.id, -20 * DAY, 200, 1),
    ];
    insert(store, &late).await;
    roll(store, horizon).await;
    assert_eq!(
        store.usage_rollups_retain(horizon).await.expect("deletes"),
        0
    );
    assert_eq!(count().await, expected + 1);
}

/// Calls that an earlier version stored, without sums.
pub async fn calls_of_before_are_summed_up(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let rows = calls(ada.id, 500, &mut Dice(11));
    insert(store, &rows).await;
    store.usage_forget_sums().await.expect("forgets");
    let whole = (
        after(-5 * DAY).timestamp_micros(),
        after(HOUR).timestamp_micros(),
    );
    let whole = (Step::Hour.floor(whole.0), Step::Hour.ceil(whole.1));
    let groups = ask(store, ada.id, Question::default(), whole, ALL_KEPT).await;
    assert!(groups.is_empty());
    for _ in 0..2 {
        store.migrate().await.expect("sums up");
        check(store, ada.id, &rows, "summed up").await;
    }
    roll(store, EVER).await;
    check(store, ada.id, &rows, "rolled").await;
}

/// Calls of 120 days: twelve months would take the test longer and show no more.
fn long_calls(organization: OrganizationId, count: usize, dice: &mut Dice) -> Vec<UsageRow> {
    let mut rows = calls(organization, count, dice);
    for row in &mut rows {
        row.started_at_us -= (dice.roll(120) as i64) * DAY * 1_000_000;
    }
    rows
}

async fn check_long(store: &Store, organization: OrganizationId, rows: &[UsageRow], what: &str) {
    let long_us = store.usage_long(organization).await.expect("reads");
    let kept = Kept {
        long_us,
        ..ALL_KEPT
    };
    let now = after(1).timestamp_micros();
    let ranges = [
        (after(-130 * DAY).timestamp_micros(), now),
        (
            after(-101 * DAY).timestamp_micros() + 7_654_321,
            now - 5 * DAY * 1_000_000,
        ),
    ];
    let key = rows.iter().find_map(|row| row.key_id).map(|id| id.0);
    for range in ranges {
        for (by, filter_key) in [
            (Dimension::Key, None),
            (Dimension::Status, None),
            (Dimension::Version, None),
            (Dimension::Status, key),
            (Dimension::Version, key),
        ] {
            let question = Question {
                by: vec![by],
                filter: Filter {
                    key: filter_key,
                    ..Filter::default()
                },
                latency: true,
                ..Question::default()
            };
            let groups = ask(store, organization, question, range, kept).await;
            let expected = by_hand(rows, range, |row| {
                let is_meant = filter_key.is_none() || row.key_id.map(|id| id.0) == filter_key;
                is_meant.then(|| match by {
                    Dimension::Key => Value::Id(row.key_id.map(|id| id.0)),
                    Dimension::Version => Value::Id(row.version_id.map(|id| id.0)),
                    _ => Value::Number(row.status),
                })
            });
            let what = format!("{what} {range:?} {by:?} {filter_key:?}");
            assert_same(&groups, &expected, &what);
        }
    }
}

pub async fn long_sums_are_what_calls_are(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (_, bob) = tenant(store, "bob").await;
    let mut dice = Dice(28);
    let now = after(0).timestamp_micros();
    let mut rows = long_calls(ada.id, 1_500, &mut dice);
    insert(store, &rows).await;
    let others = long_calls(bob.id, 50, &mut dice);
    insert(store, &others).await;
    roll(store, EVER).await;
    assert_eq!(store.usage_long(ada.id).await.expect("reads"), (0, 0));
    check_long(store, ada.id, &rows, "without").await;

    // All that are over are made, of each organization, once.
    let made = store.usage_lengthen(now, EVER).await.expect("makes");
    assert!((8..=12).contains(&made), "{made}");
    assert_eq!(store.usage_lengthen(now, EVER).await.expect("makes"), 0);
    let (from_us, to_us) = store.usage_long(ada.id).await.expect("reads");
    assert_eq!(to_us, Step::Long.floor(now));
    assert!((4..=6).contains(&((to_us - from_us) / Step::Long.width_us())));
    check_long(store, ada.id, &rows, "made").await;
    check_long(store, bob.id, &others, "of another").await;

    // What comes late is in them, before and after it is brought to blocks.
    let late = long_calls(ada.id, 200, &mut dice);
    insert(store, &late).await;
    rows.extend(late);
    check_long(store, ada.id, &rows, "late").await;
    roll(store, EVER).await;
    check_long(store, ada.id, &rows, "late ones rolled").await;

    // Time goes on: the stretch that was not over then is made, and what is later than late comes too.
    let later = now + Step::Long.width_us();
    let made = store.usage_lengthen(later, EVER).await.expect("makes");
    assert_eq!(made, 2);
    check_long(store, ada.id, &rows, "later").await;
    let mut old = long_calls(ada.id, 40, &mut dice);
    for row in &mut old {
        row.started_at_us -= 60 * DAY * 1_000_000;
    }
    insert(store, &old).await;
    rows.extend(old);
    roll(store, EVER).await;
    store.usage_lengthen(later, EVER).await.expect("makes");
    check_long(store, ada.id, &rows, "much later").await;

    // An API's calls are taken out, and others come in again.
    let gone = rows[0].api_id.expect("has an API");
    store.usage_erase_api(ada.id, gone).await.expect("erases");
    rows.retain(|row| row.api_id != Some(gone));
    check_long(store, ada.id, &rows, "erased").await;
    let again = long_calls(ada.id, 100, &mut dice);
    insert(store, &again).await;
    rows.extend(again);
    roll(store, EVER).await;
    check_long(store, ada.id, &rows, "and again").await;
}

/// Whoever makes long blocks, brings sums to blocks and stores calls at once.
pub async fn long_sums_are_made_at_any_time(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let mut dice = Dice(5);
    let now = after(0).timestamp_micros();
    let portions: Vec<Vec<UsageRow>> = (0..3).map(|_| long_calls(ada.id, 200, &mut dice)).collect();
    let mut tasks = Vec::new();
    for rows in portions.clone() {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            for batch in rows.chunks(40) {
                insert(&store, batch).await;
                store.usage_roll(EVER).await.expect("rolls");
                store.usage_lengthen(now, EVER).await.expect("makes");
            }
        }));
    }
    for task in tasks {
        task.await.expect("stores");
    }
    roll(store, EVER).await;
    store.usage_lengthen(now, EVER).await.expect("makes");
    let rows: Vec<UsageRow> = portions.into_iter().flatten().collect();
    check_long(store, ada.id, &rows, "at any time").await;
}

pub async fn old_long_sums_go(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let now = after(0).timestamp_micros();
    let width = Step::Long.width_us();
    let rows: Vec<UsageRow> = (0..150)
        .map(|n| usage(ada.id, -n * DAY - 7, 200, 1))
        .collect();
    insert(store, &rows).await;
    roll(store, EVER).await;
    store.usage_lengthen(now, EVER).await.expect("makes");
    let horizon = RollupHorizon {
        minutes_us: i64::MIN,
        hours_us: Step::Long.floor(now) - 3 * width + DAY * 1_000_000,
    };
    store.usage_rollups_retain(horizon).await.expect("deletes");
    let long_us = store.usage_long(ada.id).await.expect("reads");
    let over = Step::Long.floor(now);
    assert_eq!(long_us, (over - 2 * width, over));
    // Nor are they made again of the days that are left.
    assert_eq!(store.usage_lengthen(now, horizon).await.expect("makes"), 0);
    let kept = Kept {
        long_us,
        calls_us: i64::MAX,
        minutes_us: i64::MIN,
    };
    let range = (horizon.hours_us, Step::Hour.ceil(now));
    let groups = ask(store, ada.id, Question::default(), range, kept).await;
    let expected = rows
        .iter()
        .filter(|row| row.started_at_us >= horizon.hours_us);
    assert_eq!(groups[0].total.calls, expected.count() as u64);
}

/// Sums of before there was the smallest view.
pub async fn the_smallest_view_is_made_of_others(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let rows = calls(ada.id, 400, &mut Dice(13));
    insert(store, &rows).await;
    roll(store, EVER).await;
    store.usage_forget_smallest_view().await.expect("forgets");
    let range = (
        Step::Day.floor(after(-5 * DAY).timestamp_micros()),
        Step::Hour.ceil(after(HOUR).timestamp_micros()),
    );
    let groups = ask(store, ada.id, Question::default(), range, ALL_KEPT).await;
    assert!(groups.is_empty());
    for _ in 0..2 {
        store.migrate().await.expect("sums up");
        check(store, ada.id, &rows, "filled").await;
    }
    let late = calls(ada.id, 50, &mut Dice(17));
    insert(store, &late).await;
    roll(store, EVER).await;
    let rows: Vec<UsageRow> = rows.into_iter().chain(late).collect();
    check(store, ada.id, &rows, "and rolled").await;
}

/// While nodes are replaced one by one, those of before go on: what they would do to sums.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_before_leave_sums_to_others() {
    let database = crate::database::Database::postgres().await;
    let store = database.store();
    let (_, ada) = tenant(store, "ada").await;
    let rows = calls(ada.id, 100, &mut Dice(19));
    insert(store, &rows).await;
    let refused = database.of_another("DELETE FROM usage_deltas").await;
    let words = refused.expect_err("is refused");
    assert!(words.contains("newer version"), "{words}");
    check(store, ada.id, &rows, "still there").await;
    assert!(roll(store, EVER).await > 0);
    check(store, ada.id, &rows, "rolled").await;
    database.drop().await;
}

/// One block of one organization is damaged: the next version starts all the same, and others get
/// their long sums.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_block_holds_nobody_up() {
    let database = crate::database::Database::postgres().await;
    let store = database.store();
    let (_, ada) = tenant(store, "ada").await;
    let (_, bob) = tenant(store, "bob").await;
    let mut dice = Dice(23);
    insert(store, &long_calls(ada.id, 50, &mut dice)).await;
    let rows = long_calls(bob.id, 50, &mut dice);
    insert(store, &rows).await;
    roll(store, EVER).await;
    let damage = format!(
        "UPDATE usage_blocks SET data = '\\x00' WHERE organization_id = '{}'",
        ada.id.0
    );
    database.of_another(&damage).await.expect("is written");
    store.usage_forget_smallest_view().await.expect("forgets");
    store.migrate().await.expect("starts");
    let now = after(0).timestamp_micros();
    assert!(store.usage_lengthen(now, EVER).await.expect("makes") > 0);
    check_long(store, bob.id, &rows, "of another").await;
    database.drop().await;
}
