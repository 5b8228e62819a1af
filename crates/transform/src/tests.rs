use apiverse_contract::policies::transform::{RequestTransformPolicy, ResponseTransformPolicy};
use apiverse_contract::policies::{PolicyDocument, PolicyKind, PolicyLevel};
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn request(document: Value) -> RequestChange {
    let policy: RequestTransformPolicy = serde_json::from_value(document).unwrap();
    policy.validate(PolicyLevel::Api).unwrap();
    RequestChange::new(&policy).unwrap()
}

fn facts<'c>(
    path: &'c str,
    query: Option<&'c str>,
    headers: &'c HeaderMap,
    captured: &'c [(String, String)],
) -> Facts<'c> {
    Facts {
        method: "GET",
        path,
        query,
        headers,
        request_id: "req-1",
        captured,
        key_id: "key-1",
        key_name: "Max",
        key_environment: "live",
        api_id: "api-1",
        api_slug: "shop",
        response: None,
    }
}

fn address(document: Value, path: &str, query: Option<&str>) -> Result<String, ChangeError> {
    let captured = [
        ("id".to_owned(), "a b/../c".to_owned()),
        ("up".to_owned(), "..".to_owned()),
    ];
    let headers = HeaderMap::new();
    let (path, query) = request(document).address(&facts(path, query, &headers, &captured))?;
    Ok(match query {
        Some(query) => format!("{path}?{query}"),
        None => path,
    })
}

#[test]
fn paths_are_rewritten() {
    for (change, path, expected) in [
        (json!({ "strip_prefix": "/v1" }), "/v1/users", "/users"),
        (json!({ "strip_prefix": "/v1" }), "/v1", ""),
        (json!({ "strip_prefix": "/v1" }), "/v10/users", "/v10/users"),
        (json!({ "strip_prefix": "/v1/" }), "/v1/users", "/users"),
        (json!({ "add_prefix": "/in/" }), "/users", "/in/users"),
        (
            json!({ "strip_prefix": "/v1", "add_prefix": "/v2" }),
            "/v1/x%2Fy",
            "/v2/x%2Fy",
        ),
        (
            json!({ "template": "/u/{path.id}/{api.slug}" }),
            "/",
            "/u/a%20b%2F..%2Fc/shop",
        ),
        (
            json!({ "template": "/all{request.path}" }),
            "/a/%62",
            "/all/a/%62",
        ),
        (json!({ "template": "/all/{request.path}" }), "/a", "/all/a"),
        (
            json!({ "strip_prefix": "/a", "template": "/x{request.path}" }),
            "/a/b",
            "/x/b",
        ),
        (json!({ "template": "/{{x}}" }), "/", "/{x}"),
    ] {
        let made = address(json!({ "path": change.clone() }), path, None);
        assert_eq!(made.as_deref(), Ok(expected), "{change}");
    }
    for template in ["/u/{path.up}", "/u/{path.nothing}", "/u/{request.query.x}"] {
        let made = address(
            json!({ "path": { "template": template } }),
            "/",
            Some("x=.."),
        );
        assert_eq!(made, Err(ChangeError::Path), "{template}");
    }
}

#[test]
fn queries_are_changed_and_the_rest_stays_as_it_is() {
    let all = json!({ "query": {
        "remove": ["debug"], "rename": { "q": "search" }, "set": { "page": "{request.query.p}" },
        "append": { "tag": "a&b" }, "default": { "lang": "de", "x": "y" },
    }});
    for (before, after) in [
        (
            Some("debug=1&q=a%20b&x=%41&p=2&debug"),
            "/?search=a%20b&x=%41&p=2&page=2&tag=a%26b&lang=de",
        ),
        (None, "/?tag=a%26b&lang=de&x=y"),
        (
            Some("page=7&search=old&q=new&x"),
            "/?page=7&search=new&x&tag=a%26b&lang=de",
        ),
    ] {
        assert_eq!(
            address(all.clone(), "/", before).as_deref(),
            Ok(after),
            "{before:?}"
        );
    }
    assert_eq!(
        address(json!({}), "/", Some("a=1&&b")).as_deref(),
        Ok("/?a=1&b")
    );
}

