//! Calls as they come: over Server-Sent Events, and in the terminal; and demo data.

use apiverse_testkit::{Client, Engine, Events, Upstream, both, eventually};
use serde_json::Value;

use crate::start;

both!(
    calls_are_told_as_they_come,
    a_reader_that_comes_back_goes_on,
    streams_end_when_the_node_stops,
    the_terminal_is_told_of_calls,
    demo_data_comes_and_goes,
);

/// Paths of calls, until there are so many; and the last event's id.
async fn paths(events: &mut Events, count: usize) -> (Vec<String>, String) {
    let (paths, id, _) = paths_and_count(events, count).await;
    (paths, id)
}

/// The same, and what the counters that came between came to: calls that are stored in two batches
/// may have some between them.
async fn paths_and_count(events: &mut Events, count: usize) -> (Vec<String>, String, u64) {
    let (mut paths, mut counted) = (Vec::new(), 0);
    loop {
        let event = events.next().await;
        if event.name != "calls" {
            assert_eq!(event.name, "counters");
            counted += event.data["calls"].as_u64().expect("a number");
            continue;
        }
        let calls = event.data.as_array().expect("calls").iter();
        paths.extend(calls.map(|call| call["path"].as_str().expect("a path").to_owned()));
        if paths.len() >= count {
            return (paths, event.id.expect("an id"), counted);
        }
    }
}

async fn open(client: &Client, query: &str, after: Option<&str>) -> Events {
    let mut request = client.request("GET", &format!("/usage/live?{query}"));
    if let Some(id) = after {
        request = request.header("last-event-id", id);
    }
    Events::open(request).await
}

async fn calls_are_told_as_they_come(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::echo().await;
    let client = app.stranger("ada").await;
    client.create_api("echo", &upstream.base()).await;
    let (_, key) = client.create_key("k").await;
    let mut all = open(&client, "", None).await;
    let mut posts = open(&client, "method=post&path=/b", None).await;
    // Another tenant hears nothing of it.
    let stranger = app.stranger("bob").await;
    let mut nothing = open(&stranger, "", None).await;
    for (method, path) in [
        ("GET", "/echo/a"),
        ("POST", "/echo/b/1"),
        ("GET", "/echo/b/2"),
    ] {
        client
            .send(client.proxy(method, path, &key))
            .await
            .assert_status(200);
    }
    let (mut told, _, mut counted) = paths_and_count(&mut all, 3).await;
    told.sort();
    assert_eq!(told, ["/a", "/b/1", "/b/2"]);
    assert_eq!(paths(&mut posts, 1).await.0, ["/b/1"]);
    // Counters come about every second, and add up.
    while counted < 3 {
        let event = all.next().await;
        assert_eq!(event.name, "counters");
        counted += event.data["calls"].as_u64().expect("a number");
    }
    assert_eq!(counted, 3);
    let silence = nothing.next().await;
    assert_eq!(
        (silence.name.as_str(), &silence.data["calls"]),
        ("counters", &Value::from(0))
    );
    let stranger = app.anonymous().get("/usage/live").await;
    assert_eq!(stranger.status, 401);
    for bad in ["/usage/live?status=9xx", "/usage/live?x=1"] {
        let status = client.get(bad).await.status;
        assert!(matches!(status, 400 | 422), "{bad}: {status}");
    }
}

async fn a_reader_that_comes_back_goes_on(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::echo().await;
    let client = app.stranger("ada").await;
    client.create_api("echo", &upstream.base()).await;
    let (_, key) = client.create_key("k").await;
    let call = async |path: &str| {
        let path = format!("/echo{path}");
        client
            .send(client.proxy("GET", &path, &key))
            .await
            .assert_status(200);
    };
    let mut events = open(&client, "", None).await;
    call("/1").await;
    let (told, id) = paths(&mut events, 1).await;
    assert_eq!(told, ["/1"]);
    // What is called while nobody listens is told to who comes back.
    drop(events);
    call("/2").await;
    eventually("the call to be stored", async || {
        let usage = client.get("/usage").await.expect_status(200).json();
        (usage["totals"]["calls"] == 2).then_some(())
    })
    .await;
    let mut events = open(&client, "", Some(&id)).await;
    assert_eq!(paths(&mut events, 1).await.0, ["/2"]);
    call("/3").await;
    assert_eq!(paths(&mut events, 1).await.0, ["/3"]);
    let mut late = open(&client, "", Some("1-1000")).await;
    assert_eq!(late.next().await.name, "gap");
    let garbled = client
        .request("GET", "/usage/live")
        .header("last-event-id", "x");
    assert_eq!(client.send(garbled).await.status, 422);
}

async fn streams_end_when_the_node_stops(engine: Engine) {
    let mut app = start(engine).await;
    let client = app.stranger("ada").await;
    let mut events = open(&client, "", None).await;
    assert_eq!(events.next().await.name, "counters");
    app.signal("TERM");
    events.rest().await;
    assert_eq!(app.ended().await.code(), Some(0));
    let log = app.stderr();
    assert!(!log.contains("did not end in time"), "{log}");
}

