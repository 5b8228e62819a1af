//! What quotas have counted of their periods before the first call that is replayed.

use std::collections::{BTreeSet, HashMap};

use apiverse_contract::configuration::Configuration;
use apiverse_contract::limits::{LimitPolicy, Period as PolicyPeriod, QuotaPer};
use apiverse_contract::{ApiId, KeyId, OrganizationId, RouteId};
use apiverse_limits::Period;
use apiverse_store::{CallRow, ServedFilter, StoreError};

use super::super::present::Present;
use crate::platform::Platform;

/// Most questions to the database for one plan.
const MOST: usize = 500;
/// Sums of older days are those of whole days.
const EXACT_US: i64 = 2 * DAY_US;
const DAY_US: i64 = 86_400_000_000;

/// Counts by where the quota is in the document, whose it is when each key has its own, and its
/// period.
pub(super) type Key = (String, Option<KeyId>, Period);

#[derive(Default)]
pub(super) struct Used {
    pub(super) calls: HashMap<Key, u64>,
    /// When the first call began, in seconds since 1970.
    pub(super) first_s: i64,
    /// All is counted to the call.
    pub(super) is_exact: bool,
}

/// Something that quotas are attached to.
struct Place<'a> {
    name: String,
    limits: &'a LimitPolicy,
    api_id: Option<ApiId>,
    route_id: Option<RouteId>,
    key_id: Option<KeyId>,
}

pub(super) const fn period(period: PolicyPeriod) -> Period {
    match period {
        PolicyPeriod::Day => Period::Day,
        PolicyPeriod::Month => Period::Month,
    }
}

impl Used {
    pub(super) async fn read(
        platform: &Platform,
        organization_id: OrganizationId,
        configurations: [&Configuration; 2],
        present: &Present,
        rows: &[CallRow],
    ) -> Result<Self, StoreError> {
        let Some(first) = rows.first() else {
            return Ok(Self::default());
        };
        let first_us = first.usage.started_at_us;
        let is_late = platform.now().timestamp_micros() - first_us <= EXACT_US;
        let to_us = match is_late {
            true => first_us,
            false => first_us - first_us.rem_euclid(DAY_US),
        };
        let mut used = Self {
            calls: HashMap::new(),
            first_s: first_us.div_euclid(1_000_000),
            is_exact: is_late,
        };
        let keys: BTreeSet<KeyId> = rows.iter().filter_map(|row| row.usage.key_id).collect();
        for place in configurations
            .into_iter()
            .flat_map(|own| places(own, present))
        {
            for quota in &place.limits.quotas {
                let period = period(quota.period);
                let whose: Vec<Option<KeyId>> = match quota.per {
                    QuotaPer::Scope => vec![None],
                    QuotaPer::Key => keys.iter().copied().map(Some).collect(),
                };
                for key in whose {
                    let name = (format!("{}limits.{}", place.name, quota.name), key, period);
                    if used.calls.contains_key(&name) {
                        continue;
                    }
                    if used.calls.len() >= MOST {
                        used.is_exact = false;
                        return Ok(used);
                    }
                    let filter = ServedFilter {
                        organization_id,
                        api_id: place.api_id,
                        key_id: place.key_id.or(key),
                        route_id: place.route_id,
                        from_us: period.span(used.first_s).start_s.saturating_mul(1_000_000),
                        to_us,
                    };
                    let calls = platform.store().usage_served(&filter).await?;
                    used.calls.insert(name, u64::try_from(calls).unwrap_or(0));
                }
            }
        }
        Ok(used)
    }
}

/// What is there and has limits; what a document would make has counted nothing yet.
fn places<'a>(own: &'a Configuration, present: &Present) -> Vec<Place<'a>> {
    let mut places = Vec::new();
    let mut add = |name: String, limits: Option<&'a LimitPolicy>, ids| {
        if let Some(limits) = limits {
            let (api_id, route_id, key_id) = ids;
            places.push(Place {
                name,
                limits,
                api_id,
                route_id,
                key_id,
            });
        }
    };
    add(String::new(), own.limits.as_ref(), (None, None, None));
    for (slug, api) in &own.apis {
        let Some(rows) = present.apis.get(slug) else {
            continue;
        };
        let id = Some(rows.row.id);
        add(
            format!("apis.{slug}."),
            api.limits.as_ref(),
            (id, None, None),
        );
        for (name, route) in &api.routes {
            if let Some(row) = rows.routes.get(name) {
                let place = format!("apis.{slug}.routes.{name}.");
                add(place, Some(&route.limits), (id, Some(row.id), None));
            }
        }
    }
    for (name, key) in &own.keys {
        if let Some(id) = present.keys.get(name) {
            let place = format!("keys.{name}.");
            add(place, key.limits.as_ref(), (None, None, Some(*id)));
        }
    }
    places
}
