//! Several nodes: a change on one is in force on the others.

use apiverse_testkit::{App, Client, Engine, Redis, Upstream, eventually};
use serde_json::json;

use crate::{options, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_postgres() {
    let first = start(Engine::Postgres).await;
    let second = first.another_node().await;
    changes_travel(&first, &second).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_redis() {
    let redis = Redis::start().await;
    let first = App::start(options(Engine::Postgres).env("REDIS_URL", &redis.url())).await;
    let second = first.another_node().await;
    changes_travel(&first, &second).await;
}

async fn changes_travel(first: &App, second: &App) {
    let upstream = Upstream::echo().await;
    let here: Client = first.stranger("ada").await;
    let there = here.at(second.base());
    there.get("/auth/me").await.assert_status(200);
    let api = here.create_api("echo", &upstream.base()).await;
    let (id, key) = here.create_key("k").await;
    here.send(here.proxy("GET", "/echo/x", &key))
        .await
        .assert_status(200);
    let becomes = async |status: u16| {
        eventually("the other node to follow", async || {
            let answer = there.send(there.proxy("GET", "/echo/x", &key)).await;
            (answer.status == status).then_some(())
        })
        .await;
    };
    becomes(200).await;
    there
        .patch(&format!("/apis/{api}"), &json!({ "is_active": false }))
        .await
        .assert_status(200);
    eventually("this node to follow", async || {
        let answer = here.send(here.proxy("GET", "/echo/x", &key)).await;
        (answer.status == 503).then_some(())
    })
    .await;
    here.patch(&format!("/apis/{api}"), &json!({ "is_active": true }))
        .await
        .assert_status(200);
    becomes(200).await;
    here.delete(&format!("/api-keys/{id}"))
        .await
        .assert_status(204);
    becomes(401).await;
    here.send(here.request("POST", "/auth/logout"))
        .await
        .assert_status(204);
    there
        .get("/auth/me")
        .await
        .assert_problem(401, "invalid_token");
}
