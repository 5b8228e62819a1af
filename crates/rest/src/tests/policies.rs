use http::Method;
use serde_json::{Value, json};

use super::app::{Answer, App, UNIFIED};

async fn send(app: &App, token: &str, method: Method, path: &str, body: &Value) -> Answer {
    app.call(method, path).bearer(token).json(body).send().await
}

async fn create(app: &App, token: &str, path: &str, body: &Value) -> String {
    let answer = send(app, token, Method::POST, path, body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.text_at("/id")
}

async fn put(app: &App, token: &str, path: &str, body: &Value) -> Answer {
    send(app, token, Method::PUT, path, body).await
}

async fn get(app: &App, token: &str, path: &str) -> Answer {
    app.get(path).bearer(token).send().await
}

async fn weather(app: &App, token: &str) -> String {
    let body = json!({ "name": "Weather", "base_url": "https://api.example.com" });
    create(app, token, "/apis", &body).await
}

#[tokio::test]
async fn a_policy_is_set_shown_and_rolled_back() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    let api = weather(&app, &token).await;
    let path = format!("/policies/api/{api}/cache");
    get(&app, &token, &path)
        .await
        .is_problem(404, "policy_not_found");

    let made = put(&app, &token, &path, &json!({})).await;
    assert_eq!((made.status, made.header("etag")), (201, "\"1\""));
    assert_eq!(made.at("/document/enabled"), json!(true));
    assert_eq!(made.text_at("/updated_by"), "a@example.com");
    let same = put(&app, &token, &path, &json!({})).await;
    assert_eq!((same.status, same.header("etag")), (200, "\"1\""));
    let off = put(&app, &token, &path, &json!({ "enabled": false })).await;
    assert_eq!((off.status, off.at("/version")), (200, json!(2)));
    let shown = get(&app, &token, &path).await;
    assert_eq!((shown.json(), shown.header("etag")), (off.json(), "\"2\""));

    let gone = app.call(Method::DELETE, &path).bearer(&token).send().await;
    assert_eq!(gone.status, 204);
    let gone = app.call(Method::DELETE, &path).bearer(&token).send().await;
    gone.is_problem(404, "policy_not_found");
    let history = get(&app, &token, &format!("{path}/history?limit=2")).await;
    assert_eq!(history.at("/data/0/document"), Value::Null);
    assert_eq!(history.at("/data/1/document/enabled"), json!(false));
    let cursor = history.text_at("/next_cursor");
    let rest = get(&app, &token, &format!("{path}/history?cursor={cursor}")).await;
    assert_eq!(rest.at("/data/0/version"), json!(1));
    assert_eq!(rest.at("/next_cursor"), Value::Null);

    let back = |version: u32| json!({ "version": version });
    let roll = format!("{path}/roll-back");
    let unknown = send(&app, &token, Method::POST, &roll, &back(9)).await;
    assert_eq!(unknown.fields(), ["version"]);
    let rolled = send(&app, &token, Method::POST, &roll, &back(2)).await;
    assert_eq!((rolled.status, rolled.at("/version")), (200, json!(4)));
    let shown = get(&app, &token, &path).await;
    assert_eq!(shown.at("/document/enabled"), json!(false));

    let audit = get(&app, &token, "/audit").await;
    assert_eq!(audit.text_at("/data/0/action"), "policy.rolled_back");
    assert_eq!(audit.at("/data/0/details/kind"), json!("cache"));
}

