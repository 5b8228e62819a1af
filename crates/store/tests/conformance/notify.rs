use std::time::Duration;

use apiverse_store::{Heard, Kind, Store};

pub async fn ping_migrate_and_pool(store: &Store) {
    store.migrate().await.expect("a second run changes nothing");
    assert!(store.ping().await.expect("answers") < Duration::from_secs(60));
    let status = store.pool_status();
    assert_eq!(status.max, 4);
    assert!(status.size >= 1);
}

pub async fn messages_arrive(store: &Store) {
    let listener = store.listen().await.expect("listens");
    store.notify("api:1").await.expect("notifies");
    match (store.kind(), listener) {
        (Kind::Sqlite, listener) => assert!(listener.is_none(), "SQLite has one node"),
        (Kind::Postgres, None) => panic!("PostgreSQL listens"),
        (Kind::Postgres, Some(mut listener)) => {
            let heard = listener.recv().await.expect("hears");
            assert_eq!(heard, Heard::Message("api:1".into()));
        }
    }
}
