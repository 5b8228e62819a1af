//! The immutable view of configuration that requests read.

mod absent;
mod api;
mod key;
mod loader;
mod plan;
mod policy;
mod shards;
mod versions;

use std::sync::Arc;

use apiverse_contract::{ApiId, KeyId, OrganizationId};
use apiverse_store::BudgetBlock;
use uuid::Uuid;

pub(crate) use api::{ApiRecord, AuthPlan, Limits, Target};
pub(crate) use key::{KeyRecord, Prefix, Secret};
pub use loader::LoadError;
pub(crate) use loader::{Loader, Wanted};
pub(crate) use plan::{Origin as PolicyOrigin, Plan, Policies, Tools};
pub(crate) use policy::{Policy, RouteRecord};
use shards::Shards;
pub(crate) use versions::{RetiredVersion, UnknownVersion, VersionRecord};

/// Longest slug.
const MAX_SLUG: usize = 63;
const API_SHARDS: usize = 256;
const KEY_SHARDS: usize = 1024;

/// Every API, the keys (all of them, or those in use), and the limits of every organization, as of
/// one moment. Clones share nearly everything.
#[derive(Clone)]
pub(crate) struct Snapshot {
    apis: Shards<ApiId, Arc<ApiRecord>>,
    /// By organization and slug, in the form of [`slug_key`].
    apis_by_slug: Shards<Box<[u8]>, Arc<ApiRecord>>,
    /// Whose a slug is, over all organizations.
    slug_owners: Shards<Box<str>, Owners>,
    keys: Shards<KeyId, Arc<KeyRecord>>,
    keys_by_prefix: Shards<Prefix, Arc<KeyRecord>>,
    /// The database has more keys than are held here.
    lacks_keys: bool,
    /// Those that have something attached.
    organizations: Shards<OrganizationId, Arc<OrganizationRecord>>,
}

/// What is attached to a whole organization.
pub(crate) struct OrganizationRecord {
    pub(crate) limits: Policy,
    pub(crate) policies: Policies,
    /// What spent budgets refuse.
    pub(crate) blocked: Box<[BudgetBlock]>,
}

impl OrganizationRecord {
    /// Until when spent budgets refuse a call, in microseconds since 1970.
    pub(crate) fn blocked_until(&self, api: ApiId, key: KeyId, now_us: i64) -> Option<i64> {
        self.blocked
            .iter()
            .filter(|block| {
                block.until_us > now_us
                    && block.api_id.is_none_or(|id| id == api)
                    && block.key_id.is_none_or(|id| id == key)
            })
            .map(|block| block.until_us)
            .max()
    }
}

/// The APIs that share a slug: how many, and their ids combined by exclusive or, which is the id
/// itself when there is one. A list would make a slug that every organization uses (`sample`)
/// cost its length at each change.
#[derive(Clone, Copy, Default)]
struct Owners {
    count: u32,
    ids: u128,
}

impl Owners {
    fn only(self) -> Option<ApiId> {
        (self.count == 1).then(|| ApiId(Uuid::from_u128(self.ids)))
    }
}

impl Snapshot {
    pub(crate) fn empty() -> Self {
        Self {
            apis: Shards::new(API_SHARDS),
            apis_by_slug: Shards::new(API_SHARDS),
            slug_owners: Shards::new(API_SHARDS),
            keys: Shards::new(KEY_SHARDS),
            keys_by_prefix: Shards::new(KEY_SHARDS),
            lacks_keys: false,
            organizations: Shards::new(API_SHARDS),
        }
    }

    pub(crate) fn api_count(&self) -> usize {
        self.apis.len()
    }

    pub(crate) fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// The API that `selector`, an id or slug, names within an organization.
    pub(crate) fn api(
        &self,
        organization_id: OrganizationId,
        selector: &str,
    ) -> Option<&Arc<ApiRecord>> {
        let mut buffer = [0; 16 + MAX_SLUG];
        if let Some(key) = slug_key(organization_id, selector, &mut buffer)
            && let Some(api) = self.apis_by_slug.get(key)
        {
            return Some(api);
        }
        let id = Uuid::try_parse(selector).ok()?;
        self.api_by_id(organization_id, ApiId(id))
    }

    /// The API with an id, within an organization.
    pub(crate) fn api_by_id(
        &self,
        organization_id: OrganizationId,
        id: ApiId,
    ) -> Option<&Arc<ApiRecord>> {
        let api = self.apis.get(&id)?;
        (api.organization_id == organization_id).then_some(api)
    }

    /// The API that `selector` names when no organization is known: an id, or a slug that only
    /// one organization uses. For attributing a refused call, never for serving one.
    pub(crate) fn api_of_anyone(&self, selector: &str) -> Option<&Arc<ApiRecord>> {
        if let Some(owners) = self.slug_owners.get(selector) {
            return self.apis.get(&owners.only()?);
        }
        let id = Uuid::try_parse(selector).ok()?;
        self.apis.get(&ApiId(id))
    }

