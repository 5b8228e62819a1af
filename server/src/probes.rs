//! What `/health/ready` asks.

use std::sync::Arc;
use std::time::Duration;

use apiverse_cluster::Bus;
use apiverse_gateway::Gateway;
use apiverse_rest::{HealthProbe, ProbeFuture};
use apiverse_store::Store;

/// The database: one round trip.
pub struct DatabaseProbe(pub Store);

impl HealthProbe for DatabaseProbe {
    fn name(&self) -> &'static str {
        "database"
    }

    /// The gateway serves what it knows without its database.
    fn required(&self) -> bool {
        false
    }

    fn check(&self) -> ProbeFuture<'_> {
        Box::pin(async {
            match self.0.ping().await {
                Ok(_) => Ok(Some(self.0.kind().as_str().to_owned())),
                Err(_) => Err("does not answer".to_owned()),
            }
        })
    }
}

/// The bus between nodes, when it is a service of its own.
pub struct BusProbe(pub Bus);

impl HealthProbe for BusProbe {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn required(&self) -> bool {
        false
    }

    fn check(&self) -> ProbeFuture<'_> {
        Box::pin(async {
            let health = self.0.health().await;
            if health.ok {
                Ok(None)
            } else {
                Err("does not answer, or the subscription is lost".to_owned())
            }
        })
    }
}

/// The way of recorded calls into the database.
pub struct UsageProbe(pub Arc<Gateway>);

impl HealthProbe for UsageProbe {
    fn name(&self) -> &'static str {
        "usage"
    }

    /// Calls are served and kept all the same.
    fn required(&self) -> bool {
        false
    }

    fn check(&self) -> ProbeFuture<'_> {
        Box::pin(async {
            match self.0.usage_trouble() {
                None => Ok(None),
                Some(trouble) => Err(trouble.to_owned()),
            }
        })
    }
}

/// Publishes the pool's state as metrics every few seconds.
pub async fn watch_pool(store: Store) {
    let gauge = |state: &'static str| metrics::gauge!("apiverse_database_pool", "state" => state);
    let (size, idle, max) = (gauge("open"), gauge("idle"), gauge("max"));
    loop {
        let status = store.pool_status();
        size.set(f64::from(status.size));
        idle.set(f64::from(status.idle));
        max.set(f64::from(status.max));
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}
