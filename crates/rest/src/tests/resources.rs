use http::Method;
use serde_json::json;

use super::app::App;

const METHODS: [Method; 3] = [Method::GET, Method::PATCH, Method::DELETE];

#[tokio::test]
async fn an_api_from_creation_to_deletion() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    let body = json!({
        "name": "Weather API", "base_url": "https://api.example.com/v1",
        "auth_type": "bearer", "auth_config": { "token": "hush-hush" },
    });
    let answer = app
        .post("/api/v1/apis")
        .bearer(&token)
        .json(&body)
        .send()
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.at("/slug"), json!("weather-api"));
    assert!(!answer.text.contains("hush"), "{answer:?}");
    let id = answer.text_at("/id");
    assert_eq!(answer.header("location"), format!("/api/v1/apis/{id}"));

    let path = format!("/apis/{id}");
    let answer = app.get(&path).bearer(&token).send().await;
    assert_eq!(answer.at("/name"), json!("Weather API"));

    let patch = json!({ "description": "rain", "is_active": false });
    let answer = app
        .call(Method::PATCH, &path)
        .bearer(&token)
        .json(&patch)
        .send()
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.at("/description"), json!("rain"));
    assert_eq!(answer.at("/is_active"), json!(false));
    assert_eq!(answer.at("/name"), json!("Weather API"));

    let put = json!({ "name": "Sun", "base_url": "https://sun.example.com" });
    let answer = app
        .call(Method::PUT, &path)
        .bearer(&token)
        .json(&put)
        .send()
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.at("/description"), json!(null));
    assert_eq!(answer.at("/is_active"), json!(true));

    let answer = app.get("/apis?q=SUN&limit=1").bearer(&token).send().await;
    assert_eq!(answer.at("/data/0/id"), json!(id));
    assert_eq!(answer.at("/next_cursor"), json!(null));

    let answer = app.call(Method::DELETE, &path).bearer(&token).send().await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    app.get(&path)
        .bearer(&token)
        .send()
        .await
        .is_problem(404, "api_not_found");
}

#[tokio::test]
async fn lists_page_through_everything_once() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    for n in 0..5 {
        let body = json!({ "name": format!("k{n}") });
        let answer = app
            .post("/api-keys")
            .bearer(&token)
            .json(&body)
            .send()
            .await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    let mut names = Vec::new();
    let mut cursor = String::new();
    for _ in 0..5 {
        let path = format!("/api-keys?limit=2&cursor={cursor}");
        let answer = app.get(&path).bearer(&token).send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        for row in answer.at("/data").as_array().expect("rows") {
            names.push(row["name"].as_str().unwrap_or_default().to_owned());
        }
        match answer.at("/next_cursor").as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(names, ["k4", "k3", "k2", "k1", "k0"]);
}

#[tokio::test]
async fn a_key_is_shown_once_and_rotates() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    let body = json!({ "name": "Mobile", "environment": "test", "methods": ["GET"] });
    let answer = app
        .post("/api-keys")
        .bearer(&token)
        .json(&body)
        .send()
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let key = answer.text_at("/key");
    assert!(key.starts_with("apv_test_") && key.starts_with(&answer.text_at("/key_prefix")));
    assert_eq!(answer.header("cache-control"), "no-store");
    let path = format!("/api-keys/{}", answer.text_at("/id"));

    let answer = app.get(&path).bearer(&token).send().await;
    assert_eq!(answer.json().get("key"), None);
    assert!(!answer.text.contains(&key));

    let rotate = format!("{path}/rotate");
    let answer = app.post(&rotate).bearer(&token).send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_ne!(answer.text_at("/key"), key);
    assert!(answer.at("/previous_expires_at").is_string());
    let body = json!({ "grace_seconds": 0 });
    let answer = app.post(&rotate).bearer(&token).json(&body).send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = json!({ "grace_seconds": 99_999_999 });
    let answer = app.post(&rotate).bearer(&token).json(&body).send().await;
    assert_eq!(answer.fields(), ["grace_seconds"]);

    let answer = app
        .post(&format!("{path}/ticket"))
        .bearer(&token)
        .send()
        .await;
    assert!(answer.text_at("/ticket").starts_with("apvt_"), "{answer:?}");

    let answer = app.call(Method::DELETE, &path).bearer(&token).send().await;
    assert_eq!(answer.status, 204, "{answer:?}");
    let answer = app.get(&path).bearer(&token).send().await;
    assert_eq!(answer.at("/status"), json!("revoked"));
    app.post(&rotate)
        .bearer(&token)
        .send()
        .await
        .is_problem(409, "api_key_revoked");
}

#[tokio::test]
async fn what_belongs_to_another_tenant_does_not_exist() {
    let app = App::start().await;
    let owner = app.account("owner@example.com").await;
    let other = app.account("other@example.com").await;
    let body = json!({ "name": "Mine", "base_url": "https://api.example.com" });
    let api = app
        .post("/apis")
        .bearer(&owner)
        .json(&body)
        .send()
        .await
        .text_at("/id");
    let body = json!({ "name": "Mine" });
    let key = app
        .post("/api-keys")
        .bearer(&owner)
        .json(&body)
        .send()
        .await
        .text_at("/id");
    let sessions = app.get("/auth/sessions").bearer(&owner).send().await;
    let session = sessions.text_at("/data/0/id");

    for method in METHODS {
        for (path, code) in [
            (format!("/apis/{api}"), "api_not_found"),
            (format!("/api-keys/{key}"), "api_key_not_found"),
        ] {
            let call = app.call(method.clone(), &path).bearer(&other);
            call.json(&json!({})).send().await.is_problem(404, code);
        }
    }
    for path in ["rotate", "ticket"] {
        let path = format!("/api-keys/{key}/{path}");
        let answer = app.post(&path).bearer(&other).send().await;
        answer.is_problem(404, "api_key_not_found");
    }
    app.call(Method::DELETE, &format!("/auth/sessions/{session}"))
        .bearer(&other)
        .send()
        .await
        .is_problem(404, "session_not_found");
    for path in ["/apis", "/api-keys"] {
        let answer = app.get(path).bearer(&other).send().await;
        assert_eq!(answer.at("/data"), json!([]));
    }
    // A key for another tenant's API.
    let body = json!({ "name": "k", "api_ids": [api] });
    let answer = app
        .post("/api-keys")
        .bearer(&other)
        .json(&body)
        .send()
        .await;
    assert!(matches!(answer.status, 404 | 422), "{answer:?}");
}

#[tokio::test]
async fn usage_and_audit_answer_their_shapes() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    let answer = app
        .get("/usage?granularity=hour")
        .bearer(&token)
        .send()
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.at("/totals/calls"), json!(0));
    assert!(
        answer
            .at("/series")
            .as_array()
            .is_some_and(|steps| steps.len() >= 24)
    );
    for path in ["/usage/calls", "/usage/top?by=key"] {
        let answer = app.get(path).bearer(&token).send().await;
        assert_eq!(answer.json(), json!({ "data": [], "next_cursor": null }));
    }
    let answer = app.get("/audit?limit=1").bearer(&token).send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.at("/data").as_array().map(Vec::len), Some(1));
}
