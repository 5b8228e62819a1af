//! The REST API of APIs.

use apiverse_testkit::{Engine, both};
use serde_json::json;

use crate::start;

both!(
    create_read_change_delete,
    lists_page_and_search,
    tenants_are_apart,
    secrets_never_come_back
);

async fn create_read_change_delete(engine: Engine) {
    let app = start(engine).await;
    let client = app.stranger("ada").await;
    let body = json!({
        "name": "Weather Service",
        "description": "forecasts",
        "base_url": "https://api.example.com/v1/",
        "auth_type": "none",
    });
    let api = client.post("/apis", &body).await.expect_status(201).json();
    assert_eq!(api["slug"], "weather-service");
    assert_eq!(api["base_url"], "https://api.example.com/v1");
    assert_eq!(api["is_active"], true);
    let path = format!("/api/v1/apis/{}", api["id"].as_str().expect("an id"));
    assert_eq!(client.get(&path).await.expect_status(200).json(), api);

    let again = client.post("/apis", &body).await.expect_status(201).json();
    assert_ne!(
        again["slug"], api["slug"],
        "a slug made from the name gives way"
    );
    let mut taken = body.clone();
    taken["slug"] = json!("weather-service");
    client
        .post("/apis", &taken)
        .await
        .assert_problem(409, "slug_taken");

    let patch = json!({ "description": null, "is_active": false });
    let patched = client.patch(&path, &patch).await.expect_status(200).json();
    assert_eq!(patched["description"], json!(null));
    assert_eq!(patched["is_active"], false);
    assert_eq!(patched["name"], "Weather Service");

    let put = json!({ "name": "Rain", "base_url": "https://rain.example.com" });
    let replaced = client.put(&path, &put).await.expect_status(200).json();
    assert_eq!(replaced["name"], "Rain");
    assert_eq!(
        replaced["is_active"], true,
        "what PUT leaves out is back at its default"
    );

    client.delete(&path).await.assert_status(204);
    client.get(&path).await.assert_problem(404, "api_not_found");
    client
        .delete(&path)
        .await
        .assert_problem(404, "api_not_found");
}

async fn lists_page_and_search(engine: Engine) {
    let app = start(engine).await;
    let client = app.stranger("ada").await;
    for n in 0..7 {
        client
            .create_api(&format!("api-{n}"), "https://example.com")
            .await;
    }
    let mut seen = Vec::new();
    let mut path = "/apis?limit=3".to_owned();
    loop {
        let page = client.get(&path).await.expect_status(200).json();
        for api in page["data"].as_array().expect("a list") {
            seen.push(api["slug"].as_str().expect("a slug").to_owned());
        }
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/apis?limit=3&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(
        seen,
        [
            "api-6", "api-5", "api-4", "api-3", "api-2", "api-1", "api-0"
        ]
    );
    let found = client.get("/apis?q=API-4").await.expect_status(200).json();
    assert_eq!(found["data"].as_array().map(Vec::len), Some(1));
    for bad in [
        "limit=0",
        "limit=201",
        "limit=x",
        "cursor=garbled",
        "nonsense=1",
    ] {
        let answer = client.get(&format!("/apis?{bad}")).await;
        assert!(
            matches!(answer.status, 400 | 422),
            "{bad}: {}",
            answer.text()
        );
    }
}

async fn tenants_are_apart(engine: Engine) {
    let app = start(engine).await;
    let ada = app.stranger("ada").await;
    let bob = app.stranger("bob").await;
    let id = ada.create_api("mine", "https://example.com").await;
    bob.create_api("mine", "https://example.com").await;
    let path = format!("/apis/{id}");
    bob.get(&path).await.assert_problem(404, "api_not_found");
    bob.patch(&path, &json!({ "name": "taken over" }))
        .await
        .assert_problem(404, "api_not_found");
    let put = json!({ "name": "x", "base_url": "https://evil.example" });
    bob.put(&path, &put)
        .await
        .assert_problem(404, "api_not_found");
    bob.delete(&path).await.assert_problem(404, "api_not_found");
    let key = json!({ "name": "k", "api_ids": [id] });
    bob.post("/api-keys", &key)
        .await
        .assert_problem(422, "validation_failed");
    let listed = bob.get("/apis").await.expect_status(200).json();
    assert!(!listed.to_string().contains(&id));
    assert_eq!(
        ada.get(&path).await.expect_status(200).json()["name"],
        "mine"
    );
    let usage = bob
        .get(&format!("/usage?api_id={id}"))
        .await
        .expect_status(200)
        .json();
    assert_eq!(usage["totals"]["calls"], 0);
}

async fn secrets_never_come_back(engine: Engine) {
    let app = start(engine).await;
    let client = app.stranger("ada").await;
    for (auth_type, config) in [
        (
            "api_key",
            json!({ "name": "X-Key", "value": "hush-hush", "in": "header" }),
        ),
        ("bearer", json!({ "token": "hush-hush" })),
        ("basic", json!({ "username": "u", "password": "hush-hush" })),
        (
            "oauth2",
            json!({
                "token_url": "https://auth.example.com/token",
                "client_id": "c",
                "client_secret": "hush-hush",
            }),
        ),
    ] {
        let body = json!({
            "name": auth_type,
            "base_url": "https://example.com",
            "auth_type": auth_type,
            "auth_config": config,
        });
        let created = client.post("/apis", &body).await.expect_status(201);
        assert!(!created.text().contains("hush-hush"), "{auth_type}");
        assert_eq!(created.json()["auth_type"], auth_type);
        let path = format!("/apis/{}", created.json()["id"].as_str().expect("an id"));
        // A settings form sends back what it was shown.
        let shown = client.get(&path).await.expect_status(200).json();
        let patch = json!({ "auth_type": auth_type, "auth_config": shown["auth_config"] });
        client.patch(&path, &patch).await.assert_status(200);
    }
    let audit = client.get("/audit").await.expect_status(200).text();
    assert!(!audit.contains("hush-hush"));
    assert!(!app.stderr().contains("hush-hush"));
    if engine == Engine::Sqlite {
        for entry in std::fs::read_dir(app.data_dir()).expect("a folder") {
            let bytes = std::fs::read(entry.expect("a file").path()).unwrap_or_default();
            assert!(
                !bytes.windows(9).any(|window| window == b"hush-hush"),
                "credentials must be encrypted at rest"
            );
        }
    }
}
