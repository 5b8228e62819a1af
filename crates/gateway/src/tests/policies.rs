//! Policies, by calls that meet them.

use apiverse_cluster::Change;
use apiverse_contract::RouteId;
use apiverse_contract::policies::{PolicyKind, PolicyScope};
use apiverse_store::RouteRow;
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::world::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn status(response: &Response<Bytes>) -> u16 {
    response.status().as_u16()
}

#[tokio::test]
async fn the_nearest_policy_answers() {
    let upstream = answering(OK).await;
    let world = World::new().await;
    let api = world.add_api(upstream, |_| {}).await;
    let mock =
        |status: u16| json!({ "status": status, "headers": { "x-from": "mock" }, "body": "b" });
    assert_eq!(status(&world.get("/proxy/x/a").await), 200);

    let kind = PolicyKind::Mock;
    let organization = PolicyScope::Organization;
    world.set_policy(organization, None, kind, mock(201)).await;
    assert_eq!(status(&world.get("/proxy/x/a").await), 201);
    world
        .set_policy(PolicyScope::Api(api), Some(api), kind, mock(202))
        .await;
    assert_eq!(status(&world.get("/proxy/x/a").await), 202);

    let route = RouteRow {
        id: RouteId(id()),
        organization_id: world.organization,
        api_id: api,
        name: "r".to_owned(),
        methods: Vec::new(),
        path: "/a/*".to_owned(),
        policy: Default::default(),
        created_at: now(),
        updated_at: now(),
    };
    assert!(
        world
            .store
            .route_insert(&route, 10, &audit())
            .await
            .unwrap()
    );
    world.gateway.apply(Change::Api(api)).await;
    world
        .set_policy(PolicyScope::Route(route.id), Some(api), kind, mock(203))
        .await;
    assert_eq!(status(&world.get("/proxy/x/a").await), 203);
    assert_eq!(status(&world.get("/proxy/x/b").await), 202);

    let (key, text) = world.add_key(world.organization, |_| {}).await;
    world
        .set_policy(
            PolicyScope::Key(key),
            None,
            kind,
            json!({ "enabled": false }),
        )
        .await;
    let request = || {
        let request = world.request("GET", "/proxy/x/a");
        let mut request = request.body(Full::default()).unwrap();
        request
            .headers_mut()
            .insert("x-api-key", text.parse().unwrap());
        request
    };
    assert_eq!(
        status(&world.send(request()).await),
        200,
        "the mock is switched off"
    );
    // Everything is read anew.
    world.gateway.apply(Change::Resync).await;
    assert_eq!(status(&world.send(request()).await), 200);
    assert_eq!(status(&world.get("/proxy/x/a").await), 203);
}

#[tokio::test]
async fn a_policys_answer_is_a_served_call() {
    let world = World::new().await;
    let upstream = answering(OK).await;
    let api = world
        .add_api(upstream, |row| row.allow_query_key = true)
        .await;
    let document = json!({
        "status": 203,
        "headers": { "x-from": "mock", "set-cookie": "apiverse_session=evil" },
        "body": "words",
    });
    world
        .set_policy(PolicyScope::Api(api), Some(api), PolicyKind::Mock, document)
        .await;
    let answer = world.get("/proxy/x").await;
    assert_eq!(answer.status(), StatusCode::NON_AUTHORITATIVE_INFORMATION);
    assert_eq!(answer.headers()["x-from"], "mock");
    assert!(answer.headers().contains_key("x-request-id"));
    assert!(
        !answer.headers().contains_key("set-cookie"),
        "the console's cookie"
    );
    assert_eq!(answer.body(), "words");
    let call = world.only_call().await;
    assert_eq!((call.status, call.refused, call.bytes_out), (203, false, 5));

    let head = world
        .request("HEAD", "/proxy/x")
        .body(Full::default())
        .unwrap();
    let answer = world.send(head).await;
    assert_eq!(answer.headers()["content-length"], "5");
    assert!(answer.body().is_empty());

    let address = format!("/proxy/x?api_key={}", world.key);
    let mut by_query = world
        .request("GET", &address)
        .body(Full::default())
        .unwrap();
    by_query.headers_mut().remove("x-api-key");
    let answer = world.send(by_query).await;
    assert_eq!(answer.headers()["content-security-policy"], "sandbox");
}

#[tokio::test]
async fn headers_change_on_both_ways() {
    let upstream = upstream(|mut socket| async move {
        while let Some(head) = read_head(&mut socket).await {
            let length = head.len();
            let answer =
                format!("HTTP/1.1 200 OK\r\nserver: x\r\ncontent-length: {length}\r\n\r\n{head}");
            if socket.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await;
    let world = World::new().await;
    let api = world.add_api(upstream, |_| {}).await;
    let scope = PolicyScope::Api(api);
    let request = json!({ "headers": { "remove": ["x-secret"], "set": { "x-added": "1" } } });
    let response = json!({ "headers": {
        "remove": ["server"],
        "set": { "x-made": "2" },
    } });
    world
        .set_policy(scope, Some(api), PolicyKind::RequestTransform, request)
        .await;
    world
        .set_policy(scope, Some(api), PolicyKind::ResponseTransform, response)
        .await;
    let call = world
        .request("POST", "/proxy/x/p?q")
        .header("x-secret", "s");
    let answer = world.send(call.body(Full::from("body")).unwrap()).await;
    assert_eq!(answer.headers()["x-made"], "2");
    assert!(!answer.headers().contains_key("server"));
    assert!(!answer.headers().contains_key("x-apiverse-error"));
    assert_ne!(answer.headers()["x-request-id"], "forged");
    let seen = String::from_utf8_lossy(answer.body()).to_ascii_lowercase();
    assert!(seen.starts_with("post /p?q http/1.1\r\n"), "{seen}");
    assert!(
        seen.contains("x-added: 1") && !seen.contains("x-secret"),
        "{seen}"
    );
}
