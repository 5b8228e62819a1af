//! The public cache test suite, through the gateway.
//!
//! `make test` installs it and names its folder in `TEST_CACHE_SUITE`; `end2end/cache-tests/run.mjs`
//! judges the results.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use apiverse_testkit::{Engine, eventually, free_port};
use serde_json::json;

use crate::start;

struct Origin(Child);

impl Drop for Origin {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_public_cache_suite() {
    let suite = std::env::var("TEST_CACHE_SUITE")
        .expect("TEST_CACHE_SUITE is not set; `make test` installs and names it");
    let suite = PathBuf::from(suite);
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let child = Command::new("node")
        .args(["--no-warnings", "server/server.mjs"])
        .current_dir(&suite)
        .env("npm_config_protocol", "http")
        .env("npm_config_port", port.to_string())
        .env("npm_config_pidfile", folder.path().join("pid"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the suite's server starts");
    let _origin = Origin(child);
    eventually("the suite's server to listen", async || {
        tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .ok()
    })
    .await;

    let app = start(Engine::Sqlite).await;
    let client = app.admin().await;
    let api = client
        .create_api("suite", &format!("http://127.0.0.1:{port}"))
        .await;
    let (_, key) = client.create_key("k").await;
    let path = format!("/api/v1/policies/api/{api}/cache");
    client
        .send(client.request("PUT", &path).json(&json!({})))
        .await
        .assert_status(201);

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../end2end/cache-tests/run.mjs");
    let base = format!("{}/proxy/suite", app.base());
    let judged = tokio::task::spawn_blocking(move || {
        Command::new("node")
            .arg("--no-warnings")
            .arg(script)
            .arg(suite)
            .args([&base, &key])
            .output()
            .expect("node runs")
    })
    .await
    .expect("it ends");
    let said = String::from_utf8_lossy(&judged.stdout);
    println!("{said}");
    assert!(
        judged.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&judged.stderr)
    );
}