    pub(crate) fn key_by_prefix(&self, prefix: &[u8]) -> Option<&Arc<KeyRecord>> {
        let prefix: &Prefix = prefix.try_into().ok()?;
        self.keys_by_prefix.get(prefix)
    }

    pub(crate) fn key(&self, id: KeyId) -> Option<&Arc<KeyRecord>> {
        self.keys.get(&id)
    }

    /// The limits of a whole organization.
    pub(crate) fn organization_policy(&self, id: OrganizationId) -> Policy {
        self.organization(id)?.limits.clone()
    }

    /// `None`: nothing is attached to it.
    pub(crate) fn organization(&self, id: OrganizationId) -> Option<&Arc<OrganizationRecord>> {
        self.organizations.get(&id)
    }

    pub(crate) fn put_organization(&mut self, id: OrganizationId, record: OrganizationRecord) {
        if record.limits.is_none() && record.policies.is_none() && record.blocked.is_empty() {
            self.organizations.remove(&id);
        } else {
            self.organizations.insert(id, Arc::new(record));
        }
    }

    pub(crate) fn remove_organization(&mut self, id: OrganizationId) {
        self.organizations.remove(&id);
    }

    pub(crate) fn put_api(&mut self, record: ApiRecord) {
        self.remove_api(record.id);
        let record = Arc::new(record);
        let mut buffer = [0; 16 + MAX_SLUG];
        if let Some(key) = slug_key(record.organization_id, &record.slug, &mut buffer) {
            self.apis_by_slug.insert(key.into(), Arc::clone(&record));
            let mut owners = self
                .slug_owners
                .get(&*record.slug)
                .copied()
                .unwrap_or_default();
            owners.count += 1;
            owners.ids ^= record.id.0.as_u128();
            self.slug_owners.insert(record.slug.clone(), owners);
        }
        self.apis.insert(record.id, record);
    }

    pub(crate) fn remove_api(&mut self, id: ApiId) {
        let Some(record) = self.apis.remove(&id) else {
            return;
        };
        let mut buffer = [0; 16 + MAX_SLUG];
        if let Some(key) = slug_key(record.organization_id, &record.slug, &mut buffer) {
            // A slug that was given to another API meanwhile is that one's.
            if self.apis_by_slug.get(key).is_some_and(|api| api.id == id) {
                self.apis_by_slug.remove(key);
            }
            if let Some(mut owners) = self.slug_owners.get(&*record.slug).copied() {
                owners.count -= 1;
                owners.ids ^= id.0.as_u128();
                if owners.count == 0 {
                    self.slug_owners.remove(&*record.slug);
                } else {
                    self.slug_owners.insert(record.slug.clone(), owners);
                }
            }
        }
    }

    /// Whether a key that is not here may be in the database.
    pub(crate) const fn lacks_keys(&self) -> bool {
        self.lacks_keys
    }

    /// Lets go of keys, those first that were not used of late, when there are more than `most`
    /// and a sixteenth.
    fn shed_keys(&mut self, most: usize) {
        if self.keys.len() <= most + most / 16 {
            return;
        }
        self.lacks_keys = true;
        let too_many = self.keys.len() - most;
        let mut going: Vec<KeyId> = Vec::with_capacity(too_many);
        let mut others: Vec<KeyId> = Vec::new();
        for key in self.keys.values() {
            if going.len() == too_many {
                break;
            }
            if key.take_used() {
                if others.len() < too_many {
                    others.push(key.id);
                }
            } else {
                going.push(key.id);
            }
        }
        let missing = too_many - going.len();
        for id in going.into_iter().chain(others.into_iter().take(missing)) {
            self.remove_key(id);
        }
    }

    pub(crate) fn put_key(&mut self, record: KeyRecord) {
        self.remove_key(record.id);
        let record = Arc::new(record);
        for secret in record.secrets() {
            self.keys_by_prefix
                .insert(secret.prefix, Arc::clone(&record));
        }
        self.keys.insert(record.id, record);
    }

    pub(crate) fn remove_key(&mut self, id: KeyId) {
        let Some(record) = self.keys.remove(&id) else {
            return;
        };
        for secret in record.secrets() {
            if self
                .keys_by_prefix
                .get(&secret.prefix)
                .is_some_and(|key| key.id == id)
            {
                self.keys_by_prefix.remove(&secret.prefix);
            }
        }
    }
}

/// Organization and slug in one row of bytes, so that a look-up needs no allocation. `None` for
/// what cannot be a slug.
fn slug_key<'a>(
    organization_id: OrganizationId,
    slug: &str,
    buffer: &'a mut [u8; 16 + MAX_SLUG],
) -> Option<&'a [u8]> {
    if slug.is_empty() || slug.len() > MAX_SLUG {
        return None;
    }
    buffer[..16].copy_from_slice(organization_id.0.as_bytes());
    let end = 16 + slug.len();
    buffer[16..end].copy_from_slice(slug.as_bytes());
    Some(&buffer[..end])
}

#[cfg(test)]
pub(crate) fn target_for_tests(base_url: &str) -> Target {
    Target::new(base_url, false).expect("a base url")
}

#[cfg(test)]
mod tests;
