//! Upstream policies from outside: set over REST, met by calls.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use apiverse_testkit::{Client, Engine, Faults, Upstream, both, eventually};
use bytes::Bytes;
use futures_util::future::join_all;
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::start;

both!(
    a_dead_target_is_ejected_and_comes_back,
    one_of_three_is_killed_under_load,
    a_flapping_target_costs_no_call,
    a_circuit_opens_and_closes,
    a_clients_key_is_kept_encrypted,
);

async fn set(client: &Client, api: &str, document: &Value) -> Value {
    let path = format!("/policies/api/{api}/upstream");
    let answer = client.put(&path, document).await;
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
    answer.json()
}

async fn health(client: &Client, api: &str, at: usize) -> String {
    let told = client.get(&format!("/apis/{api}/targets")).await;
    let told = told.expect_status(200).json();
    let health = &told["data"][0]["targets"][at]["health"];
    health.as_str().expect("a health").to_owned()
}

async fn a_dead_target_is_ejected_and_comes_back(engine: Engine) {
    let app = start(engine).await;
    let client = app.stranger("ada").await;
    let (one, two) = (Upstream::echo().await, Upstream::echo().await);
    let between = Faults::start(two.base().trim_start_matches("http://").to_owned()).await;
    let api = client.create_api("echo", &one.base()).await;
    let (_, key) = client.create_key("k").await;
    let document = json!({
        "targets": [{ "url": one.base() }, { "url": format!("http://{}", between.address()) }],
        "ejection": { "base_ms": 100, "max_ms": 200 },
    });
    set(&client, &api, &document).await;
    let call = async || {
        client
            .send(client.proxy("GET", "/echo/x", &key))
            .await
            .assert_status(200);
    };
    eventually("both have been called", async || {
        call().await;
        (!one.seen().is_empty() && !two.seen().is_empty()).then_some(())
    })
    .await;
    between.cut();
    eventually("the dead one is ejected", async || {
        call().await;
        (health(&client, &api, 1).await != "healthy").then_some(())
    })
    .await;
    assert_eq!(health(&client, &api, 0).await, "healthy");
    between.heal();
    eventually("it is back", async || {
        call().await;
        (health(&client, &api, 1).await == "healthy").then_some(())
    })
    .await;
    let before = two.seen().len();
    eventually("it has calls again", async || {
        call().await;
        (two.seen().len() > before).then_some(())
    })
    .await;
    let stranger = app.stranger("eve").await;
    stranger
        .get(&format!("/apis/{api}/targets"))
        .await
        .assert_problem(404, "api_not_found");
}

async fn a_circuit_opens_and_closes(engine: Engine) {
    let app = start(engine).await;
    let client = app.stranger("ada").await;
    let is_ill = std::sync::Arc::new(AtomicBool::new(true));
    let asked = std::sync::Arc::clone(&is_ill);
    let upstream = Upstream::start(move |_| {
        let mut response = Response::new(Full::new(Bytes::new()));
        if asked.load(Ordering::SeqCst) {
            *response.status_mut() = http::StatusCode::BAD_GATEWAY;
        }
        response
    })
    .await;
    let api = client.create_api("echo", &upstream.base()).await;
    let (_, key) = client.create_key("k").await;
    let breaker = json!({ "min_calls": 3, "open_ms": 200, "trials": 1 });
    set(
        &client,
        &api,
        &json!({ "breaker": breaker, "retries": { "max": 0 } }),
    )
    .await;
    let call = async || client.send(client.proxy("GET", "/echo/x", &key)).await;
    eventually("the circuit is open", async || {
        let answer = call().await;
        answer.header("x-apiverse-error")?;
        answer.assert_gateway_problem(503, "circuit_open");
        assert!(answer.header("retry-after").is_some());
        Some(())
    })
    .await;
    is_ill.store(false, Ordering::SeqCst);
    eventually("the circuit is closed", async || {
        (call().await.status == 200).then_some(())
    })
    .await;
}