#[test]
fn headers_are_changed_in_order() {
    let change = request(json!({ "headers": {
        "remove": ["x-gone"], "rename": { "x-old": "x-new" },
        "set": { "x-who": "{key.name}/{key.environment}", "x-old": "was {request.header.x-old}",
            "x-unset": "{request.header.x-nothing}", "x-empty": "[{request.header.x-nothing}]" },
        "append": { "accept": "text/x" }, "default": { "x-new": "no", "x-default": "yes" },
    }}));
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("x-gone", "1"),
        ("x-old", "2"),
        ("accept", "a/b"),
        ("x-new", "0"),
        ("x-unset", "stays"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let before = headers.clone();
    change
        .headers(&facts("/", None, &before, &[]), &mut headers)
        .unwrap();
    for (name, value) in [
        ("x-new", "2"),
        ("x-who", "Max/live"),
        ("x-old", "was 2"),
        ("x-unset", "stays"),
        ("x-empty", "[]"),
        ("x-default", "yes"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    assert_eq!(headers.get_all("accept").iter().count(), 2);
    assert!(!headers.contains_key("x-gone"));
}

#[test]
fn lines_do_not_get_into_headers() {
    let change = request(json!({ "headers": { "set": { "x-a": "v {request.query.q}" } } }));
    for query in ["q=a%0d%0aset-cookie:%20x", "q=%00", "q=%0a", "q=%7f"] {
        let mut headers = HeaderMap::new();
        let before = HeaderMap::new();
        let made = change.headers(&facts("/", Some(query), &before, &[]), &mut headers);
        assert_eq!(made, Err(ChangeError::Header("x-a".to_owned())), "{query}");
        assert!(headers.is_empty());
    }
}

#[test]
fn what_is_not_theirs_cannot_be_named() {
    for name in [
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "Connection",
        "TE",
        "Trailer",
        "Upgrade",
        "Keep-Alive",
        "X-API-Key",
        "Authorization",
        "Cookie",
        "X-Forwarded-For",
        "Via",
        "X-Request-Id",
        "X-Apiverse-Error",
        "Content-Encoding",
        "Proxy-Authorization",
        "Access-Control-Allow-Origin",
        "a b",
        "",
        "x\r\ny",
        "x:y",
    ] {
        for list in ["remove", "set", "append", "default", "rename"] {
            let names = match list {
                "remove" => json!([name]),
                "rename" => json!({ "x-a": name }),
                _ => json!({ name: "1" }),
            };
            for kind in [PolicyKind::RequestTransform, PolicyKind::ResponseTransform] {
                let document = json!({ "headers": { list: names } });
                let document = PolicyDocument::from_value(kind, document).unwrap();
                assert!(
                    document.validate(PolicyLevel::Api).is_err(),
                    "{name} {list} {kind}"
                );
            }
        }
    }
    for document in [
        json!({ "headers": { "set": { "x": "a\r\nb: c" } } }),
        json!({ "method": "CONNECT" }),
        json!({ "method": "GET / HTTP/1.1\r\n" }),
        json!({ "path": { "add_prefix": "x" } }),
        json!({ "path": { "template": "/a?b=c" } }),
        json!({ "path": { "template": "/a\r\n" } }),
        json!({ "query": { "set": { "api_key": "x" } } }),
        json!({ "body": { "jq": "" } }),
        json!({ "body": { "jq": ".", "max_ms": 60000 } }),
    ] {
        let read = PolicyDocument::from_value(PolicyKind::RequestTransform, document.clone());
        assert!(
            read.unwrap().validate(PolicyLevel::Api).is_err(),
            "{document}"
        );
    }
}

#[test]
fn what_does_not_compile_is_said_with_its_field() {
    for (kind, document, field) in [
        (
            "request_transform",
            json!({ "headers": { "set": { "x": "{nothing}" } } }),
            "headers.set.x",
        ),
        (
            "request_transform",
            json!({ "headers": { "set": { "x": "{request.header.Authorization}" } } }),
            "headers.set.x",
        ),
        (
            "request_transform",
            json!({ "headers": { "set": { "x": "{request.header.x-api-key}" } } }),
            "headers.set.x",
        ),
        (
            "request_transform",
            json!({ "headers": { "set": { "x": "{response.status}" } } }),
            "headers.set.x",
        ),
        (
            "request_transform",
            json!({ "query": { "append": { "x": "{" } } }),
            "query.append.x",
        ),
        (
            "request_transform",
            json!({ "path": { "template": "/}" } }),
            "path.template",
        ),
        (
            "request_transform",
            json!({ "body": { "jq": ".a |" } }),
            "body.jq",
        ),
        (
            "response_transform",
            json!({ "headers": { "set": { "x": "{response.header.set-cookie}" } } }),
            "headers.set.x",
        ),
        (
            "response_transform",
            json!({ "body": { "jq": "nothing" } }),
            "body.jq",
        ),
        (
            "validation",
            json!({ "query_schema": { "type": 1 } }),
            "query_schema",
        ),
    ] {
        let kind = PolicyKind::parse(kind).unwrap();
        let read = PolicyDocument::from_value(kind, document.clone()).unwrap();
        read.validate(PolicyLevel::Api).unwrap();
        assert_eq!(check(&read).unwrap_err()[0].field, field, "{document}");
    }
}

#[test]
fn answers_are_changed_where_their_status_says_so() {
    let policy: ResponseTransformPolicy = serde_json::from_value(json!({
        "on_status": ["404", "5xx"], "status": 200,
        "headers": { "set": { "x-was": "{response.status} {response.header.x-a}" } },
    }))
    .unwrap();
    policy.validate(PolicyLevel::Api).unwrap();
    let change = ResponseChange::new(policy).unwrap();
    for (status, is_for) in [
        (404, true),
        (403, false),
        (500, true),
        (200, false),
        (503, true),
    ] {
        let status = http::StatusCode::from_u16(status).unwrap();
        assert_eq!(change.is_for(status), is_for, "{status}");
    }
    let mut fields = HeaderMap::new();
    fields.insert("x-a", HeaderValue::from_static("b"));
    let before = fields.clone();
    let none = HeaderMap::new();
    let facts = Facts {
        response: Some((404, &before)),
        ..facts("/", None, &none, &[])
    };
    change.headers(&facts, &mut fields).unwrap();
    assert_eq!(fields["x-was"], "404 b");
    assert_eq!(change.status(http::StatusCode::NOT_FOUND), 200);
    assert_eq!(change.status(http::StatusCode::NOT_MODIFIED), 304);
}

#[test]
fn expressions_see_no_credentials() {
    let mut headers = HeaderMap::new();
    for name in ["authorization", "x-api-key", "cookie", "x-seen"] {
        headers.insert(name, HeaderValue::from_static("secret-or-not"));
    }
    let captured = [("id".to_owned(), "7".to_owned())];
    let variables = Variables::new(&facts("/p", Some("a=1&a=2"), &headers, &captured));
    let program =
        jq::Program::compile("[$request.headers, $request.query.a, $request.params.id]").unwrap();
    let out = program.run(
        b"1",
        variables.as_texts(),
        jq::Budget::SHORT,
        &jq::Cancel::default(),
    );
    let out: Value = serde_json::from_slice(&out.unwrap()).unwrap();
    assert_eq!(out, json!([{ "x-seen": "secret-or-not" }, "1", "7"]));
}

proptest! {
    /// Whatever a caller sends, what is made of it is a path and a query, and stays below.
    #[test]
    fn addresses_are_addresses(id in "\\PC{0,12}|[./%\\\\;?#\u{0}-\u{20}]{0,8}", query in "[ -~]{0,20}") {
        let captured = [("id".to_owned(), id)];
        let headers = HeaderMap::new();
        let change = request(json!({
            "path": { "template": "/u/{path.id}/x" },
            "query": { "set": { "a": "{path.id}" }, "rename": { "b": "c" } },
        }));
        if let Ok((path, query)) = change.address(&facts("/", Some(&query), &headers, &captured)) {
            prop_assert_eq!(path.split('/').count(), 4, "{}", path);
            prop_assert!(!path.contains(['?', '#', '\\', ' ']) && !path.contains("/../"));
            prop_assert!(path.bytes().all(|byte| (0x21..0x7f).contains(&byte)));
            let query = query.unwrap_or_default();
            let ours = query.split('&').find(|piece| piece.starts_with("a=")).unwrap();
            prop_assert!(ours.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%=".contains(&byte)));
        }
    }

    #[test]
    fn templates_are_read_or_refused(text in "[{}a-z. ]{0,30}|(\\{request\\.[a-z.]{0,10}\\}){0,3}") {
        if let Ok(template) = Template::parse(&text, true) {
            let headers = HeaderMap::new();
            let _ = template.render(&facts("/", None, &headers, &[]));
        }
    }
}
