//! SIGTERM under load: nothing cut, nothing lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use apiverse_testkit::{Engine, both, eventually};

use crate::start;

both!(a_term_under_load_cuts_nothing_and_records_all);

async fn a_term_under_load_cuts_nothing_and_records_all(engine: Engine) {
    let mut app = start(engine).await;
    let client = app.admin().await;
    let (_, key) = client.create_key("load").await;
    let served = Arc::new(AtomicU64::new(0));
    let stopping = Arc::new(AtomicBool::new(false));
    let mut workers = Vec::new();
    for worker in 0..16 {
        let (client, key) = (apiverse_testkit::Client::new(app.base()), key.clone());
        let (served, stopping) = (Arc::clone(&served), Arc::clone(&stopping));
        workers.push(tokio::spawn(async move {
            for n in 0.. {
                // Some are in the middle of an answer when the signal comes.
                let path = if n % 4 == 0 {
                    "/sample/delay/50"
                } else {
                    "/sample/bytes/5000"
                };
                match client.proxy("GET", path, &key).send().await {
                    Ok(answer) => {
                        assert_eq!(answer.status().as_u16(), 200, "worker {worker}");
                        let body = answer.bytes().await.expect("a body that began is finished");
                        assert!(!body.is_empty());
                        served.fetch_add(1, Ordering::SeqCst);
                    }
                    Err(error) => {
                        let down = stopping.load(Ordering::SeqCst);
                        assert!(down && error.is_connect(), "worker {worker}: {error:?}");
                        return;
                    }
                }
            }
        }));
    }
    eventually("some load", async || {
        (served.load(Ordering::SeqCst) > 200).then_some(())
    })
    .await;
    stopping.store(true, Ordering::SeqCst);
    app.signal("TERM");
    for worker in workers {
        worker.await.expect("no call was cut");
    }
    assert!(app.ended().await.success(), "exit code 0 after SIGTERM");
    let served = served.load(Ordering::SeqCst);

    let app = app.restart().await;
    let client = app.admin().await;
    let usage = client.get("/usage").await.expect_status(200).json();
    assert_eq!(
        usage["totals"]["calls"], served,
        "served calls = recorded calls"
    );
}
