//! Calls as they come: slow readers, readers that come back, and others' calls.

use std::time::Duration;

use apiverse_contract::usage::{LiveCall, LiveQuery};
use apiverse_contract::{OrganizationId, UsageEventId};
use apiverse_store::{Ingested, UsageMark, UsageRow};
use uuid::Uuid;

use super::{Bench, bench};
use crate::{Actor, LiveEvent, LiveStream};

/// Stores `count` calls at once, whose paths are `/{first}`, `/{first + 1}` …
async fn call(bench: &Bench, organization_id: OrganizationId, first: usize, count: usize) {
    let now_us = bench.clock.now().timestamp_micros();
    let rows: Vec<UsageRow> = (first..first + count)
        .map(|n| UsageRow {
            id: UsageEventId(Uuid::from_bytes(bench.clock.random())),
            organization_id,
            api_id: None,
            key_id: None,
            request_id: "r".to_owned(),
            // Calls that are stored together are told in the order they began.
            started_at_us: now_us + i64::try_from(n).expect("a small number"),
            method: if n % 10 == 0 { "POST" } else { "GET" }.to_owned(),
            path: format!("/{n}"),
            status: 200,
            error_code: None,
            latency_us: 1_000,
            upstream_us: None,
            bytes_in: 1,
            bytes_out: 2,
            refused: false,
            route_id: None,
            verified: None,
            version_id: None,
            cache: None,
            tokens: apiverse_contract::usage::Tokens::default(),
        })
        .collect();
    let events: Vec<_> = rows.iter().map(UsageRow::as_event).collect();
    let mark = UsageMark {
        journal: Uuid::from_bytes(bench.clock.random()),
        from: 0,
        to: 1,
    };
    let stored = bench.store.usage_ingest(&events, &[mark], now_us).await;
    assert_eq!(stored.expect("stores"), Ingested::Stored);
}

async fn open(bench: &Bench, actor: &Actor, after: Option<&str>) -> LiveStream {
    let stream = bench
        .platform
        .usage_live(actor, LiveQuery::default(), after);
    stream.await.expect("watches")
}

/// What a reader is told until it knows of `count` calls.
#[derive(Default)]
struct Heard {
    paths: Vec<String>,
    dropped: u64,
    counted: u64,
    gaps: u32,
    place: String,
}

impl Heard {
    async fn until(&mut self, stream: &mut LiveStream, count: u64) {
        while (self.paths.len() as u64) + self.dropped < count {
            match stream.next().await.expect("goes on") {
                LiveEvent::Calls { place, json } => {
                    let calls: Vec<LiveCall> = serde_json::from_slice(&json).expect("JSON");
                    self.paths.extend(calls.into_iter().map(|call| call.path));
                    self.place = place;
                }
                LiveEvent::Counters { place, counters } => {
                    self.counted += counters.calls;
                    self.place = place;
                }
                LiveEvent::Dropped(calls) => self.dropped += calls,
                LiveEvent::Gap => self.gaps += 1,
            }
        }
    }
}

fn paths(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| format!("/{n}")).collect()
}

#[tokio::test]
async fn a_slow_reader_is_told_what_it_missed_and_holds_up_nobody() {
    let bench = bench().await;
    let ada = bench.actor("ada").await;
    let bob = bench.actor("bob").await;
    let mut slow = open(&bench, &ada, None).await;
    let mut prompt = open(&bench, &ada, None).await;
    let posts = LiveQuery {
        method: Some("post".to_owned()),
        ..LiveQuery::default()
    };
    let posts = bench.platform.usage_live(&ada, posts, None).await;
    let mut posts = posts.expect("watches");
    let mut stranger = open(&bench, &bob, None).await;
    let (mut heard, mut of_posts) = (Heard::default(), Heard::default());
    for n in 0..100 {
        call(&bench, ada.organization_id, n * 10, 10).await;
        if n % 10 == 9 {
            heard.until(&mut prompt, (n as u64 + 1) * 10).await;
            of_posts.until(&mut posts, n as u64 + 1).await;
        }
    }
    assert_eq!(heard.paths, paths(0..1_000));
    assert_eq!(heard.dropped + of_posts.dropped, 0);
    let every_tenth: Vec<String> = (0..100).map(|n| format!("/{}", n * 10)).collect();
    assert_eq!(of_posts.paths, every_tenth);

    // The ring has let go of the first ones.
    let mut heard = Heard::default();
    heard.until(&mut slow, 1_000).await;
    assert!(heard.dropped >= 500, "{}", heard.dropped);
    let told = usize::try_from(1_000 - heard.dropped).expect("fits");
    assert!(told >= 300, "{told}");
    assert_eq!(heard.paths, paths(1_000 - told..1_000));

    // Others hear of nothing but their own.
    call(&bench, bob.organization_id, 7, 1).await;
    let mut heard = Heard::default();
    heard.until(&mut stranger, 1).await;
    assert_eq!((heard.paths, heard.dropped), (paths(7..8), 0));

    bench.platform.end_streams();
    for mut stream in [slow, prompt, posts, stranger] {
        assert_eq!(stream.next().await, None);
    }
}

#[tokio::test]
async fn a_reader_that_comes_back_misses_nothing_or_knows_it() {
    let bench = bench().await;
    let ada = bench.actor("ada").await;
    let mut stream = open(&bench, &ada, None).await;
    call(&bench, ada.organization_id, 0, 3).await;
    let mut heard = Heard::default();
    heard.until(&mut stream, 3).await;
    drop(stream);
    // More rows than are remembered, and than the ring holds.
    for n in 0..300 {
        call(&bench, ada.organization_id, 3 + n, 1).await;
    }
    let mut stream = open(&bench, &ada, Some(&heard.place)).await;
    for n in 0..20 {
        call(&bench, ada.organization_id, 303 + n, 1).await;
    }
    heard.until(&mut stream, 323).await;
    call(&bench, ada.organization_id, 323, 1).await;
    heard.until(&mut stream, 324).await;
    assert_eq!(heard.paths, paths(0..324));
    assert_eq!((heard.dropped, heard.gaps), (0, 0));
    // Whoever is away for too long is told so.
    bench.clock.advance(Duration::from_secs(101));
    let mut stream = open(&bench, &ada, Some(&heard.place)).await;
    assert_eq!(stream.next().await, Some(LiveEvent::Gap));
    let garbled = bench
        .platform
        .usage_live(&ada, LiveQuery::default(), Some("x"));
    assert!(garbled.await.is_err());
}
