#![doc = include_str!("../README.md")]
#![warn(clippy::unwrap_used, clippy::expect_used)]

mod activity;
mod body;
mod buffers;
mod cache;
mod call;
mod check;
mod config;
pub mod edge;
mod explain;
mod grpc;
mod keys;
mod limits;
mod local;
mod meters;
mod peer;
mod phases;
mod places;
mod random;
mod snapshot;
mod spans;
mod targets;
mod timer;
mod tokens;
mod transform;
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

pub use apiverse_journal::{OpenError as JournalError, Options as JournalOptions};
pub use cache::PurgeWhat;
pub use check::{CheckError, CheckOutcome, CheckedCall, CheckedKey, CheckedLimits};
pub use config::{GatewayConfig, UpstreamTls, UsageConfig};
pub use places::KeyPlace;
pub use snapshot::LoadError;

use keys::VerifiedKeys;
use limits::Limiter;
use meters::Meters;
use snapshot::Loader;

/// The data plane: what its threads share.
pub struct Gateway {
    pub(crate) config: Arc<GatewayConfig>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) tokens: Arc<TokenCache>,
    pub(crate) loader: Loader,
    pub(crate) limiter: Limiter,
    pub(crate) caches: cache::Caches,
    pub(crate) targets: targets::Registry,
    /// For the counts that quotas begin with.
    pub(crate) store: Store,
    pub(crate) usage: usage::Sink,
    pub(crate) explained: explain::Explained,
    pub(crate) places: places::Outlet,
    pub(crate) meters: Arc<Meters>,
    /// For the keyed hashes of verified keys; another one in every process.
    pub(crate) hash_key: [u8; 32],
    /// Texts that were verified outside of calls.
    pub(crate) checked: Mutex<VerifiedKeys>,
    /// Where they are recorded.
    pub(crate) checks: Mutex<usage::EventWriter>,
    /// For expressions and schemas that take long.
    pub(crate) threads: transform::Threads,
    /// The control plane's runtime.
    pub(crate) runtime: Handle,
}

impl Gateway {
    /// The places that keys are used from, each told now and again: whoever listens knows which
    /// are new. `None`: somebody does already. Nothing is told before.
    pub fn key_places(&self) -> Option<tokio::sync::mpsc::Receiver<KeyPlace>> {
        self.places.open()
    }

    /// A gateway that knows no APIs and keys yet: see [`Gateway::load`].
    ///
    /// Call it on the control plane's runtime, where its background work (writing usage, watching
    /// for missed changes) goes on until the runtime ends; and after the recorder of metrics is
    /// installed, from which it takes its handles.
    ///
    /// # Errors
    /// When the journal of usage events cannot be used: no call may go unrecorded.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn new(
        config: GatewayConfig,
        store: Store,
        vault: Arc<Vault>,
        tokens: impl Into<Arc<TokenCache>>,
    ) -> Result<Arc<Self>, JournalError> {
        let verified_keys = config.verified_keys;
        let config = Arc::new(config);
        let meters = Arc::new(Meters::new());
        let usage = usage::start(
            &config.usage,
            store.clone(),
            Arc::clone(&meters),
            Handle::current(),
        )?;
        let checks = usage.writer();
        let explained =
            explain::start(store.clone(), Arc::clone(&meters), config.explanations_kept);
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
            caches: cache::Caches::new(
                config.cache_bytes,
                config.answers.clone(),
                config.outlet.clone(),
            ),
            targets: targets::Registry::default(),
            store,
            usage,
            explained,
            places: places::Outlet::new(),
            meters,
            hash_key: rand::random(),
            checked: Mutex::new(VerifiedKeys::new(verified_keys)),
            checks: Mutex::new(checks),
            threads: transform::Threads::new(),
            runtime: Handle::current(),
        });
        let watched = Arc::clone(&gateway);
        tokio::spawn(async move { watched.loader.watch().await });
        let spreading = Arc::clone(&gateway);
        tokio::spawn(async move { spreading.caches.spread.run().await });
        let swept = Arc::clone(&gateway);
        tokio::spawn(async move { swept.sweep_limits().await });
        Ok(gateway)
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
        match change {
            // It changes nothing of the configuration.
            Change::Purge(sign) => return self.caches.memory.purge_by_sign(sign),
            // The platform's own counters.
            Change::Failure(_) | Change::Forgiven(_) => return,
            // A purge may have been missed too.
            Change::Resync => self.caches.memory.clear(),
            Change::Api(_) | Change::Key(_) | Change::Organization(_) => {}
        }
        self.loader.apply(change).await;
    }

    /// Waits until every call that is over is in the database. While the database is away that
    /// takes as long as it is: put a time limit around it.
    pub async fn flush(&self) {
        self.usage.flush().await;
    }

    /// Ends storing calls, after a last attempt; what the database did not take stays in the
    /// journal for the next start. Call it when all edges are shut down.
    pub async fn stop(&self) {
        self.usage.stop().await;
    }

    /// What is wrong with recording calls, if anything is.
    #[must_use]
    pub fn usage_trouble(&self) -> Option<&'static str> {
        self.usage.trouble()
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
            self.caches.measure();
        }
    }
}
