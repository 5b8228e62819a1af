//! Input that is wrong in every way: each time a clear 4xx problem.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use futures_util::stream;
use http::Method;
use serde_json::json;

use super::app::App;

const JSON: &str = "application/json";

#[tokio::test]
async fn bodies_that_are_not_json() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    let deep = "[".repeat(50_000);
    for body in [
        b"".as_slice(),
        b"{",
        b"{\"name\": }",
        b"{\"name\": \"x\"} trailing",
        b"{\"name\": \"\xff\xfe\"}",
        b"\x00\x01\x02",
        b"{\"name\": 'single'}",
        b"{\"name\": \"line\nbreak\"}",
        deep.as_bytes(),
    ] {
        let call = app.post("/apis").bearer(&token).raw(JSON, body.to_vec());
        let answer = call.send().await;
        answer.is_problem(400, "malformed_json");
        assert!(answer.text_at("/detail").contains(" column "), "{answer:?}");
    }
}

#[tokio::test]
async fn bodies_with_wrong_fields() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    for (body, fields) in [
        (r#"{}"#, vec!["name"]),
        (
            r#"{"name":5,"base_url":"https://a.example.com"}"#,
            vec!["name"],
        ),
        (
            r#"{"name":"x","base_url":"https://a.example.com","is_active":"yes"}"#,
            vec!["is_active"],
        ),
        (
            r#"{"name":"x","base_url":"https://a.example.com","limits":{"idle_timeout_ms":1e99}}"#,
            vec!["limits.idle_timeout_ms"],
        ),
        (
            r#"{"nmae":"x","base_url":"https://a.example.com"}"#,
            vec!["nmae", "name"],
        ),
        (
            r#"{"name":"x","name":"y","base_url":"https://a.example.com"}"#,
            vec!["name"],
        ),
        (
            r#"{"name":"x","base_url":"https://a.example.com","auth_type":"bearer","auth_config":{"token":"a","token":"b"}}"#,
            vec!["auth_config.token"],
        ),
        (r#"[]"#, vec!["body"]),
        (r#""text""#, vec!["body"]),
        (r#"null"#, vec!["body"]),
    ] {
        let answer = app
            .post("/apis")
            .bearer(&token)
            .raw(JSON, body)
            .send()
            .await;
        assert_eq!(answer.fields(), fields, "{body}");
    }
    let typo = r#"{"name":"x","base_ulr":"https://a.example.com"}"#;
    let answer = app
        .post("/apis")
        .bearer(&token)
        .raw(JSON, typo)
        .send()
        .await;
    assert!(
        answer.text.contains("did you mean `base_url`?"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn an_upstream_address_that_makes_no_sense() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    for base_url in [
        "",
        "nonsense",
        "ftp://a.example.com",
        "https://",
        "javascript:alert(1)",
        "https://u:p@a.example.com",
    ] {
        let body = json!({ "name": "x", "base_url": base_url });
        let answer = app.post("/apis").bearer(&token).json(&body).send().await;
        assert_eq!(answer.fields(), ["base_url"], "{base_url}");
    }
}

#[tokio::test]
async fn a_secret_in_the_wrong_place_is_not_repeated() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    let body = json!({ "name": "x", "base_url": "https://a.example.com", "is_active": "hush-hush", "auth_type": "hush-hush" });
    let answer = app.post("/apis").bearer(&token).json(&body).send().await;
    answer.is_problem(422, "validation_failed");
    assert!(!answer.text.contains("hush"), "{answer:?}");
}

#[tokio::test]
async fn ten_megabytes_announced_or_not() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    let text = format!("{{\"name\":\"{}\"}}", "x".repeat(10 << 20));
    let answer = app
        .post("/apis")
        .bearer(&token)
        .raw(JSON, text.clone())
        .send()
        .await;
    answer.is_problem(413, "body_too_large");

    let chunks: Vec<Result<Bytes, Infallible>> = text
        .as_bytes()
        .chunks(16 << 10)
        .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
        .collect();
    let body = Body::from_stream(stream::iter(chunks));
    let answer = app
        .post("/apis")
        .bearer(&token)
        .raw(JSON, body)
        .send()
        .await;
    answer.is_problem(413, "body_too_large");
}

#[tokio::test]
async fn a_client_that_writes_it_all_first_still_gets_the_answer() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let app = App::start().await;
    let token = app.account("a@example.com").await;
    let address = app.listen().await;
    let mut client = tokio::net::TcpStream::connect(address)
        .await
        .expect("a connection");
    let body = vec![b' '; 10 << 20];
    let head = format!(
        "POST /apis HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    client
        .write_all(head.as_bytes())
        .await
        .expect("the head is taken");
    client.write_all(&body).await.expect("the body is taken");
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("body_too_large"), "{answer}");
}

#[tokio::test]
async fn a_body_without_end_is_left() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    let endless = stream::repeat(Ok::<_, Infallible>(Bytes::from_static(&[b' '; 65_536])));
    let call = app.post("/apis").bearer(&token);
    let answer = call.raw(JSON, Body::from_stream(endless)).send().await;
    answer.is_problem(413, "body_too_large");
}

#[tokio::test]
async fn a_body_that_breaks_off() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    let pieces = [
        Ok(Bytes::from_static(b"{\"name\":")),
        Err(std::io::Error::other("gone")),
    ];
    let body = Body::from_stream(stream::iter(pieces));
    let answer = app
        .post("/apis")
        .bearer(&token)
        .raw(JSON, body)
        .send()
        .await;
    answer.is_problem(400, "invalid_request");
}