async fn the_terminal_is_told_of_calls(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::echo().await;
    let (client, stranger) = (app.admin().await, app.stranger("bob").await);
    let mut keys = Vec::new();
    for client in [&client, &stranger] {
        client.create_api("echo", &upstream.base()).await;
        keys.push(client.create_key("k").await.1);
    }
    let lines = app.running(&["tail"]);
    let posts = app.running(&["tail", "--json", "--method", "post", "--status", "2xx"]);
    // Calls from before it watches are not told.
    eventually("both to tell", async || {
        for (method, path, key) in [
            ("GET", "/echo/secret", &keys[1]),
            ("GET", "/echo/a", &keys[0]),
            ("POST", "/echo/b", &keys[0]),
        ] {
            client
                .send(client.proxy(method, path, key))
                .await
                .assert_status(200);
        }
        let told = lines.stdout().contains(" GET    /a") && posts.stdout().contains("\"/b\"");
        told.then_some(())
    })
    .await;
    assert!(!lines.stdout().contains("secret"), "{}", lines.stdout());
    let posts = posts.stdout();
    let (whole, _) = posts.rsplit_once('\n').expect("a line");
    for line in whole.lines() {
        let call: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(
            (&call["method"], &call["path"]),
            (&"POST".into(), &"/b".into())
        );
    }
    let wrong = app.command(&["tail", "--status", "many"]).await;
    assert!(wrong.contains("neither a class of statuses"), "{wrong}");
}

async fn demo_data_comes_and_goes(engine: Engine) {
    let app = start(engine).await;
    let run = async |arguments: &[&str]| app.command(arguments).await;
    let made = run(&["demo", "--days", "4", "--calls", "50000"]).await;
    assert!(made.contains("3 APIs, 6 keys"), "{made}");
    let client = app.admin().await;
    let week = |days: i64| {
        let from = chrono::Utc::now() - chrono::Duration::days(days);
        format!("from={}", from.format("%Y-%m-%dT%H:00:00Z"))
    };
    let usage = client.get(&format!("/usage?{}", week(10))).await;
    let usage = usage.expect_status(200).json();
    let calls = usage["totals"]["calls"].as_u64().expect("a number");
    assert!((40_000..70_000).contains(&calls), "{calls}");
    assert!(usage["totals"]["cache_hits"].as_u64() > Some(1_000));
    let routes = client
        .get(&format!("/usage/breakdown?by=route&{}", week(10)))
        .await;
    let routes = routes.expect_status(200).json();
    let names: Vec<&str> = (routes["data"].as_array().expect("rows").iter())
        .filter_map(|row| row["values"][0]["id"].as_str())
        .collect();
    assert!(
        names.contains(&"/v1/charges/{id}") && names.contains(&"/products/{id}"),
        "{names:?}"
    );
    // What was unusual is found at once; somebody takes note of it, or does not want to know.
    // The import of every night is far above what a night has, whatever the time of day is now.
    let findings = client.get("/insights?metric=traffic").await;
    let findings = findings.expect_status(200).json();
    let mut rows = findings["data"].as_array().expect("rows").iter();
    let import = rows.find(|row| row["api_name"] == "Catalog (demo)" && row["above"] == true);
    let import = import.unwrap_or_else(|| panic!("{findings}"));
    let path = format!("/insights/{}", import["id"].as_str().expect("an id"));
    let note = serde_json::json!({ "note": "the import" });
    let noted = client.post(&format!("{path}/acknowledge"), &note).await;
    assert_eq!(noted.expect_status(200).json()["note"], "the import");
    let open = client.delete(&format!("{path}/acknowledge")).await;
    assert!(open.expect_status(200).json()["acknowledged_at"].is_null());
    let mute = serde_json::json!({ "metric": "traffic" });
    let mute = client.post("/insights/mutes", &mute).await;
    let mute = mute.expect_status(201).json();
    let count = async |query: &str| {
        let path = format!("/insights?metric=traffic{query}");
        let page = client.get(&path).await.expect_status(200).json();
        page["data"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(count("").await, 0);
    assert!(count("&muted=true").await > 0);
    let stranger = app.stranger("bob").await;
    stranger.get(&path).await.assert_status(404);
    let of_stranger = stranger.get("/insights").await.expect_status(200).json();
    assert_eq!(of_stranger["data"], serde_json::json!([]));
    let id = mute["id"].as_str().expect("an id");
    let path_of_mute = format!("/insights/mutes/{id}");
    stranger.delete(&path_of_mute).await.assert_status(404);
    client.delete(&path_of_mute).await.assert_status(204);
    assert!(count("").await > 0);

    let again = run(&["demo"]).await;
    assert!(again.contains("already"), "{again}");
    let gone = run(&["demo", "--remove"]).await;
    assert!(gone.contains("is gone"), "{gone}");
    let usage = client.get(&format!("/usage?{}", week(10))).await;
    assert_eq!(usage.expect_status(200).json()["totals"]["calls"], 0);
    let apis = client.get("/apis").await.expect_status(200).json();
    let demo = apis["data"].as_array().expect("rows").iter();
    let demo = demo.filter(|api| {
        api["slug"]
            .as_str()
            .is_some_and(|slug| slug.starts_with("demo-"))
    });
    assert_eq!(demo.count(), 0);
    assert_eq!(count("&muted=true").await, 0);
    let none = run(&["demo", "--remove"]).await;
    assert!(none.contains("no demo data"), "{none}");
}
