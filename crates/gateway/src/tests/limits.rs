//! Limits, by calls that meet them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use apiverse_cluster::Change;
use apiverse_contract::limits::{Algorithm, LimitPolicy, Per, Period, Quota, QuotaPer, RateLimit};
use apiverse_contract::{ApiId, KeyId, RouteId};
use apiverse_store::{PolicyRow, PolicyTarget, RouteRow};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::sync::Semaphore;

use super::world::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// So many calls an hour, in which a test sees none of them come back.
fn hourly(name: &str, limit: u32) -> RateLimit {
    RateLimit {
        name: name.to_owned(),
        limit,
        window_seconds: 3600,
        algorithm: Algorithm::Gcra,
        burst: None,
        per: Per::Scope,
        count_denied: false,
        replaces_organization: false,
    }
}

/// One in the place of the organization's.
fn replacing(name: &str, limit: u32) -> RateLimit {
    RateLimit {
        replaces_organization: true,
        ..hourly(name, limit)
    }
}

fn monthly(name: &str, limit: u64, per: QuotaPer) -> Quota {
    Quota {
        name: name.to_owned(),
        limit,
        period: Period::Month,
        per,
        replaces_organization: false,
    }
}

fn rates(rate_limits: impl Into<Vec<RateLimit>>) -> LimitPolicy {
    LimitPolicy {
        rate_limits: rate_limits.into(),
        ..LimitPolicy::default()
    }
}

fn quotas(quotas: impl Into<Vec<Quota>>) -> LimitPolicy {
    LimitPolicy {
        quotas: quotas.into(),
        ..LimitPolicy::default()
    }
}

impl World {
    async fn limit(&self, target: PolicyTarget, document: LimitPolicy) {
        document.validate().unwrap();
        let row = PolicyRow {
            document,
            updated_at: now(),
        };
        let audit = audit();
        let put = self
            .store
            .policy_put(self.organization, target, &row, &audit);
        assert!(put.await.unwrap());
        let change = match target {
            PolicyTarget::Organization => Change::Organization(self.organization),
            PolicyTarget::Api(id) => Change::Api(id),
            PolicyTarget::Key(id) => Change::Key(id),
        };
        self.gateway.apply(change).await;
    }

    async fn route(&self, api_id: ApiId, path: &str, policy: LimitPolicy) {
        let row = RouteRow {
            id: RouteId(id()),
            organization_id: self.organization,
            api_id,
            name: path.to_owned(),
            methods: Vec::new(),
            path: path.to_owned(),
            policy,
            created_at: now(),
            updated_at: now(),
        };
        assert!(self.store.route_insert(&row, 10, &audit()).await.unwrap());
        self.gateway.apply(Change::Api(api_id)).await;
    }

    async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
        let mut request = Request::builder().uri(path).header("host", "x");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Full::default()).unwrap()).await
    }

    /// How many of `calls` pass, one after another.
    async fn passing(&self, path: &str, calls: u32) -> u32 {
        let mut passed = 0;
        for _ in 0..calls {
            passed += u32::from(self.get(path).await.status() == StatusCode::OK);
        }
        passed
    }

    /// How many pass when so many connections call as fast as they can.
    async fn hammered(self: &Arc<Self>, connections: usize, calls: u32) -> u32 {
        let passed = Arc::new(AtomicU32::new(0));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..connections {
            let (world, passed) = (Arc::clone(self), Arc::clone(&passed));
            tasks.spawn(async move {
                let mut sender = world.connect().await;
                for _ in 0..calls {
                    let request = world.request("GET", "/proxy/x/a");
                    let request = request.body(Full::default()).unwrap();
                    let response = sender.send_request(request).await.unwrap();
                    match response.status() {
                        StatusCode::OK => passed.fetch_add(1, Ordering::Relaxed),
                        status => {
                            assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
                            0
                        }
                    };
                    // The body, so that the connection can be used again.
                    http_body_util::BodyExt::collect(response).await.unwrap();
                    sender.ready().await.unwrap();
                }
            });
        }
        in_time("all calls", tasks.join_all()).await;
        passed.load(Ordering::Relaxed)
    }
}

fn header<'a>(response: &'a Response<Bytes>, name: &str) -> &'a str {
    match response.headers().get(name) {
        Some(value) => value.to_str().unwrap(),
        None => panic!("no {name} in {:?}", response.headers()),
    }
}

