//! Several targets: balancing, health, retries, hedging, breaker, canary, mirror.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use apiverse_balance::{hash, share_of};
use apiverse_contract::policies::upstream::{CircuitState, TargetHealth, TargetState};
use apiverse_contract::policies::{PolicyKind, PolicyLevel, PolicyScope};
use apiverse_contract::{ApiId, ErrorCode};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::places::{Mood, Place};
use super::world::*;

async fn three() -> [Place; 3] {
    [
        Place::new("a").await,
        Place::new("b").await,
        Place::new("c").await,
    ]
}

fn targets(places: &[Place]) -> Value {
    places
        .iter()
        .map(|place| json!({ "url": place.url() }))
        .collect()
}

/// An API whose calls go to the places, in the way that `document` says.
async fn api(world: &World, places: &[Place], mut document: Value) -> ApiId {
    let api = world.add_api(places[0].address, |_| {}).await;
    document["targets"] = targets(places);
    set(world, api, document).await;
    api
}

async fn set(world: &World, api: ApiId, document: Value) {
    let scope = PolicyScope::Api(api);
    world
        .set_policy(scope, Some(api), PolicyKind::Upstream, document)
        .await;
}

fn known(world: &World, api: ApiId) -> Vec<TargetState> {
    let mut policies = world.gateway.targets(world.organization, api);
    assert_eq!(policies.len(), 1);
    policies.remove(0).targets
}

