//! Checking a key outside a call: what services that take keys themselves ask.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use apiverse_contract::usage::Tokens;
use apiverse_contract::verify::LimitState;
use apiverse_contract::{ApiId, ErrorCode, KeyId, OrganizationId, UsageEventId};
use apiverse_limits::header;
use http::Method;

use crate::Gateway;
use crate::keys::{Identifier, IdentifyError, TICKET_TAG};
use crate::limits::{Caller, attached_to, take};
use crate::snapshot::KeyRecord;
use crate::usage::Event;

/// Stands where the method does, of a verification that named none.
const VERIFY: &str = "VERIFY";

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

/// The call that is asked about.
#[derive(Clone, Copy, Debug, Default)]
pub struct CheckedCall<'a> {
    pub api_id: Option<ApiId>,
    pub method: Option<&'a str>,
    /// Below the API, without the query.
    pub path: Option<&'a str>,
    pub address: Option<IpAddr>,
    /// How many calls it counts for; 0: only look.
    pub cost: u32,
}

/// A verification that is over.
#[derive(Clone, Copy, Debug)]
pub struct CheckOutcome<'a> {
    pub organization_id: OrganizationId,
    pub key_id: KeyId,
    pub call: CheckedCall<'a>,
    /// Why it was refused.
    pub refused: Option<ErrorCode>,
    pub request_id: &'a str,
    pub began: Instant,
    /// The same by the calendar: microseconds since 1970.
    pub began_us: i64,
}

/// What the limits say of a call.
#[derive(Clone, Debug, Default)]
pub struct CheckedLimits {
    /// Why they refuse it; nothing was taken then.
    pub refused: Option<ErrorCode>,
    /// All that apply, as they stand afterwards.
    pub states: Vec<LimitState>,
    /// Which of them refuses first.
    pub tightest: Option<usize>,
}

impl Gateway {
    /// Takes a call from all limits that it meets, or from none: the same counters as those of
    /// calls through the gateway. How many calls are under way is not asked, as this one is not
    /// under way here; limits by address are left out when there is none.
    pub async fn take_limits(
        self: &Arc<Self>,
        key: &CheckedKey,
        call: &CheckedCall<'_>,
        unix_us: i64,
    ) -> CheckedLimits {
        let (api, attached) = {
            let snapshot = self.loader.current();
            let organization = snapshot.organization_policy(key.organization_id());
            let api = call
                .api_id
                .and_then(|id| snapshot.api_by_id(key.organization_id(), id))
                .cloned();
            let route = api.as_ref().and_then(|api| {
                api.routes
                    .find(call.method.unwrap_or("GET"), call.path?)
                    .cloned()
            });
            let attached = attached_to(organization, api.as_deref(), route.as_deref(), &key.0);
            (api, attached)
        };
        let set = self.limiter.set(&attached);
        let set = set.of_a_question(call.address.is_some());
        if set.entries.is_empty() {
            return CheckedLimits::default();
        }
        let caller = Caller {
            organization: key.organization_id(),
            key: key.id(),
            api,
            // Nothing counts by it when it is not known.
            address: call.address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            began_us: unix_us,
        };
        let now = self.limiter.moment(Instant::now(), unix_us);
        let taken = take(self, &set, &caller, call.cost, now).await;
        let now = self.limiter.moment(Instant::now(), unix_us);
        // What would be refused next is only of interest to who looks.
        let asked = if call.cost == 0 { 1 } else { call.cost };
        let next = self.limiter.peek(&set, &caller, asked, now);
        let mut refused = taken.err().map(|refusal| refusal.code);
        if refused.is_none() && call.cost == 0 {
            refused = header::tightest(&next)
                .filter(|&at| next[at].is_refused)
                .map(|at| set.entries[at].refusal_code());
        }
        let levels = match refused {
            Some(_) => next,
            None => self.limiter.peek(&set, &caller, 0, now),
        };
        let states = set
            .entries
            .iter()
            .zip(&levels)
            .map(|(entry, level)| LimitState {
                name: entry.name.to_string(),
                limit: entry.policy.limit(),
                remaining: level.remaining,
                reset_seconds: (level.reset_ns != u64::MAX)
                    .then(|| header::seconds(level.reset_ns)),
            })
            .collect();
        CheckedLimits {
            refused,
            states,
            tightest: header::tightest(&levels),
        }
    }

    /// Takes a verification down, as a call is: when this returns, it outlives the process, and so
    /// do the quotas it was taken from. Only looking (a cost of 0) leaves nothing.
    pub fn record_check(&self, outcome: &CheckOutcome<'_>) {
        let call = outcome.call;
        if call.cost == 0 {
            return;
        }
        let path = call.path.unwrap_or_default();
        let route = call.api_id.filter(|_| call.path.is_some()).and_then(|id| {
            let snapshot = self.loader.current();
            let api = snapshot.api_by_id(outcome.organization_id, id)?;
            Some(api.routes.find(call.method.unwrap_or("GET"), path)?.id)
        });
        let method = call.method.unwrap_or(VERIFY).as_bytes();
        let took = outcome.began.elapsed();
        let began_ms = u64::try_from(outcome.began_us / 1000).unwrap_or(0);
        self.checks.lock().record(&Event {
            id: UsageEventId::from_parts(began_ms, rand::random()),
            organization_id: outcome.organization_id,
            api_id: call.api_id,
            key_id: Some(outcome.key_id),
            request_id: outcome.request_id,
            started_at_us: outcome.began_us,
            method: &Method::from_bytes(method).unwrap_or_default(),
            path,
            status: outcome.refused.map_or(200, ErrorCode::status),
            error: outcome.refused,
            latency_us: i64::try_from(took.as_micros()).unwrap_or(i64::MAX),
            upstream_us: None,
            tokens: Tokens::default(),
            bytes_in: 0,
            bytes_out: 0,
            refused: outcome.refused.is_some(),
            route_id: route,
            verified: Some(call.cost),
            version_id: None,
            cache: None,
        });
    }

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
            may_guess: true,
            guessed_wrong: Cell::default(),
        };
        let found = identifier.identify(text.as_bytes(), &mut self.checked.lock());
        found.map(CheckedKey).map_err(|error| match error {
            IdentifyError::Invalid | IdentifyError::TooManyGuesses => CheckError::Invalid,
            IdentifyError::Expired { key, organization } => CheckError::Expired {
                key_id: key,
                organization_id: organization,
            },
        })
    }
}
