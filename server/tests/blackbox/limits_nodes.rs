//! Two nodes that share limits through Redis: within the bound of docs/limits.md, whatever becomes
//! of Redis.

use apiverse_testkit::{App, Client, Engine, Redis, Tally, Upstream, eventually, hammer};
use serde_json::{Value, json};

use crate::options;

const NODES: usize = 2;
const CONNECTIONS: usize = 32;
/// Allowed.
const N: usize = 400;
/// What a node may admit before it has asked: a 50th.
const CREDIT: usize = N / 50;
const SHARED: &str = "apiverse_limits_shared";

/// Both nodes are called until neither lets anything pass; how many calls passed.
async fn until_used_up(clients: &[Client; NODES], path: &str, key: &str) -> usize {
    let mut passed = 0;
    eventually("the limit to be used up", async || {
        let round = |client: &Client| {
            let client = client.clone();
            async move {
                hammer(&client, CONNECTIONS, N / 2, |_| {
                    client.proxy("GET", path, key)
                })
                .await
            }
        };
        let (first, second) = tokio::join!(round(&clients[0]), round(&clients[1]));
        let mut tally: Tally = first;
        tally.add(second);
        assert_eq!(
            tally.of(200) + tally.of(429),
            tally.total(),
            "no call fails: {tally:?}"
        );
        passed += tally.of(200);
        // A node may hold a few calls for a moment that the other could have had.
        (tally.of(200) == 0 && passed >= N).then_some(())
    })
    .await;
    passed
}

fn window() -> Value {
    json!({ "rate_limits": [{ "name": "window", "limit": N, "window_seconds": 2_678_400,
                              "algorithm": "sliding_window" }] })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_stay_within_the_bound() {
    let mut redis = Redis::start().await;
    let first = App::start(options(Engine::Postgres).env("REDIS_URL", &redis.url())).await;
    let second = first.another_node().await;
    let upstream = Upstream::echo().await;
    let here = first.stranger("ada").await;
    let clients = [here.clone(), here.at(second.base())];
    here.create_api("echo", &upstream.base()).await;
    let limited_key = async |policy: &Value| {
        let (id, key) = here.create_key("k").await;
        here.put(&format!("/api-keys/{id}/limits"), policy)
            .await
            .assert_status(200);
        // Whether the other node knows them already is not what is asked here.
        let policies = |client: Client| {
            let key = key.clone();
            async move {
                eventually("the node to know the limit", async || {
                    // Only looking: nothing is counted.
                    let question = json!({ "key": key, "cost": 0 });
                    let answer = client.post("/api-keys/verify", &question).await;
                    let told = answer.expect_status(200).json();
                    (told["remaining"] == N).then_some(())
                })
                .await;
            }
        };
        policies(clients[1].clone()).await;
        key
    };
    let is_shared = async |is: f64| {
        for client in &clients {
            eventually("the node to notice", async || {
                (client.metric(SHARED).await == is).then_some(())
            })
            .await;
        }
    };
    is_shared(1.0).await;

    let gcra =
        json!({ "rate_limits": [{ "name": "gcra", "limit": N, "window_seconds": 2_678_400 }] });
    let quota = json!({ "quotas": [{ "name": "quota", "limit": N, "period": "month" }] });
    for (name, policy) in [("window", window()), ("gcra", gcra), ("quota", quota)] {
        let key = limited_key(&policy).await;
        let passed = until_used_up(&clients, "/echo/x", &key).await;
        println!("{name}: {passed} of {N} passed through two nodes");
        assert!(passed <= N + NODES * CREDIT, "{name}: {passed}");
    }

    // Redis goes in the middle: each node goes on by its own count, and no call fails.
    let key = limited_key(&window()).await;
    let call = |_| clients[0].proxy("GET", "/echo/x", &key);
    let before = hammer(&clients[0], CONNECTIONS, N / 2, call).await;
    assert_eq!(before.of(200), N / 2, "{before:?}");
    redis.kill();
    let without = until_used_up(&clients, "/echo/x", &key).await;
    is_shared(0.0).await;
    let passed = before.of(200) + without;
    println!(
        "redis killed after {}: {passed} of {N} passed",
        before.of(200)
    );
    // The first node knows its own calls.
    assert!(passed <= NODES * N, "{passed}");

    // It comes back, with nothing of what it knew; the nodes find it by themselves.
    redis.resume().await;
    is_shared(1.0).await;
    let key = limited_key(&window()).await;
    let passed = until_used_up(&clients, "/echo/x", &key).await;
    println!("redis back: {passed} of {N} passed");
    assert!(passed <= N + NODES * CREDIT, "{passed}");
}
