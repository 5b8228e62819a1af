//! Keeps the snapshot equal to the database.
//!
//! Changes are announced and applied one row at a time. As a safety net the database's count of
//! changes is compared with what was applied; a difference that stays means that an announcement
//! was missed, and everything is read again. Whatever fails, the snapshot that is there stays.
//!
//! Keys beyond `keys_in_memory` are read when a call brings one, and go when others need the room.

use std::sync::Arc;

use apiverse_cluster::Change;
use apiverse_contract::policies::PolicyLevel;
use apiverse_contract::{KeyId, key_format};
use apiverse_settings::vault::Vault;
use apiverse_store::{Fingerprint, GatewayKey, GatewayOrganization, Store, StoreError};
use arc_swap::ArcSwap;
use tokio::sync::Mutex;

use super::absent::Absent;
use super::plan::{Tools, policies};
use super::policy::policy;
use super::{ApiRecord, KeyRecord, OrganizationRecord, Prefix, Snapshot};
use crate::config::GatewayConfig;
use crate::keys::TICKET_TAG;
use crate::meters::Meters;

/// Keys read at a time.
const PAGE: u32 = 5000;

/// The configuration could not be read; what was known stays in force.
#[derive(Debug, thiserror::Error)]
#[error("the gateway's configuration could not be read")]
pub struct LoadError(#[from] StoreError);

/// A key that has to be read from the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Prefix(Prefix),
    Id(KeyId),
}

pub(crate) struct Loader {
    store: Store,
    vault: Arc<Vault>,
    config: Arc<GatewayConfig>,
    meters: Arc<Meters>,
    snapshot: ArcSwap<Snapshot>,
    absent: parking_lot::Mutex<Absent>,
    state: Mutex<State>,
    /// Held for the length of a full load, of which there is one at a time.
    loading: Mutex<()>,
}

#[derive(Default)]
struct State {
    /// The database's count of changes when everything was last read; `None`: not known to be whole.
    read_at: Option<Fingerprint>,
    /// Changes applied one by one since.
    applied: i64,
    /// Changes that came while everything is being read: the new snapshot may lack them.
    during_load: Option<Vec<Change>>,
}

impl Loader {
    pub(crate) fn new(
        store: Store,
        vault: Arc<Vault>,
        config: Arc<GatewayConfig>,
        meters: Arc<Meters>,
    ) -> Self {
        Self {
            store,
            vault,
            config,
            meters,
            snapshot: ArcSwap::from_pointee(Snapshot::empty()),
            absent: parking_lot::Mutex::default(),
            state: Mutex::default(),
            loading: Mutex::default(),
        }
    }

    /// The configuration as of now. Hold it no longer than a look-up takes.
    pub(crate) fn current(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// What has to be read before `text` can be told to be a key or none. Nothing, nearly always.
    pub(crate) fn missing(&self, snapshot: &Snapshot, text: &[u8], now_us: i64) -> Option<Wanted> {
        if !snapshot.lacks_keys() {
            return None;
        }
        if text.starts_with(TICKET_TAG) {
            let id = self.vault.verify_ticket(text, now_us / 1_000_000)?;
            return snapshot.key(id).is_none().then_some(Wanted::Id(id));
        }
        let prefix = key_format::parse(text)?.lookup_prefix.as_bytes();
        let prefix: Prefix = prefix.try_into().ok()?;
        if snapshot.key_by_prefix(&prefix).is_some() || self.absent.lock().contains(&prefix) {
            return None;
        }
        Some(Wanted::Prefix(prefix))
    }

    /// Reads a key; whether there is one.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn read_key(&self, wanted: Wanted) -> Result<bool, LoadError> {
        // Held while the row is read, as for a change. All that wait here for the same key find
        // it when it is their turn.
        let _state = self.state.lock().await;
        let known = Arc::clone(&self.snapshot.load());
        let found = match wanted {
            Wanted::Id(id) if known.key(id).is_some() => return Ok(true),
            Wanted::Id(id) => self.store.gateway_key(id).await?,
            Wanted::Prefix(prefix) if known.key_by_prefix(&prefix).is_some() => return Ok(true),
            Wanted::Prefix(prefix) if self.absent.lock().contains(&prefix) => return Ok(false),
            Wanted::Prefix(prefix) => {
                let text = String::from_utf8_lossy(&prefix);
                self.store.gateway_key_by_prefix(&text).await?
            }
        };
        self.meters.keys_read.increment(1);
        match (found, wanted) {
            (Some(row), _) => {
                let mut next = Snapshot::clone(&known);
                self.put_key(&mut next, row);
                self.publish(next);
                Ok(true)
            }
            (None, Wanted::Prefix(prefix)) => {
                self.absent.lock().note(prefix);
                Ok(false)
            }
            (None, Wanted::Id(_)) => Ok(false),
        }
    }

    /// Reads everything.
    ///
    /// # Errors
    /// When the database fails; the old snapshot stays.
    pub(crate) async fn load(&self) -> Result<(), LoadError> {
        let _one_at_a_time = self.loading.lock().await;
        self.state.lock().await.during_load = Some(Vec::new());
        let read = self.read_all().await;

        let mut state = self.state.lock().await;
        let meanwhile = state.during_load.take().unwrap_or_default();
        let (fingerprint, mut next) = read?;
        for &change in &meanwhile {
            self.reread(&mut next, change).await?;
        }
        self.publish(next);
        // One of them may have been made unseen.
        self.absent.lock().clear();
        state.read_at = Some(fingerprint);
        state.applied = i64::try_from(meanwhile.len()).unwrap_or(i64::MAX);
        Ok(())
    }

