//! Two nodes share stored answers through Redis, and forget them together.

use std::sync::atomic::{AtomicUsize, Ordering};

use apiverse_testkit::{Answer, App, Client, Engine, Held, Redis, Upstream, eventually};
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::options;

/// Two nodes, and an API with a cache policy.
struct World {
    here: Client,
    there: Client,
    upstream: Upstream,
    api: String,
    key: String,
    redis: Redis,
    _nodes: [App; 2],
}

const STORED: &str = r#"apiverse_cache_shared_writes_total{result="stored"}"#;
const FAILED: &str = r#"apiverse_cache_shared_lookups_total{result="failed"}"#;

/// Counts what it answers; the path decides the fields, the query the size.
async fn counting() -> Upstream {
    let count = AtomicUsize::new(0);
    Upstream::start(move |seen| {
        let count = count.fetch_add(1, Ordering::SeqCst) + 1;
        let size = seen.uri.query().and_then(|query| query.parse().ok());
        let mut response = Response::builder().header("surrogate-key", "red blue");
        let control = match seen.uri.path() {
            "/own" => "max-age=600",
            "/none" => "no-store",
            _ => "public, max-age=600",
        };
        response = response.header("cache-control", control);
        if seen.uri.path() == "/varies" {
            response = response.header("vary", "x-tier");
        }
        let count = count.to_string();
        let body = "0".repeat(size.unwrap_or(0usize).saturating_sub(count.len())) + &count;
        response
            .body(Full::new(Bytes::from(body)))
            .expect("an answer")
    })
    .await
}

async fn until_shared(client: &Client) {
    eventually("the node to share", async || {
        (client.metric("apiverse_cache_shared").await == 1.0).then_some(())
    })
    .await;
}

impl World {
    /// `wait`: how long a call waits for Redis; long where a test is not about that, as the
    /// machine may be slow.
    async fn new(wait: &str) -> Self {
        let redis = Redis::start().await;
        let options = options(Engine::Postgres)
            .env("REDIS_URL", &redis.url())
            .env("APIVERSE_CACHE_SHARED_WAIT", wait)
            .env("APIVERSE_CACHE_SHARED_ENTRY", "64KiB");
        let first = App::start(options).await;
        let second = first.another_node().await;
        let upstream = counting().await;
        let here = first.stranger("ada").await;
        let there = here.at(second.base());
        let api = here.create_api("echo", &upstream.base()).await;
        here.put(&format!("/policies/api/{api}/cache"), &json!({}))
            .await
            .assert_status(201);
        let (_, key) = here.create_key("k").await;
        let world = Self {
            here,
            there,
            upstream,
            api,
            key,
            redis,
            _nodes: [first, second],
        };
        for client in [&world.here, &world.there] {
            until_shared(client).await;
            eventually("the node to know the policy", async || {
                let told = world.send(client, "GET", "/none", ("x-tier", "1")).await;
                told.header("cache-status").map(drop)
            })
            .await;
        }
        world
    }

    async fn send(&self, client: &Client, method: &str, path: &str, field: (&str, &str)) -> Answer {
        let call = client
            .proxy(method, &format!("/echo{path}"), &self.key)
            // Both nodes are behind one name.
            .header("host", "api.example.com")
            .header(field.0, field.1);
        client.send(call).await
    }

    async fn get(&self, client: &Client, path: &str) -> Answer {
        let answer = self.send(client, "GET", path, ("x-tier", "1")).await;
        answer.expect_status(200)
    }

    /// Fetches an answer here that is shared when this returns; its body.
    async fn store(&self, path: &str) -> String {
        let before = self.here.metric(STORED).await;
        let answer = self.get(&self.here, path).await;
        assert!(is(&answer, "stored"), "{:?}", answer.header("cache-status"));
        eventually("the answer to be in redis", async || {
            (self.here.metric(STORED).await > before).then_some(())
        })
        .await;
        answer.text()
    }

    /// The other node takes over what this one has stored.
    async fn take_over(&self, path: &str) -> String {
        let stored = self.store(path).await;
        let answer = self.get(&self.there, path).await;
        assert!(
            is(&answer, "detail=shared"),
            "{:?}",
            answer.header("cache-status")
        );
        assert_eq!(answer.text(), stored);
        stored
    }

