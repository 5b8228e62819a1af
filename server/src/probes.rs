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

/// How often the database is asked what waits in it.
const BACKLOG_EVERY: Duration = Duration::from_secs(10);

/// Publishes as metrics what waits in the database. Every node says the same: take the largest.
pub async fn watch_backlog(store: Store) {
    const MESSAGES: &str = "apiverse_outbox_messages";
    const BUDGETS: &str = "apiverse_budgets";
    metrics::describe_gauge!(
        MESSAGES,
        "Messages in the outbox: due, later (wait for another attempt), failed (given up)"
    );
    metrics::describe_gauge!(
        "apiverse_outbox_oldest_due_seconds",
        metrics::Unit::Seconds,
        "For how long the message that is due longest has been so"
    );
    metrics::describe_gauge!(
        "apiverse_usage_sums_waiting",
        "Batches of sums of usage that wait to be added to others"
    );
    metrics::describe_gauge!(
        "apiverse_findings_open",
        "Findings about usage that last and that nobody acknowledged"
    );
    metrics::describe_gauge!(BUDGETS, "Budgets, and those that refuse calls (blocking)");
    metrics::describe_gauge!(
        "apiverse_database_up",
        "1 while the database answers, 0 while it does not"
    );
    let messages = |state: &'static str| metrics::gauge!(MESSAGES, "state" => state);
    let (due, later, failed) = (messages("due"), messages("later"), messages("failed"));
    let oldest = metrics::gauge!("apiverse_outbox_oldest_due_seconds");
    let sums = metrics::gauge!("apiverse_usage_sums_waiting");
    let findings = metrics::gauge!("apiverse_findings_open");
    let budgets = metrics::gauge!(BUDGETS, "state" => "all");
    let blocking = metrics::gauge!(BUDGETS, "state" => "blocking");
    let up = metrics::gauge!("apiverse_database_up");
    loop {
        let now = chrono::Utc::now();
        let counted = tokio::time::timeout(BACKLOG_EVERY, store.backlog(now)).await;
        if let Ok(Ok(backlog)) = counted {
            let age = |at: chrono::DateTime<chrono::Utc>| (now - at).num_seconds().max(0);
            due.set(backlog.messages_due as f64);
            later.set(backlog.messages_later as f64);
            failed.set(backlog.messages_failed as f64);
            oldest.set(backlog.message_due_at.map_or(0, age) as f64);
            sums.set(backlog.sums as f64);
            findings.set(backlog.findings_open as f64);
            budgets.set(backlog.budgets as f64);
            blocking.set(backlog.budgets_blocking as f64);
            up.set(1.0);
        } else {
            // What was counted before stays: the drain and readiness say what is wrong.
            up.set(0.0);
        }
        tokio::time::sleep(BACKLOG_EVERY).await;
    }
}

/// Publishes the pool's state as metrics every few seconds.
pub async fn watch_pool(store: Store) {
    metrics::describe_gauge!(
        "apiverse_database_pool",
        "Connections to the database: open, idle of these, and as many as there may be (max)"
    );
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
