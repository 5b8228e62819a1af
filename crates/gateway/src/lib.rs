#![doc = include_str!("../README.md")]
#![warn(clippy::unwrap_used, clippy::expect_used)]

mod activity;
mod body;
mod buffers;
mod call;
mod check;
mod config;
pub mod edge;
mod keys;
mod limits;
mod local;
mod meters;
mod peer;
mod phases;
mod snapshot;
mod timer;
mod upstream;
mod usage;
mod worker;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use apiverse_cluster::Change;
use apiverse_connectors::oauth2::TokenCache;
use apiverse_settings::vault::Vault;
use apiverse_store::Store;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

pub use check::{CheckError, CheckedCall, CheckedKey, CheckedLimits};
pub use config::{GatewayConfig, UpstreamTls};
pub use snapshot::LoadError;

use keys::VerifiedKeys;
use limits::Limiter;
use meters::Meters;
use snapshot::Loader;
use worker::FlushRequest;

/// The data plane: what its threads share.
pub struct Gateway {
    pub(crate) config: Arc<GatewayConfig>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) tokens: Arc<TokenCache>,
    pub(crate) loader: Loader,
    pub(crate) limiter: Limiter,
    /// For the counts that quotas begin with.
    pub(crate) store: Store,
    pub(crate) usage: usage::Sink,
    pub(crate) meters: Arc<Meters>,
    /// For the keyed hashes of verified keys; another one in every process.
    pub(crate) hash_key: [u8; 32],
    /// Texts that were verified outside of calls.
    pub(crate) checked: Mutex<VerifiedKeys>,
    /// The control plane's runtime.
    pub(crate) runtime: Handle,
    workers: Mutex<Vec<mpsc::UnboundedSender<FlushRequest>>>,
}

impl Gateway {
    /// A gateway that knows no APIs and keys yet: see [`Gateway::load`].
    ///
    /// Call it on the control plane's runtime, where its background work (writing usage, watching
    /// for missed changes) goes on until the runtime ends; and after the recorder of metrics is
    /// installed, from which it takes its handles.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    #[must_use]
    pub fn new(
        config: GatewayConfig,
        store: Store,
        vault: Arc<Vault>,
        tokens: impl Into<Arc<TokenCache>>,
    ) -> Arc<Self> {
        let verified_keys = config.verified_keys;
        let config = Arc::new(config);
        let meters = Arc::new(Meters::new());
        let usage = usage::start(store.clone(), Arc::clone(&meters), config.usage_buffer);
        let loader = Loader::new(
            store.clone(),
            Arc::clone(&vault),
            Arc::clone(&config),
            Arc::clone(&meters),
        );
        let gateway = Arc::new(Self {
            config: Arc::clone(&config),
            vault,
            tokens: tokens.into(),
            loader,
            limiter: Limiter::new(
                config.leases.clone(),
                config.legacy_limit_headers,
                config.tracked_callers,
            ),
            store,
            usage,
            meters,
            hash_key: rand::random(),
            checked: Mutex::new(VerifiedKeys::new(verified_keys)),
            runtime: Handle::current(),
            workers: Mutex::default(),
        });
        let watched = Arc::clone(&gateway);
        tokio::spawn(async move { watched.loader.watch().await });
        let swept = Arc::clone(&gateway);
        tokio::spawn(async move { swept.sweep_limits().await });
        gateway
    }

    /// Reads every API and key from the database.
    ///
    /// # Errors
    /// When the database fails; what was known before stays in force.
    pub async fn load(&self) -> Result<(), LoadError> {
        self.loader.load().await
    }

    /// Takes over one change: when this returns, the next call sees it. A change that cannot be
    /// read is made up for when the database is back.
    pub async fn apply(&self, change: Change) {
        self.loader.apply(change).await;
    }

    /// Waits until every call that is over is in the database. While the database is away that
    /// takes as long as it is: put a time limit around it.
    pub async fn flush(&self) {
        let workers = self.workers.lock().clone();
        let mut handed_over = Vec::new();
        for worker in &workers {
            let (done, wait) = oneshot::channel();
            // A worker that is gone has handed over what it had.
            if worker.send(done).is_ok() {
                handed_over.push(wait);
            }
        }
        for wait in handed_over {
            let _ = wait.await;
        }
        self.usage.flush().await;
    }

    /// How many APIs and keys are known.
    #[must_use]
    pub fn known(&self) -> (usize, usize) {
        let snapshot = self.loader.current();
        (snapshot.api_count(), snapshot.key_count())
    }

    async fn sweep_limits(&self) {
        loop {
            tokio::time::sleep(limits::SWEEP).await;
            let now = self.limiter.moment(Instant::now(), call::unix_micros());
            self.limiter.sweep(now);
            self.meters.limit_callers.set(self.limiter.tracked() as f64);
        }
    }

    pub(crate) fn register_worker(&self) -> mpsc::UnboundedReceiver<FlushRequest> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut workers = self.workers.lock();
        workers.retain(|worker| !worker.is_closed());
        workers.push(sender);
        receiver
    }
}
