//! Who may call what.

use apiverse_cluster::Change;
use apiverse_contract::key_format::{self, LOOKUP_LEN};
use apiverse_contract::keys::Environment;
use chrono::Duration;
use http::Request;
use http_body_util::Full;
use tokio::io::AsyncWriteExt;

use super::world::*;

async fn with_key(world: &World, key: &str, method: &str, path: &str) -> String {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "h")
        .header("x-api-key", key)
        .body(Full::default())
        .unwrap();
    let response = world.send(request).await;
    match response.status().as_u16() {
        200 => "ok".to_owned(),
        _ => code(&response),
    }
}

async fn ok() -> std::net::SocketAddr {
    answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_keys_are_refused() {
    let world = World::new().await;
    let api = world.add_api(ok().await, |_| {}).await;
    let good = world.key.clone();
    let mut garbled = good.clone();
    garbled.replace_range(20..21, if &good[20..21] == "a" { "b" } else { "a" });
    let unknown = key_format::compose(Environment::Live, [7; 32]);
    // The right prefix with another secret behind it.
    let forged = forge(&good);
    for (key, expected) in [
        (good.as_str(), "ok"),
        (&garbled, "invalid_api_key"),
        (&unknown, "invalid_api_key"),
        (&forged, "invalid_api_key"),
        (&forged, "invalid_api_key"),
        ("", "invalid_api_key"),
        ("apv_", "invalid_api_key"),
        ("apvt_0", "invalid_api_key"),
        (good.as_str(), "ok"),
    ] {
        assert_eq!(
            with_key(&world, key, "GET", "/proxy/x/").await,
            expected,
            "{key}"
        );
        let by_id = format!("/proxy/{api}/");
        assert_eq!(
            with_key(&world, key, "GET", &by_id).await,
            expected,
            "{key}"
        );
    }
    let none = Request::get("/proxy/x/")
        .header("host", "h")
        .body(Full::default())
        .unwrap();
    let answer = world.send(none).await;
    assert_eq!(code(&answer), "missing_api_key");
    assert!(answer.headers().contains_key("www-authenticate"));

    // Refused calls show up with the API they were meant for, without a key.
    let calls = world.calls().await;
    assert_eq!(calls.len(), 19);
    for call in calls {
        assert_eq!(call.api_id, Some(api));
        assert_eq!(
            (call.refused, call.key_id.is_some()),
            (call.status != 200, call.status == 200)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_are_limited_and_known_keys_are_not() {
    let mut setup = Setup::default();
    setup.edge.workers = 1;
    let world = World::with(setup).await;
    world.add_api(ok().await, |_| {}).await;
    let good = world.key.clone();
    assert_eq!(with_key(&world, &good, "GET", "/proxy/x/").await, "ok");
    let mut answers = Vec::new();
    let guesses = (0..26).map(|number| forge_with(&good, number));
    for guess in guesses.filter(|guess| *guess != good).take(25) {
        answers.push(with_key(&world, &guess, "GET", "/proxy/x/").await);
    }
    assert!(
        answers[..20].iter().all(|code| code == "invalid_api_key"),
        "{answers:?}"
    );
    assert!(
        answers[20..].iter().all(|code| code == "too_many_attempts"),
        "{answers:?}"
    );
    // What was verified before costs nothing, and neither does a text that is like no key.
    assert_eq!(with_key(&world, &good, "GET", "/proxy/x/").await, "ok");
    let unknown = key_format::compose(Environment::Live, [7; 32]);
    assert_eq!(
        with_key(&world, &unknown, "GET", "/proxy/x/").await,
        "invalid_api_key"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_beyond_what_a_node_takes_are_shed() {
    let mut setup = Setup::default();
    setup.edge.workers = 1;
    setup.gateway.max_calls_of_thread = 1;
    let world = World::with(setup).await;
    let (reached, mut is_reached) = tokio::sync::mpsc::unbounded_channel();
    let (release, _) = tokio::sync::broadcast::channel::<()>(1);
    let releases = release.clone();
    let addr = upstream(move |mut socket| {
        let (reached, mut released) = (reached.clone(), releases.subscribe());
        async move {
            read_head(&mut socket).await;
            reached.send(()).unwrap();
            let _ = released.recv().await;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = socket.write_all(answer).await;
        }
    })
    .await;
    world.add_api(addr, |_| {}).await;
    let key = world.key.clone();
    let first = with_key(&world, &key, "GET", "/proxy/x/");
    let second = async {
        in_time("the first call", is_reached.recv()).await.unwrap();
        let shed = world.get("/proxy/x/").await;
        assert_eq!(code(&shed), "service_unavailable");
        assert_eq!(shed.headers()["retry-after"], "1");
        release.send(()).unwrap();
    };
    let (first, ()) = tokio::join!(first, second);
    assert_eq!(first, "ok");
}

/// A well-formed key with the same look-up prefix.
fn forge(key: &str) -> String {
    let first = forge_with(key, 0);
    if first == key {
        forge_with(key, 1)
    } else {
        first
    }
}

/// One of a hundred of them.
fn forge_with(key: &str, number: u32) -> String {
    let body = &key[..key.len() - 6];
    let body = format!("{}{number:02}", &body[..body.len() - 2]);
    let mut checksum = crc32(body.as_bytes());
    let mut digits = Vec::new();
    for _ in 0..6 {
        digits.push(
            b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                [(checksum % 62) as usize],
        );
        checksum /= 62;
    }
    digits.reverse();
    let forged = body + std::str::from_utf8(&digits).unwrap();
    assert!(key_format::parse(forged.as_bytes()).is_some());
    forged
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_at_once() {
    let world = World::new().await;
    world.add_api(ok().await, |_| {}).await;
    let (id, key) = world.add_key(world.organization, |_| {}).await;
    assert_eq!(with_key(&world, &key, "GET", "/proxy/x/").await, "ok");
    let mut row = world
        .store
        .key_get(world.organization, id)
        .await
        .unwrap()
        .unwrap();
    row.revoked_at = Some(now());
    assert!(world.store.key_update(&row, &audit()).await.unwrap());
    world.gateway.apply(Change::Key(id)).await;
    assert_eq!(
        with_key(&world, &key, "GET", "/proxy/x/").await,
        "invalid_api_key"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_works_until_its_grace_is_over() {
    let world = World::new().await;
    world.add_api(ok().await, |_| {}).await;
    let (id, old) = world.add_key(world.organization, |_| {}).await;
    assert_eq!(with_key(&world, &old, "GET", "/proxy/x/").await, "ok");

    let new = key_format::compose(Environment::Live, [9; 32]);
    let mut row = world
        .store
        .key_get(world.organization, id)
        .await
        .unwrap()
        .unwrap();
    row.previous_prefix = Some(std::mem::replace(
        &mut row.key_prefix,
        new[..LOOKUP_LEN].to_owned(),
    ));
    row.previous_hash = Some(std::mem::replace(&mut row.key_hash, hash(&new)));
    row.previous_expires_at = Some(now() + Duration::hours(1));
    assert!(world.store.key_update(&row, &audit()).await.unwrap());
    world.gateway.apply(Change::Key(id)).await;
    assert_eq!(with_key(&world, &new, "GET", "/proxy/x/").await, "ok");
    assert_eq!(with_key(&world, &old, "GET", "/proxy/x/").await, "ok");

    row.previous_expires_at = Some(now() - Duration::seconds(1));
    assert!(world.store.key_update(&row, &audit()).await.unwrap());
    world.gateway.apply(Change::Key(id)).await;
    assert_eq!(with_key(&world, &new, "GET", "/proxy/x/").await, "ok");
    assert_eq!(
        with_key(&world, &old, "GET", "/proxy/x/").await,
        "expired_api_key"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn restrictions_hold() {
    let world = World::new().await;
    let upstream = ok().await;
    let api = world.add_api(upstream, |_| {}).await;
    world
        .add_api(upstream, |row| row.slug = "y".to_owned())
        .await;
    world
        .add_api(upstream, |row| {
            row.slug = "off".to_owned();
            row.is_active = false;
        })
        .await;
    let org = world.organization;
    let (_, narrow) = world
        .add_key(org, |row| {
            row.api_ids = vec![api];
            row.methods = vec!["GET".to_owned()];
        })
        .await;
    assert_eq!(with_key(&world, &narrow, "GET", "/proxy/x/").await, "ok");
    assert_eq!(
        with_key(&world, &narrow, "POST", "/proxy/x/").await,
        "key_not_allowed"
    );
    assert_eq!(
        with_key(&world, &narrow, "GET", "/proxy/y/").await,
        "key_not_allowed"
    );
    assert_eq!(
        with_key(&world, &narrow, "GET", "/proxy/none/").await,
        "api_not_found"
    );
    assert_eq!(
        with_key(&world, &narrow, "GET", "/proxy/").await,
        "api_not_found"
    );
    assert_eq!(
        with_key(&world, &world.key, "GET", "/proxy/off/").await,
        "api_disabled"
    );

    let past = Some(now() - Duration::seconds(1));
    let (_, expired) = world.add_key(org, |row| row.expires_at = past).await;
    assert_eq!(
        with_key(&world, &expired, "GET", "/proxy/x/").await,
        "expired_api_key"
    );
    let elsewhere = vec!["10.0.0.0/8".to_owned()];
    let (_, away) = world.add_key(org, |row| row.allowed_ips = elsewhere).await;
    assert_eq!(
        with_key(&world, &away, "GET", "/proxy/x/").await,
        "ip_not_allowed"
    );
    let here = vec!["127.0.0.1".to_owned()];
    let (_, home) = world.add_key(org, |row| row.allowed_ips = here).await;
    assert_eq!(with_key(&world, &home, "GET", "/proxy/x/").await, "ok");

    let other = world.another_organization().await;
    let (_, foreign) = world.add_key(other, |_| {}).await;
    assert_eq!(
        with_key(&world, &foreign, "GET", "/proxy/x/").await,
        "api_not_found"
    );
    let by_id = format!("/proxy/{api}/");
    assert_eq!(
        with_key(&world, &foreign, "GET", &by_id).await,
        "api_not_found"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_trusted_proxy_the_callers_address_counts() {
    let mut setup = Setup::default();
    setup.gateway.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let world = World::with(setup).await;
    world.add_api(ok().await, |_| {}).await;
    let nets = vec!["192.0.2.0/24".to_owned()];
    let (_, key) = world
        .add_key(world.organization, |row| row.allowed_ips = nets)
        .await;
    for (forwarded, expected) in [
        ("192.0.2.7", 200),
        ("10.0.0.1, 192.0.2.7", 200),
        ("192.0.2.7, 10.0.0.1", 403),
        ("192.0.2.7, 10.0.0.1, 127.0.0.9", 403),
        ("nonsense", 403),
    ] {
        let request = Request::get("/proxy/x/")
            .header("host", "h")
            .header("x-api-key", &key)
            .header("x-forwarded-for", forwarded)
            .body(Full::default())
            .unwrap();
        assert_eq!(world.send(request).await.status(), expected, "{forwarded}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_in_addresses_work_only_where_they_may() {
    let world = World::new().await;
    let upstream = ok().await;
    world.add_api(upstream, |_| {}).await;
    world
        .add_api(upstream, |row| {
            row.slug = "open".to_owned();
            row.allow_query_key = true;
        })
        .await;
    let get = async |path: String| {
        let request = Request::get(path)
            .header("host", "h")
            .body(Full::default())
            .unwrap();
        world.send(request).await
    };
    let key = &world.key;
    let opened = get(format!("/proxy/open/?a&api_key={key}&b")).await;
    assert_eq!(opened.status(), 200);
    assert_eq!(opened.headers()["content-security-policy"], "sandbox");
    assert_eq!(
        code(&get("/proxy/open/?api_key=apv_wrong".to_owned()).await),
        "invalid_api_key"
    );
    for path in [
        format!("/proxy/x/?api_key={key}"),
        "/proxy/x/?api_key=apv_wrong".to_owned(),
    ] {
        assert_eq!(code(&get(path).await), "missing_api_key");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_acts_as_its_key() {
    let world = World::new().await;
    world.add_api(ok().await, |_| {}).await;
    let methods = vec!["GET".to_owned()];
    let (id, _) = world
        .add_key(world.organization, |row| row.methods = methods)
        .await;
    let unix = now().timestamp();
    let ticket = world.vault.sign_ticket(id, unix + 60);
    assert_eq!(with_key(&world, &ticket, "GET", "/proxy/x/").await, "ok");
    assert_eq!(
        with_key(&world, &ticket, "POST", "/proxy/x/").await,
        "key_not_allowed"
    );
    let old = world.vault.sign_ticket(id, unix - 1);
    assert_eq!(
        with_key(&world, &old, "GET", "/proxy/x/").await,
        "invalid_api_key"
    );
    let calls = world.calls().await;
    assert_eq!(
        calls.iter().filter(|call| call.key_id == Some(id)).count(),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keys_last_use_is_noted() {
    let world = World::new().await;
    world.add_api(ok().await, |_| {}).await;
    let (id, key) = world.add_key(world.organization, |_| {}).await;
    let before = now();
    assert_eq!(with_key(&world, &key, "GET", "/proxy/x/").await, "ok");
    let used = in_time("the last use", async {
        loop {
            world.gateway.flush().await;
            let row = world
                .store
                .key_get(world.organization, id)
                .await
                .unwrap()
                .unwrap();
            if let Some(at) = row.last_used_at {
                return at;
            }
        }
    });
    assert!(used.await >= before);
}

/// A world that holds two keys in memory, of the ten that it returns.
async fn crowded() -> (World, Vec<(apiverse_contract::KeyId, String)>) {
    let mut setup = Setup::default();
    setup.gateway.keys_in_memory = 2;
    let world = World::with(setup).await;
    world.add_api(ok().await, |_| {}).await;
    let mut keys = Vec::new();
    for _ in 0..10 {
        keys.push(world.add_key(world.organization, |_| {}).await);
    }
    (world, keys)
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_not_in_memory_are_read() {
    let (world, keys) = crowded().await;
    for _ in 0..2 {
        for (_, text) in &keys {
            assert_eq!(with_key(&world, text, "GET", "/proxy/x/").await, "ok");
            assert!(world.gateway.known().1 <= 3);
        }
    }
    // The path that knows all of HTTP, which an upgrade takes.
    for (_, text) in &keys {
        let request = world
            .request("GET", "/proxy/x/")
            .header("connection", "upgrade")
            .header("upgrade", "x");
        let mut request = request.body(Full::default()).unwrap();
        let value = text.parse().unwrap();
        request.headers_mut().insert("x-api-key", value);
        assert_eq!(world.send(request).await.status(), 200);
    }
    for (id, text) in &keys {
        world.gateway.ready_key(text).await;
        let found = world.gateway.check_key(text, 0).unwrap();
        assert_eq!(found.id(), *id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_no_key_is_looked_up_once() {
    let (world, keys) = crowded().await;
    let unknown = key_format::compose(Environment::Live, [7; 32]);
    for _ in 0..3 {
        let answer = with_key(&world, &unknown, "GET", "/proxy/x/").await;
        assert_eq!(answer, "invalid_api_key");
    }
    // It becomes one.
    world
        .add_key(world.organization, |row| {
            row.key_prefix = unknown[..LOOKUP_LEN].to_owned();
            row.key_hash = hash(&unknown);
        })
        .await;
    for (_, text) in &keys {
        assert_eq!(with_key(&world, text, "GET", "/proxy/x/").await, "ok");
    }
    assert_eq!(with_key(&world, &unknown, "GET", "/proxy/x/").await, "ok");
    // A revoked key is gone from memory and stays away.
    let (id, text) = &keys[0];
    assert_eq!(with_key(&world, text, "GET", "/proxy/x/").await, "ok");
    let mut row = world.store.key_get(world.organization, *id).await;
    let row = row.as_mut().unwrap().as_mut().unwrap();
    row.revoked_at = Some(now());
    world.store.key_update(row, &audit()).await.unwrap();
    world.gateway.apply(Change::Key(*id)).await;
    for _ in 0..2 {
        let answer = with_key(&world, text, "GET", "/proxy/x/").await;
        assert_eq!(answer, "invalid_api_key");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_only_keys_in_memory_are_known() {
    let (world, keys) = crowded().await;
    let (_, known) = &keys[9];
    assert_eq!(with_key(&world, known, "GET", "/proxy/x/").await, "ok");
    world.store.close().await;
    assert_eq!(with_key(&world, known, "GET", "/proxy/x/").await, "ok");
    let mut unread = 0;
    for (_, text) in &keys {
        match with_key(&world, text, "GET", "/proxy/x/").await.as_str() {
            "ok" => {}
            "service_unavailable" => unread += 1,
            other => panic!("{other}"),
        }
    }
    assert!(unread >= 7, "{unread}");
}
