//! How fast usage is stored, summed up and asked about with many calls behind it.
//!
//! `make benchusage ARGS="EVENTS=2000000"`, or `cargo bench -p apiverse-store --bench sums`; PostgreSQL
//! as well when `TEST_DATABASE_URL` names an empty database (`SQLITE=0`: it alone). Numbers in the
//! environment: `EVENTS` in all, over `DAYS`, of `KEYS` keys. Of the questions each is asked `ASKED`
//! times; then calls are stored for `SECONDS` while questions are asked.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use apiverse_contract::usage::CacheState;
use apiverse_contract::{ApiId, KeyId, OrganizationId, UsageEventId};
use apiverse_rollup::{Dimension, Filter, Kept, Question, Scan, Step, plan};
use apiverse_store::{ConnectOptions, RollupHorizon, Store, UsageEvent, UsageMark};
use uuid::Uuid;

const DAY_US: i64 = 86_400_000_000;
/// A moment like any other.
const NOW_US: i64 = 1_790_000_000_000_000;
const BATCH: usize = 8192;
const APIS: u128 = 5;
const ROUTES: u64 = 20;
const EVER: RollupHorizon = RollupHorizon {
    minutes_us: NOW_US - 8 * DAY_US,
    hours_us: i64::MIN,
};

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        if number("SQLITE", 1) > 0 {
            let path = folder.path().join("bench.db");
            measure("SQLite", &format!("sqlite://{}", path.display())).await;
            for file in std::fs::read_dir(folder.path())
                .expect("a folder")
                .flatten()
            {
                let bytes = file.metadata().map_or(0, |about| about.len());
                println!(
                    "  {:<14} {:>8.1} MB",
                    file.file_name().to_string_lossy(),
                    bytes as f64 / 1e6
                );
            }
        }
        if let Ok(url) = std::env::var("TEST_DATABASE_URL") {
            measure("PostgreSQL", &url).await;
            let pool = sqlx::PgPool::connect(&url).await.expect("connects");
            // The days of one table together.
            let tables: Vec<(String, i64)> = sqlx::query_as(
                "SELECT regexp_replace(relname::text, '_[0-9]+$', ''), \
                 sum(pg_total_relation_size(oid))::bigint FROM pg_class \
                 WHERE relkind IN ('r', 'p') AND relname LIKE 'usage%' \
                 GROUP BY 1 HAVING sum(pg_total_relation_size(oid)) > 1000000 ORDER BY 2 DESC",
            )
            .fetch_all(&pool)
            .await
            .expect("reads");
            for (name, bytes) in tables {
                println!("  {name:<26} {:>8.1} MB", bytes as f64 / 1e6);
            }
        }
    });
}

fn number(name: &str, default: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// SplitMix64.
fn random(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const ORGANIZATION: OrganizationId = OrganizationId(Uuid::from_u128(1));

fn id(kind: u128, n: u128) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + (kind << 32) + n)
}

async fn measure(name: &str, url: &str) {
    let (events, days) = (number("EVENTS", 2_000_000), number("DAYS", 30));
    let store = Store::connect(url, &ConnectOptions::default())
        .await
        .expect("opens");
    store.migrate().await.expect("migrates");
    let journal = Uuid::from_u128(7);
    let (mut stored, mut rolling) = (Duration::ZERO, Duration::ZERO);
    let span_us = i64::try_from(days).expect("days") * DAY_US;
    let mut n = 0_u64;
    while n < events {
        let count = (events - n).min(BATCH as u64);
        let texts = texts(n..n + count);
        let batch = batch(n..n + count, &texts, |n| at(n, events, span_us));
        let mark = UsageMark {
            journal,
            from: n,
            to: n + count,
        };
        let begun = Instant::now();
        store
            .usage_ingest(&batch, &[mark], 1)
            .await
            .expect("stores");
        stored += begun.elapsed();
        n += count;
        if (n / count).is_multiple_of(16) {
            rolling += roll(&store).await;
        }
        // Quotas' counts, as the hourly upkeep leaves them: a million calls are some days.
        if (n / count).is_multiple_of(128) {
            let now_us = at(n, events, span_us);
            store.usage_condense(now_us).await.expect("condenses");
        }
    }
    rolling += roll(&store).await;
    let begun = Instant::now();
    let long = store.usage_lengthen(NOW_US, EVER).await.expect("makes");
    let lengthening = begun.elapsed();
    println!(
        "{name}: {events} calls of {days} days; stored {:.0} a second, summed up {:.0} a second",
        events as f64 / stored.as_secs_f64(),
        events as f64 / rolling.as_secs_f64()
    );
    println!(
        "  {long} stretches of 28 days: {:.0} ms each",
        lengthening.as_secs_f64() * 1e3 / (long.max(1) as f64)
    );
    ask_all(&store, span_us).await;
    store_and_ask(&store, events, number("SECONDS", 10)).await;
    store.close().await;
}

