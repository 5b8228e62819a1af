//! Versions of an API, by calls that ask for one.

use apiverse_cluster::Change;
use apiverse_contract::policies::{PolicyKind, PolicyScope};
use apiverse_contract::versions::{VersionIn, Versioning};
use apiverse_contract::{ApiId, VersionId};
use apiverse_store::VersionRow;
use chrono::DateTime;
use http_body_util::Full;
use serde_json::json;
use std::net::SocketAddr;

use super::world::*;

/// Answers with its name and the first line of the request.
async fn named(name: &'static str) -> SocketAddr {
    hyper_upstream(move |request| async move {
        let body = format!("{name} {}", request.uri());
        http::Response::new(Full::new(bytes::Bytes::from(body)))
    })
    .await
}

impl World {
    async fn version(
        &self,
        api_id: ApiId,
        name: &str,
        upstream: SocketAddr,
        change: impl FnOnce(&mut VersionRow),
    ) -> VersionId {
        let mut row = VersionRow {
            id: VersionId(id()),
            api_id,
            name: name.to_owned(),
            base_url: format!("http://{upstream}/base"),
            deprecated_at: None,
            sunset_at: None,
            refuse_after_sunset: false,
            link: None,
            created_at: now(),
        };
        change(&mut row);
        let line = audit();
        let insert = self.store.version_insert(self.organization, &row, 9, &line);
        assert!(insert.await.unwrap());
        self.gateway.apply(Change::Api(api_id)).await;
        row.id
    }

    async fn choose_by(&self, api_id: ApiId, r#in: VersionIn, default: &str) {
        let document = Versioning {
            r#in,
            name: None,
            default: default.to_owned(),
        };
        let line = audit();
        let put = self
            .store
            .versioning_put(self.organization, api_id, &document, &line);
        assert!(put.await.unwrap());
        self.gateway.apply(Change::Api(api_id)).await;
    }
}

#[tokio::test]
async fn calls_go_to_the_version_they_name() {
    let world = World::new().await;
    let (old, new) = (named("old").await, named("new").await);
    let api = world.add_api(old, |_| {}).await;
    let id = world.version(api, "v2", new, |_| {}).await;
    let seen = async |path: &str, header: &str| {
        let mut request = world.request("GET", path);
        if !header.is_empty() {
            request = request.header("x-api-version", header);
        }
        let answer = world.send(request.body(Full::default()).unwrap()).await;
        (
            answer.status().as_u16(),
            String::from_utf8_lossy(answer.body()).into_owned(),
        )
    };
    let is = |text: &str| (200, text.to_owned());
    assert_eq!(seen("/proxy/x/v2/a?b", "").await, is("new /base/a?b"));
    assert_eq!(seen("/proxy/x/v2", "").await, is("new /base"));
    assert_eq!(seen("/proxy/x/v3/a", "").await, is("old /v3/a"));
    assert_eq!(seen("/proxy/x/default/a", "").await, is("old /a"));
    assert_eq!(seen("/proxy/x/a", "v2").await, is("old /a"));

    world.choose_by(api, VersionIn::Header, "v2").await;
    assert_eq!(seen("/proxy/x/a", "").await, is("new /base/a"));
    assert_eq!(seen("/proxy/x/a", "default").await, is("old /a"));
    assert_eq!(seen("/proxy/x/a", "v9").await.0, 404);
    world.choose_by(api, VersionIn::Query, "default").await;
    assert_eq!(
        seen("/proxy/x/a?version=v2", "").await,
        is("new /base/a?version=v2")
    );

    let document = json!({ "status": 209 });
    world
        .set_policy(
            PolicyScope::Version(id),
            Some(api),
            PolicyKind::Mock,
            document,
        )
        .await;
    assert_eq!(seen("/proxy/x/a?version=v2", "").await.0, 209);
    assert_eq!(seen("/proxy/x/a", "").await, is("old /a"));
    let calls = world.calls().await;
    let newest: Vec<_> = calls.iter().take(2).map(|call| call.version_id).collect();
    assert_eq!(newest, [None, Some(id)]);
}

#[tokio::test]
async fn callers_are_told_of_the_end_of_a_version() {
    let world = World::new().await;
    let upstream = named("old").await;
    let api = world.add_api(upstream, |_| {}).await;
    let past = DateTime::from_timestamp(1_700_000_000, 0);
    world
        .version(api, "v1", upstream, |row| {
            row.deprecated_at = past;
            row.sunset_at = past;
            row.link = Some("https://example.com/next".to_owned());
        })
        .await;
    world
        .version(api, "v0", upstream, |row| {
            row.sunset_at = past;
            row.refuse_after_sunset = true;
        })
        .await;
    let told = world.get("/proxy/x/v1/a").await;
    assert_eq!(told.status(), 200);
    assert_eq!(told.headers()["deprecation"], "@1700000000");
    assert_eq!(told.headers()["sunset"], "Tue, 14 Nov 2023 22:13:20 GMT");
    assert!(
        told.headers()["link"]
            .to_str()
            .unwrap()
            .contains("rel=\"deprecation\"")
    );
    assert!(
        !world
            .get("/proxy/x/a")
            .await
            .headers()
            .contains_key("deprecation")
    );

    let over = world.get("/proxy/x/v0/a").await;
    assert_eq!(over.status(), 410);
    assert_eq!(over.headers()["x-apiverse-error"], "version_retired");
    assert_eq!(over.headers()["sunset"], "Tue, 14 Nov 2023 22:13:20 GMT");
    let calls = world.calls().await;
    assert!(calls[0].refused && calls[0].version_id.is_some());
}
