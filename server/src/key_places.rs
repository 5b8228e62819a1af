//! Places that keys are used from, from the gateway to the audit log.

use std::time::Duration;

use apiverse_gateway::Gateway;
use apiverse_platform::Platform;

const FORGET_EVERY: Duration = Duration::from_secs(24 * 3600);
/// Between two places: after a start all that keys are used from is new to the gateway, and each is
/// a write transaction.
const PAUSE: Duration = Duration::from_millis(20);

/// Takes note of places until the runtime ends.
pub(crate) async fn watch(gateway: &Gateway, platform: Platform) {
    let Some(mut places) = gateway.key_places() else {
        return;
    };
    let mut forget = tokio::time::interval(FORGET_EVERY);
    loop {
        let done = tokio::select! {
            place = places.recv() => {
                let Some(place) = place else { return };
                let network = place.network.to_string();
                let noted = platform.key_used_from(place.organization_id, place.key_id, &network);
                let noted = noted.await.map(drop);
                tokio::time::sleep(PAUSE).await;
                noted
            }
            _ = forget.tick() => platform.key_places_forget().await,
        };
        if let Err(error) = done {
            // A key may be gone by now.
            tracing::debug!(%error, "a place that a key was used from is not noted");
        }
    }
}
