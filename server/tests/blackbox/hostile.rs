//! Input that nobody means well: each its documented problem, never a 5xx, never a hang.

use apiverse_testkit::{App, Engine, Raw, both};
use serde_json::json;

use crate::{options, start};

both!(
    bodies_that_are_not_what_they_should_be,
    ids_and_paths,
    private_upstreams_are_refused,
    requests_with_doubtful_framing_are_refused,
    cross_site_calls_with_a_cookie_are_refused,
);

async fn bodies_that_are_not_what_they_should_be(engine: Engine) {
    let app = start(engine).await;
    let client = app.stranger("ada").await;
    let send = async |body: Vec<u8>, kind: &str| {
        let request = client
            .request("POST", "/api/v1/apis")
            .header("content-type", kind);
        client.send(request.body(body)).await
    };
    const JSON: &str = "application/json";
    for malformed in [
        "",
        "{",
        "{\"name\":}",
        "nul",
        "{\"name\":\"a\"} x",
        "{'name':'a'}",
    ] {
        send(malformed.into(), JSON)
            .await
            .assert_problem(400, "malformed_json");
    }
    send(b"{\"name\":\"\xff\xfe\"}".to_vec(), JSON)
        .await
        .assert_problem(400, "malformed_json");
    let deep = format!(
        "{{\"auth_config\":{}{}}}",
        "[".repeat(5000),
        "]".repeat(5000)
    );
    let answer = send(deep.into_bytes(), JSON).await;
    assert!(matches!(answer.status, 400 | 422), "{}", answer.status);

    for (wrong, field) in [
        (json!([]), ""),
        (
            json!({ "name": 5, "base_url": "https://a.example" }),
            "name",
        ),
        (json!({ "base_url": "https://a.example" }), "name"),
        (
            json!({ "name": "a", "base_url": "https://a.example", "auth_type": "magic" }),
            "auth_type",
        ),
        (
            json!({ "name": "a", "base_url": "https://a.example", "is_active": "yes" }),
            "is_active",
        ),
        (
            json!({ "name": "a", "base_url": "ftp://a.example" }),
            "base_url",
        ),
        (
            json!({ "name": "a", "base_url": "https://u:p@a.example" }),
            "base_url",
        ),
        (json!({ "name": "a", "base_url": "not a url" }), "base_url"),
        (
            json!({ "name": "", "base_url": "https://a.example" }),
            "name",
        ),
        (
            json!({ "name": "a", "base_url": "https://a.example", "slug": "Not A Slug" }),
            "slug",
        ),
    ] {
        let problem = send(wrong.to_string().into_bytes(), JSON)
            .await
            .assert_problem(422, "validation_failed");
        let fields = problem["errors"].as_array().expect("errors");
        let named = fields.iter().any(|error| error["field"] == field);
        assert!(field.is_empty() || named, "{wrong}: {problem}");
    }
    let typo = json!({ "name": "a", "base_ulr": "https://a.example" })
        .to_string()
        .into_bytes();
    let problem = send(typo, JSON)
        .await
        .assert_problem(422, "validation_failed");
    assert!(
        problem.to_string().contains("base_url"),
        "a typo gets a hint: {problem}"
    );

    send(b"name=a".to_vec(), "application/x-www-form-urlencoded")
        .await
        .assert_problem(415, "unsupported_media_type");
    send(b"{}".to_vec(), "text/plain")
        .await
        .assert_problem(415, "unsupported_media_type");
    let huge = format!("{{\"name\":\"{}\"}}", "a".repeat(10 << 20)).into_bytes();
    send(huge, JSON).await.assert_problem(413, "body_too_large");
}

async fn ids_and_paths(engine: Engine) {
    let app = start(engine).await;
    let client = app.stranger("ada").await;
    for id in [
        "1",
        "not-an-id",
        "0190163d-8694-739b-aea5-966c26f8ad91",
        "%00",
        "'%20OR%201=1--",
        "..%2F",
    ] {
        client
            .get(&format!("/api/v1/apis/{id}"))
            .await
            .assert_problem(404, "api_not_found");
        client
            .get(&format!("/api-keys/{id}"))
            .await
            .assert_problem(404, "api_key_not_found");
        client
            .delete(&format!("/auth/sessions/{id}"))
            .await
            .assert_problem(404, "session_not_found");
    }
    for path in ["/api/v1/nothing", "/api/nothing", "/api/v1"] {
        client.get(path).await.assert_problem(404, "not_found");
    }
    let answer = client.send(client.request("PATCH", "/api/v1/apis")).await;
    answer.assert_problem(405, "method_not_allowed");
    assert!(
        answer
            .header("allow")
            .is_some_and(|allow| allow.contains("POST"))
    );
    for token in ["x", "a.b.c", "", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."] {
        let answer = client.with_token(token).get("/api/v1/auth/me").await;
        assert_eq!(answer.status, 401, "{token}: {}", answer.text());
        assert!(answer.header("www-authenticate").is_some());
    }
}

