//! The cache before several targets: what is stored needs none, all else finds a good one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use apiverse_contract::ApiId;
use apiverse_contract::policies::{PolicyKind, PolicyScope};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};

use super::places::{Mood, Place};
use super::world::*;

async fn set(world: &World, api: ApiId, kind: PolicyKind, document: Value) {
    let scope = PolicyScope::Api(api);
    world.set_policy(scope, Some(api), kind, document).await;
}

async fn api(world: &World, places: &[Place], mut upstream: Value, cache: Value) -> ApiId {
    let api = world.add_api(places[0].address, |_| {}).await;
    upstream["targets"] = places
        .iter()
        .map(|place| json!({ "url": place.url() }))
        .collect();
    set(world, api, PolicyKind::Upstream, upstream).await;
    set(world, api, PolicyKind::Cache, cache).await;
    api
}

async fn three() -> [Place; 3] {
    [
        Place::new("a").await,
        Place::new("b").await,
        Place::new("c").await,
    ]
}

fn calls(places: &[Place]) -> u64 {
    places.iter().map(Place::calls).sum()
}

fn said(answer: &Response<Bytes>) -> &str {
    answer.headers()["cache-status"].to_str().unwrap()
}

#[tokio::test]
async fn a_hit_needs_no_target_and_a_miss_finds_one() {
    let world = World::new().await;
    let mut places = three().await;
    let cache = json!({ "default_ttl_seconds": 60 });
    let api = api(&world, &places, json!({}), cache).await;
    let first = world.get("/proxy/x/one").await;
    assert_eq!(first.status(), 200);
    assert_eq!(calls(&places), 1);

    places[0].kill().await;
    places[1].be(Mood::Rude);
    for number in 0..10 {
        let answer = world.get(&format!("/proxy/x/miss{number}")).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.body()[..]),
            (200, &b"c"[..])
        );
        assert!(said(&answer).contains("fwd=uri-miss; stored"));
    }
    places[1].kill().await;
    places[2].kill().await;
    let before = calls(&places);
    for number in 0..10 {
        let answer = world.get("/proxy/x/one").await;
        assert_eq!(answer.body(), first.body());
        assert!(said(&answer).starts_with("apiverse; hit"));
        let answer = world.get(&format!("/proxy/x/miss{number}")).await;
        assert_eq!(answer.body(), "c");
    }
    assert_eq!(calls(&places), before);
    let answer = world.get("/proxy/x/another").await;
    assert_eq!(code(&answer), "upstream_unreachable");
    let targets = world.gateway.targets(world.organization, api);
    let under_way = |at: usize| targets[0].targets[at].under_way;
    assert_eq!([under_way(0), under_way(1), under_way(2)], [0, 0, 0]);
}

/// Answers with `headers` and how often it was asked, or 503.
async fn counting(
    is_ill: Arc<AtomicU64>,
    headers: &'static [(&'static str, &'static str)],
) -> (std::net::SocketAddr, Arc<AtomicU64>) {
    let count = Arc::<AtomicU64>::default();
    let counted = Arc::clone(&count);
    let address = hyper_upstream(move |_: Request<hyper::body::Incoming>| {
        let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
        let status = match is_ill.load(Ordering::SeqCst) {
            0 => 200,
            _ => 503,
        };
        async move {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            response
                .body(Full::new(Bytes::from(number.to_string())))
                .unwrap()
        }
    })
    .await;
    (address, count)
}

#[tokio::test]
async fn a_stale_answer_stands_in_while_the_circuit_is_open() {
    let world = World::new().await;
    let is_ill = Arc::<AtomicU64>::default();
    let headers = &[
        ("cache-control", "max-age=0, stale-if-error=600"),
        ("etag", "\"1\""),
    ];
    let (address, count) = counting(Arc::clone(&is_ill), headers).await;
    let api = world.add_api(address, |_| {}).await;
    let upstream = json!({
        "retries": { "max": 0 },
        "breaker": { "min_calls": 2, "open_ms": 60_000 },
    });
    set(&world, api, PolicyKind::Upstream, upstream).await;
    set(&world, api, PolicyKind::Cache, json!({})).await;
    assert_eq!(world.get("/proxy/x/").await.body(), "1");
    is_ill.store(1, Ordering::SeqCst);
    in_time("the circuit to open", async {
        while code_of(&world.get("/proxy/x/not-stored").await) != "circuit_open" {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let asked = count.load(Ordering::SeqCst);
    let answer = world.get("/proxy/x/").await;
    assert_eq!(answer.body(), "1");
    assert!(said(&answer).contains("detail=stale-if-error"));
    assert_eq!(count.load(Ordering::SeqCst), asked);
}

fn code_of(answer: &Response<Bytes>) -> String {
    let code = answer.headers().get("x-apiverse-error");
    code.map_or_else(String::new, |code| code.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_stale_answer_is_fetched_anew_from_a_target_that_is_well() {
    let world = World::new().await;
    let headers = &[("cache-control", "max-age=0, stale-while-revalidate=600")];
    let (first, one) = counting(Arc::default(), headers).await;
    let mut dead = Place::new("dead").await;
    let id = world.add_api(first, |_| {}).await;
    let targets = json!([{ "url": format!("http://{first}") }, { "url": dead.url() }]);
    dead.kill().await;
    set(
        &world,
        id,
        PolicyKind::Upstream,
        json!({ "targets": targets, "ejection": { "enabled": false } }),
    )
    .await;
    set(&world, id, PolicyKind::Cache, json!({})).await;
    assert_eq!(world.get("/proxy/x/").await.body(), "1");
    // Each answer is stale at once: the caller has it, and the next one is fetched behind it.
    in_time("fetches behind the callers' backs", async {
        while one.load(Ordering::SeqCst) < 20 {
            assert_eq!(world.get("/proxy/x/").await.status(), 200);
        }
    })
    .await;
    in_time("the places to be free", async {
        let is_busy = || {
            let known = world.gateway.targets(world.organization, id);
            known[0].targets.iter().any(|target| target.under_way > 0)
        };
        while is_busy() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_canarys_answers_are_for_its_callers_only() {
    let world = World::new().await;
    let places = [Place::new("main").await, Place::new("canary").await];
    let id = world.add_api(places[0].address, |_| {}).await;
    let canary = json!({
        "targets": [{ "url": places[1].url() }],
        "percent": 0.0,
        "header": "x-canary",
        "values": ["please"],
    });
    set(
        &world,
        id,
        PolicyKind::Upstream,
        json!({ "canary": canary }),
    )
    .await;
    let cache = json!({ "default_ttl_seconds": 60, "shared_between_keys": true });
    set(&world, id, PolicyKind::Cache, cache).await;
    let get = async |wanted: &str| {
        let request = world.request("GET", "/proxy/x/").header("x-canary", wanted);
        let answer = world.send(request.body(Full::default()).unwrap()).await;
        String::from_utf8(answer.body().to_vec()).unwrap()
    };
    for _ in 0..3 {
        assert_eq!(get("please").await, "canary");
        assert_eq!(get("no").await, "main");
    }
    assert_eq!((places[0].calls(), places[1].calls()), (1, 1));
}