/// When a call began: in their order, as traffic is.
fn at(n: u64, events: u64, span_us: i64) -> i64 {
    NOW_US - span_us + (span_us as f64 * (n as f64 / events as f64)) as i64
}

/// Request ids and paths of calls.
fn texts(calls: Range<u64>) -> Vec<(String, String)> {
    calls
        .map(|n| {
            let route = random(n ^ 0xabcd) % ROUTES;
            let path = format!(
                "/r{}/items/{}",
                char::from(b'a' + route as u8),
                random(n) % 100_000
            );
            (Uuid::from_u128(u128::from(n)).to_string(), path)
        })
        .collect()
}

/// Calls that began when `at` says.
fn batch<'a>(
    calls: Range<u64>,
    texts: &'a [(String, String)],
    at: impl Fn(u64) -> i64,
) -> Vec<UsageEvent<'a>> {
    let keys = u128::from(number("KEYS", 200));
    calls
        .zip(texts)
        .map(|(n, (request_id, path))| {
            let dice = random(n);
            let status = [200, 200, 200, 200, 200, 201, 204, 304, 404, 500][(dice % 10) as usize];
            let slow = 1.0 + (dice >> 40) as f64 / 4e6;
            UsageEvent {
                id: UsageEventId(Uuid::from_u128((0x0190_u128 << 112) + u128::from(n))),
                organization_id: ORGANIZATION,
                api_id: Some(ApiId(id(1, u128::from(dice) % APIS))),
                key_id: Some(KeyId(id(2, u128::from(random(n ^ 99)) % keys))),
                request_id,
                started_at_us: at(n),
                method: if dice.is_multiple_of(5) {
                    "POST"
                } else {
                    "GET"
                },
                path,
                status,
                error_code: None,
                latency_us: (3_000.0 * slow) as i64,
                upstream_us: Some(2_000),
                bytes_in: (dice % 500) as i64,
                bytes_out: (dice % 20_000) as i64,
                refused: false,
                route_id: None,
                verified: None,
                version_id: None,
                cache: dice.is_multiple_of(3).then_some(CacheState::Hit),
                tokens: apiverse_contract::usage::Tokens::default(),
            }
        })
        .collect()
}

/// Stores calls as they come while others are asked about: how many a second, and how long the
/// questions take.
async fn store_and_ask(store: &Store, from: u64, seconds: u64) {
    let is_over = Arc::new(AtomicBool::new(false));
    let asking = {
        let (store, is_over) = (store.clone(), Arc::clone(&is_over));
        tokio::spawn(async move {
            let mut took = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                let span = (
                    Step::Minute.floor(NOW_US - DAY_US),
                    Step::Minute.ceil(NOW_US),
                );
                let question = Question {
                    by: vec![Dimension::Route],
                    latency: true,
                    ..Question::default()
                };
                took.push(ask(&store, &question, span, Step::Long).await.0);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            took
        })
    };
    let rolling = {
        let (store, is_over) = (store.clone(), Arc::clone(&is_over));
        tokio::spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                roll(&store).await;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        })
    };
    let journal = Uuid::from_u128(8);
    let begun = Instant::now();
    let mut n = from;
    while begun.elapsed() < Duration::from_secs(seconds) {
        let calls = n..n + BATCH as u64;
        let texts = texts(calls.clone());
        let since_us = begun.elapsed().as_micros() as i64;
        let batch = batch(calls, &texts, |_| {
            NOW_US - 60_000_000 + since_us.min(60_000_000)
        });
        let mark = UsageMark {
            journal,
            from: n - from,
            to: n - from + BATCH as u64,
        };
        // SQLite has one writer: sums are being added to blocks.
        while let Err(error) = store.usage_ingest(&batch, &[mark], 1).await {
            assert!(
                begun.elapsed() < Duration::from_secs(seconds + 60),
                "{error}"
            );
        }
        n += BATCH as u64;
    }
    let rate = (n - from) as f64 / begun.elapsed().as_secs_f64();
    is_over.store(true, Ordering::Relaxed);
    rolling.await.expect("ends");
    let (p50, p95) = quantiles(asking.await.expect("ends"));
    println!(
        "  stored {rate:.0} a second while summed up and asked (a day by route, 20 a second at most): \
         {p50:.1} ms p50 {p95:.1} ms p95"
    );
}