    /// Takes over one change.
    pub(crate) async fn apply(&self, change: Change) {
        if change == Change::Resync {
            if let Err(LoadError(error)) = self.load().await {
                tracing::warn!(error = %error.cause(), "could not read the configuration again");
                self.state.lock().await.read_at = None;
            }
            return;
        }
        // Held while the row is read, so that an older reading never replaces a newer one.
        let mut state = self.state.lock().await;
        if let Some(changes) = &mut state.during_load {
            changes.push(change);
        }
        let mut next = Snapshot::clone(&self.snapshot.load());
        match self.reread(&mut next, change).await {
            Ok(()) => {
                self.publish(next);
                state.applied += 1;
            }
            Err(error) => {
                tracing::warn!(%change, error = %error.cause(), "could not read a change");
                state.read_at = None;
            }
        }
    }

    /// Looks whether a change was missed, for ever.
    pub(crate) async fn watch(&self) {
        let mut suspicion = None;
        let mut reachable = true;
        loop {
            tokio::time::sleep(self.config.watch_interval).await;
            let fingerprint = match self.store.gateway_fingerprint().await {
                Ok(fingerprint) => fingerprint,
                Err(error) => {
                    if reachable {
                        tracing::warn!(
                            error = %error.cause(),
                            "the database is away; the gateway serves what it knows"
                        );
                    }
                    reachable = false;
                    continue;
                }
            };
            if !reachable {
                tracing::info!("the database is back");
                reachable = true;
            }
            let (read_at, applied) = {
                let state = self.state.lock().await;
                (state.read_at, state.applied)
            };
            let expected = read_at.map(|read_at| Fingerprint(read_at.0 + applied));
            if expected == Some(fingerprint) {
                suspicion = None;
                continue;
            }
            // A change that was just made is on its way; one that stays away was missed.
            let seen = (fingerprint, applied);
            if read_at.is_some() && suspicion != Some(seen) {
                suspicion = Some(seen);
                continue;
            }
            suspicion = None;
            match self.load().await {
                Ok(()) => tracing::info!("the configuration was read again: it had changed unseen"),
                Err(LoadError(error)) => {
                    tracing::warn!(error = %error.cause(), "could not read the configuration again");
                }
            }
        }
    }

    async fn read_all(&self) -> Result<(Fingerprint, Snapshot), StoreError> {
        // Read first: a change that comes later is at worst read twice.
        let fingerprint = self.store.gateway_fingerprint().await?;
        let mut next = Snapshot::empty();
        for found in self.store.gateway_organizations().await? {
            self.put_organization(&mut next, found);
        }
        for row in self.store.gateway_apis().await? {
            next.put_api(ApiRecord::new(row, &self.vault, &self.config));
        }
        let mut after = None;
        loop {
            let rows = self.store.gateway_keys(after, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.key.id);
            let is_last_page = rows.len() < PAGE as usize;
            for row in rows {
                self.put_key(&mut next, row);
            }
            if is_last_page {
                break;
            }
            if next.key_count() >= self.config.keys_in_memory {
                next.lacks_keys = true;
                break;
            }
        }
        Ok((fingerprint, next))
    }

    async fn reread(&self, next: &mut Snapshot, change: Change) -> Result<(), StoreError> {
        match change {
            Change::Api(id) => match self.store.gateway_api(id).await? {
                Some(row) => next.put_api(ApiRecord::new(row, &self.vault, &self.config)),
                None => next.remove_api(id),
            },
            Change::Key(id) => match self.store.gateway_key(id).await? {
                Some(row) => self.put_key(next, row),
                None => next.remove_key(id),
            },
            Change::Organization(id) => match self.store.gateway_organization(id).await? {
                Some(found) => self.put_organization(next, found),
                None => next.remove_organization(id),
            },
            Change::Purge(_) | Change::Failure(_) | Change::Forgiven(_) | Change::Resync => {}
        }
        Ok(())
    }

    fn tools(&self) -> Tools<'_> {
        Tools {
            vault: &self.vault,
            config: &self.config,
        }
    }

    fn put_organization(&self, next: &mut Snapshot, found: GatewayOrganization) {
        let (id, level) = (found.id, PolicyLevel::Organization);
        let record = OrganizationRecord {
            limits: policy(found.policy),
            policies: policies(&found.policies, id, level, id.0, self.tools()),
            blocked: found.blocked.into_boxed_slice(),
        };
        next.put_organization(id, record);
    }

    fn put_key(&self, next: &mut Snapshot, found: GatewayKey) {
        let id = found.key.id;
        match KeyRecord::new(found, self.tools()) {
            Ok(record) => {
                if next.lacks_keys {
                    let mut absent = self.absent.lock();
                    for secret in record.secrets() {
                        absent.forget(&secret.prefix);
                    }
                }
                // Before, so that what goes is never the key that a call waits for.
                next.shed_keys(self.config.keys_in_memory);
                next.put_key(record);
            }
            Err(error) => {
                tracing::warn!(key_id = %id, %error, "an api key cannot be used");
                next.remove_key(id);
            }
        }
    }

    fn publish(&self, next: Snapshot) {
        self.meters.apis.set(next.api_count() as f64);
        self.meters.keys.set(next.key_count() as f64);
        self.snapshot.store(Arc::new(next));
    }
}
