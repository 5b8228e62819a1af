//! The gateway keeps serving: a database that is gone, a configuration that does not stand still.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use apiverse_testkit::{App, Client, Engine, Postgres, Raw, Tunnels, Upstream, both, eventually};
use futures_util::future::join_all;
use serde_json::json;

use crate::durability::{Load, assert_exactly, everything_is_stored, recorded};
use crate::{options, start};

both!(
    changes_under_load_fail_no_call_and_show_at_once,
    a_tunnel_outlives_changes_and_a_stop,
);

/// The number in an environment variable, for long runs.
fn number(variable: &str, default: u64) -> u64 {
    let text = std::env::var(variable).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// `TEST_OUTAGE=60` for the long run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_stopped_fails_no_call_and_loses_none() {
    /// Calls of a key whose first call comes when the database is gone.
    const FIRST: usize = 3;
    let outage = Duration::from_secs(number("TEST_OUTAGE", 0));
    let mut postgres = Postgres::start().await;
    let options = options(Engine::Sqlite).env("DATABASE_URL", &postgres.url());
    let mut app = App::start(options).await;
    let upstream = Upstream::echo().await;
    let client = app.stranger("ada").await;
    let api = client.create_api("echo", &upstream.base()).await;
    let (_, key) = client.create_key("load").await;
    let (id, unused) = client.create_key("not used before").await;
    let policy = json!({
        "rate_limits": [{ "name": "burst", "limit": 1_000_000, "window_seconds": 1 }],
        "quotas": [{ "name": "monthly", "limit": 1_000_000_000, "period": "month" }],
    });
    for path in [
        format!("/apis/{api}/limits"),
        format!("/api-keys/{id}/limits"),
    ] {
        client.put(&path, &policy).await.assert_status(200);
    }

    // Counted by a process before this one.
    let question = json!({ "key": unused, "cost": 2 });
    client
        .post("/api-keys/verify", &question)
        .await
        .assert_status(200);
    app.signal("TERM");
    assert!(app.ended().await.success());
    let app = app.restart().await;
    let client = client.at(app.base());
    let load = Load::start(app.base(), &key, "r", false);
    load.has_served(200).await;
    let before = app.resident_bytes();
    postgres.kill();
    let begun = Instant::now();
    // What its quota has counted cannot be asked for now.
    for _ in 0..FIRST {
        client
            .send(client.proxy("GET", "/echo/first", &unused))
            .await
            .assert_status(200);
    }
    eventually("the node to say so", async || {
        let ready = client.get("/health/ready").await.expect_status(200).json();
        let checks = ready["checks"].as_array().expect("a list");
        let database = checks.iter().find(|check| check["name"] == "database")?;
        (ready["status"] == "degraded" && database["ok"] == false).then_some(())
    })
    .await;
    let served = load.served();
    load.has_served(served + 500).await;
    tokio::time::sleep(outage.saturating_sub(begun.elapsed())).await;
    let after = app.resident_bytes();
    let (lasted, served) = (begun.elapsed(), load.served());
    postgres.resume().await;
    load.has_served(served + 200).await;
    let seen = load.end().await;
    assert!(seen.unknown.is_empty());

    everything_is_stored(&client, seen.answered.len() + FIRST).await;
    let mut found = recorded(&client).await;
    assert_eq!(found.remove("/first"), Some(FIRST));
    assert_exactly(&found, &seen.answered, &HashSet::new());
    // The quota counted from nothing meanwhile; neither more nor less is missing now.
    let question = json!({ "key": unused, "cost": 0 });
    eventually("the quota to know what was before", async || {
        let answer = client.post("/api-keys/verify", &question).await;
        let limits = answer.expect_status(200).json()["ratelimits"].clone();
        let quota = limits
            .as_array()?
            .iter()
            .find(|one| one["name"] == "monthly")?;
        (quota["remaining"] == 1_000_000_000 - FIRST - 2).then_some(())
    })
    .await;
    eventually("the node to be well again", async || {
        let ready = client.get("/health/ready").await.expect_status(200).json();
        (ready["status"] == "ok").then_some(())
    })
    .await;
    println!(
        "database stopped for {lasted:?}: {} calls answered and recorded, \
         {} KiB resident before, {} KiB at its end",
        seen.answered.len(),
        before >> 10,
        after >> 10
    );
    // What waits is on the disk.
    assert!(after < before + (64 << 20), "{before} to {after}");
}

async fn timed_calls(client: &Client, key: &str, is_over: impl Fn() -> bool) -> Vec<Duration> {
    let callers = (0..8).map(|_| async {
        let mut took = Vec::new();
        while !is_over() {
            let begun = Instant::now();
            client
                .send(client.proxy("GET", "/steady/x", key))
                .await
                .assert_status(200);
            took.push(begun.elapsed());
        }
        took
    });
    join_all(callers).await.into_iter().flatten().collect()
}

fn p99(took: &mut [Duration]) -> Duration {
    took.sort_unstable();
    took[took.len() * 99 / 100]
}