#[tokio::test]
async fn an_update_that_would_be_lost_is_refused() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    let path = "/policies/organization/current/mock";
    let conditional = |name: &'static str, value: &'static str, status: u16| {
        let body = json!({ "status": status });
        let call = app
            .call(Method::PUT, path)
            .bearer(&token)
            .header(name, value);
        async move { call.json(&body).send().await }
    };
    let failed = "precondition_failed";
    conditional("if-match", "*", 201)
        .await
        .is_problem(412, failed);
    conditional("if-match", "\"1\"", 201)
        .await
        .is_problem(412, failed);
    assert_eq!(conditional("if-none-match", "*", 201).await.status, 201);
    conditional("if-none-match", "*", 202)
        .await
        .is_problem(412, failed);
    assert_eq!(conditional("if-match", "\"1\"", 202).await.status, 200);
    let late = conditional("if-match", "\"1\"", 203).await;
    assert!(
        late.is_problem(412, failed)
            .text_at("/detail")
            .contains("version 2")
    );
    assert_eq!(
        conditional("if-match", "*", 203).await.header("etag"),
        "\"3\""
    );
    conditional("if-match", "three", 203)
        .await
        .is_problem(400, "invalid_request");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    let api = weather(&app, &token).await;
    let key = create(&app, &token, "/api-keys", &json!({ "name": "k" })).await;
    let own = "/policies/organization/current";

    let wrong = put(
        &app,
        &token,
        &format!("{own}/mock"),
        &json!({ "status": 99 }),
    )
    .await;
    assert_eq!(wrong.fields(), ["status"]);
    let unknown = put(
        &app,
        &token,
        &format!("{own}/mock"),
        &json!({ "statsu": 200 }),
    )
    .await;
    assert_eq!(unknown.fields(), ["statsu"]);
    let place = put(
        &app,
        &token,
        &format!("/policies/key/{key}/cors"),
        &json!({}),
    )
    .await;
    assert_eq!(place.fields(), ["cors"]);
    let private = json!({ "targets": [{ "url": "http://10.0.0.1" }] });
    let path = format!("/policies/api/{api}/upstream");
    let blocked = put(&app, &token, &path, &private).await;
    assert_eq!(blocked.fields(), ["targets.0.url"]);

    for path in [
        "/policies/api/x/cache".to_owned(),
        format!("/policies/planet/{api}/cache"),
        format!("/policies/api/{api}/magic"),
        format!("/policies/organization/{api}/cache"),
    ] {
        let answer = put(&app, &token, &path, &json!({})).await;
        answer.is_problem(404, "policy_not_found");
    }
    for (level, code) in [
        ("api", "api_not_found"),
        ("version", "version_not_found"),
        ("route", "route_not_found"),
        ("key", "api_key_not_found"),
    ] {
        let path = format!("/policies/{level}/01932c07-2a5e-7c3b-9d3e-5a1f0c7b8e21/cache");
        put(&app, &token, &path, &json!({}))
            .await
            .is_problem(404, code);
        get(&app, &token, &path).await.is_problem(404, code);
    }
}

