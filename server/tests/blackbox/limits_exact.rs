//! With N calls allowed and many connections that try, exactly N pass in one process.

use std::net::IpAddr;

use apiverse_testkit::{Client, Engine, Held, Tally, Upstream, eventually, hammer};
use serde_json::{Value, json};

use crate::start;

const CONNECTIONS: usize = 64;
/// Allowed.
const N: usize = 97;
/// Tried: each connection's share is more than once around.
const TRIED: usize = 4 * CONNECTIONS;

/// Limits of N calls of which none comes back while a test runs.
fn kinds() -> [(&'static str, Value); 3] {
    let month = 2_678_400;
    [
        (
            "rate_limited",
            json!({ "rate_limits": [{ "name": "gcra", "limit": N, "window_seconds": month }] }),
        ),
        (
            "rate_limited",
            json!({ "rate_limits": [{ "name": "window", "limit": N, "window_seconds": month,
                                      "algorithm": "sliding_window" }] }),
        ),
        (
            "quota_exceeded",
            json!({ "quotas": [{ "name": "quota", "limit": N, "period": "month" }] }),
        ),
    ]
}

/// The same limit, counted for each key or address; `None`: there is none such.
fn per(mut policy: Value, per: &str) -> Option<Value> {
    let list = policy.as_object_mut()?.values_mut().next()?;
    let limit = list.get_mut(0)?;
    if per == "address" && limit.get("period").is_some() {
        return None;
    }
    limit["per"] = json!(per);
    Some(policy)
}

struct Bench<'a> {
    client: &'a Client,
    upstream: &'a Upstream,
}