    async fn purge(&self, client: &Client, what: &Value) {
        let path = format!("/apis/{}/cache/purge", self.api);
        client.post(&path, what).await.assert_status(200);
    }

    /// Calls until the node has found that Redis is no use.
    async fn until_alone(&self, client: &Client) {
        let mut count = 0;
        eventually("the node to give up", async || {
            count += 1;
            self.get(client, &format!("/away/{count}")).await;
            (client.metric("apiverse_cache_shared").await == 0.0).then_some(())
        })
        .await;
    }

    async fn until_other(&self, client: &Client, path: &str, old: &str) {
        eventually("the old answer to be forgotten", async || {
            (self.get(client, path).await.text() != old).then_some(())
        })
        .await;
    }
}

fn is(answer: &Answer, word: &str) -> bool {
    let line = answer.header("cache-status").unwrap_or_default();
    line.split("; ").any(|part| part == word)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_serves_what_another_has_stored() {
    let world = World::new("10s").await;
    let stored = world.take_over("/a?200").await;
    assert_eq!(stored.len(), 200);
    let again = world.get(&world.there, "/a?200").await;
    assert!(is(&again, "hit") && !is(&again, "detail=shared"));
    assert_eq!(again.text(), stored);

    // A part, and the head, of what is elsewhere.
    let stored = world.store("/b?100").await;
    let part = world
        .send(&world.there, "GET", "/b?100", ("range", "bytes=90-"))
        .await;
    assert_eq!(part.expect_status(206).text(), stored[90..]);
    world.store("/c").await;
    let head = world
        .send(&world.there, "HEAD", "/c", ("x-tier", "1"))
        .await;
    assert!(is(&head, "detail=shared"));

    // Variants, of which the other node has never seen one.
    let one = world.store("/varies").await;
    let other = world
        .send(&world.there, "GET", "/varies", ("x-tier", "2"))
        .await;
    assert!(is(&other, "fwd=uri-miss") && other.text() != one);
    let same = world.get(&world.there, "/varies").await;
    assert!(is(&same, "detail=shared"));
    assert_eq!(same.text(), one);

    // An answer that is one key's own is found by that key alone.
    let own = world.take_over("/own").await;
    let (_, second) = world.here.create_key("second").await;
    let call = || {
        let call = world.there.proxy("GET", "/echo/own", &second);
        call.header("host", "api.example.com")
    };
    let answer = eventually("the other node to know the key", async || {
        let answer = world.there.send(call()).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert!(is(&answer, "fwd=uri-miss") && answer.text() != own);

    // Who wants it from the upstream gets it from there.
    let stored = world.store("/d").await;
    let fetched = world
        .send(&world.there, "GET", "/d", ("cache-control", "no-cache"))
        .await;
    assert!(is(&fetched, "fwd=uri-miss") && fetched.text() != stored);
    let bare = world
        .send(
            &world.there,
            "GET",
            "/nowhere",
            ("cache-control", "only-if-cached"),
        )
        .await;
    bare.assert_status(504);
    world.store("/e").await;
    let asked = ("cache-control", "only-if-cached");
    let answer = world.send(&world.there, "GET", "/e", asked).await;
    assert!(is(&answer, "detail=shared"));

    // What is too large for Redis stays where it is.
    let large = world.get(&world.here, "/large?100000").await;
    world.store("/after").await;
    let fetched = world.get(&world.there, "/large?100000").await;
    assert!(is(&large, "stored") && is(&fetched, "fwd=uri-miss"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn purges_reach_both_nodes_and_redis() {
    let world = World::new("10s").await;
    for (path, what) in [
        ("/a/1", json!({ "path": "/a/1" })),
        ("/a/b/2", json!({ "prefix": "/a" })),
        ("/3", json!({ "tag": "blue" })),
        ("/4", json!({ "all": true })),
    ] {
        let seen = world.upstream.seen().len();
        let old = world.take_over(path).await;
        assert_eq!(world.upstream.seen().len(), seen + 1);
        let asked = Client::clone(&world.there);
        world.purge(&asked, &what).await;
        let new = world.get(&asked, path).await;
        assert_ne!(new.text(), old, "{what}: the node that was asked");
        world.until_other(&world.here, path, &old).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unsafe_call_invalidates_on_both_nodes() {
    let world = World::new("10s").await;
    let old = world.take_over("/orders/1").await;
    let kept = world.take_over("/orders/2").await;
    world
        .send(&world.here, "POST", "/orders/1", ("x-tier", "1"))
        .await
        .assert_status(200);
    // Whoever made the change sees it from the next call on.
    assert_ne!(world.get(&world.here, "/orders/1").await.text(), old);
    world.until_other(&world.there, "/orders/1", &old).await;
    for client in [&world.here, &world.there] {
        let answer = world.get(client, "/orders/2").await;
        assert!(is(&answer, "hit"));
        assert_eq!(answer.text(), kept);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_on_its_way_while_it_is_purged_elsewhere_is_not_shared() {
    let world = World::new("10s").await;
    let slow = Held::start().await;
    let api = world.here.create_api("slow", &slow.base()).await;
    let path = format!("/policies/api/{api}/cache");
    let policy = json!({ "default_ttl_seconds": 600, "shared_between_keys": true });
    world.here.put(&path, &policy).await.assert_status(201);
    let call = async |client: &Client| {
        let call = client.proxy("GET", "/slow/x", &world.key);
        client.send(call.header("host", "api.example.com")).await
    };
    let (answer, ()) = tokio::join!(call(&world.here), async {
        eventually("the upstream to be asked", async || {
            (slow.holds() == 1).then_some(())
        })
        .await;
        let purge = format!("/apis/{api}/cache/purge");
        let what = json!({ "path": "/x" });
        eventually("the other node to know the API", async || {
            let told = world.there.post(&purge, &what).await;
            (told.status == 200).then_some(())
        })
        .await;
        // From when Redis knows of the purge, the other node asks it again.
        eventually("the purge to be in redis", async || {
            let marks = world
                .redis
                .command(&["--scan", "--pattern", "apiverse:cache:*:marks"]);
            let id = api.replace('-', "");
            let id = id.trim_start_matches('0');
            let key = marks.lines().find(|key| key.contains(id))?.to_owned();
            // The two it begins with, and the purge's.
            let fields: usize = world.redis.command(&["hlen", &key]).trim().parse().ok()?;
            (fields >= 3).then_some(())
        })
        .await;
        slow.release();
    });
    assert!(is(&answer.expect_status(200), "stored"));
    // Refused by Redis, or here already, where the purge has been heard of.
    let fetched = call(&world.there).await;
    assert!(
        is(&fetched, "fwd=uri-miss"),
        "{:?}",
        fetched.header("cache-status")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_go_on_without_redis_and_with_a_slow_one() {
    let mut world = World::new("20ms").await;
    let both = [world.here.clone(), world.there.clone()];
    // It takes connections and says nothing.
    world.redis.signal("STOP");
    for client in &both {
        world.until_alone(client).await;
        world.get(client, "/x").await;
        let again = world.get(client, "/x").await;
        assert!(is(&again, "hit"), "each node has its own");
        assert!(client.metric(FAILED).await >= 1.0);
    }
    world.redis.signal("CONT");
    for client in &both {
        until_shared(client).await;
    }
    world.redis.kill();
    for client in &both {
        world.until_alone(client).await;
        world.get(client, "/y").await;
        let again = world.get(client, "/y").await;
        assert!(is(&again, "hit"));
        let post = ("x-tier", "1");
        let changed = world.send(client, "POST", "/y", post).await;
        changed.assert_status(200);
        assert_ne!(world.get(client, "/y").await.text(), again.text());
    }
    // What was forgotten meanwhile is forgotten everywhere once Redis is back.
    let old = world.get(&world.there, "/z").await.text();
    world.purge(&world.here, &json!({ "path": "/z" })).await;
    world.redis.resume().await;
    world.until_other(&world.there, "/z", &old).await;
    for client in &both {
        until_shared(client).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_cannot_purge() {
    let world = World::new("10s").await;
    let stored = world.take_over("/a").await;
    let eve = world._nodes[1].stranger("eve").await;
    let path = format!("/apis/{}/cache/purge", world.api);
    let all = json!({ "all": true });
    eve.post(&path, &all)
        .await
        .assert_problem(404, "api_not_found");
    let nobody = world._nodes[1].anonymous();
    assert_eq!(nobody.post(&path, &all).await.status, 401);
    for client in [&world.here, &world.there] {
        assert_eq!(world.get(client, "/a").await.text(), stored);
    }
}
