//! A call that was answered is recorded, once: also when the process is killed a moment later, or
//! the database is away.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use apiverse_testkit::{App, Client, Engine, Faults, Upstream, both, eventually, postgres_address};
use tokio::task::JoinHandle;

use crate::options;

both!(
    a_killed_node_has_recorded_what_it_served,
    calls_go_on_and_are_kept_while_the_database_is_away,
);

const CALLERS: usize = 16;

/// Callers that make calls one after the other, each with a path of its own.
pub(crate) struct Load {
    callers: Vec<JoinHandle<Seen>>,
    served: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
}

/// What the callers know.
#[derive(Default)]
pub(crate) struct Seen {
    /// Answered, to the last byte.
    pub(crate) answered: Vec<String>,
    /// Begun, and broken off.
    pub(crate) unknown: Vec<String>,
}

impl Load {
    /// `may_break`: the node will be killed.
    pub(crate) fn start(base: &str, key: &str, round: &str, may_break: bool) -> Self {
        let served = Arc::new(AtomicUsize::new(0));
        let is_over = Arc::new(AtomicBool::new(false));
        let callers = (0..CALLERS).map(|caller| {
            let (client, key, round) = (Client::new(base), key.to_owned(), round.to_owned());
            let (served, is_over) = (Arc::clone(&served), Arc::clone(&is_over));
            tokio::spawn(async move {
                let mut seen = Seen::default();
                for n in 0.. {
                    if is_over.load(Ordering::SeqCst) {
                        break;
                    }
                    let path = format!("/{round}/{caller}/{n}");
                    match call(&client, &path, &key).await {
                        Ok(()) => {
                            seen.answered.push(path);
                            served.fetch_add(1, Ordering::SeqCst);
                        }
                        Err(error) => {
                            assert!(may_break, "{path}: {error}");
                            seen.unknown.push(path);
                            break;
                        }
                    }
                }
                seen
            })
        });
        Self {
            callers: callers.collect(),
            served,
            is_over,
        }
    }

    pub(crate) async fn has_served(&self, count: usize) {
        eventually("calls to be served", async || {
            (self.served.load(Ordering::SeqCst) >= count).then_some(())
        })
        .await;
    }

    pub(crate) fn served(&self) -> usize {
        self.served.load(Ordering::SeqCst)
    }

    pub(crate) async fn end(self) -> Seen {
        self.is_over.store(true, Ordering::SeqCst);
        let mut all = Seen::default();
        for caller in self.callers {
            let seen = caller.await.expect("no call failed");
            all.answered.extend(seen.answered);
            all.unknown.extend(seen.unknown);
        }
        all
    }
}

async fn call(client: &Client, path: &str, key: &str) -> Result<(), String> {
    let request = client.proxy("GET", &format!("/echo{path}"), key);
    let answer = request.send().await.map_err(|error| format!("{error:?}"))?;
    let status = answer.status().as_u16();
    let body = answer.text().await.map_err(|error| format!("{error:?}"))?;
    // What was answered was answered right, or it does not count as served.
    assert_eq!(
        (status, body.as_str()),
        (200, format!("GET {path}").as_str())
    );
    Ok(())
}

/// How often each path was recorded.
pub(crate) async fn recorded(client: &Client) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    let mut path = "/usage/calls?limit=200".to_owned();
    loop {
        let page = client.get(&path).await.expect_status(200).json();
        for call in page["data"].as_array().expect("a list") {
            let path = call["path"].as_str().expect("a path").to_owned();
            *counts.entry(path).or_insert(0) += 1;
        }
        let Some(cursor) = page["next_cursor"].as_str() else {
            return counts;
        };
        path = format!("/usage/calls?limit=200&cursor={cursor}");
    }
}

async fn total(client: &Client) -> usize {
    let usage = client.get("/usage").await.expect_status(200).json();
    let calls = usage["totals"]["calls"].as_u64().expect("a number");
    usize::try_from(calls).expect("a count")
}

/// Waits until nothing is left that the database does not have.
pub(crate) async fn everything_is_stored(client: &Client, at_least: usize) {
    eventually("all calls to be stored", async || {
        if total(client).await < at_least {
            return None;
        }
        let metrics = client.get("/metrics").await.expect_status(200).text();
        metrics
            .lines()
            .any(|line| line == "apiverse_usage_waiting_bytes 0")
            .then_some(())
    })
    .await;
}

pub(crate) fn assert_exactly(
    recorded: &HashMap<String, usize>,
    answered: &[String],
    unknown: &HashSet<String>,
) {
    for path in answered {
        assert_eq!(recorded.get(path), Some(&1), "{path} was answered");
    }
    let answered: HashSet<&String> = answered.iter().collect();
    for (path, count) in recorded {
        assert!(
            answered.contains(path) || unknown.contains(path),
            "{path} was never called"
        );
        assert_eq!(*count, 1, "{path}");
    }
}

