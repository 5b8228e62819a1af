//! What it costs to store usage events: rows a second, and CPU time of this process for each.
//!
//! `cargo bench -p apiverse-store --bench ingest`; PostgreSQL as well when `TEST_DATABASE_URL`
//! names an empty database. Numbers in the environment: `EVENTS` in all, `BATCH` in a transaction,
//! `ORGANIZATIONS`.

use std::time::{Duration, Instant};

use apiverse_contract::{ApiId, KeyId, OrganizationId, UsageEventId};
use apiverse_store::{ConnectOptions, Ingested, Store, UsageEvent, UsageMark};
use rustix::time::{ClockId, clock_gettime};
use uuid::Uuid;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("bench.db");
        measure("SQLite", &format!("sqlite://{}", path.display())).await;
        if let Ok(url) = std::env::var("TEST_DATABASE_URL") {
            measure("PostgreSQL", &url).await;
        }
    });
}

fn number(name: &str, default: usize) -> usize {
    let set = std::env::var(name).ok();
    set.and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

async fn measure(name: &str, url: &str) {
    let (all, at_once) = (number("EVENTS", 1_000_000), number("BATCH", 8192));
    let organizations = number("ORGANIZATIONS", 1) as u128;
    let store = Store::connect(url, &ConnectOptions::default())
        .await
        .expect("opens");
    store.migrate().await.expect("migrates");
    let journal = Uuid::from_u128(u128::from(std::process::id()));
    let mut numbers = 0u64..;
    let mut stored = 0;
    let (mut took, mut cpu) = (Duration::ZERO, Duration::ZERO);
    while stored < all {
        let ids: Vec<(u64, String)> = (&mut numbers)
            .take(at_once)
            .map(|n| (n, Uuid::from_u128(u128::from(n) << 60).to_string()))
            .collect();
        let events: Vec<UsageEvent<'_>> = ids
            .iter()
            .map(|(n, request_id)| event(*n, request_id, u128::from(*n) % organizations))
            .collect();
        let mark = UsageMark {
            journal,
            from: stored as u64,
            to: (stored + events.len()) as u64,
        };
        let (begun, cpu_before) = (Instant::now(), cpu_time());
        let done = store
            .usage_ingest(&events, &[mark], 1)
            .await
            .expect("stores");
        took += begun.elapsed();
        cpu += cpu_time() - cpu_before;
        assert_eq!(done, Ingested::Stored);
        stored += events.len();
    }
    println!(
        "{name}: {stored} events, {:.0} a second, {:.2} µs CPU of this process each",
        stored as f64 / took.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / stored as f64,
    );
    store.close().await;
}

/// As two threads would have recorded it: nearly in order.
fn event(n: u64, request_id: &str, organization: u128) -> UsageEvent<'_> {
    let at = (n ^ 1) * 20;
    UsageEvent {
        id: UsageEventId::from_parts(1_790_000_000_000 + at / 1000, [n as u8; 10]),
        organization_id: OrganizationId(Uuid::from_u128(organization << 64)),
        api_id: Some(ApiId(Uuid::from_u128(7))),
        key_id: Some(KeyId(Uuid::from_u128(u128::from(n % 100)))),
        request_id,
        started_at_us: 1_790_000_000_000_000 + at as i64,
        method: "GET",
        path: "/v1/things/123456",
        status: 200,
        error_code: None,
        latency_us: 800 + (n % 500) as i64,
        upstream_us: Some(700),
        bytes_in: 0,
        bytes_out: 1024,
        refused: false,
        route_id: None,
        verified: None,
        version_id: None,
        cache: None,
        tokens: apiverse_contract::usage::Tokens::default(),
    }
}
