//! Starting, changing and stopping.

use std::sync::Arc;
use std::time::Duration;

use apiverse_cluster::Change;
use apiverse_contract::limits::LimitPolicy;
use apiverse_store::{PolicyRow, PolicyTarget};
use http_body_util::{BodyExt, Full};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};

use super::world::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_cuts_no_request() {
    let mut world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    let (called, mut calls) = mpsc::unbounded_channel();
    let addr = {
        let gate = Arc::clone(&gate);
        upstream(move |mut socket| {
            let (gate, called) = (Arc::clone(&gate), called.clone());
            async move {
                read_head(&mut socket).await.unwrap();
                let part = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbe";
                socket.write_all(part).await.unwrap();
                called.send(()).unwrap();
                let _open = gate.acquire().await.unwrap();
                socket.write_all(b"en").await.unwrap();
            }
        })
        .await
    };
    world.add_api(addr, |_| {}).await;
    let mut under_way = Vec::new();
    for _ in 0..10 {
        let mut sender = world.connect().await;
        let request = world
            .request("GET", "/proxy/x/")
            .body(Full::default())
            .unwrap();
        under_way.push(tokio::spawn(async move {
            let answer = sender.send_request(request).await?;
            answer.into_body().collect().await
        }));
        in_time("the call", calls.recv()).await.unwrap();
    }
    // One connection that never asks anything must not hold up the end.
    let _idle = TcpStream::connect(world.addr).await.unwrap();

    let edge = world.edge.take().unwrap();
    let shutdown = tokio::spawn(edge.shutdown(PATIENCE));
    in_time("the listener to close", async {
        while TcpStream::connect(world.addr).await.is_ok() {}
    })
    .await;
    assert!(!shutdown.is_finished());
    gate.add_permits(100);
    for call in under_way {
        let body = in_time("an answer", call).await.unwrap().unwrap();
        assert_eq!(body.to_bytes(), "been");
    }
    assert_eq!(
        in_time("the end", shutdown).await.unwrap(),
        0,
        "connections were cut"
    );
    assert_eq!(world.calls().await.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_under_load_fails_no_request() {
    let mut world = World::new().await;
    let addr = answering(OK).await;
    world.add_api(addr, |_| {}).await;
    let (progress, mut reports) = mpsc::unbounded_channel();
    let mut clients = Vec::new();
    for _ in 0..16 {
        let mut sender = world.connect().await;
        let progress = progress.clone();
        let (authority, key) = (world.addr.to_string(), world.key.clone());
        clients.push(tokio::spawn(async move {
            let mut served: u64 = 0;
            loop {
                let request = http::Request::get("/proxy/x/")
                    .header("host", &authority)
                    .header("x-api-key", &key)
                    .body(Full::<bytes::Bytes>::default())
                    .unwrap();
                let answer = sender.send_request(request).await.expect("an answer");
                assert_eq!(answer.status(), 200);
                let last = answer.headers().contains_key("connection");
                assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok");
                served += 1;
                let _ = progress.send(());
                if last {
                    return served;
                }
                sender.ready().await.expect("announced before it closes");
            }
        }));
    }
    for _ in 0..500 {
        in_time("progress", reports.recv()).await.unwrap();
    }
    let edge = world.edge.take().unwrap();
    assert_eq!(in_time("the end", edge.shutdown(PATIENCE)).await, 0);
    let mut served = 0;
    for client in clients {
        served += in_time("a client", client).await.unwrap();
    }
    in_time("usage", world.gateway.flush()).await;
    let filter = apiverse_store::UsageFilter::calls(world.organization, 0, i64::MAX);
    let calls = world.store.usage_calls(&filter, None, u32::MAX).await;
    assert_eq!(calls.unwrap().len(), usize::try_from(served).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grace_period_ends() {
    let mut world = World::new().await;
    let (called, mut calls) = mpsc::unbounded_channel();
    let addr = upstream(move |mut socket| {
        let called = called.clone();
        async move {
            read_head(&mut socket).await.unwrap();
            called.send(()).unwrap();
            std::future::pending::<()>().await;
        }
    })
    .await;
    world.add_api(addr, |_| {}).await;
    let mut sender = world.connect().await;
    let request = world
        .request("GET", "/proxy/x/")
        .body(Full::default())
        .unwrap();
    let call = tokio::spawn(async move { sender.send_request(request).await.map(|_| ()) });
    in_time("the call", calls.recv()).await.unwrap();
    let edge = world.edge.take().unwrap();
    assert_eq!(
        in_time("the end", edge.shutdown(Duration::from_millis(200))).await,
        1
    );
    assert!(in_time("the client", call).await.unwrap().is_err());
    assert_eq!(world.only_call().await.status, 499);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_seen_by_the_next_call() {
    let world = World::new().await;
    let id = world.add_api(answering(OK).await, |_| {}).await;
    for round in 0..20 {
        assert_eq!(world.get("/proxy/x/").await.status(), 200, "round {round}");
        let mut row = world
            .store
            .api_get(world.organization, id)
            .await
            .unwrap()
            .unwrap();
        row.is_active = false;
        world.store.api_update(&row, &audit()).await.unwrap();
        world.gateway.apply(Change::Api(id)).await;
        assert_eq!(
            code(&world.get("/proxy/x/").await),
            "api_disabled",
            "round {round}"
        );
        row.is_active = true;
        world.store.api_update(&row, &audit()).await.unwrap();
        world.gateway.apply(Change::Api(id)).await;
    }
    world
        .store
        .api_delete(world.organization, id, &audit())
        .await
        .unwrap();
    world.gateway.apply(Change::Api(id)).await;
    assert_eq!(code(&world.get("/proxy/x/").await), "api_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missed_change_is_found() {
    let mut setup = Setup::default();
    setup.gateway.watch_interval = Duration::from_millis(20);
    let world = World::with(setup).await;
    let id = world.add_api(answering(OK).await, |_| {}).await;
    assert_eq!(world.get("/proxy/x/").await.status(), 200);
    // Another node deletes it, and its announcement is lost.
    world
        .store
        .api_delete(world.organization, id, &audit())
        .await
        .unwrap();
    in_time("the change", async {
        while world.get("/proxy/x/").await.status() == 200 {}
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_known_keys_are_served() {
    let mut setup = Setup::default();
    setup.gateway.watch_interval = Duration::from_millis(20);
    let world = World::with(setup).await;
    let id = world.add_api(answering(OK).await, |_| {}).await;
    world.store.close().await;
    assert!(world.gateway.load().await.is_err());
    world.gateway.apply(Change::Api(id)).await;
    world.gateway.apply(Change::Resync).await;
    for _ in 0..50 {
        assert_eq!(world.get("/proxy/x/").await.status(), 200);
    }
    assert_eq!(world.gateway.known(), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_in_the_snapshot_as_soon_as_they_are_announced() {
    let world = World::new().await;
    let api_id = world.add_api(answering(OK).await, |_| {}).await;
    let (key_id, _) = world.add_key(world.organization, |_| {}).await;
    let document = |calls: u32| PolicyRow {
        document: LimitPolicy {
            concurrency: Some(calls),
            ..LimitPolicy::default()
        },
        updated_at: now(),
    };
    for (calls, target, change) in [
        (
            1,
            PolicyTarget::Organization,
            Change::Organization(world.organization),
        ),
        (2, PolicyTarget::Api(api_id), Change::Api(api_id)),
        (3, PolicyTarget::Key(key_id), Change::Key(key_id)),
    ] {
        let put = world
            .store
            .policy_put(world.organization, target, &document(calls), &audit())
            .await;
        assert!(put.unwrap());
        world.gateway.apply(change).await;
    }
    let seen = || {
        let snapshot = world.gateway.loader.current();
        let (api, key) = (snapshot.api(world.organization, "x"), snapshot.key(key_id));
        [
            snapshot.organization_policy(world.organization),
            api.unwrap().policy.clone(),
            key.unwrap().policy.clone(),
        ]
        .map(|policy| policy.and_then(|policy| policy.concurrency))
    };
    assert_eq!(seen(), [Some(1), Some(2), Some(3)]);
    // Everything is read anew.
    world.gateway.apply(Change::Resync).await;
    assert_eq!(seen(), [Some(1), Some(2), Some(3)]);
    let empty = PolicyRow {
        document: LimitPolicy::default(),
        updated_at: now(),
    };
    let put = world
        .store
        .policy_put(
            world.organization,
            PolicyTarget::Organization,
            &empty,
            &audit(),
        )
        .await;
    assert!(put.unwrap());
    let change = Change::Organization(world.organization);
    world.gateway.apply(change).await;
    assert_eq!(seen(), [None, Some(2), Some(3)]);
}
