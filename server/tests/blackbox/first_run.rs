//! What a newcomer sees.

use apiverse_testkit::{Engine, both, eventually};
use serde_json::Value;

use crate::{options, start};

both!(
    the_printed_line_proxies_a_call,
    the_second_start_keeps_what_is_there
);

async fn the_printed_line_proxies_a_call(engine: Engine) {
    let app = start(engine).await;
    let printed = app.stdout();
    let line = printed
        .lines()
        .find(|line| line.contains("curl"))
        .expect("a curl line");
    let (url, key) = parts(line);
    assert!(url.contains("/proxy/sample/"), "{line}");
    let path = &url[url.find("/proxy/sample").expect("a path") + "/proxy".len()..];
    let client = app.admin().await;
    let answer = client
        .send(client.proxy("GET", path, &key))
        .await
        .expect_status(200);
    assert_eq!(answer.json()["method"], "GET");
    assert!(
        !answer.text().contains(&key),
        "the consumer's key must not reach the upstream"
    );

    eventually("the call in usage", async || {
        let usage = client.get("/api/v1/usage").await.expect_status(200).json();
        (usage["totals"]["calls"] == 1).then_some(())
    })
    .await;
    let calls = client
        .get("/api/v1/usage/calls")
        .await
        .expect_status(200)
        .json();
    let call = &calls["data"][0];
    assert_eq!(call["status"], 200);
    assert_eq!(call["method"], "GET");
    assert!(
        call["api_name"].is_string() && call["key_name"].is_string(),
        "{call}"
    );
    assert!(
        call["upstream_ms"].as_f64().is_some_and(|ms| ms >= 0.0),
        "{call}"
    );
    assert_eq!(
        call["request_id"],
        answer.header("x-request-id").expect("a request id")
    );
}

async fn the_second_start_keeps_what_is_there(engine: Engine) {
    let mut app = start(engine).await;
    let first = app
        .admin()
        .await
        .get("/api/v1/apis")
        .await
        .expect_status(200)
        .json();
    app.signal("TERM");
    assert!(app.ended().await.success());
    let app = app.restart().await;
    let printed = app.stdout();
    assert!(
        !printed.contains("apv_live_"),
        "a key is shown once: {printed}"
    );
    let second = app
        .admin()
        .await
        .get("/api/v1/apis")
        .await
        .expect_status(200)
        .json();
    assert_eq!(first, second);
    assert_eq!(slugs(&second), ["sample"]);
}

#[tokio::test]
async fn without_a_chosen_password_one_is_generated_and_works() {
    let options = options(Engine::Sqlite)
        .env("APIVERSE_ADMIN_PASSWORD", "")
        .env("APIVERSE_ADMIN_EMAIL", "");
    let app = apiverse_testkit::App::start(options).await;
    let printed = app.stdout();
    let value = |label: &str| {
        let line = printed
            .lines()
            .find(|line| line.contains(label))
            .expect(label);
        line.split_whitespace().last().expect("a value").to_owned()
    };
    let (email, password) = (value("E-mail"), value("Password"));
    assert!(password.len() >= 16);
    app.anonymous().login(&email, &password).await;
    assert!(
        !app.stderr().contains(&password),
        "the password must not be logged"
    );
}

#[tokio::test]
async fn production_has_no_sample() {
    let secret =
        |n: u8| format!("{n}b7e151628aed2a6abf7158809cf4f3c762e7160f38b4da56a784d9045190cfe");
    let options = options(Engine::Sqlite)
        .env("ENVIRONMENT", "production")
        .env("SECRET_KEY", &secret(1))
        .env("JWT_SECRET", &secret(2))
        .env("JWT_REFRESH_SECRET", &secret(3));
    let app = apiverse_testkit::App::start(options).await;
    let apis = app
        .admin()
        .await
        .get("/api/v1/apis")
        .await
        .expect_status(200)
        .json();
    assert_eq!(slugs(&apis), Vec::<String>::new());
    let sample = serde_json::json!({ "name": "s", "base_url": "http://sample.apiverse.internal" });
    app.admin()
        .await
        .post("/apis", &sample)
        .await
        .assert_problem(422, "validation_failed");
}

fn slugs(page: &Value) -> Vec<String> {
    let data = page["data"].as_array().expect("a list");
    data.iter()
        .map(|api| api["slug"].as_str().expect("a slug").to_owned())
        .collect()
}

/// Address and key of a printed curl line.
fn parts(line: &str) -> (String, String) {
    let mut url = None;
    let mut key = None;
    for word in line.split_whitespace() {
        let word = word.trim_matches(|c| c == '"' || c == '\'');
        if word.starts_with("http://") {
            url = Some(word.to_owned());
        }
        if word.starts_with("apv_live_") {
            key = Some(word.to_owned());
        }
    }
    (url.expect("an address"), key.expect("a key"))
}