fn problem(response: &Response<Bytes>) -> serde_json::Value {
    serde_json::from_slice(response.body()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_as_many_pass_as_are_allowed() {
    let world = Arc::new(World::new().await);
    let api = world.add_api(answering(OK).await, |_| {}).await;
    let sliding = RateLimit {
        algorithm: Algorithm::SlidingWindow,
        ..hourly("sliding", 100)
    };
    for (name, policy, allowed) in [
        ("gcra", rates([hourly("gcra", 500)]), 500),
        ("sliding", rates([sliding]), 100),
        (
            "quota",
            quotas([monthly("quota", 800, QuotaPer::Scope)]),
            200,
        ),
        (
            "several",
            rates([hourly("wide", 1000), hourly("tight", 7)]),
            7,
        ),
    ] {
        world.limit(PolicyTarget::Api(api), policy).await;
        assert_eq!(world.hammered(64, 25).await, allowed, "{name}");
    }
    assert_eq!(world.calls().await.len(), 200, "a page is full");
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_are_told_of_their_limits() {
    let mut setup = Setup::default();
    setup.gateway.legacy_limit_headers = true;
    let world = World::with(setup).await;
    let api = world
        .add_api(
            answering("HTTP/1.1 200 OK\r\nRateLimit: \"theirs\";r=9\r\ncontent-length: 0\r\n\r\n")
                .await,
            |_| {},
        )
        .await;
    let plain = world.get("/proxy/x/a").await;
    assert_eq!(header(&plain, "ratelimit"), "\"theirs\";r=9");
    assert!(!plain.headers().contains_key("ratelimit-policy"));

    let policy = LimitPolicy {
        rate_limits: vec![hourly("burst", 2)],
        quotas: vec![monthly("plan", 10, QuotaPer::Scope)],
        concurrency: Some(5),
    };
    world.limit(PolicyTarget::Api(api), policy).await;
    let allowed = world.get("/proxy/x/a").await;
    assert_eq!(
        header(&allowed, "ratelimit-policy"),
        "\"burst\";q=2;w=3600, \"plan\";q=10, \"concurrency\";q=5;qu=\"concurrent-requests\""
    );
    let levels = header(&allowed, "ratelimit");
    // The quota counts what was called before it was there.
    assert!(
        levels.starts_with("\"burst\";r=1;t=1800, \"plan\";r=8;t="),
        "{levels}"
    );
    assert!(levels.ends_with(", \"concurrency\";r=4"), "{levels}");
    assert_eq!(header(&allowed, "x-ratelimit-limit"), "2");
    assert_eq!(header(&allowed, "x-ratelimit-remaining"), "1");
    assert_eq!(header(&allowed, "x-ratelimit-reset"), "1800");
    assert!(!allowed.headers().contains_key("retry-after"));

    assert_eq!(world.get("/proxy/x/a").await.status(), StatusCode::OK);
    let refused = world.get("/proxy/x/a").await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(code(&refused), "rate_limited");
    assert_eq!(header(&refused, "retry-after"), "1800");
    assert!(header(&refused, "ratelimit").starts_with("\"burst\";r=0;t=1800, \"plan\";r=7;t="));
    // The same on the path that knows all of HTTP.
    let headers = [("x-api-key", world.key.as_str()), ("te", "trailers")];
    let again = world.get_with("/proxy/x/a", &headers).await;
    assert_eq!(code(&again), "rate_limited");
    for name in ["ratelimit-policy", "retry-after", "x-ratelimit-limit"] {
        assert_eq!(header(&again, name), header(&refused, name), "{name}");
    }
    world
        .limit(PolicyTarget::Api(api), rates([hourly("other", 2)]))
        .await;
    for left in [1, 0] {
        let allowed = world.get_with("/proxy/x/a", &headers).await;
        assert!(header(&allowed, "ratelimit").starts_with(&format!("\"other\";r={left};t=")));
        assert_eq!(header(&allowed, "x-ratelimit-limit"), "2");
    }
    let problem = problem(&refused);
    assert_eq!(
        problem["type"],
        "https://iana.org/assignments/http-problem-types#quota-exceeded"
    );
    assert_eq!(problem["violated-policies"], serde_json::json!(["burst"]));
    let call = &world.calls().await[2];
    assert_eq!(call.error_code.as_deref(), Some("rate_limited"));
    assert!(call.refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_all_levels_apply_and_the_lowest_of_a_name_holds() {
    let world = World::new().await;
    let upstream = answering(OK).await;
    let api = world.add_api(upstream, |_| {}).await;
    let other = world
        .add_api(upstream, |row| {
            row.slug = "y".to_owned();
        })
        .await;
    let (key_id, _) = world.add_key(world.organization, |_| {}).await;
    let all = rates([hourly("calls", 6), hourly("whole", 9)]);
    world.limit(PolicyTarget::Organization, all).await;
    world
        .limit(PolicyTarget::Api(api), rates([replacing("calls", 3)]))
        .await;
    world
        .route(api, "/search/*", rates([replacing("calls", 1)]))
        .await;
    world
        .limit(PolicyTarget::Key(key_id), rates([hourly("unused", 1)]))
        .await;

    assert_eq!(world.passing("/proxy/x/search/a", 3).await, 1);
    assert_eq!(
        world.passing("/proxy/x//%73earch", 2).await,
        0,
        "the same route"
    );
    assert_eq!(world.passing("/proxy/x/b", 5).await, 3);
    // 6 by the organization's `calls`, of which none was used; but 4 of `whole` were.
    assert_eq!(world.passing("/proxy/y/b", 10).await, 5);
    let refused = world.get("/proxy/y/b").await;
    assert_eq!(
        problem(&refused)["violated-policies"],
        serde_json::json!(["whole"])
    );

    // A change keeps the counters of limits that it leaves alone.
    world
        .limit(PolicyTarget::Api(other), rates([hourly("new", 100)]))
        .await;
    assert_eq!(world.passing("/proxy/y/b", 2).await, 0);
    let all = rates([hourly("calls", 6), hourly("whole", 10)]);
    world.limit(PolicyTarget::Organization, all).await;
    assert_eq!(
        world.passing("/proxy/y/b", 20).await,
        1,
        "one of `calls` is left"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_organizations_limits_hold_beside_others_of_their_name() {
    let world = World::new().await;
    let upstream = answering(OK).await;
    let api = world.add_api(upstream, |_| {}).await;
    world
        .add_api(upstream, |row| {
            row.slug = "y".to_owned();
        })
        .await;
    world
        .limit(PolicyTarget::Organization, rates([hourly("calls", 5)]))
        .await;
    world
        .limit(PolicyTarget::Api(api), rates([hourly("calls", 3)]))
        .await;
    assert_eq!(world.passing("/proxy/x/a", 4).await, 3);
    let refused = world.get("/proxy/x/a").await;
    assert_eq!(
        problem(&refused)["violated-policies"],
        serde_json::json!(["api.calls"])
    );
    assert_eq!(world.passing("/proxy/y/a", 4).await, 2, "two were left");
    // A lower one that allows more does not help.
    world
        .limit(PolicyTarget::Api(api), rates([hourly("calls", 100)]))
        .await;
    let refused = world.get("/proxy/x/a").await;
    assert_eq!(
        problem(&refused)["violated-policies"],
        serde_json::json!(["calls"])
    );
    // One that was let hold in its place does.
    world
        .limit(PolicyTarget::Api(api), rates([replacing("calls", 4)]))
        .await;
    assert_eq!(world.passing("/proxy/x/a", 6).await, 4);
    assert_eq!(world.passing("/proxy/y/a", 1).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_addresses_have_counters_of_their_own() {
    let mut setup = Setup::default();
    setup.gateway.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let world = World::with(setup).await;
    let api = world.add_api(answering(OK).await, |_| {}).await;
    let (_, second) = world.add_key(world.organization, |_| {}).await;
    let policy = rates([
        RateLimit {
            per: Per::Key,
            ..hourly("by-key", 4)
        },
        RateLimit {
            per: Per::Address,
            ..hourly("by-address", 3)
        },
    ]);
    world.limit(PolicyTarget::Api(api), policy).await;
    let mut passed = Vec::new();
    for (key, address) in [
        (&world.key, "192.0.2.1"),
        (&world.key, "2001:db8::1"),
        (&second, "192.0.2.1"),
        (&second, "2001:db8::2"),
        (&second, "2001:db8:0:1::2"),
    ] {
        let headers = [("x-api-key", key.as_str()), ("x-forwarded-for", address)];
        let mut count = 0;
        for _ in 0..5 {
            let response = world.get_with("/proxy/x/a", &headers).await;
            count += u32::from(response.status() == StatusCode::OK);
        }
        passed.push(count);
    }
    // 3 by the address, then the key's last; nothing left for that address; the second IPv6
    // address is the same client as the first, the third is not.
    assert_eq!(passed, [3, 1, 0, 2, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_are_exact_across_restarts() {
    let mut world = World::new().await;
    let dead = SocketAddr::from(([127, 0, 0, 1], 9));
    let api = world.add_api(answering(OK).await, |_| {}).await;
    let down = world
        .add_api(dead, |row| {
            row.slug = "down".to_owned();
        })
        .await;
    let (key_id, second) = world.add_key(world.organization, |_| {}).await;
    let second = [("x-api-key", second.as_str())];
    world
        .limit(
            PolicyTarget::Organization,
            quotas([
                monthly("all", 12, QuotaPer::Scope),
                monthly("each", 7, QuotaPer::Key),
            ]),
        )
        .await;
    world
        .route(
            api,
            "/r/{id}",
            quotas([monthly("route", 2, QuotaPer::Scope)]),
        )
        .await;

    assert_eq!(world.passing("/proxy/x/a", 3).await, 3);
    assert_eq!(world.passing("/proxy/x/r/1", 1).await, 1);
    // A call that the upstream never saw is not counted, in this process or the next.
    assert_eq!(
        world.get("/proxy/down/a").await.status(),
        StatusCode::BAD_GATEWAY
    );
    assert_eq!(
        world.get_with("/proxy/x/a", &second).await.status(),
        StatusCode::OK
    );
    world.calls().await;

    world.restart(Setup::default()).await;
    assert_eq!(
        world.passing("/proxy/x/r/1", 3).await,
        1,
        "two of the route"
    );
    assert_eq!(world.passing("/proxy/x/a", 10).await, 2, "seven of the key");
    let refused = world.get("/proxy/x/a").await;
    assert_eq!(code(&refused), "quota_exceeded");
    assert_eq!(
        problem(&refused)["violated-policies"],
        serde_json::json!(["each"])
    );
    let mut of_second = 0;
    for _ in 0..10 {
        let response = world.get_with("/proxy/x/a", &second).await;
        of_second += u32::from(response.status() == StatusCode::OK);
    }
    assert_eq!(of_second, 4, "twelve of all");

    // More is allowed: the count goes on.
    world
        .limit(
            PolicyTarget::Organization,
            quotas([monthly("all", 15, QuotaPer::Scope)]),
        )
        .await;
    assert_eq!(world.passing("/proxy/x/a", 5).await, 3);
    world.calls().await;
    world.restart(Setup::default()).await;
    assert_eq!(world.passing("/proxy/x/a", 2).await, 0);
    let _unused: (ApiId, KeyId) = (down, key_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_at_once_as_are_allowed() {
    let world = Arc::new(World::new().await);
    let open = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&open);
    let arrived = Arc::new(Semaphore::new(0));
    let arrival = Arc::clone(&arrived);
    let upstream = hyper_upstream(move |_| {
        let (gate, arrival) = (Arc::clone(&gate), Arc::clone(&arrival));
        async move {
            arrival.add_permits(1);
            gate.acquire().await.unwrap().forget();
            Response::new(Full::new(Bytes::from_static(b"ok")))
        }
    })
    .await;
    let api = world.add_api(upstream, |_| {}).await;
    let policy = LimitPolicy {
        concurrency: Some(2),
        ..rates([hourly("calls", 4)])
    };
    world.limit(PolicyTarget::Api(api), policy).await;
    let call = || {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.get("/proxy/x/a").await.status() })
    };
    let (first, second) = (call(), call());
    in_time("two calls", arrived.acquire_many(2))
        .await
        .unwrap()
        .forget();
    let refused = world.get("/proxy/x/a").await;
    assert_eq!(code(&refused), "concurrency_limited");
    assert_eq!(header(&refused, "retry-after"), "1");
    assert_eq!(header(&refused, "ratelimit"), "\"concurrency\";r=0");
    assert_eq!(
        problem(&refused)["violated-policies"],
        serde_json::json!(["concurrency"])
    );

    open.add_permits(2);
    assert_eq!(first.await.unwrap(), StatusCode::OK);
    assert_eq!(second.await.unwrap(), StatusCode::OK);
    // A place is free when the call is over, and refused calls took nothing of the rate limit.
    open.add_permits(10);
    in_time("a free place", async {
        let mut passed = 0;
        while passed < 2 {
            passed += u32::from(world.get("/proxy/x/a").await.status() == StatusCode::OK);
        }
    })
    .await;
    assert_eq!(code(&world.get("/proxy/x/a").await), "rate_limited");
}