async fn until_health(world: &World, api: ApiId, at: usize, wanted: &[TargetHealth]) {
    in_time("the target's health", async {
        while !wanted.contains(&known(world, api)[at].health) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn call(world: &World, method: &str, body: &'static str) -> Response<Bytes> {
    let request = world.request(method, "/proxy/x/path?q=1");
    world.send(request.body(Full::from(body)).unwrap()).await
}

fn place(answer: &Response<Bytes>) -> &str {
    answer.headers()["x-place"].to_str().unwrap()
}

/// Calls in a loop from several connections until told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<Vec<String>>>,
}

impl Load {
    fn start(world: &World) -> Self {
        let (stop, calls) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let tasks = (0..4)
            .map(|_| {
                let (address, key) = (world.addr, world.key.clone());
                let (stop, calls) = (Arc::clone(&stop), Arc::clone(&calls));
                tokio::spawn(async move {
                    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
                    let io = hyper_util::rt::TokioIo::new(socket);
                    let (mut sender, connection) =
                        hyper::client::conn::http1::handshake(io).await.unwrap();
                    tokio::spawn(connection);
                    let mut bad = Vec::new();
                    while !stop.load(Ordering::SeqCst) {
                        let request = Request::get("/proxy/x/load")
                            .header("host", "h")
                            .header("x-api-key", &key)
                            .body(Full::<Bytes>::default())
                            .unwrap();
                        sender.ready().await.unwrap();
                        let response = sender.send_request(request).await.unwrap();
                        if response.status() != 200 {
                            bad.push(format!("{response:?}"));
                        }
                        let body = http_body_util::BodyExt::collect(response.into_body());
                        body.await.unwrap();
                        calls.fetch_add(1, Ordering::SeqCst);
                    }
                    bad
                })
            })
            .collect();
        Self { stop, calls, tasks }
    }

    async fn more(&self, calls: u64) {
        let until = self.calls.load(Ordering::SeqCst) + calls;
        in_time("more calls", async {
            while self.calls.load(Ordering::SeqCst) < until {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    async fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        let mut bad = Vec::new();
        for task in self.tasks {
            bad.extend(task.await.unwrap());
        }
        bad
    }
}

#[tokio::test]
async fn calls_without_a_policy_take_the_shortest_path() {
    // There alone an answer's fields are passed on as they were written.
    let written = "HTTP/1.1 200 OK\r\nX-WriTTen: so\r\ncontent-length: 2\r\n\r\nok";
    let address = answering(written).await;
    let world = World::new().await;
    let api = world.add_api(address, |_| {}).await;
    let ask = async || {
        let key = &world.key;
        let head = "GET /proxy/x/ HTTP/1.1\r\nhost: h\r\nconnection: close\r\n";
        world.raw(format!("{head}x-api-key: {key}\r\n\r\n")).await
    };
    let plain = ask().await;
    assert!(plain.contains("X-WriTTen: so"), "{plain}");
    set(&world, api, json!({})).await;
    let changed = ask().await;
    assert!(changed.contains("x-written: so"), "{changed}");
    set(&world, api, json!({ "enabled": false })).await;
    let plain = ask().await;
    assert!(plain.contains("X-WriTTen: so"), "{plain}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_target_costs_no_call_and_comes_back() {
    let world = World::new().await;
    let mut places = three().await;
    // Enough that the few calls of a slow machine are no limit.
    let document = json!({
        "ejection": { "base_ms": 100, "max_ms": 400 },
        "retries": { "budget_min_per_second": 100 },
    });
    let api = api(&world, &places, document).await;
    let load = Load::start(&world);
    load.more(200).await;
    assert!(places.iter().all(|place| place.calls() > 10));

    places[1].kill().await;
    let killed = Instant::now();
    until_health(
        &world,
        api,
        1,
        &[TargetHealth::Ejected, TargetHealth::OnTrial],
    )
    .await;
    let took = killed.elapsed();
    println!("ejected {} ms after it was dead", took.as_millis());
    load.more(200).await;
    assert_eq!(known(&world, api)[0].health, TargetHealth::Healthy);

    places[1].come_back().await;
    until_health(&world, api, 1, &[TargetHealth::Healthy]).await;
    let before = places[1].calls();
    load.more(200).await;
    assert!(places[1].calls() > before + 20, "it has its share again");
    let bad = load.stop().await;
    assert_eq!(
        bad,
        Vec::<String>::new(),
        "every call was repeated elsewhere"
    );
    until(&world, api, |targets| {
        targets.iter().all(|target| target.under_way == 0)
    })
    .await;
}

async fn until(world: &World, api: ApiId, is_so: impl Fn(&[TargetState]) -> bool) {
    in_time("the targets to be so", async {
        while !is_so(&known(world, api)) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flapping_target_takes_nothing_with_it() {
    let world = World::new().await;
    let places = three().await;
    let document = json!({
        "ejection": { "base_ms": 100 },
        "retries": { "budget_min_per_second": 100 },
    });
    api(&world, &places, document).await;
    let load = Load::start(&world);
    for round in 0..20 {
        let mood = [Mood::Rude, Mood::Well, Mood::Ill, Mood::Well][round % 4];
        places[2].be(mood);
        load.more(50).await;
    }
    let bad = load.stop().await;
    assert_eq!(bad, Vec::<String>::new());
    assert!(places.iter().all(|place| place.calls() > 0));
}

#[tokio::test]
async fn a_post_that_was_sent_is_not_repeated() {
    let world = World::new().await;
    let mut places = three().await;
    let api = api(&world, &places, json!({ "ejection": { "enabled": false } })).await;
    for place in &places {
        place.be(Mood::Rude);
    }
    let mut sent = 0;
    for _ in 0..10 {
        let answer = call(&world, "POST", "once").await;
        assert_eq!(code(&answer), "upstream_unreachable");
        sent += 1;
        let reached: u64 = places.iter().map(Place::calls).sum();
        assert_eq!(reached, sent, "each reached one target, once");
    }
    // Nothing was sent where nobody listens: then it may go elsewhere.
    places[0].be(Mood::Well);
    places[1].kill().await;
    places[2].kill().await;
    for _ in 0..10 {
        let answer = call(&world, "POST", "again").await;
        assert_eq!((answer.status().as_u16(), place(&answer)), (200, "a"));
    }
    let seen = places[0].seen();
    assert_eq!(
        seen.iter().filter(|(_, _, body)| body == "again").count(),
        10
    );
    assert_eq!(known(&world, api).len(), 3);
}

#[tokio::test]
async fn what_may_be_repeated_is_repeated_whole() {
    let world = World::new().await;
    let places = three().await;
    api(&world, &places, json!({ "ejection": { "enabled": false } })).await;
    places[0].be(Mood::Rude);
    places[1].be(Mood::Ill);
    for _ in 0..10 {
        let answer = call(&world, "PUT", "a body that is kept").await;
        assert_eq!((answer.status().as_u16(), place(&answer)), (200, "c"));
    }
    let expected = (
        "PUT".to_owned(),
        "/path?q=1".to_owned(),
        "a body that is kept".to_owned(),
    );
    for place in &places {
        let seen = place.seen();
        assert!(seen.iter().all(|seen| *seen == expected), "{seen:?}");
    }
    assert_eq!(places[2].calls(), 10);
    assert!(places[0].calls() + places[1].calls() > 0);
}

#[tokio::test]
async fn a_long_body_is_sent_once() {
    let world = World::new().await;
    let places = [Place::new("a").await, Place::new("b").await];
    let document = json!({
        "retries": { "max_body_bytes": 4 },
        "ejection": { "enabled": false },
    });
    api(&world, &places, document).await;
    places[0].be(Mood::Rude);
    places[1].be(Mood::Rude);
    let answer = call(&world, "PUT", "longer than four").await;
    assert_eq!(code(&answer), "upstream_unreachable");
    assert_eq!(places[0].calls() + places[1].calls(), 1);
}

#[tokio::test]
async fn the_circuit_opens_tries_and_closes() {
    let world = World::new().await;
    let places = [Place::new("a").await];
    let document = json!({
        "retries": { "max": 0 },
        "breaker": { "min_calls": 5, "open_ms": 300, "trials": 1 },
    });
    let api = api(&world, &places, document).await;
    let circuit = || world.gateway.targets(world.organization, api)[0].circuit;
    assert_eq!(circuit(), Some(CircuitState::Closed));
    places[0].be(Mood::Ill);
    for _ in 0..5 {
        let answer = call(&world, "GET", "").await;
        assert_eq!((answer.status().as_u16(), place(&answer)), (503, "a"));
    }
    let answer = in_time("a refusal", async {
        loop {
            let answer = call(&world, "GET", "").await;
            if answer.headers().contains_key("x-apiverse-error") {
                return answer;
            }
        }
    })
    .await;
    assert_eq!(code(&answer), "circuit_open");
    assert_eq!(answer.headers()["retry-after"], "1");

    places[0].be(Mood::Well);
    in_time("the circuit to close", async {
        while call(&world, "GET", "").await.status() != 200 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(circuit(), Some(CircuitState::Closed));
    for _ in 0..5 {
        assert_eq!(call(&world, "GET", "").await.status(), 200);
    }
}

#[tokio::test]
async fn a_canary_has_its_share_by_key() {
    let world = World::new().await;
    let places = [Place::new("main").await, Place::new("canary").await];
    let id = world.add_api(places[0].address, |_| {}).await;
    let listed = world.add_key(world.organization, |_| {}).await;
    let canary = json!({
        "targets": [{ "url": places[1].url() }],
        "percent": 30.0,
        "header": "x-canary",
        "values": ["please"],
        "keys": [listed.0],
    });
    set(&world, id, json!({ "canary": canary })).await;
    let get = async |key: &str, header: Option<&str>| {
        let mut request = Request::get("/proxy/x/")
            .header("host", "h")
            .header("x-api-key", key);
        if let Some(value) = header {
            request = request.header("x-canary", value);
        }
        let answer = world.send(request.body(Full::default()).unwrap()).await;
        place(&answer).to_owned()
    };
    let mut in_canary = 0;
    for _ in 0..60 {
        let (key, text) = world.add_key(world.organization, |_| {}).await;
        let caller = [id.0.as_bytes().as_slice(), key.0.as_bytes()].concat();
        let is_in = share_of(hash(&caller)) < 3_000;
        in_canary += usize::from(is_in);
        let expected = if is_in { "canary" } else { "main" };
        for _ in 0..2 {
            assert_eq!(get(&text, None).await, expected, "the same each time");
        }
        assert_eq!(get(&text, Some("please")).await, "canary");
        assert_eq!(get(&text, Some("no")).await, expected);
    }
    assert!((1..60).contains(&in_canary), "both parts were seen");
    assert_eq!(get(&listed.1, None).await, "canary");
}

#[tokio::test]
async fn the_same_caller_the_same_target() {
    let world = World::new().await;
    let mut places = three().await;
    let balancing = json!({ "method": "hash", "hash_by": "header", "header": "x-user" });
    api(&world, &places, json!({ "balancing": balancing })).await;
    let get = async |user: u32| {
        let request = world
            .request("GET", "/proxy/x/")
            .header("x-user", user.to_string());
        let answer = world.send(request.body(Full::default()).unwrap()).await;
        assert_eq!(answer.status(), 200);
        place(&answer).to_owned()
    };
    let mut before = Vec::new();
    for user in 0..30 {
        before.push(get(user).await);
        assert_eq!(get(user).await, before[user as usize]);
    }
    assert!(
        ["a", "b", "c"]
            .iter()
            .all(|name| before.iter().any(|place| place == name))
    );
    places[0].kill().await;
    for user in 0..30 {
        let now = get(user).await;
        if before[user as usize] != "a" {
            assert_eq!(now, before[user as usize], "only the dead one's move");
        }
    }
}

#[tokio::test]
async fn a_hedge_answers_for_a_silent_target() {
    let world = World::new().await;
    let places = [Place::new("a").await, Place::new("b").await];
    let document = json!({
        "hedging": { "after_ms": 20 },
        "retries": { "budget_min_per_second": 100 },
    });
    let api = api(&world, &places, document).await;
    places[0].be(Mood::Silent);
    while places[0].calls() < 3 {
        let answer = call(&world, "GET", "").await;
        assert_eq!((answer.status().as_u16(), place(&answer)), (200, "b"));
    }
    until(&world, api, |targets| targets[0].under_way == 0).await;
    assert_eq!(
        known(&world, api)[0].failed,
        0,
        "to be slower is no failure"
    );
}

#[tokio::test]
async fn checks_find_out_before_calls_do() {
    let world = World::new().await;
    let places = three().await;
    let checks = json!({ "path": "/health", "interval_ms": 100, "healthy": 1, "unhealthy": 1 });
    places[2].be(Mood::Ill);
    let document =
        json!({ "checks": checks, "ejection": { "enabled": false }, "retries": { "max": 0 } });
    let api = api(&world, &places, document).await;
    until_health(&world, api, 2, &[TargetHealth::Unhealthy]).await;
    assert!(places[0].checks() > 0);
    for _ in 0..30 {
        assert_eq!(call(&world, "GET", "").await.status(), 200);
    }
    assert_eq!(places[2].calls(), 0);
    places[2].be(Mood::Well);
    until_health(&world, api, 2, &[TargetHealth::Healthy]).await;
    in_time("its share", async {
        while places[2].calls() == 0 {
            assert_eq!(call(&world, "GET", "").await.status(), 200);
        }
    })
    .await;
    // A policy without checks has nobody who says that a target is unwell.
    places[2].be(Mood::Ill);
    until_health(&world, api, 2, &[TargetHealth::Unhealthy]).await;
    set(&world, api, json!({ "targets": targets(&places) })).await;
    until_health(&world, api, 2, &[TargetHealth::Healthy]).await;
}

#[tokio::test]
async fn without_a_well_target_the_panic_threshold_decides() {
    let world = World::new().await;
    let places = [Place::new("a").await];
    let checks = json!({ "interval_ms": 100, "healthy": 1, "unhealthy": 1, "statuses": [204] });
    let id = api(
        &world,
        &places,
        json!({ "checks": checks, "panic_percent": 0 }),
    )
    .await;
    until_health(&world, id, 0, &[TargetHealth::Unhealthy]).await;
    let answer = call(&world, "GET", "").await;
    assert_eq!(code(&answer), "service_unavailable");
    assert_eq!(places[0].calls(), 0);
    let document = json!({ "checks": checks, "targets": targets(&places) });
    set(&world, id, document).await;
    assert_eq!(call(&world, "GET", "").await.status(), 200, "all are used");
}

#[tokio::test]
async fn copies_go_beside_calls_and_never_cost_them() {
    let world = World::new().await;
    let mut places = [Place::new("main").await, Place::new("mirror").await];
    let id = world.add_api(places[0].address, |_| {}).await;
    let mirror = json!({ "url": places[1].url(), "max_body_bytes": 8 });
    set(&world, id, json!({ "mirror": mirror })).await;
    assert_eq!(place(&call(&world, "POST", "short").await), "main");
    assert_eq!(place(&call(&world, "GET", "").await), "main");
    in_time("the copies", async {
        while places[1].calls() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut copies = places[1].seen();
    copies.sort();
    let path = "/path?q=1".to_owned();
    let expected = [("GET", ""), ("POST", "short")]
        .map(|(method, body)| (method.to_owned(), path.clone(), body.to_owned()));
    assert_eq!(copies, expected);
    assert_eq!(
        place(&call(&world, "POST", "too long to copy").await),
        "main"
    );
    places[1].be(Mood::Silent);
    for _ in 0..100 {
        assert_eq!(place(&call(&world, "GET", "").await), "main");
    }
    places[1].kill().await;
    for _ in 0..10 {
        assert_eq!(place(&call(&world, "GET", "").await), "main");
    }
    assert_eq!(places[0].calls(), 113, "each call once");
    assert!(
        places[1]
            .seen()
            .iter()
            .all(|(_, _, body)| body != "too long to copy")
    );
}

#[tokio::test]
async fn forbidden_addresses_are_forbidden_everywhere() {
    let world = World::new().await;
    let places = [Place::new("a").await];
    let forbidden = TcpListener::bind("[::1]:0").await.unwrap();
    let url = format!("http://{}", forbidden.local_addr().unwrap());
    let id = world.add_api(places[0].address, |_| {}).await;
    let checks = json!({ "interval_ms": 100, "healthy": 1, "unhealthy": 1 });
    let document =
        json!({ "targets": [{ "url": url }], "checks": checks, "mirror": { "url": url } });
    set(&world, id, document).await;
    until_health(&world, id, 0, &[TargetHealth::Unhealthy]).await;
    let answer = call(&world, "POST", "x").await;
    assert_eq!(code(&answer), "upstream_blocked");
    set(&world, id, json!({ "mirror": { "url": url } })).await;
    assert_eq!(call(&world, "GET", "").await.status(), 200);
    // What was connected to would be waiting here.
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(forbidden.poll_accept(&mut cx).is_pending());
}

#[tokio::test]
async fn the_whole_call_has_a_limit() {
    let world = World::new().await;
    let places = three().await;
    for place in &places {
        place.be(Mood::Silent);
    }
    let document = json!({
        "timeouts": { "total_ms": 200 },
        "retries": { "max": 10, "per_try_timeout_ms": 50 },
        "ejection": { "enabled": false },
    });
    api(&world, &places, document).await;
    let began = Instant::now();
    let answer = call(&world, "GET", "").await;
    assert_eq!(code(&answer), "upstream_timeout");
    assert!(began.elapsed() >= std::time::Duration::from_millis(100));
    let tries: u64 = places.iter().map(Place::calls).sum();
    assert!(
        (1..=5).contains(&tries),
        "tries of 50 ms within 200: {tries}"
    );
}

#[tokio::test]
async fn attempts_are_explained() {
    let world = World::new().await;
    let places = [Place::new("a").await, Place::new("b").await];
    api(&world, &places, json!({ "ejection": { "enabled": false } })).await;
    places[0].be(Mood::Ill);
    places[1].be(Mood::Ill);
    let answer = call(&world, "GET", "").await;
    assert_eq!(answer.status(), 503);
    let id = answer.headers()["x-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let document = in_time("the explanation", async {
        loop {
            let found = world
                .store
                .explanation_get(world.organization, &id)
                .await
                .unwrap();
            if let Some(found) = found {
                return found;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    let attempts = document.attempts;
    assert_eq!(attempts.len(), 3);
    assert!(attempts.iter().all(|attempt| attempt.status == Some(503)));
    assert_ne!(attempts[0].origin, attempts[1].origin, "another target");
    let detail = |at: usize| attempts[at].detail.clone().unwrap();
    assert!(detail(0).starts_with("repeated after"), "{}", detail(0));
    assert_eq!(detail(2), "not repeated: as often as allowed");
    let upstream = document.upstream.expect("a policy's part");
    assert_eq!((upstream.level, upstream.circuit), (PolicyLevel::Api, None));
    let last = upstream.target.expect("the last one");
    assert_eq!(attempts[2].origin, last);
}

#[tokio::test]
async fn what_would_become_of_a_call_is_told() {
    let world = World::new().await;
    let mut places = [Place::new("a").await, Place::new("b").await];
    let document = json!({
        "retries": { "max": 0 },
        "breaker": { "min_calls": 50, "failure_percent": 50, "open_ms": 60_000 },
        "ejection": { "base_ms": 60_000 },
    });
    let api = api(&world, &places, document).await;
    let ask = || {
        let question = serde_json::from_value(json!({
            "path": "/proxy/x/some/path?q=1",
            "key": world.key,
        }));
        let asker = std::net::Ipv4Addr::LOCALHOST.into();
        let now_us = crate::call::unix_micros();
        let asked = question.unwrap();
        world
            .gateway
            .explain(world.organization, &asked, asker, now_us)
    };
    let told = ask();
    let upstream = told.upstream.expect("a policy's part");
    assert_eq!(upstream.circuit, Some(CircuitState::Closed));
    let urls = [places[0].url(), places[1].url()];
    let target = upstream.target.expect("a target");
    assert!(urls.contains(&target), "{target}");
    let direct = told.phases.iter().find(|phase| phase.name == "direct");
    let address = direct.and_then(|phase| phase.detail.clone()).unwrap();
    assert_eq!(address, format!("{target}/some/path"));
    assert_eq!(upstream.targets, known(&world, api));
    assert_eq!(places[0].calls() + places[1].calls(), 0, "nobody was asked");

    places[0].kill().await;
    in_time("the ejection", async {
        while known(&world, api)[0].health == TargetHealth::Healthy {
            call(&world, "GET", "").await;
        }
    })
    .await;
    for _ in 0..10 {
        let upstream = ask().upstream.expect("a policy's part");
        assert_eq!(upstream.target.as_ref(), Some(&urls[1]));
    }
    places[1].be(Mood::Ill);
    in_time("the circuit to open", async {
        while call(&world, "GET", "")
            .await
            .headers()
            .contains_key("x-place")
        {}
    })
    .await;
    let told = ask();
    assert_eq!(told.code, Some(ErrorCode::CircuitOpen));
    let upstream = told.upstream.expect("a policy's part");
    assert_eq!(
        (upstream.circuit, upstream.target),
        (Some(CircuitState::Open), None)
    );
}
