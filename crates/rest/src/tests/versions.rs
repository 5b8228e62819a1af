use http::Method;
use serde_json::{Value, json};

use super::app::{Answer, App};

async fn send(app: &App, token: &str, method: Method, path: &str, body: &Value) -> Answer {
    app.call(method, path).bearer(token).json(body).send().await
}

async fn get(app: &App, token: &str, path: &str) -> Answer {
    app.get(path).bearer(token).send().await
}

async fn weather(app: &App, token: &str) -> String {
    let body = json!({ "name": "Weather", "base_url": "https://api.example.com" });
    let answer = send(app, token, Method::POST, "/apis", &body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.text_at("/id")
}

#[tokio::test]
async fn versions_come_and_go() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    let api = weather(&app, &token).await;
    let path = format!("/apis/{api}/versions");
    let all = get(&app, &token, &path).await;
    assert_eq!(all.at("/data/0/name"), json!("default"));
    assert_eq!(all.at("/data/0/is_default"), json!(true));

    let body = json!({ "name": "v2", "base_url": "https://v2.example.com/" });
    let made = send(&app, &token, Method::POST, &path, &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.at("/base_url"), json!("https://v2.example.com"));
    let id = made.text_at("/id");
    assert_eq!(made.header("location"), format!("/api/v1{path}/{id}"));
    let again = send(&app, &token, Method::POST, &path, &body).await;
    again.is_problem(409, "version_name_taken");
    let wrong = json!({
        "name": "v 2", "base_url": "ftp://x", "refuse_after_sunset": true, "link": "x",
    });
    let wrong = send(&app, &token, Method::POST, &path, &wrong).await;
    assert_eq!(wrong.fields(), ["name", "link", "sunset_at", "base_url"]);

    let one = format!("{path}/{id}");
    let end = json!({
        "deprecated_at": "2026-01-01T00:00:00Z", "sunset_at": "2026-06-01T00:00:00Z",
        "refuse_after_sunset": true, "link": "https://example.com/moving",
    });
    let ended = send(&app, &token, Method::PATCH, &one, &end).await;
    assert_eq!(ended.at("/sunset_at"), json!("2026-06-01T00:00:00Z"));
    let kept = send(&app, &token, Method::PATCH, &one, &json!({ "link": null })).await;
    assert_eq!(kept.at("/link"), Value::Null);
    assert_eq!(kept.at("/refuse_after_sunset"), json!(true));
    assert_eq!(get(&app, &token, &one).await.json(), kept.json());
    assert_eq!(
        get(&app, &token, &format!("{one}/callers"))
            .await
            .at("/data"),
        json!([])
    );

    let policy = format!("/policies/version/{id}/cache");
    let set = send(&app, &token, Method::PUT, &policy, &json!({})).await;
    assert_eq!(set.status, 201, "{set:?}");
    let query = format!("/policies/effective?api_id={api}&version_id={id}");
    let effective = get(&app, &token, &query).await;
    assert_eq!(effective.at("/policies/0/from/level"), json!("version"));
    assert_eq!(effective.at("/version"), json!("v2"));

    let gone = app.call(Method::DELETE, &one).bearer(&token).send().await;
    assert_eq!(gone.status, 204);
    get(&app, &token, &one)
        .await
        .is_problem(404, "version_not_found");
    get(&app, &token, &policy)
        .await
        .is_problem(404, "version_not_found");
    let default = all.text_at("/data/0/id");
    let one = format!("{path}/{default}");
    let stays = app.call(Method::DELETE, &one).bearer(&token).send().await;
    assert_eq!(stays.fields(), ["version_id"]);
    let renamed = send(&app, &token, Method::PATCH, &one, &json!({ "name": "v1" })).await;
    assert_eq!(renamed.fields(), ["name"]);
}

#[tokio::test]
async fn callers_choose_as_set() {
    let app = App::start().await;
    let ada = app.account("a@example.com").await;
    let bob = app.account("b@example.com").await;
    let api = weather(&app, &ada).await;
    let path = format!("/apis/{api}/versioning");
    let default = json!({ "in": "path", "default": "default" });
    assert_eq!(get(&app, &ada, &path).await.json(), default);
    let header = json!({ "in": "header", "name": "accept-version", "default": "default" });
    let put = send(&app, &ada, Method::PUT, &path, &header).await;
    assert_eq!((put.status, put.json()), (200, header.clone()));
    assert_eq!(get(&app, &ada, &path).await.json(), header);
    let unknown = send(&app, &ada, Method::PUT, &path, &json!({ "default": "v9" })).await;
    assert_eq!(unknown.fields(), ["default"]);
    for path in [path, format!("/apis/{api}/versions")] {
        get(&app, &bob, &path)
            .await
            .is_problem(404, "api_not_found");
    }
}
