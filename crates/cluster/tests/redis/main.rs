//! The bus over a real Redis: `TEST_REDIS_URL`, or a `redis-server` started here.

mod answers;
mod leases;
mod server;

use std::sync::Arc;
use std::time::{Duration, Instant};

use apiverse_cluster::{Bus, BusKind, Change};
use apiverse_contract::{ApiId, KeyId};
use parking_lot::Mutex;
use server::{PATIENCE, RedisServer};
use uuid::Uuid;

/// What a bus heard.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Change>>>);

impl Heard {
    fn on(bus: &Bus) -> Self {
        let heard = Self::default();
        let record = heard.clone();
        bus.on_change(move |change| {
            record.0.lock().push(change);
            Box::pin(async {})
        });
        heard
    }

    fn count(&self, change: Change) -> usize {
        self.0
            .lock()
            .iter()
            .filter(|heard| **heard == change)
            .count()
    }
}

async fn wait_for(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn connected(url: &str, password: Option<&str>) -> Bus {
    let bus = Bus::redis(url, password).unwrap();
    wait_for("the bus is well", async || bus.health().await.ok).await;
    bus
}

fn key() -> Change {
    Change::Key(KeyId(Uuid::from_u128(rand::random())))
}

async fn changes_reach_the_other_node(url: &str) {
    let (here, there) = (connected(url, None).await, connected(url, None).await);
    let (heard_here, heard_there) = (Heard::on(&here), Heard::on(&there));
    let health = here.health().await;
    assert_eq!(health.kind, BusKind::Redis);
    assert!(health.ok && health.latency > Duration::ZERO);

    let first = Change::Api(ApiId(Uuid::from_u128(rand::random())));
    let second = key();
    here.publish(first).await;
    // In force here at once, and once: our own message does not come back to us.
    assert_eq!(heard_here.count(first), 1);
    here.publish(second).await;
    wait_for("both arrive", async || heard_there.count(second) == 1).await;
    assert_eq!(heard_there.count(first), 1);
    let order = heard_there.0.lock().clone();
    let position = |change| order.iter().position(|heard| *heard == change);
    assert!(position(first) < position(second), "{order:?}");

    let answer = key();
    there.publish(answer).await;
    wait_for("the answer arrives", async || heard_here.count(answer) == 1).await;
    assert_eq!((heard_here.count(first), heard_there.count(answer)), (1, 1));
}

#[tokio::test]
async fn a_change_reaches_the_other_node() {
    match std::env::var("TEST_REDIS_URL") {
        Ok(url) => changes_reach_the_other_node(&url).await,
        Err(_) => {
            if let Some(server) = RedisServer::start(None).await {
                changes_reach_the_other_node(&server.url()).await;
            }
        }
    }
}

#[tokio::test]
async fn after_an_outage_nodes_resync_and_hear_each_other_again() {
    let Some(mut server) = RedisServer::start(None).await else {
        return;
    };
    let (here, there) = (
        connected(&server.url(), None).await,
        connected(&server.url(), None).await,
    );
    let (heard_here, heard_there) = (Heard::on(&here), Heard::on(&there));

    server.kill();
    wait_for("the loss is noticed", async || {
        !here.health().await.ok && !there.health().await.ok
    })
    .await;
    // Changes go on in this process, and the caller does not wait for a Redis that is away.
    let during = key();
    let started = Instant::now();
    here.publish(during).await;
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_eq!(heard_here.count(during), 1);

    server.restart().await;
    wait_for("both resync", async || {
        heard_here.count(Change::Resync) > 0 && heard_there.count(Change::Resync) > 0
    })
    .await;
    wait_for("both are well", async || {
        here.health().await.ok && there.health().await.ok
    })
    .await;
    let after = key();
    here.publish(after).await;
    wait_for("changes flow again", async || heard_there.count(after) == 1).await;
}

#[tokio::test]
async fn a_server_that_falls_silent_is_noticed() {
    let Some(server) = RedisServer::start(None).await else {
        return;
    };
    let bus = connected(&server.url(), None).await;
    let heard = Heard::on(&bus);
    // Its connections stay open, as those to a machine that vanished from the network do.
    server.signal("-STOP");
    let silent_since = Instant::now();
    assert!(!bus.health().await.ok);
    // The ping of the subscription goes unanswered; the server's return alone resyncs nothing.
    wait_for("the subscription is given up", async || {
        silent_since.elapsed() > Duration::from_secs(8)
    })
    .await;
    server.signal("-CONT");
    wait_for("the resync", async || heard.count(Change::Resync) > 0).await;
}

#[tokio::test]
async fn a_node_that_starts_before_redis_finds_it() {
    let Some(mut server) = RedisServer::start(None).await else {
        return;
    };
    server.kill();
    let bus = Bus::redis(&server.url(), None).unwrap();
    let heard = Heard::on(&bus);
    assert!(!bus.health().await.ok);
    server.restart().await;
    wait_for("the first resync", async || heard.count(Change::Resync) > 0).await;
}

#[tokio::test]
async fn the_password_is_used_and_goes_before_the_urls() {
    let Some(server) = RedisServer::start(Some("right-one")).await else {
        return;
    };
    connected(&server.url(), Some("right-one")).await;
    let address = format!("127.0.0.1:{}", server.port);
    connected(&format!("redis://:right-one@{address}"), None).await;
    connected(&format!("redis://:wrong@{address}"), Some("right-one")).await;
    let refused = Bus::redis(&server.url(), Some("wrong")).unwrap();
    let health = refused.health().await;
    assert!(!health.ok);
    assert!(!format!("{refused:?}").contains("wrong"));
}

#[tokio::test]
async fn shutdown_sends_what_is_queued_first() {
    let Some(server) = RedisServer::start(None).await else {
        return;
    };
    let (here, there) = (
        connected(&server.url(), None).await,
        connected(&server.url(), None).await,
    );
    let heard = Heard::on(&there);
    let last = key();
    for _ in 0..100 {
        here.publish(key()).await;
    }
    here.publish(last).await;
    here.shutdown().await;
    wait_for("the last one arrives", async || heard.count(last) == 1).await;
}

#[tokio::test]
async fn a_dropped_bus_leaves_no_connection() {
    let Some(server) = RedisServer::start(None).await else {
        return;
    };
    let watcher = redis::Client::open(server.url()).unwrap();
    let mut watcher = watcher.get_multiplexed_async_connection().await.unwrap();
    let mut clients = async || {
        let list: String = redis::cmd("CLIENT")
            .arg("LIST")
            .query_async(&mut watcher)
            .await
            .unwrap();
        list.lines().count()
    };
    let bus = connected(&server.url(), None).await;
    assert_eq!(clients().await, 3);
    drop(bus);
    wait_for("its connections close", async || clients().await == 1).await;
}