/// Milliseconds.
fn quantiles(mut took: Vec<Duration>) -> (f64, f64) {
    took.sort_unstable();
    let at = |q: f64| {
        let place = (took.len().saturating_sub(1) as f64 * q) as usize;
        took.get(place).map_or(0.0, |one| one.as_secs_f64() * 1e3)
    };
    (at(0.5), at(0.95))
}

/// One question: how long it took, and of how many calls the answer is.
async fn ask(
    store: &Store,
    question: &Question,
    (from, to): (i64, i64),
    coarsest: Step,
) -> (Duration, u64) {
    let begun = Instant::now();
    let kept = Kept {
        calls_us: i64::MIN,
        minutes_us: EVER.minutes_us,
        long_us: store.usage_long(ORGANIZATION).await.expect("reads"),
    };
    let pieces = plan(from, to, coarsest, kept);
    let mut scan = Scan::new(question.clone());
    store
        .usage_scan(ORGANIZATION, &pieces, &mut scan)
        .await
        .expect("reads");
    let calls = scan.finish().total().calls;
    (begun.elapsed(), calls)
}

async fn roll(store: &Store) -> Duration {
    let begun = Instant::now();
    while store.usage_roll(EVER).await.expect("rolls") > 0 {}
    begun.elapsed()
}

/// Where the days of the range begin, some hours from UTC.
fn days(span_us: i64, hours: i64) -> Vec<i64> {
    let first = Step::Day.floor(NOW_US - span_us) + hours * Step::Hour.width_us();
    let starts = (0..).map(|n| first + n * DAY_US);
    starts.take_while(|start| *start < NOW_US).collect()
}

async fn ask_all(store: &Store, span_us: i64) {
    let hours = |count: i64| -> Vec<i64> {
        let to = Step::Hour.floor(NOW_US);
        (0..count)
            .rev()
            .map(|n| to - n * Step::Hour.width_us())
            .collect()
    };
    let by = |by: &[Dimension]| Question {
        by: by.to_vec(),
        latency: true,
        ..Question::default()
    };
    let key = Filter {
        key: Some(id(2, 17)),
        ..Filter::default()
    };
    let whole = (Step::Hour.floor(NOW_US - span_us), NOW_US);
    let ages = (Step::Hour.floor(NOW_US - 395 * DAY_US), NOW_US);
    let day = (Step::Minute.floor(NOW_US - DAY_US), NOW_US);
    let questions = [
        ("totals, whole range", by(&[]), whole),
        ("totals, 13 months", by(&[]), ages),
        (
            "series of a week by hour",
            Question {
                steps: hours(168),
                ..by(&[])
            },
            (NOW_US - 7 * DAY_US, NOW_US),
        ),
        (
            "series of all by day",
            Question {
                steps: days(span_us, 0),
                ..by(&[])
            },
            whole,
        ),
        (
            "the same, in Berlin",
            Question {
                steps: days(span_us, -1),
                ..by(&[])
            },
            whole,
        ),
        (
            "by API, each day",
            Question {
                steps: days(span_us, 0),
                ..by(&[Dimension::Api])
            },
            whole,
        ),
        ("by API", by(&[Dimension::Api]), whole),
        ("by route", by(&[Dimension::Route]), whole),
        (
            "by status and route",
            by(&[Dimension::Status, Dimension::Route]),
            whole,
        ),
        ("by key", by(&[Dimension::Key]), whole),
        (
            "one key by route",
            Question {
                filter: key.clone(),
                ..by(&[Dimension::Route])
            },
            whole,
        ),
        (
            "one key, a day",
            Question {
                filter: key,
                ..by(&[])
            },
            day,
        ),
        ("a day by route", by(&[Dimension::Route]), day),
    ];
    for (name, question, (from, to)) in questions {
        let whole_days = |steps: &[i64]| steps.iter().all(|at| Step::Day.floor(*at) == *at);
        let coarsest = match question.steps.as_slice() {
            [] => Step::Long,
            steps if whole_days(steps) => Step::Day,
            _ => Step::Hour,
        };
        let span = (Step::Minute.floor(from), Step::Minute.ceil(to));
        let (mut took, mut calls) = (Vec::new(), 0);
        for _ in 0..number("ASKED", 40) {
            let (one, of) = ask(store, &question, span, coarsest).await;
            took.push(one);
            calls = of;
        }
        let (p50, p95) = quantiles(took);
        println!("  {name:<26} {p50:>7.1} ms p50 {p95:>7.1} ms p95  ({calls} calls)");
    }
}