/// One after the other, each looked for at once: `[changes made]` of an editor of its own.
async fn edit(client: &Client, editor: usize, changes: u64, upstream: &str) {
    let api = client.create_api(&format!("api-{editor}"), upstream).await;
    let path = format!("/api-{editor}/x");
    let call = async |key: &str, status: u16| {
        client
            .send(client.proxy("GET", &path, key))
            .await
            .assert_status(status);
    };
    let mut made = 1;
    while made < changes {
        let (id, key) = client.create_key("k").await;
        call(&key, 200).await;
        let off = json!({ "is_active": false });
        let api_path = format!("/apis/{api}");
        client.patch(&api_path, &off).await.assert_status(200);
        call(&key, 503).await;
        let on = json!({ "is_active": true, "name": format!("round {made}") });
        client.patch(&api_path, &on).await.assert_status(200);
        call(&key, 200).await;
        let policy = json!({ "rate_limits": [
            { "name": "few", "limit": 1, "window_seconds": 3600 + made }
        ] });
        let limits = format!("/api-keys/{id}/limits");
        client.put(&limits, &policy).await.assert_status(200);
        call(&key, 200).await;
        call(&key, 429).await;
        client.put(&limits, &json!({})).await.assert_status(200);
        call(&key, 200).await;
        client
            .delete(&format!("/api-keys/{id}"))
            .await
            .assert_status(204);
        call(&key, 401).await;
        made += 6;
    }
}

/// `TEST_CHANGES=1000` for the long run.
async fn changes_under_load_fail_no_call_and_show_at_once(engine: Engine) {
    const EDITORS: u64 = 8;
    let changes = number("TEST_CHANGES", 120);
    let app = start(engine).await;
    let upstream = Upstream::echo().await;
    let client = app.stranger("ada").await;
    client.create_api("steady", &upstream.base()).await;
    let (_, key) = client.create_key("steady").await;
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let until_over = || is_over.load(std::sync::atomic::Ordering::SeqCst);

    let mut quiet = 0;
    let counted = std::sync::atomic::AtomicUsize::new(0);
    let mut without = timed_calls(&client, &key, || {
        counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst) >= 500
    })
    .await;
    quiet += without.len();
    let base = upstream.base();
    let begun = Instant::now();
    let editing = async {
        let editors = (0..EDITORS).map(|editor| {
            let editor = usize::try_from(editor).expect("few");
            edit(&client, editor, changes.div_ceil(EDITORS), &base)
        });
        join_all(editors).await;
        is_over.store(true, std::sync::atomic::Ordering::SeqCst);
    };
    let ((), mut with) = tokio::join!(editing, timed_calls(&client, &key, until_over));
    println!(
        "{engine:?}: {changes} changes in {:.1} s beside {} calls: p99 {:?}, before {:?} of {quiet}",
        begun.elapsed().as_secs_f64(),
        with.len(),
        p99(&mut with),
        p99(&mut without),
    );
}

async fn a_tunnel_outlives_changes_and_a_stop(engine: Engine) {
    let mut app = start(engine).await;
    let upstream = Tunnels::start().await;
    let client = app.stranger("ada").await;
    let api = client.create_api("tunnel", &upstream.base()).await;
    let (id, key) = client.create_key("k").await;
    let mut tunnel = Raw::connect(app.authority()).await;
    let head = format!(
        "GET /proxy/tunnel/x HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\nupgrade: websocket\r\n\
         connection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: eA==\r\n\r\n"
    );
    tunnel.send(head).await;
    let answer = tunnel.read_until(b"\r\n\r\n").await;
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{answer:?}");
    let says = async |tunnel: &mut Raw, text: &str| {
        tunnel.send(text).await.read_until(text.as_bytes()).await;
    };
    says(&mut tunnel, "at first").await;
    let policy = json!({ "concurrency": 5 });
    client
        .put(&format!("/apis/{api}/limits"), &policy)
        .await
        .assert_status(200);
    says(&mut tunnel, "limits").await;
    let elsewhere = json!({ "base_url": "http://127.0.0.1:9", "is_active": false });
    client
        .patch(&format!("/apis/{api}"), &elsewhere)
        .await
        .assert_status(200);
    says(&mut tunnel, "another address, and off").await;
    app.signal("HUP");
    eventually("the settings to be read", async || {
        app.stderr()
            .contains("SIGHUP: the settings were read again")
            .then_some(())
    })
    .await;
    says(&mut tunnel, "settings").await;
    // What is under way goes on, also with a key that has ended since.
    client
        .delete(&format!("/api-keys/{id}"))
        .await
        .assert_status(204);
    client
        .delete(&format!("/apis/{api}"))
        .await
        .assert_status(204);
    says(&mut tunnel, "neither key nor API").await;
    app.signal("TERM");
    eventually("the node to take no more", async || {
        let refused = tokio::net::TcpStream::connect(app.authority())
            .await
            .is_err();
        refused.then_some(())
    })
    .await;
    says(&mut tunnel, "after SIGTERM").await;
    drop(tunnel);
    assert!(app.ended().await.success());
}
