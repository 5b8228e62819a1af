//! The gateway in front of servers nobody here wrote.
//!
//! `make test` installs them and names them in `TEST_HTTPBIN` (a Python with the packages
//! `httpbin` and `waitress`) and `TEST_JSON_SERVER` (the command of npm's `json-server`).

use std::process::{Child, Command, Stdio};

use apiverse_testkit::{Client, Engine, eventually};
use serde_json::json;

use crate::start;

struct Server {
    child: Child,
    base: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn named(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set; `make test` installs and names it"))
}

async fn launch(mut command: Command, port: u16) -> Server {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the server starts");
    let server = Server {
        child,
        base: format!("http://127.0.0.1:{port}"),
    };
    eventually("the server to listen", async || {
        tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .ok()
    })
    .await;
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn httpbin() {
    let port = apiverse_testkit::free_port();
    let mut command = Command::new(named("TEST_HTTPBIN"));
    command.args([
        "-m",
        "waitress",
        &format!("--listen=127.0.0.1:{port}"),
        "httpbin:app",
    ]);
    let server = launch(command, port).await;
    let app = start(Engine::Sqlite).await;
    let client = app.admin().await;
    client.create_api("bin", &server.base).await;
    let (_, key) = client.create_key("k").await;
    let direct = Client::new(&server.base);
    let through = async |method: &str, path: &str| {
        client
            .send(client.proxy(method, &format!("/bin{path}"), &key))
            .await
    };

    for (method, path) in [
        ("GET", "/get?a=1&a=2&b=%20x"),
        ("POST", "/post"),
        ("PUT", "/put"),
        ("PATCH", "/patch"),
        ("DELETE", "/delete"),
    ] {
        let call = client
            .proxy(method, &format!("/bin{path}"), &key)
            .json(&json!({ "x": 1 }));
        let answer = client.send(call).await.expect_status(200).json();
        let expected = format!("{}{path}", server.base);
        let decoded = expected.replace("%20", " ");
        let url = answer["url"].as_str().expect("an address");
        let path_and_query = |url: &str| url.splitn(4, '/').nth(3).map(str::to_owned);
        assert!(
            [path_and_query(&expected), path_and_query(&decoded)].contains(&path_and_query(url)),
            "{url}"
        );
        if method != "GET" {
            assert_eq!(answer["json"]["x"], 1);
        }
        assert!(answer["headers"].get("X-Api-Key").is_none(), "{answer}");
    }
    for status in [
        200, 204, 301, 302, 304, 307, 400, 401, 404, 418, 429, 500, 503,
    ] {
        let path = format!("/status/{status}");
        let (ours, theirs) = (through("GET", &path).await, direct.get(&path).await);
        assert_eq!(ours.status, theirs.status);
        assert_eq!(ours.body, theirs.body);
        assert_eq!(
            ours.header("location"),
            theirs.header("location"),
            "redirects pass through"
        );
        assert_eq!(ours.header("x-apiverse-error"), None);
    }
    for path in [
        "/gzip",
        "/deflate",
        "/brotli",
        "/image/png",
        "/bytes/100000?seed=7",
        "/html",
        "/xml",
        "/encoding/utf8",
        "/stream-bytes/50000?seed=3",
        "/range/10000",
        "/robots.txt",
        "/deny",
    ] {
        let (ours, theirs) = (through("GET", path).await, direct.get(path).await);
        assert_eq!(ours.status, theirs.status, "{path}");
        let kinds = ["content-type", "content-encoding", "etag"];
        for header in kinds {
            assert_eq!(
                ours.header(header),
                theirs.header(header),
                "{path} {header}"
            );
        }
        if !matches!(path, "/gzip" | "/deflate" | "/brotli") {
            assert_eq!(ours.body, theirs.body, "{path}");
        }
    }
    let chunked = through("GET", "/stream/20").await.expect_status(200);
    assert_eq!(chunked.text().lines().count(), 20);
    let cookies = through("GET", "/cookies/set?a=1").await.expect_status(302);
    assert!(
        cookies
            .header("set-cookie")
            .is_some_and(|cookie| cookie.starts_with("a=1"))
    );
    let head = through("HEAD", "/bytes/1000").await.expect_status(200);
    assert_eq!(head.header("content-length"), Some("1000"));
    assert!(head.body.is_empty());
    let call = client
        .proxy("GET", "/bin/range/1000", &key)
        .header("range", "bytes=10-19");
    let part = client.send(call).await.expect_status(206);
    assert_eq!(part.body.len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("db.json");
    std::fs::write(
        &database,
        json!({ "posts": [{ "id": "1", "title": "hello" }] }).to_string(),
    )
    .expect("writes");
    let port = apiverse_testkit::free_port();
    let mut command = Command::new(named("TEST_JSON_SERVER"));
    command
        .arg(&database)
        .args(["--port", &port.to_string(), "--host", "127.0.0.1"]);
    let server = launch(command, port).await;
    let app = start(Engine::Sqlite).await;
    let client = app.admin().await;
    client.create_api("json", &server.base).await;
    let (_, key) = client.create_key("k").await;
    let call = |method: &str, path: &str| client.proxy(method, &format!("/json{path}"), &key);
    let posts = client
        .send(call("GET", "/posts"))
        .await
        .expect_status(200)
        .json();
    assert_eq!(posts[0]["title"], "hello");
    let body = json!({ "id": "2", "title": "second" });
    client
        .send(call("POST", "/posts").json(&body))
        .await
        .assert_status(201);
    let change = call("PATCH", "/posts/2").json(&json!({ "title": "changed" }));
    client.send(change).await.assert_status(200);
    let read = client
        .send(call("GET", "/posts/2"))
        .await
        .expect_status(200)
        .json();
    assert_eq!(read["title"], "changed");
    client
        .send(call("DELETE", "/posts/2"))
        .await
        .assert_status(200);
    client
        .send(call("GET", "/posts/2"))
        .await
        .assert_status(404);
}