async fn private_upstreams_are_refused(engine: Engine) {
    let app = App::start(options(engine).env("ALLOW_PRIVATE_UPSTREAMS", "")).await;
    let client = app.stranger("ada").await;
    for base in [
        "http://127.0.0.1:9",
        "http://[::1]/",
        "http://10.1.2.3",
        "http://169.254.169.254/latest/meta-data",
        "http://0x7f.1",
        "http://2130706433",
        "http://[::ffff:192.168.0.1]",
        "http://0.0.0.0",
    ] {
        let body = json!({ "name": "inside", "base_url": base });
        client
            .post("/apis", &body)
            .await
            .assert_problem(422, "validation_failed");
    }
    // A name passes the form; its address is checked when it is connected to.
    client.create_api("local", "http://localhost:9").await;
    let (_, key) = client.create_key("k").await;
    client
        .send(client.proxy("GET", "/local/x", &key))
        .await
        .assert_gateway_problem(502, "upstream_blocked");
}

async fn requests_with_doubtful_framing_are_refused(engine: Engine) {
    let app = start(engine).await;
    let upstream = apiverse_testkit::Upstream::echo().await;
    let client = app.stranger("ada").await;
    client.create_api("echo", &upstream.base()).await;
    let (_, key) = client.create_key("k").await;
    for framing in [
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "Content-Length: 5, 6\r\n\r\nhello",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloGET / HTTP/1.1\r\n\r\n",
        "X-Bare: a\nX-Smuggled: b\r\n\r\n",
        "Content-Length: +5\r\n\r\nhello",
        "Content-Length: 0x5\r\n\r\nhello",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        "X-Folded: a\r\n b\r\n\r\n",
        "X-Nul: a\0b\r\n\r\n",
        "Bad Name: x\r\n\r\n",
    ] {
        let mut raw = Raw::connect(app.authority()).await;
        raw.send(format!(
            "POST /proxy/echo/x HTTP/1.1\r\nHost: h\r\nX-API-Key: {key}\r\n\
             Connection: close\r\n{framing}"
        ))
        .await;
        let answer = String::from_utf8_lossy(&raw.read_to_end().await).into_owned();
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{framing:?} was answered {answer}"
        );
    }
    let mut raw = Raw::connect(app.authority()).await;
    raw.send(format!(
        "GET /proxy/echo/x HTTP/1.1\r\nX-Big: {}\r\n",
        "x".repeat(1 << 20)
    ))
    .await;
    let answer = String::from_utf8_lossy(&raw.read_to_end().await).into_owned();
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
        "{answer}"
    );
    client
        .send(client.proxy("GET", "/echo/x", &key))
        .await
        .assert_status(200);
}

async fn cross_site_calls_with_a_cookie_are_refused(engine: Engine) {
    let app = start(engine).await;
    app.stranger("ada").await;
    let browser = app.anonymous();
    let form = "email=ada%40example.org&password=a+password+of+some+length";
    let login = |request: apiverse_testkit::RequestBuilder| {
        request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
    };
    let foreign = login(browser.request("POST", "/login")).header("sec-fetch-site", "cross-site");
    let refused = browser.send(foreign).await;
    assert_eq!(refused.status, 403, "{}", refused.text());

    let own = login(browser.request("POST", "/login")).header("sec-fetch-site", "same-origin");
    let signed_in = browser.send(own).await;
    assert_eq!(signed_in.status, 303, "{}", signed_in.text());
    let cookie = signed_in
        .header("set-cookie")
        .expect("a session")
        .to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().expect("a value").to_owned();

    let read = browser
        .request("GET", "/api/v1/apis")
        .header("cookie", &cookie);
    browser.send(read).await.assert_status(200);
    let body = json!({ "name": "a", "base_url": "https://a.example" });
    let create = |site: &str, origin: &str| {
        let request = browser
            .request("POST", "/api/v1/apis")
            .header("cookie", &cookie);
        let request = if site.is_empty() {
            request
        } else {
            request.header("sec-fetch-site", site)
        };
        let request = if origin.is_empty() {
            request
        } else {
            request.header("origin", origin)
        };
        request.json(&body)
    };
    for (site, origin) in [
        ("cross-site", ""),
        ("same-site", ""),
        ("", "https://evil.example"),
        ("", "null"),
        ("", ""),
    ] {
        let answer = browser.send(create(site, origin)).await;
        answer.assert_problem(403, "cross_site_request");
    }
    browser
        .send(create("same-origin", ""))
        .await
        .assert_status(201);
    browser
        .send(create("", app.base()))
        .await
        .assert_status(201);
}
