//! Targets whose names lead elsewhere after a while.

use std::net::Ipv4Addr;
use std::sync::Arc;

use apiverse_contract::policies::{PolicyKind, PolicyScope};
use apiverse_contract::{ApiId, KeyId};
use http::HeaderMap;
use serde_json::json;
use tokio::net::TcpListener;

use super::places::Place;
use super::world::*;
use crate::snapshot::{Plan, Target};
use crate::targets::{Caller, Own, Preview};

/// The same port at two addresses, and an API whose target has the second one in its URL.
async fn two(world: &World, refresh_seconds: u32) -> (Place, Place, Arc<Target>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let old = TcpListener::bind(("127.0.0.2", port)).await.unwrap();
    let (old, new) = (Place::on("old", old), Place::on("new", listener));
    let api = world.add_api(new.address, |_| {}).await;
    let document = json!({
        "targets": [{ "url": new.url() }],
        "dns_refresh_seconds": refresh_seconds,
    });
    let scope = PolicyScope::Api(api);
    world
        .set_policy(scope, Some(api), PolicyKind::Upstream, document)
        .await;
    let target = target(world, api);
    (old, new, target)
}

fn target(world: &World, api: ApiId) -> Arc<Target> {
    let snapshot = world.gateway.loader.current();
    let api = snapshot.api_by_id(world.organization, api).unwrap();
    let plan = Plan::of(&[api.policies.as_deref().unwrap()]);
    let headers = HeaderMap::new();
    let caller = Caller::new(KeyId(id()), Ipv4Addr::LOCALHOST.into(), &headers);
    let own = Own {
        target: None,
        version: None,
    };
    let compiled = plan.upstream.unwrap();
    let preview = Preview::of(&world.gateway, api, own, &compiled, &caller, true);
    preview.unwrap().target.unwrap()
}

async fn place(world: &World) -> String {
    let answer = world.get("/proxy/x/").await;
    answer.headers()["x-place"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_kept_connection_to_an_address_that_is_gone_is_not_used() {
    let world = World::new().await;
    let (old, new, target) = two(&world, 3600).await;
    let names = &target.origin.names;
    names.pretend(vec![old.address]);
    for _ in 0..10 {
        assert_eq!(place(&world).await, "old");
    }
    names.pretend(vec![new.address]);
    for _ in 0..10 {
        assert_eq!(place(&world).await, "new");
    }
    assert_eq!((old.calls(), new.calls()), (10, 10));
}

#[tokio::test]
async fn a_name_is_resolved_anew_while_calls_go_on() {
    let world = World::new().await;
    let (old, new, target) = two(&world, 1).await;
    target.origin.names.pretend(vec![old.address]);
    in_time("calls at the new address", async {
        while new.calls() < 10 {
            place(&world).await;
        }
    })
    .await;
    let before = old.calls();
    for _ in 0..10 {
        assert_eq!(place(&world).await, "new");
    }
    assert_eq!(old.calls(), before);
}
