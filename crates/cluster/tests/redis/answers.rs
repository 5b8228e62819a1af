//! Stored answers that nodes share over a real Redis.

use std::time::{Duration, Instant};

use apiverse_cluster::{Answers, AnswersOptions, Count, FoundAnswer, New, Place};

use crate::server::{PATIENCE, RedisServer};

const PLACE: Place = Place([7; 32]);
/// The variant of what varies by nothing.
const PLAIN: [u8; 16] = [0; 16];

fn answers(url: &str) -> Answers {
    let options = AnswersOptions {
        // The machine may be slow; what a slow server does is tried with a stopped one.
        wait: Duration::from_secs(10),
        largest: 1 << 20,
    };
    Answers::redis(url, options).unwrap()
}

/// One variant for each list of fields.
fn variant(names: &str) -> Option<[u8; 16]> {
    let mut variant = PLAIN;
    variant[..names.len()].copy_from_slice(names.as_bytes());
    Some(variant)
}

async fn look(answers: &Answers, api: u128, places: &[Place]) -> FoundAnswer {
    let start = Instant::now();
    loop {
        if let Some(found) = answers.find(api, places, &[PLAIN], variant).await {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "redis is not found");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn text(answers: &Answers, api: u128) -> Option<String> {
    let found = look(answers, api, &[PLACE]).await;
    let (_, bytes) = found.answer?;
    Some(String::from_utf8(bytes).unwrap())
}

fn new(api: u128, begun: Count, names: &str, marks: &[u64]) -> New {
    New {
        api,
        place: PLACE,
        variant: variant(names).unwrap(),
        names: names.to_owned(),
        begun,
        marks: marks.to_vec(),
        keep: Duration::from_secs(60),
        size: 10,
    }
}

/// Stores an answer, and one of its own at a place that nobody looks at: when that is found, both
/// are done.
async fn store(answers: &Answers, new: New, body: &'static str) {
    answers.store(new.clone(), move |out| {
        out.extend_from_slice(body.as_bytes());
    });
    let place = Place(rand::random());
    let begun = look(answers, new.api, &[place]).await.count;
    let marks = Vec::new();
    let after = New {
        place,
        begun,
        marks,
        variant: PLAIN,
        names: String::new(),
        ..new
    };
    answers.store(after, |out| out.push(b'x'));
    let start = Instant::now();
    while look(answers, new.api, &[place]).await.answer.is_none() {
        assert!(start.elapsed() < PATIENCE, "it is never stored");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn nodes_find_each_others_answers_until_a_mark_is_raised() {
    let Some(server) = RedisServer::start(None).await else {
        return;
    };
    let (here, there) = (answers(&server.url()), answers(&server.url()));
    let api = rand::random();
    let begun = look(&here, api, &[PLACE]).await.count;
    store(&here, new(api, begun.clone(), "", &[1, 2]), "one").await;
    assert_eq!(text(&there, api).await.as_deref(), Some("one"));
    // Of the places the first that has one; another API has none.
    let places = [Place([8; 32]), PLACE];
    let found = look(&there, api, &places).await;
    assert_eq!(found.answer, Some((1, b"one".to_vec())));
    assert_eq!(text(&there, rand::random()).await, None);

    there.void(api, &[3]).await;
    assert_eq!(text(&here, api).await.as_deref(), Some("one"));
    there.void(api, &[9, 2]).await;
    assert_eq!(text(&here, api).await, None);

    // What was asked for before that is not stored any more, whoever brings it.
    store(&here, new(api, begun.clone(), "", &[1, 2]), "late").await;
    assert_eq!(text(&there, api).await, None);
    store(&here, new(api, begun, "", &[4]), "of something else").await;
    assert_eq!(
        text(&there, api).await.as_deref(),
        Some("of something else")
    );
    let begun = look(&there, api, &[PLACE]).await.count;
    store(&there, new(api, begun, "", &[1, 2]), "new").await;
    assert_eq!(text(&here, api).await.as_deref(), Some("new"));
}

#[tokio::test]
async fn a_purge_between_a_look_and_a_store_counts() {
    let Some(server) = RedisServer::start(None).await else {
        return;
    };
    let here = answers(&server.url());
    let api = rand::random();
    for round in 0..3 {
        let begun = look(&here, api, &[PLACE]).await.count;
        here.void(api, &[round]).await;
        store(&here, new(api, begun, "", &[round]), "old").await;
        assert_eq!(text(&here, api).await, None);
    }
}

#[tokio::test]
async fn variants_are_found_by_what_they_vary_by() {
    let Some(server) = RedisServer::start(None).await else {
        return;
    };
    let (here, there) = (answers(&server.url()), answers(&server.url()));
    let api = rand::random();
    let begun = look(&here, api, &[PLACE]).await.count;
    store(&here, new(api, begun.clone(), "x-tier", &[1]), "tier").await;
    assert_eq!(text(&there, api).await.as_deref(), Some("tier"));
    // More lists than are kept, and more variants: the place begins anew and works.
    for names in ["a", "b", "c", "d", "e"] {
        store(&here, new(api, begun.clone(), names, &[1]), "other").await;
    }
    assert_eq!(text(&there, api).await.as_deref(), Some("other"));
    for number in 0..40 {
        let mut one = new(api, begun.clone(), "e", &[1]);
        one.variant = [number + 100; 16];
        store(&here, one, "many").await;
    }
    store(&here, new(api, begun, "e", &[1]), "last").await;
    assert_eq!(text(&there, api).await.as_deref(), Some("last"));
}

#[tokio::test]
async fn marks_that_redis_forgets_take_the_answers_along() {
    let Some(server) = RedisServer::start(None).await else {
        return;
    };
    let here = answers(&server.url());
    let api: u128 = rand::random();
    let begun = look(&here, api, &[PLACE]).await.count;
    store(&here, new(api, begun.clone(), "", &[1]), "one").await;
    // As a full server does.
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let pattern = format!("apiverse:cache:{{{api:x}}}:*:marks");
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg(pattern)
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(keys.len(), 1);
    let gone: u32 = redis::cmd("DEL")
        .arg(&keys)
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(gone, 1);
    assert_eq!(text(&here, api).await, None);
    store(&here, new(api, begun, "", &[1]), "late").await;
    assert_eq!(text(&here, api).await, None);
}

#[tokio::test]
async fn too_many_marks_void_all_once() {
    let Some(server) = RedisServer::start(None).await else {
        return;
    };
    let here = answers(&server.url());
    let api = rand::random();
    let begun = look(&here, api, &[PLACE]).await.count;
    store(&here, new(api, begun, "", &[1]), "one").await;
    for thousand in 1..=11_u64 {
        let marks: Vec<u64> = (thousand * 1000..(thousand + 1) * 1000).collect();
        here.void(api, &marks).await;
    }
    assert_eq!(text(&here, api).await, None);
    let begun = look(&here, api, &[PLACE]).await.count;
    store(&here, new(api, begun, "", &[1]), "new").await;
    assert_eq!(text(&here, api).await.as_deref(), Some("new"));
}

#[tokio::test]
async fn a_server_that_was_restarted_begins_with_nothing() {
    let Some(mut server) = RedisServer::start(None).await else {
        return;
    };
    let here = answers(&server.url());
    let api = rand::random();
    let begun = look(&here, api, &[PLACE]).await.count;
    store(&here, new(api, begun.clone(), "", &[1]), "one").await;
    server.kill();
    // While it is away nothing is found, and a purge waits.
    assert!(here.find(api, &[PLACE], &[PLAIN], variant).await.is_none());
    let purging = tokio::spawn({
        let here = here.clone();
        async move { here.void(api, &[1]).await }
    });
    server.restart().await;
    purging.await.unwrap();
    assert_eq!(text(&here, api).await, None);
    // A count of its former life is none.
    store(&here, new(api, begun, "", &[1]), "late").await;
    assert_eq!(text(&here, api).await, None);
}
