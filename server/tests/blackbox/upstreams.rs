//! Upstream policies from outside: set over REST, met by calls.

use apiverse_testkit::{Client, Engine, Faults, Upstream, both, eventually};
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::start;

both!(
    a_dead_target_is_ejected_and_comes_back,
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
    let is_ill = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let asked = std::sync::Arc::clone(&is_ill);
    let upstream = Upstream::start(move |_| {
        let mut response = Response::new(Full::new(Bytes::new()));
        if asked.load(std::sync::atomic::Ordering::SeqCst) {
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
        if answer.header("x-apiverse-error").is_none() {
            return None;
        }
        answer.assert_gateway_problem(503, "circuit_open");
        assert!(answer.header("retry-after").is_some());
        Some(())
    })
    .await;
    is_ill.store(false, std::sync::atomic::Ordering::SeqCst);
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
