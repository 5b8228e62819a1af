//! Quotas go on where they were, however a process ended.

use apiverse_testkit::{App, Client, Engine, Upstream, both, hammer};
use serde_json::json;

use crate::start;

both!(
    quotas_are_exact_across_kills_and_restarts,
    verifications_are_recorded_and_outlive_the_process,
);

const CONNECTIONS: usize = 16;
const N: usize = 300;

/// Calls that have passed, by what was asked for.
async fn recorded(client: &Client, filter: &str) -> u64 {
    let usage = client
        .get(&format!("/usage?{filter}"))
        .await
        .expect_status(200)
        .json();
    let number = |name: &str| usage["totals"][name].as_u64().expect("a number");
    number("calls") - number("refused")
}

/// Makes calls until the process is gone.
async fn until_it_is_killed(app: &mut App, client: &Client, calls: &[(String, String)]) {
    let load = async {
        let callers = (0..CONNECTIONS).map(|n| {
            let (path, key) = &calls[n % calls.len()];
            async move {
                while let Ok(answer) = client.proxy("GET", path, key).send().await {
                    assert!([200, 429].contains(&answer.status().as_u16()), "{answer:?}");
                }
            }
        });
        futures_util::future::join_all(callers).await;
    };
    let kill = async {
        apiverse_testkit::eventually("calls to pass", async || {
            let series = "apiverse_usage_written_total";
            (client.metric(series).await >= 50.0).then_some(())
        })
        .await;
        app.kill();
    };
    tokio::join!(load, kill);
}

async fn quotas_are_exact_across_kills_and_restarts(engine: Engine) {
    let mut app = start(engine).await;
    let upstream = Upstream::echo().await;
    let mut client = app.stranger("ada").await;
    let quota = |limit: usize, per: &str| json!({ "quotas": [{ "name": "monthly", "limit": limit, "period": "month", "per": per }] });
    let free = client.create_api("free", &upstream.base()).await;
    let of_api = client.create_api("of-api", &upstream.base()).await;
    let each_key = client.create_api("each-key", &upstream.base()).await;
    let of_route = client.create_api("of-route", &upstream.base()).await;
    let (key_id, limited) = client.create_key("limited").await;
    let (other_id, other) = client.create_key("other").await;
    for (path, policy) in [
        (format!("/apis/{of_api}/limits"), quota(N, "scope")),
        (format!("/apis/{each_key}/limits"), quota(N, "key")),
        (format!("/api-keys/{key_id}/limits"), quota(N, "scope")),
    ] {
        client.put(&path, &policy).await.assert_status(200);
    }
    let route = json!({ "name": "r", "path": "/in/*", "policy": quota(N, "scope") });
    client
        .post(&format!("/apis/{of_route}/routes"), &route)
        .await
        .assert_status(201);

    let call = |path: &str, key: &str| (path.to_owned(), key.to_owned());
    let calls = [
        call("/free/x", &limited),
        call("/of-api/x", &other),
        call("/each-key/x", &other),
        call("/of-route/in/x", &other),
        // These are in no quota.
        call("/of-route/out", &other),
        call("/free/x", &other),
    ];
    for is_killed in [true, false, true] {
        if is_killed {
            until_it_is_killed(&mut app, &client, &calls).await;
        } else {
            let tally = hammer(&client, CONNECTIONS, 60, |n| {
                let (path, key) = &calls[n % calls.len()];
                client.proxy("GET", path, key)
            })
            .await;
            assert_eq!(tally.of(200) + tally.of(429), 60, "{tally:?}");
            app.signal("TERM");
            assert!(app.ended().await.success());
        }
        app = app.restart().await;
        client = client.at(app.base());
    }
    // Now all that is left, and not one more.
    for (path, key) in &calls[..4] {
        let tally = hammer(&client, CONNECTIONS, 2 * N, |_| {
            client.proxy("GET", path, key)
        })
        .await;
        assert!(
            tally.of_code(429, "quota_exceeded") >= N,
            "{path}: {tally:?}"
        );
    }
    // A node that ended has stored everything.
    app.signal("TERM");
    assert!(app.ended().await.success());
    app = app.restart().await;
    client = client.at(app.base());
    for filter in [
        format!("api_id={of_api}"),
        format!("api_id={each_key}&key_id={other_id}"),
        format!("key_id={key_id}"),
    ] {
        assert_eq!(recorded(&client, &filter).await, N as u64, "{filter}");
    }
    assert!(recorded(&client, &format!("api_id={free}")).await > N as u64);
    let through_route = upstream_calls(&client, &of_route).await;
    assert_eq!(through_route, N, "of the route");
}

async fn verifications_are_recorded_and_outlive_the_process(engine: Engine) {
    let mut app = start(engine).await;
    let upstream = Upstream::echo().await;
    let mut client = app.stranger("ada").await;
    let api = client.create_api("echo", &upstream.base()).await;
    let (id, key) = client.create_key("k").await;
    let policy = json!({ "quotas": [{ "name": "monthly", "limit": 100, "period": "month" }] });
    client
        .put(&format!("/api-keys/{id}/limits"), &policy)
        .await
        .assert_status(200);
    let verify = async |client: &Client, cost: u64, code: &str| {
        let question = json!({ "key": key, "api_id": api, "path": "/a?b", "cost": cost });
        let answer = client.post("/api-keys/verify", &question).await;
        let told = answer.expect_status(200).json();
        assert_eq!(told["code"], code);
        told["remaining"].as_u64().expect("a number")
    };
    assert_eq!(verify(&client, 30, "valid").await, 70);
    for _ in 0..5 {
        client
            .send(client.proxy("GET", "/echo/x", &key))
            .await
            .assert_status(200);
    }
    assert_eq!(verify(&client, 66, "quota_exceeded").await, 65);
    app.kill();
    app = app.restart().await;
    client = client.at(app.base());
    assert_eq!(verify(&client, 0, "valid").await, 65);
    assert_eq!(verify(&client, 65, "valid").await, 0);
    client
        .send(client.proxy("GET", "/echo/x", &key))
        .await
        .assert_gateway_problem(429, "quota_exceeded");
    let path = "/usage/calls?kind=verification";
    let page = apiverse_testkit::eventually("verifications to be stored", async || {
        let page = client.get(path).await.expect_status(200).json();
        (page["data"].as_array()?.len() >= 3).then_some(page)
    })
    .await;
    let told: Vec<_> = page["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| {
            (
                one["cost"].clone(),
                one["status"].clone(),
                one["path"].clone(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [(65, 200), (66, 429), (30, 200)].map(|(cost, status)| (
            json!(cost),
            json!(status),
            json!("/a")
        ))
    );
    // They are no calls.
    assert_eq!(recorded(&client, "").await, 5);
}

/// Recorded calls of the API whose path is the limited route's.
async fn upstream_calls(client: &Client, api: &str) -> usize {
    let mut found = 0;
    let mut path = format!("/usage/calls?api_id={api}&status=2xx&limit=200");
    loop {
        let page = client.get(&path).await.expect_status(200).json();
        let calls = page["data"].as_array().expect("a list");
        found += calls.iter().filter(|call| call["path"] == "/in/x").count();
        let Some(cursor) = page["next_cursor"].as_str() else {
            return found;
        };
        path = format!("/usage/calls?api_id={api}&status=2xx&limit=200&cursor={cursor}");
    }
}