#[tokio::test]
async fn effective_policies_name_their_origin() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    let api = weather(&app, &token).await;
    let key = create(&app, &token, "/api-keys", &json!({ "name": "mobile" })).await;
    let route = json!({ "name": "search", "path": "/search/*" });
    let route = create(&app, &token, &format!("/apis/{api}/routes"), &route).await;
    for (place, kind, document) in [
        ("organization/current".to_owned(), "cache", json!({})),
        ("organization/current".to_owned(), "compression", json!({})),
        (
            format!("api/{api}"),
            "cache",
            json!({ "default_ttl_seconds": 5 }),
        ),
        (format!("route/{route}"), "mock", json!({ "status": 204 })),
        (format!("key/{key}"), "cache", json!({ "enabled": false })),
    ] {
        let answer = put(
            &app,
            &token,
            &format!("/policies/{place}/{kind}"),
            &document,
        )
        .await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    let of_api = get(&app, &token, &format!("/policies/effective?api_id={api}")).await;
    let kinds = |answer: &Answer| {
        let policies = answer.at("/policies");
        let policies = policies.as_array().expect("a list").clone();
        let kind = |policy: &Value| policy["kind"].as_str().unwrap_or_default().to_owned();
        policies.iter().map(kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&of_api), ["cache", "compression"]);
    assert_eq!(of_api.at("/policies/0/from/level"), json!("api"));
    assert_eq!(of_api.at("/policies/0/from/target_name"), json!("Weather"));
    assert_eq!(
        of_api.at("/policies/0/overrides/0/level"),
        json!("organization")
    );

    let query = format!("/policies/effective?api_id={api}&key_id={key}&path=/search/x");
    let of_call = get(&app, &token, &query).await;
    assert_eq!(kinds(&of_call), ["mock", "cache", "compression"]);
    assert_eq!(of_call.at("/route"), json!("search"));
    assert_eq!(of_call.at("/policies/1/enabled"), json!(false));
    assert_eq!(of_call.at("/policies/1/from/level"), json!("key"));
    let overrides = of_call.at("/policies/1/overrides");
    assert_eq!(overrides.as_array().map(Vec::len), Some(2));

    let all = get(&app, &token, "/policies?limit=3").await;
    assert_eq!(all.at("/data").as_array().map(Vec::len), Some(3));
    let cursor = all.text_at("/next_cursor");
    let rest = get(&app, &token, &format!("/policies?cursor={cursor}")).await;
    assert_eq!(rest.at("/data").as_array().map(Vec::len), Some(2));
    let some = get(&app, &token, &format!("/policies?api_id={api}&kind=mock")).await;
    assert_eq!(some.at("/data/0/target_id"), json!(route));
    let wrong = get(&app, &token, "/policies/effective?path=/x").await;
    assert_eq!(wrong.fields(), ["api_id"]);
}

#[tokio::test]
async fn policies_of_others_are_unknown() {
    let app = App::start().await;
    let ada = app.account("a@example.com").await;
    let bob = app.account("b@example.com").await;
    let api = weather(&app, &ada).await;
    let path = format!("/policies/api/{api}/cache");
    assert_eq!(put(&app, &ada, &path, &json!({})).await.status, 201);
    get(&app, &bob, &path)
        .await
        .is_problem(404, "api_not_found");
    put(&app, &bob, &path, &json!({}))
        .await
        .is_problem(404, "api_not_found");
    get(&app, &bob, &format!("{path}/history"))
        .await
        .is_problem(404, "api_not_found");
    let query = format!("/policies/effective?api_id={api}");
    get(&app, &bob, &query)
        .await
        .is_problem(404, "api_not_found");
    let none = get(&app, &bob, "/policies").await;
    assert_eq!(none.at("/data"), json!([]));
    assert_eq!(get(&app, UNIFIED, "/policies").await.status, 200);
}

#[tokio::test]
async fn a_transform_is_tried_and_refused_where_it_cannot_be_compiled() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    let asked = json!({
        "kind": "request_transform",
        "document": { "body": { "jq": "{n: (.n + 1)}" }, "headers": { "set": { "x-a": "{key.name}" } } },
        "request": { "method": "POST", "path": "/x", "body": "{\"n\":1}" },
    });
    let shown = send(&app, &token, Method::POST, "/policies/preview", &asked).await;
    assert_eq!(shown.status, 200, "{shown:?}");
    assert_eq!(shown.text_at("/message/body"), "{\"n\":2}");
    assert_eq!(shown.at("/message/headers/0"), json!(["x-a", "example"]));
    assert_eq!(shown.at("").get("error"), None);

    let broken = json!({
        "kind": "request_transform", "document": { "body": { "jq": ".a |" } }, "request": {},
    });
    let refused = send(&app, &token, Method::POST, "/policies/preview", &broken).await;
    refused.is_problem(422, "validation_failed");
    assert_eq!(refused.text_at("/errors/0/field"), "document.body.jq");
    let api = weather(&app, &token).await;
    let path = format!("/policies/api/{api}/request_transform");
    let refused = put(&app, &token, &path, &broken["document"]).await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.text_at("/errors/0/field"), "body.jq");
    let anonymous = app
        .call(Method::POST, "/policies/preview")
        .json(&asked)
        .send()
        .await;
    assert_eq!(anonymous.status, 401);
}