async fn a_killed_node_has_recorded_what_it_served(engine: Engine) {
    // `TEST_KILLS=20` for the long run.
    let kills = std::env::var("TEST_KILLS").ok();
    let kills: usize = kills.and_then(|text| text.parse().ok()).unwrap_or(5);
    let mut app = App::start(options(engine)).await;
    let upstream = Upstream::echo().await;
    let mut client = app.stranger("ada").await;
    client.create_api("echo", &upstream.base()).await;
    let (_, key) = client.create_key("load").await;
    let mut answered = Vec::new();
    let mut unknown = HashSet::new();
    for round in 0..kills {
        let load = Load::start(app.base(), &key, &format!("r{round}"), true);
        // At a different moment of the batches each time.
        load.has_served(150 + 97 * (round % 7)).await;
        app.kill();
        let seen = load.end().await;
        assert!(seen.unknown.len() <= CALLERS);
        answered.extend(seen.answered);
        unknown.extend(seen.unknown);

        app = app.restart().await;
        client = client.at(app.base());
        everything_is_stored(&client, answered.len()).await;
        let recorded = recorded(&client).await;
        assert_exactly(&recorded, &answered, &unknown);
        // Sums are what counting the calls comes to, wherever they are.
        let listed: usize = recorded.values().sum();
        assert_eq!(total(&client).await, listed);
        let routes = client
            .get("/usage/breakdown?by=route&series=true&limit=200")
            .await;
        let routes = routes.expect_status(200).json();
        assert_eq!(routes["totals"]["calls"], listed);
        let rows = routes["data"].as_array().expect("rows").iter();
        let calls = |counted: &serde_json::Value| counted["calls"].as_u64().unwrap_or(0);
        let in_rows: u64 = rows.clone().map(|row| calls(&row["totals"])).sum();
        let steps = rows.flat_map(|row| row["series"].as_array().expect("a series"));
        let in_steps: u64 = steps.map(calls).sum();
        assert_eq!((in_rows, in_steps), (listed as u64, listed as u64));
    }
    println!(
        "{engine:?}: {kills} kills, {} calls answered, {} in flight, {} recorded",
        answered.len(),
        unknown.len(),
        total(&client).await
    );
}

/// Takes the database away, and gives it back.
enum Outage {
    Network(Faults),
    /// Nobody else can write while the connection holds its transaction.
    Lock(Option<rusqlite::Connection>),
}

impl Outage {
    fn begin(&mut self, app: &App) {
        match self {
            Self::Network(faults) => faults.cut(),
            Self::Lock(held) => {
                let path = app.data_dir().join("apiverse.db");
                let connection = rusqlite::Connection::open(path).expect("opens");
                let patience = std::time::Duration::from_secs(30);
                connection.busy_timeout(patience).expect("is set");
                connection.execute_batch("BEGIN EXCLUSIVE").expect("locks");
                *held = Some(connection);
            }
        }
    }

    fn end(&mut self) {
        match self {
            Self::Network(faults) => faults.heal(),
            Self::Lock(held) => *held = None,
        }
    }
}

async fn calls_go_on_and_are_kept_while_the_database_is_away(engine: Engine) {
    let mut options = options(engine);
    let mut outage = match engine {
        Engine::Sqlite => Outage::Lock(None),
        Engine::Postgres => {
            let faults = Faults::start(postgres_address()).await;
            options = options.database_at(faults.address());
            Outage::Network(faults)
        }
    };
    let app = App::start(options).await;
    let upstream = Upstream::echo().await;
    let client = app.stranger("ada").await;
    client.create_api("echo", &upstream.base()).await;
    let (_, key) = client.create_key("load").await;

    let load = Load::start(app.base(), &key, "r", false);
    load.has_served(200).await;
    outage.begin(&app);
    eventually("the node to say that usage waits", async || {
        let ready = client.get("/health/ready").await.expect_status(200).json();
        let checks = ready["checks"].as_array().expect("a list");
        let usage = checks.iter().find(|check| check["name"] == "usage");
        let waits = usage.is_some_and(|check| check["ok"] == false);
        (waits && ready["status"] == "degraded").then_some(())
    })
    .await;
    let before = load.served();
    load.has_served(before + 500).await;
    outage.end();
    let before = load.served();
    load.has_served(before + 200).await;
    let seen = load.end().await;
    assert!(seen.unknown.is_empty());

    everything_is_stored(&client, seen.answered.len()).await;
    assert_exactly(&recorded(&client).await, &seen.answered, &HashSet::new());
    eventually("the node to be well again", async || {
        let ready = client.get("/health/ready").await.expect_status(200).json();
        (ready["status"] == "ok").then_some(())
    })
    .await;
}
