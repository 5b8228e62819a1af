//! Carries change events between nodes through PostgreSQL when there is no Redis.

use std::time::Duration;

use apiverse_cluster::{Bus, Outbound};
use apiverse_store::{Heard, Store};
use tokio_util::sync::CancellationToken;

/// Connects the bus to the database's LISTEN/NOTIFY. On SQLite, and on a bus with a transport of
/// its own, there is nothing to connect.
pub fn connect(bus: &Bus, store: &Store, stop: &CancellationToken) {
    if store.kind() == apiverse_store::Kind::Sqlite {
        return;
    }
    let Some(outbound) = bus.outbound() else {
        return;
    };
    tokio::spawn(send(outbound, store.clone()));
    tokio::spawn(receive(bus.clone(), store.clone(), stop.clone()));
}

/// Ends when the bus is shut down and its queue is empty.
async fn send(mut outbound: Outbound, store: Store) {
    while let Some(text) = outbound.recv().await {
        let mut pause = Duration::from_millis(100);
        while let Err(error) = store.notify(&text).await {
            tracing::warn!(
                error = error.cause(),
                "cannot tell the other nodes of a change"
            );
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }
}

async fn receive(bus: Bus, store: Store, stop: CancellationToken) {
    let listening = async {
        let mut pause = Duration::from_millis(100);
        loop {
            match store.listen().await {
                Ok(Some(mut listener)) => {
                    pause = Duration::from_millis(100);
                    // What was said before the first word was listened for is lost.
                    bus.inject("resync").await;
                    loop {
                        match listener.recv().await {
                            Ok(Heard::Message(text)) => bus.inject(&text).await,
                            Ok(Heard::Reconnected) => bus.inject("resync").await,
                            Err(error) => {
                                tracing::warn!(
                                    error = error.cause(),
                                    "no longer hear of changes on other nodes"
                                );
                                break;
                            }
                        }
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(
                        error = error.cause(),
                        "cannot listen for changes on other nodes"
                    );
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    };
    tokio::select! {
        () = listening => {}
        () = stop.cancelled() => {}
    }
}