impl Bench<'_> {
    async fn api(&self, slug: &str) -> String {
        self.client.create_api(slug, &self.upstream.base()).await
    }

    async fn key(&self) -> String {
        self.client.create_key("k").await.1
    }

    async fn put(&self, path: &str, policy: &Value) {
        self.client.put(path, policy).await.assert_status(200);
    }

    async fn hammer(&self, client: &Client, path: &str, keys: &[&str]) -> Tally {
        hammer(client, CONNECTIONS, TRIED * keys.len(), |n| {
            client.proxy("GET", path, keys[n % keys.len()])
        })
        .await
    }

    /// `path` is called with all `keys` in turn: exactly N calls pass, and reach the upstream.
    async fn exactly(&self, what: &str, code: &str, path: &str, keys: &[&str], allowed: usize) {
        let before = self.upstream.seen().len();
        let tally = self.hammer(self.client, path, keys).await;
        let refused = TRIED * keys.len() - allowed;
        assert_eq!(tally.of(200), allowed, "{what}: {tally:?}");
        assert_eq!(tally.of_code(429, code), refused, "{what}: {tally:?}");
        assert_eq!(self.upstream.seen().len() - before, allowed, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_as_many_pass_as_are_allowed() {
    let app = start(Engine::Sqlite).await;
    let upstream = Upstream::echo().await;
    let ada = app.stranger("ada").await;
    let bench = Bench {
        client: &ada,
        upstream: &upstream,
    };
    for (number, (code, policy)) in kinds().into_iter().enumerate() {
        // An API's: whatever the key is.
        let id = bench.api(&format!("api-{number}")).await;
        bench.put(&format!("/apis/{id}/limits"), &policy).await;
        let (first, second) = (bench.key().await, bench.key().await);
        let path = format!("/api-{number}/x");
        bench
            .exactly("api", code, &path, &[&first, &second], N)
            .await;

        // An API's, for each key.
        let slug = format!("each-key-{number}");
        let id = bench.api(&slug).await;
        let each = per(policy.clone(), "key").expect("a policy");
        bench.put(&format!("/apis/{id}/limits"), &each).await;
        let path = format!("/{slug}/x");
        bench
            .exactly("each key", code, &path, &[&first, &second], 2 * N)
            .await;
        bench.exactly("one key", code, &path, &[&first], 0).await;

        // A route's, and nothing beside it.
        let slug = format!("route-{number}");
        let id = bench.api(&slug).await;
        let route = json!({ "name": "r", "path": "/in/{any}/*", "policy": policy });
        ada.post(&format!("/apis/{id}/routes"), &route)
            .await
            .assert_status(201);
        let path = format!("/{slug}/in/1/x");
        bench.exactly("route", code, &path, &[&first], N).await;
        let beside = ada.proxy("GET", &format!("/{slug}/out"), &first);
        ada.send(beside).await.assert_status(200);

        // A key's, on any API.
        let (id, key) = ada.create_key("limited").await;
        bench.put(&format!("/api-keys/{id}/limits"), &policy).await;
        bench
            .exactly("key", code, &format!("/{slug}/out"), &[&key], N)
            .await;

        // An address's.
        if let Some(each) = per(policy.clone(), "address") {
            let slug = format!("address-{number}");
            let id = bench.api(&slug).await;
            bench.put(&format!("/apis/{id}/limits"), &each).await;
            for address in ["127.0.0.2", "127.0.0.3"] {
                let address: IpAddr = address.parse().expect("an address");
                let client = Client::from_address(app.base(), address);
                let tally = bench
                    .hammer(&client, &format!("/{slug}/x"), &[&first, &second])
                    .await;
                assert_eq!(tally.of(200), N, "{address}: {tally:?}");
            }
        }

        // The organization's: whatever the API and the key are.
        let bob = app.stranger(&format!("bob{number}")).await;
        let bobs = Bench {
            client: &bob,
            upstream: &upstream,
        };
        bobs.put("/organization/limits", &policy).await;
        bobs.api("one").await;
        bobs.api("other").await;
        let (first, second) = (bobs.key().await, bobs.key().await);
        let tally = hammer(&bob, CONNECTIONS, TRIED, |n| {
            let key = if n % 3 == 0 { &first } else { &second };
            let path = if n % 2 == 0 { "/one/x" } else { "/other/x" };
            bob.proxy("GET", path, key)
        })
        .await;
        assert_eq!(tally.of(200), N, "{tally:?}");
        assert_eq!(tally.of_code(429, code), TRIED - N, "{tally:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_limits_none_lets_more_pass() {
    let app = start(Engine::Sqlite).await;
    let upstream = Upstream::echo().await;
    let ada = app.stranger("ada").await;
    let bench = Bench {
        client: &ada,
        upstream: &upstream,
    };
    let api = bench.api("echo").await;
    let (id, key) = ada.create_key("k").await;
    let [(_, gcra), (_, window), (_, quota)] = kinds();
    // The tightest is in the middle; a call that it refuses takes nothing from the others.
    let wide = |mut policy: Value, list: &str| {
        policy[list][0]["limit"] = json!(N + 10);
        policy
    };
    bench
        .put("/organization/limits", &wide(gcra, "rate_limits"))
        .await;
    bench.put(&format!("/apis/{api}/limits"), &window).await;
    bench
        .put(&format!("/api-keys/{id}/limits"), &wide(quota, "quotas"))
        .await;
    bench
        .exactly("all", "rate_limited", "/echo/x", &[&key], N)
        .await;
    bench.put(&format!("/apis/{api}/limits"), &json!({})).await;
    let tally = bench.hammer(&ada, "/echo/x", &[&key]).await;
    assert_eq!(tally.of(200), 10, "{tally:?}");
}

/// Calls under way at the same time: a key's, an API's and the organization's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_calls_are_under_way_than_are_allowed() {
    const AT_ONCE: usize = 10;
    const REFUSED: &str = "apiverse_gateway_limited_total{kind=\"concurrency\"}";
    let app = start(Engine::Sqlite).await;
    let upstream = Held::start().await;
    let ada = app.stranger("ada").await;
    let api = ada.create_api("held", &upstream.base()).await;
    let (id, first) = ada.create_key("first").await;
    let (_, second) = ada.create_key("second").await;
    let policy = json!({ "concurrency": AT_ONCE });
    let targets = [
        (format!("/api-keys/{id}/limits"), vec![&first]),
        // Whoever calls: it protects the upstream.
        (format!("/apis/{api}/limits"), vec![&first, &second]),
        ("/organization/limits".to_owned(), vec![&first, &second]),
    ];
    for (round, (path, keys)) in targets.into_iter().enumerate() {
        ada.put(&path, &policy).await.assert_status(200);
        upstream.hold();
        let calls = hammer(&ada, CONNECTIONS, CONNECTIONS, |n| {
            ada.proxy("GET", "/held/x", keys[n % keys.len()])
        });
        // Those that are refused are answered at once; then those that are held.
        let release = async {
            eventually("all to be held or refused", async || {
                let refused = ada.metric(REFUSED).await as usize;
                let expected = (round + 1) * (CONNECTIONS - AT_ONCE);
                (refused == expected && upstream.holds() == AT_ONCE).then_some(())
            })
            .await;
            upstream.release();
        };
        let (tally, ()) = tokio::join!(calls, release);
        assert_eq!(tally.of(200), AT_ONCE, "{path}: {tally:?}");
        let refused = tally.of_code(429, "concurrency_limited");
        assert_eq!(refused, CONNECTIONS - AT_ONCE, "{path}: {tally:?}");
        assert_eq!(upstream.most(), AT_ONCE, "{path}");
        // Places are free again when calls are over.
        let tally = hammer(&ada, AT_ONCE, 4 * AT_ONCE, |n| {
            ada.proxy("GET", "/held/x", keys[n % keys.len()])
        })
        .await;
        assert_eq!(tally.of(200), 4 * AT_ONCE, "{path}: {tally:?}");
        ada.put(&path, &json!({})).await.assert_status(200);
    }
}
