//! The cache, by calls.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use apiverse_contract::ApiId;
use apiverse_contract::policies::{PolicyKind, PolicyScope};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;

use super::world::*;
use crate::PurgeWhat;

/// An upstream that keeps what it was asked, and answers what a test tells it to.
struct Origin {
    addr: SocketAddr,
    seen: Arc<Mutex<Vec<http::request::Parts>>>,
    answer: Arc<Mutex<Answer>>,
}

#[derive(Clone)]
struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    /// The count of requests so far, when it is empty.
    body: String,
}

impl Answer {
    fn of(status: u16, headers: &[(&'static str, &str)]) -> Self {
        let headers = headers.iter();
        Self {
            status,
            headers: headers
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect(),
            body: String::new(),
        }
    }
}

impl Origin {
    async fn new(headers: &[(&'static str, &str)]) -> Self {
        let seen = Arc::<Mutex<Vec<http::request::Parts>>>::default();
        let answer = Arc::new(Mutex::new(Answer::of(200, headers)));
        let (log, given) = (Arc::clone(&seen), Arc::clone(&answer));
        let addr = hyper_upstream(move |request: Request<Incoming>| {
            let answer = given.lock().clone();
            let mut log = log.lock();
            log.push(request.into_parts().0);
            let count = log.len();
            async move {
                let body = match answer.body.as_str() {
                    "" => count.to_string(),
                    _ => answer.body,
                };
                let mut response = Response::builder().status(answer.status);
                for (name, value) in answer.headers {
                    response = response.header(name, value);
                }
                response.body(Full::new(Bytes::from(body))).unwrap()
            }
        })
        .await;
        Self { addr, seen, answer }
    }

    fn count(&self) -> usize {
        self.seen.lock().len()
    }

    fn last(&self, name: &str) -> Option<String> {
        let seen = self.seen.lock();
        let value = seen.last().unwrap().headers.get(name)?;
        Some(value.to_str().unwrap().to_owned())
    }

    fn set(&self, status: u16, headers: &[(&'static str, &str)]) {
        *self.answer.lock() = Answer::of(status, headers);
    }
}

async fn cached_at(addr: SocketAddr, policy: Value) -> (World, ApiId) {
    let world = World::new().await;
    let api = world.add_api(addr, |_| {}).await;
    let scope = PolicyScope::Api(api);
    world
        .set_policy(scope, Some(api), PolicyKind::Cache, policy)
        .await;
    (world, api)
}

fn body(response: &Response<Bytes>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}

fn line(response: &Response<Bytes>) -> String {
    let value = response.headers().get("cache-status");
    value.map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
}

impl World {
    async fn ask(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Response<Bytes> {
        let mut request = self.request(method, path).body(Full::default()).unwrap();
        for (name, value) in fields {
            let name: http::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        self.send(request).await
    }

    /// The body of the answer to a GET.
    async fn text(&self, path: &str, fields: &[(&str, &str)]) -> String {
        body(&self.ask("GET", path, fields).await).to_owned()
    }
}

const FRESH: (&str, &str) = ("cache-control", "max-age=60");
const PUBLIC: (&str, &str) = ("cache-control", "max-age=60, public");

#[tokio::test]
async fn a_fresh_answer_is_given_again() {
    let origin = Origin::new(&[FRESH, ("etag", "\"a\"")]).await;
    let (world, _) = cached_at(origin.addr, json!({})).await;
    let first = world.get("/proxy/x/a?b").await;
    assert_eq!(body(&first), "1");
    let said = line(&first);
    assert!(
        said.starts_with("apiverse; fwd=uri-miss; stored; ttl="),
        "{said}"
    );
    let again = world.get("/proxy/x/a?b").await;
    assert_eq!(body(&again), "1");
    let said = line(&again);
    assert!(said.starts_with("apiverse; hit; ttl="), "{said}");
    assert!(again.headers().contains_key("age") && again.headers().contains_key("date"));
    assert_ne!(
        again.headers()["x-request-id"],
        first.headers()["x-request-id"]
    );
    assert_eq!(body(&world.get("/proxy/x/a?c").await), "2");

    let head = world.ask("HEAD", "/proxy/x/a?b", &[]).await;
    assert_eq!(head.headers()["content-length"], "1");
    let had = world
        .ask("GET", "/proxy/x/a?b", &[("if-none-match", "\"a\"")])
        .await;
    assert_eq!((had.status().as_u16(), body(&had)), (304, ""));
    assert_eq!(origin.count(), 2);

    let calls = world.calls().await;
    assert_eq!(calls.len(), 5);
    let is_hit =
        |call: &&apiverse_store::UsageRow| call.upstream_us.is_none() && call.bytes_out == 1;
    let hit = calls.iter().find(is_hit).unwrap();
    assert!(!hit.refused && hit.status == 200);
}

#[tokio::test]
async fn parts_come_from_the_whole() {
    let origin = Origin::new(&[FRESH]).await;
    origin.answer.lock().body = "0123456789".to_owned();
    let (world, _) = cached_at(origin.addr, json!({})).await;
    // Of what is not there a part is fetched as it is asked for.
    world
        .ask("GET", "/proxy/x/other", &[("range", "bytes=0-1")])
        .await;
    assert_eq!(origin.last("range").as_deref(), Some("bytes=0-1"));
    world.get("/proxy/x/a").await;
    let part = world
        .ask("GET", "/proxy/x/a", &[("range", "bytes=2-4")])
        .await;
    assert_eq!((part.status().as_u16(), body(&part)), (206, "234"));
    assert_eq!(part.headers()["content-range"], "bytes 2-4/10");
    assert_eq!(part.headers()["content-length"], "3");
    let none = world
        .ask("GET", "/proxy/x/a", &[("range", "bytes=10-")])
        .await;
    assert_eq!(none.status(), 416);
    assert_eq!(none.headers()["content-range"], "bytes */10");
    let several = [("range", "bytes=0-1,3-4")];
    assert_eq!(world.text("/proxy/x/a", &several).await, "0123456789");
    assert_eq!(origin.count(), 2);
}

#[tokio::test]
async fn a_stale_answer_is_validated() {
    let stale = ("cache-control", "max-age=0");
    let origin = Origin::new(&[stale, ("etag", "\"a\""), ("x", "1")]).await;
    let (world, _) = cached_at(origin.addr, json!({})).await;
    assert_eq!(world.text("/proxy/x/a", &[]).await, "1");
    origin.set(304, &[FRESH, ("x", "2")]);
    let validated = world.get("/proxy/x/a").await;
    assert_eq!(origin.last("if-none-match").as_deref(), Some("\"a\""));
    assert_eq!((validated.status().as_u16(), body(&validated)), (200, "1"));
    assert_eq!(validated.headers()["x"], "2");
    let said = line(&validated);
    assert!(said.contains("fwd=stale; fwd-status=304; stored"), "{said}");
    assert_eq!(world.text("/proxy/x/a", &[]).await, "1");
    assert_eq!(origin.count(), 2);
}

#[tokio::test]
async fn a_failure_is_covered_by_what_is_stale() {
    let stale = ("cache-control", "max-age=0");
    let origin = Origin::new(&[stale, ("etag", "\"a\"")]).await;
    let (world, _) = cached_at(origin.addr, json!({})).await;
    world.get("/proxy/x/a").await;
    origin.set(503, &[]);
    let covered = world.get("/proxy/x/a").await;
    assert_eq!((covered.status().as_u16(), body(&covered)), (200, "1"));
    let said = line(&covered);
    assert!(
        said.contains("fwd-status=503") && said.contains("detail=stale-if-error"),
        "{said}"
    );

    // Not what must be validated.
    let strict = ("cache-control", "max-age=0, must-revalidate");
    origin.set(200, &[strict, ("etag", "\"a\"")]);
    world.get("/proxy/x/b").await;
    origin.set(503, &[]);
    assert_eq!(world.get("/proxy/x/b").await.status(), 503);
}

#[tokio::test]
async fn a_stale_answer_is_refreshed_behind_the_callers_back() {
    let stale = ("cache-control", "max-age=0, stale-while-revalidate=60");
    let origin = Origin::new(&[stale]).await;
    let (world, _) = cached_at(origin.addr, json!({})).await;
    assert_eq!(world.text("/proxy/x/a", &[]).await, "1");
    origin.set(200, &[FRESH]);
    assert_eq!(world.text("/proxy/x/a", &[]).await, "1");
    in_time("the refresh", async {
        while world.text("/proxy/x/a", &[]).await == "1" {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(world.text("/proxy/x/a", &[]).await, "2");
    assert_eq!(origin.count(), 2);
}

#[tokio::test]
async fn answers_are_only_for_their_audience() {
    let origin = Origin::new(&[FRESH]).await;
    let (world, _) = cached_at(origin.addr, json!({})).await;
    let (_, other) = world.add_key(world.organization, |_| {}).await;
    let other = ("x-api-key", other.as_str());
    let basic = ("authorization", "Basic x");
    assert_eq!(world.text("/proxy/x/own", &[]).await, "1");
    assert_eq!(
        world.text("/proxy/x/own", &[other]).await,
        "2",
        "another key"
    );
    assert_eq!(world.text("/proxy/x/own", &[basic]).await, "3");
    assert_eq!(world.text("/proxy/x/own", &[basic]).await, "4");
    assert_eq!(world.text("/proxy/x/own", &[("cookie", "a=1")]).await, "1");
    assert_eq!(world.text("/proxy/x/c", &[("cookie", "a=1")]).await, "5");
    assert_eq!(world.text("/proxy/x/c", &[("cookie", "a=2")]).await, "6");
    assert_eq!(world.text("/proxy/x/c", &[]).await, "7");
    assert_eq!(world.text("/proxy/x/c", &[("cookie", "a=1")]).await, "5");

    origin.set(200, &[PUBLIC]);
    assert_eq!(world.text("/proxy/x/all", &[basic]).await, "8");
    assert_eq!(world.text("/proxy/x/all", &[other]).await, "8");
    origin.set(200, &[PUBLIC, ("set-cookie", "s=1")]);
    assert_eq!(world.text("/proxy/x/cookie", &[]).await, "9");
    assert_eq!(world.text("/proxy/x/cookie", &[other]).await, "10");
}

#[tokio::test]
async fn the_policy_may_share_answers_between_keys() {
    let origin = Origin::new(&[FRESH]).await;
    let (world, _) = cached_at(origin.addr, json!({ "shared_between_keys": true })).await;
    let (_, other) = world.add_key(world.organization, |_| {}).await;
    assert_eq!(world.text("/proxy/x/a", &[]).await, "1");
    assert_eq!(
        world.text("/proxy/x/a", &[("x-api-key", &other)]).await,
        "1"
    );
    assert_eq!(world.text("/proxy/x/a", &[("cookie", "a=1")]).await, "1");
    assert_eq!(world.text("/proxy/x/b", &[("cookie", "a=1")]).await, "2");
    assert_eq!(world.text("/proxy/x/b", &[]).await, "3");
    let basic = ("authorization", "Basic x");
    assert_eq!(world.text("/proxy/x/a", &[basic]).await, "4");
}

/// What one caller sends must not change what another gets.
#[tokio::test]
async fn poison_is_not_given_to_others() {
    let origin = Origin::new(&[PUBLIC]).await;
    let (world, _) = cached_at(origin.addr, json!({})).await;
    // Fields that make upstreams answer for something else.
    for name in [
        "x-original-url",
        "x-http-method-override",
        "x-forwarded-prefix",
        "x-host",
    ] {
        let path = format!("/proxy/x/{name}");
        let poisoned = world.text(&path, &[(name, "/evil")]).await;
        let kept = world.text(&path, &[]).await;
        assert_ne!(kept, poisoned, "{name}");
        assert_ne!(world.text(&path, &[(name, "/evil")]).await, kept, "{name}");
        assert_eq!(world.text(&path, &[]).await, kept, "{name}");
    }
    // The upstream is told the host, and may answer by it.
    let poisoned = world
        .text("/proxy/x/host", &[("host", "evil.example")])
        .await;
    assert_ne!(world.text("/proxy/x/host", &[]).await, poisoned);
    world
        .text("/proxy/x/fh", &[("x-forwarded-host", "evil.example")])
        .await;
    assert_ne!(
        origin.last("x-forwarded-host").as_deref(),
        Some("evil.example")
    );
    // A body that no key has in it.
    let request = world
        .request("GET", "/proxy/x/fat")
        .body(Full::from("evil"))
        .unwrap();
    let poisoned = body(&world.send(request).await).to_owned();
    assert_ne!(world.text("/proxy/x/fat", &[]).await, poisoned);
    // A part is not the whole, and the answer to HEAD is not that to GET.
    origin.set(206, &[PUBLIC, ("content-range", "bytes 0-0/9")]);
    let poisoned = world.text("/proxy/x/part", &[("range", "bytes=0-0")]).await;
    origin.set(200, &[PUBLIC]);
    assert_ne!(world.text("/proxy/x/part", &[]).await, poisoned);
    world.ask("HEAD", "/proxy/x/head", &[]).await;
    assert!(!world.text("/proxy/x/head", &[]).await.is_empty());
    // Paths are compared byte for byte, as the upstream gets them.
    let mut all = Vec::new();
    for path in ["p/%2e%2e/q", "q", "p/../q", "/q", "Q", "q?", "q/"] {
        all.push(world.text(&format!("/proxy/x/{path}"), &[]).await);
    }
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count);
}

#[tokio::test]
async fn vary_is_about_what_the_upstream_sees() {
    let origin = Origin::new(&[PUBLIC, ("vary", "X-Lang")]).await;
    let (world, _) = cached_at(origin.addr, json!({})).await;
    let (_, other) = world.add_key(world.organization, |_| {}).await;
    assert_eq!(world.text("/proxy/x/a", &[("x-lang", "a")]).await, "1");
    assert_eq!(world.text("/proxy/x/a", &[("x-lang", "b")]).await, "2");
    assert_eq!(world.text("/proxy/x/a", &[("x-lang", "a")]).await, "1");
    assert_eq!(world.text("/proxy/x/a", &[]).await, "3");
    for never in ["*", "X-Forwarded-For", "Forwarded", "X-Request-Id"] {
        origin.set(200, &[PUBLIC, ("vary", never)]);
        let path = format!("/proxy/x/{}", never.len());
        let first = world.text(&path, &[]).await;
        assert_ne!(world.text(&path, &[]).await, first, "{never}");
    }
    origin.set(200, &[PUBLIC, ("vary", "X-Api-Key")]);
    let first = world.text("/proxy/x/key", &[]).await;
    assert_ne!(
        world.text("/proxy/x/key", &[("x-api-key", &other)]).await,
        first
    );
    assert_eq!(world.text("/proxy/x/key", &[]).await, first);
}

#[tokio::test]
async fn unsafe_methods_invalidate() {
    let origin = Origin::new(&[PUBLIC]).await;
    let (world, _) = cached_at(origin.addr, json!({})).await;
    assert_eq!(world.text("/proxy/x/a", &[]).await, "1");
    assert_eq!(world.text("/proxy/x/b", &[]).await, "2");
    origin.set(500, &[("location", "/b")]);
    world.ask("POST", "/proxy/x/a", &[]).await;
    origin.set(200, &[PUBLIC]);
    assert_eq!(world.text("/proxy/x/a", &[]).await, "1", "it failed");
    let elsewhere = ("content-location", "http://elsewhere/a");
    origin.set(201, &[("location", "/b"), elsewhere]);
    world.ask("PUT", "/proxy/x/c", &[]).await;
    origin.set(200, &[PUBLIC]);
    assert_eq!(world.text("/proxy/x/a", &[]).await, "1");
    assert_eq!(world.text("/proxy/x/b", &[]).await, "5");
    world.ask("M-SEARCH", "/proxy/x/a", &[]).await;
    assert_eq!(world.text("/proxy/x/a", &[]).await, "7");
}

#[tokio::test]
async fn purges_reach_every_variant() {
    let headers = [FRESH, ("vary", "x-lang"), ("surrogate-key", "red blue")];
    let origin = Origin::new(&headers).await;
    let (world, api) = cached_at(origin.addr, json!({})).await;
    let ask = async |lang: &str| world.text("/proxy/x/a/b?c", &[("x-lang", lang)]).await;
    for what in [
        PurgeWhat::All,
        PurgeWhat::Path("/a/b".into()),
        PurgeWhat::Path("/a/b?c".into()),
        PurgeWhat::Prefix("/a".into()),
        PurgeWhat::Tag("red".into()),
    ] {
        let (before, other) = (ask("a").await, ask("b").await);
        assert_eq!(ask("a").await, before);
        assert_eq!(world.gateway.purge(api, what.clone()).await, 2, "{what:?}");
        assert_ne!(ask("a").await, before, "{what:?}");
        assert_ne!(ask("b").await, other, "{what:?}");
        world.gateway.purge(api, PurgeWhat::All).await;
    }
    let before = ask("a").await;
    for other in [
        PurgeWhat::Tag("green".into()),
        PurgeWhat::Path("/".into()),
        PurgeWhat::Prefix("/b".into()),
    ] {
        assert_eq!(world.gateway.purge(api, other).await, 0);
    }
    assert_eq!(ask("a").await, before);
}

/// Sends the second half of each answer when it is told to.
async fn gated() -> (SocketAddr, Arc<Semaphore>, Arc<AtomicUsize>) {
    let gate = Arc::new(Semaphore::new(0));
    let count = Arc::new(AtomicUsize::new(0));
    let (opened, counted) = (Arc::clone(&gate), Arc::clone(&count));
    let addr = upstream(move |mut socket| {
        let (opened, counted) = (Arc::clone(&opened), Arc::clone(&counted));
        async move {
            while read_head(&mut socket).await.is_some() {
                counted.fetch_add(1, Ordering::SeqCst);
                let half = b"HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 10\r\n\r\n01234";
                socket.write_all(half).await.unwrap();
                opened.acquire().await.unwrap().forget();
                if socket.write_all(b"56789").await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    (addr, gate, count)
}

#[tokio::test]
async fn those_who_come_meanwhile_share_one_exchange() {
    let (addr, gate, count) = gated().await;
    let (world, _) = cached_at(addr, json!({})).await;
    let ask = || world.get("/proxy/x/a");
    let all = async { tokio::join!(ask(), ask(), ask(), ask()) };
    let open = async {
        in_time("the exchange", async {
            while count.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        gate.add_permits(1);
    };
    let ((a, b, c, d), ()) = tokio::join!(all, open);
    for response in [&a, &b, &c, &d] {
        assert_eq!(body(response), "0123456789");
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_body_is_stored_though_its_caller_leaves() {
    let (addr, gate, count) = gated().await;
    let (world, _) = cached_at(addr, json!({})).await;
    {
        let mut sender = world.connect().await;
        let request = world
            .request("GET", "/proxy/x/a")
            .body(Full::default())
            .unwrap();
        let response = in_time("the head", sender.send_request(request)).await;
        drop(response.unwrap());
    }
    gate.add_permits(1);
    let again = in_time("the body", world.get("/proxy/x/a")).await;
    assert_eq!(body(&again), "0123456789");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn who_comes_after_the_head_follows_too() {
    let (addr, gate, count) = gated().await;
    let (world, _) = cached_at(addr, json!({})).await;
    let mut sender = world.connect().await;
    let request = world
        .request("GET", "/proxy/x/a")
        .body(Full::default())
        .unwrap();
    let response = in_time("the head", sender.send_request(request)).await;
    // Nothing is stored as long as the gate is closed.
    let open = async {
        let mut other = world.connect().await;
        let request = world
            .request("GET", "/proxy/x/a")
            .body(Full::default())
            .unwrap();
        let follower = in_time("the other's head", other.send_request(request)).await;
        gate.add_permits(1);
        follower.unwrap().collect().await.unwrap().to_bytes()
    };
    let followed = in_time("the other's body", open).await;
    assert_eq!(followed, "0123456789");
    let first = response.unwrap().collect().await.unwrap().to_bytes();
    assert_eq!(first, "0123456789");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_breaks_off_is_not_stored() {
    let broken = upstream(|mut socket| async move {
        if read_head(&mut socket).await.is_some() {
            let part =
                b"HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 9\r\n\r\n01";
            socket.write_all(part).await.unwrap();
        }
    })
    .await;
    let (world, _) = cached_at(broken, json!({})).await;
    for _ in 0..2 {
        let request = world
            .request("GET", "/proxy/x/a")
            .body(Full::default())
            .unwrap();
        assert!(world.try_send(request).await.is_err());
    }
}

#[tokio::test]
async fn what_is_too_large_is_passed_on() {
    let large = "x".repeat(300_000);
    let origin = Origin::new(&[FRESH]).await;
    origin.answer.lock().body = large.clone();
    let (world, _) = cached_at(origin.addr, json!({ "max_object_bytes": 1000 })).await;
    for _ in 0..2 {
        let answer = world.get("/proxy/x/a").await;
        assert_eq!(body(&answer), large);
        assert!(
            line(&answer).contains("detail=too-large"),
            "{}",
            line(&answer)
        );
    }
    assert_eq!(origin.count(), 2);
    // Of a length that is only known at the end.
    let chunked = upstream(|mut socket| async move {
        while read_head(&mut socket).await.is_some() {
            let head = b"HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ntransfer-encoding: chunked\r\n\r\n";
            socket.write_all(head).await.unwrap();
            for _ in 0..100 {
                let chunk = format!("2710\r\n{}\r\n", "y".repeat(10_000));
                if socket.write_all(chunk.as_bytes()).await.is_err() {
                    return;
                }
            }
            socket.write_all(b"0\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let (world, _) = cached_at(chunked, json!({ "max_object_bytes": 20_000 })).await;
    for _ in 0..2 {
        let answer = world.get("/proxy/x/a").await;
        assert_eq!(answer.body().len(), 1_000_000);
        assert!(!line(&answer).contains("hit"), "{}", line(&answer));
    }
}

#[tokio::test]
async fn callers_may_ask_for_less() {
    let origin = Origin::new(&[FRESH, ("etag", "\"a\"")]).await;
    let (world, _) = cached_at(origin.addr, json!({})).await;
    let control = |value: &'static str| [("cache-control", value)];
    let none = world
        .ask("GET", "/proxy/x/a", &control("only-if-cached"))
        .await;
    assert_eq!(none.status(), 504);
    assert_eq!(world.text("/proxy/x/a", &[]).await, "1");
    assert_eq!(
        world.text("/proxy/x/a", &control("only-if-cached")).await,
        "1"
    );
    assert_eq!(
        world.text("/proxy/x/a", &control("min-fresh=100")).await,
        "2"
    );
    assert_eq!(world.text("/proxy/x/a", &control("no-cache")).await, "3");
    assert_eq!(world.text("/proxy/x/a", &control("no-store")).await, "4");
    assert_eq!(world.text("/proxy/x/a", &[]).await, "3");
    let (world, _) = cached_at(origin.addr, json!({ "ignore_request_directives": true })).await;
    assert_eq!(world.text("/proxy/x/a", &[]).await, "5");
    assert_eq!(world.text("/proxy/x/a", &control("no-cache")).await, "5");
}
