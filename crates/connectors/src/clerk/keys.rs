//! The keys Clerk signs with, kept for an hour and fetched anew when a token names another.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, JwkSet};

use super::{Clerk, ClerkError};
use crate::fetch;
use crate::refetch::Refetch;

type ById = HashMap<String, DecodingKey>;

#[derive(Default)]
pub(super) struct Keys {
    by_id: Arc<ById>,
    refetch: Refetch,
}

impl Clerk {
    /// The key of an id. One that is not known is looked for, a few times a minute at most: ids
    /// can be made up.
    pub(super) async fn key(
        &self,
        id: &str,
        now: DateTime<Utc>,
    ) -> Result<DecodingKey, ClerkError> {
        let former = {
            let mut keys = self.keys.lock();
            let known = keys.by_id.get(id).cloned();
            if let Some(key) = &known
                && !keys.refetch.is_stale(now)
            {
                return Ok(key.clone());
            }
            if !keys.refetch.begin(now) {
                return known.ok_or(ClerkError::NotAccepted("its key is not known"));
            }
            known
        };
        let url = format!("{}/.well-known/jwks.json", self.config.issuer);
        match fetch::json::<JwkSet>(self.client.get(url)).await {
            Ok(set) => {
                let by_id = Arc::new(signing_keys(&set));
                let found = by_id.get(id).cloned();
                self.keys.lock().by_id = by_id;
                found.ok_or(ClerkError::NotAccepted("its key is not known"))
            }
            // While it is away its former keys are as good as they were.
            Err(error) => former.ok_or(ClerkError::Unavailable(error)),
        }
    }
}

/// RSA keys for signatures; Clerk has no others.
fn signing_keys(set: &JwkSet) -> ById {
    let mut by_id = HashMap::new();
    for jwk in &set.keys {
        let is_rsa = matches!(jwk.algorithm, AlgorithmParameters::RSA(_));
        let Some(id) = jwk.common.key_id.clone().filter(|_| is_rsa) else {
            continue;
        };
        if let Ok(key) = DecodingKey::from_jwk(jwk) {
            by_id.insert(id, key);
        }
    }
    by_id
}