#[tokio::test]
async fn a_content_type_that_is_not_json() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    let body = r#"{"name":"x"}"#;
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "nonsense",
    ] {
        let call = app.post("/api-keys").bearer(&token);
        let answer = call.raw(content_type, body).send().await;
        answer.is_problem(415, "unsupported_media_type");
    }
    let call = app.post("/api-keys").bearer(&token);
    let answer = call
        .raw("application/vnd.api+json; charset=utf-8", body)
        .send()
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

#[tokio::test]
async fn ids_that_are_none() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    for id in [
        "1",
        "nope",
        "%00",
        "%ff",
        "..%2f..",
        "01932c07-2a5e-7c3b-9d3e-5a1f0c7b8e2",
        "'%20or%201=1",
    ] {
        for (path, code) in [
            ("/apis", "api_not_found"),
            ("/api-keys", "api_key_not_found"),
            ("/api/v1/apis", "api_not_found"),
        ] {
            let answer = app.get(&format!("{path}/{id}")).bearer(&token).send().await;
            answer.is_problem(404, code);
        }
        let answer = app
            .call(Method::DELETE, &format!("/auth/sessions/{id}"))
            .bearer(&token)
            .send()
            .await;
        answer.is_problem(404, "session_not_found");
    }
}

#[tokio::test]
async fn queries_that_make_no_sense() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    for (path, field) in [
        ("/apis?limit=0", "limit"),
        ("/apis?limit=201", "limit"),
        ("/apis?limit=-1", "limit"),
        ("/apis?limit=99999999999999999999", "limit"),
        ("/apis?limit=ten", "limit"),
        ("/apis?limti=5", "limti"),
        ("/apis?limit=1&limit=2", "limit"),
        ("/usage?from=yesterday", "from"),
        ("/usage?api_id=7", "api_id"),
        ("/usage?status=200", "status"),
        (
            "/usage?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z",
            "from",
        ),
        (
            "/usage?from=2020-01-01T00:00:00Z&granularity=minute",
            "granularity",
        ),
        ("/usage/calls?limit=1000", "limit"),
        ("/usage/top?by=colour", "by"),
        ("/audit?limit=0", "limit"),
    ] {
        let answer = app.get(path).bearer(&token).send().await;
        assert_eq!(answer.fields(), [field], "{path}");
    }
    let answer = app.get("/apis?q=%ff").bearer(&token).send().await;
    answer.is_problem(400, "invalid_request");
}

#[tokio::test]
async fn cursors_that_are_garbled() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    for path in ["/apis", "/api-keys", "/audit", "/usage/calls"] {
        for cursor in [
            "x",
            "%00",
            "AAAA",
            "99999999999999999999",
            "'--",
            "eyJhIjoxfQ",
        ] {
            let call = app.get(&format!("{path}?cursor={cursor}")).bearer(&token);
            let answer = call.send().await;
            assert!(
                matches!(answer.status, 400 | 422),
                "{path} {cursor} {answer:?}"
            );
            assert_eq!(answer.header("content-type"), "application/problem+json");
        }
    }
}

#[tokio::test]
async fn extreme_times_do_not_break_the_clockwork() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    for query in [
        "from=-262143-01-01T00:00:00Z&to=%2B262142-12-31T00:00:00Z",
        "to=-262143-01-01T00:00:00Z",
        "from=0001-01-01T00:00:00Z",
        "to=9999-12-31T23:59:59Z",
    ] {
        let answer = app
            .get(&format!("/usage?{query}"))
            .bearer(&token)
            .send()
            .await;
        assert!(answer.status < 500, "{query} {answer:?}");
    }
}
