//! Checking a key outside a call: what services that take keys themselves ask.

use std::net::IpAddr;
use std::sync::Arc;

use apiverse_contract::{ApiId, KeyId, OrganizationId};
use http::Method;

use crate::Gateway;
use crate::keys::{Identifier, IdentifyError, TICKET_TAG};
use crate::snapshot::KeyRecord;

/// The text is no key that may be used now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    #[error("the api key is not valid")]
    Invalid,
    /// It is one, but its time is over.
    #[error("the api key has expired")]
    Expired {
        key_id: KeyId,
        organization_id: OrganizationId,
    },
}

/// A key that is what it says, and what it is restricted to.
pub struct CheckedKey(Arc<KeyRecord>);

impl CheckedKey {
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.0.id
    }

    #[must_use]
    pub fn organization_id(&self) -> OrganizationId {
        self.0.organization_id
    }

    #[must_use]
    pub fn allows_api(&self, id: ApiId) -> bool {
        self.0.allows_api(id)
    }

    /// Whether the key is for `method`, which may be any token.
    #[must_use]
    pub fn allows_method(&self, method: &str) -> bool {
        Method::from_bytes(method.as_bytes()).is_ok_and(|method| self.0.allows_method(&method))
    }

    /// Whether the key may be used from an address; one that is tied to networks may not be used
    /// from an unknown one.
    #[must_use]
    pub fn allows_address(&self, address: Option<IpAddr>) -> bool {
        match address {
            Some(address) => self.0.allows_address(address),
            None => !self.0.is_tied_to_networks(),
        }
    }
}

impl Gateway {
    /// The key that `text` is, as of `now_us` (microseconds since 1970), by the gateway's own
    /// look-up: no database, and no Argon2 for what was verified before or is unknown.
    ///
    /// # Errors
    /// When it is none, or its time is over.
    pub fn check_key(&self, text: &str, now_us: i64) -> Result<CheckedKey, CheckError> {
        // A ticket is for calls that the console makes, not for anybody's service.
        if text.as_bytes().starts_with(TICKET_TAG) {
            return Err(CheckError::Invalid);
        }
        let snapshot = self.loader.current();
        let identifier = Identifier {
            snapshot: &snapshot,
            vault: &self.vault,
            meters: &self.meters,
            hash_key: &self.hash_key,
            now_us,
        };
        let found = identifier.identify(text.as_bytes(), &mut self.checked.lock());
        found.map(CheckedKey).map_err(|error| match error {
            IdentifyError::Invalid => CheckError::Invalid,
            IdentifyError::Expired { key, organization } => CheckError::Expired {
                key_id: key,
                organization_id: organization,
            },
        })
    }
}