async fn a_clients_key_is_kept_encrypted(engine: Engine) {
    let app = start(engine).await;
    let client = app.stranger("ada").await;
    let api = client.create_api("echo", "https://127.0.0.1:9").await;
    let made = rcgen::generate_simple_self_signed(["gateway".to_owned()]).expect("a certificate");
    let document = json!({
        "tls": {
            "client_certificate": made.cert.pem(),
            "client_key": made.signing_key.serialize_pem(),
        },
        "timeouts": { "connect_ms": 1000 },
    });
    let first = set(&client, &api, &document).await;
    let sealed = first["document"]["tls"]["client_key"]
        .as_str()
        .expect("a text");
    assert!(sealed.starts_with("sealed:"), "{sealed}");
    // The same again, and what was given back: nothing changes.
    assert_eq!(
        set(&client, &api, &document).await["version"],
        first["version"]
    );
    let given = &first["document"];
    assert_eq!(set(&client, &api, given).await["version"], first["version"]);

    let path = format!("/policies/api/{api}/upstream");
    let mut wrong = document.clone();
    wrong["tls"]["client_key"] = "sealed:AAAA".into();
    let told = client.put(&path, &wrong).await;
    let told = told.assert_problem(422, "validation_failed");
    assert_eq!(told["errors"][0]["field"], "tls.client_key");
    // What another organization's key looks like encrypted is of no use.
    let eve = app.stranger("eve").await;
    let other = eve.create_api("echo", "https://127.0.0.1:9").await;
    eve.put(&format!("/policies/api/{other}/upstream"), given)
        .await
        .assert_problem(422, "validation_failed");
    for (field, url) in [
        ("targets.0.url", "ftp://x"),
        ("targets.0.url", "http://10.0.0.1"),
    ] {
        let document = json!({ "targets": [{ "url": url }] });
        let told = client.put(&path, &document).await;
        let told = told.assert_problem(422, "validation_failed");
        assert_eq!(told["errors"][0]["field"], field);
    }
    let document = json!({ "mirror": { "url": "http://169.254.169.254" } });
    let told = client.put(&path, &document).await;
    let told = told.assert_problem(422, "validation_failed");
    assert_eq!(told["errors"][0]["field"], "mirror.url");
}

/// Calls from several connections at once until `done`; every answer that was not 200.
async fn under_load(client: &Client, key: &str, done: &AtomicBool) -> Vec<String> {
    let callers = (0..CALLERS).map(async |_| {
        let mut bad = Vec::new();
        while !done.load(Ordering::SeqCst) {
            let answer = client.send(client.proxy("GET", "/echo/x", key)).await;
            if answer.status != 200 {
                bad.push(format!("{} {}", answer.status, answer.text()));
            }
        }
        bad
    });
    join_all(callers).await.concat()
}

/// Callers at once.
const CALLERS: usize = 8;

/// Three targets, of which the last can be cut off, and an API that has them. A target is ejected
/// for `ejected_ms`.
async fn three(client: &Client, ejected_ms: u32) -> (String, [Upstream; 3], Faults) {
    let all = [
        Upstream::echo().await,
        Upstream::echo().await,
        Upstream::echo().await,
    ];
    let between = Faults::start(all[2].base().trim_start_matches("http://").to_owned()).await;
    let api = client.create_api("echo", &all[0].base()).await;
    let document = json!({
        "targets": [
            { "url": all[0].base() },
            { "url": all[1].base() },
            { "url": format!("http://{}", between.address()) },
        ],
        "ejection": { "base_ms": ejected_ms, "max_ms": ejected_ms },
        // No bound that a slow machine with few calls would meet.
        "retries": { "budget_min_per_second": 1000 },
    });
    set(client, &api, &document).await;
    (api, all, between)
}

async fn one_of_three_is_killed_under_load(engine: Engine) {
    let app = start(engine).await;
    let client = app.stranger("ada").await;
    let (api, all, between) = three(&client, 1_000).await;
    let (_, key) = client.create_key("k").await;
    let done = AtomicBool::new(false);
    let watch = async {
        eventually("all have calls", async || {
            all.iter()
                .all(|target| target.seen().len() > CALLERS)
                .then_some(())
        })
        .await;
        between.cut();
        let cut = Instant::now();
        eventually("the dead one is ejected", async || {
            (health(&client, &api, 2).await != "healthy").then_some(())
        })
        .await;
        println!("ejected after {} ms at most", cut.elapsed().as_millis());
        let told = client.get(&format!("/apis/{api}/targets")).await.json();
        // Three in a row are enough; what was under way by then may fail as well.
        let failed = told["data"][0]["targets"][2]["failed"].as_u64();
        assert!(failed.expect("a count") <= 3 + CALLERS as u64, "{told}");
        between.heal();
        let before = all[2].seen().len();
        eventually("it is back with its share", async || {
            let is_back = health(&client, &api, 2).await == "healthy";
            (is_back && all[2].seen().len() > before + 20).then_some(())
        })
        .await;
        println!("back after {} ms at most", cut.elapsed().as_millis());
        done.store(true, Ordering::SeqCst);
    };
    let (bad, ()) = tokio::join!(under_load(&client, &key, &done), watch);
    assert_eq!(
        bad,
        Vec::<String>::new(),
        "every call was answered by another"
    );
}

async fn a_flapping_target_costs_no_call(engine: Engine) {
    let app = start(engine).await;
    let client = app.stranger("ada").await;
    let (_, all, between) = three(&client, 100).await;
    let (_, key) = client.create_key("k").await;
    let done = AtomicBool::new(false);
    let others = || all[0].seen().len() + all[1].seen().len();
    let watch = async {
        for _ in 0..15 {
            for flap in [Faults::cut, Faults::heal] {
                flap(&between);
                let before = others();
                eventually("more calls", async || {
                    (others() > before + 20).then_some(())
                })
                .await;
            }
        }
        done.store(true, Ordering::SeqCst);
    };
    let (bad, ()) = tokio::join!(under_load(&client, &key, &done), watch);
    assert_eq!(bad, Vec::<String>::new());
    client.get("/health/ready").await.assert_status(200);
}
