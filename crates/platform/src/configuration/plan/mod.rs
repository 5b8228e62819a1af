//! What a configuration would do to the traffic of late.
//!
//! The metadata of recent calls is replayed twice, against the configuration as it is and as it
//! would be, each with counters of its own; what differs between the two is told. Rates begin
//! unused, quotas with what was counted of their periods before.
//! Both are judged by the same rules in the same order as calls are in the gateway.

mod counters;
mod draft;
mod merge;
mod model;
mod quotas;

use std::cmp::Reverse;
use std::collections::HashMap;

use apiverse_contract::configuration::plan::{
    MAX_PLAN_GROUPS, PLAN_CALLS, PlanCounts, PlanGroup, PlanOutcome, PlanRequest, PlanVerdict,
    TrafficPlan,
};
use apiverse_contract::configuration::{Configuration, ConfigurationRequest};
use apiverse_contract::{ApiId, ErrorCode, KeyId, UsageEventId};
use apiverse_store::{CallRow, StoreError, UsageFilter, UsageRow};
use chrono::DateTime;

use super::ConfigurationError;
use super::present::Present;
use crate::actor::Actor;
use crate::fault::Invalid;
use crate::permissions::Permission;
use crate::platform::Platform;
pub use draft::Draft;
use merge::merged;
use model::Model;
use quotas::Used;

/// Calls that are read at a time.
const PAGE: u32 = 1000;

impl Platform {
    /// Replays recent calls against a configuration that is not applied: who would be refused,
    /// limited, answered by a mock or looked up in the cache, and is not now, or the other way
    /// round. Nothing changes.
    ///
    /// # Errors
    /// See [`ConfigurationError`].
    pub async fn configuration_plan(
        &self,
        actor: &Actor,
        request: PlanRequest,
    ) -> Result<TrafficPlan, ConfigurationError> {
        actor.require(Permission::UsageRead)?;
        request.validate().map_err(Invalid)?;
        let most = request.calls.unwrap_or(PLAN_CALLS);
        let from_us = request.from.map_or(0, |from| from.timestamp_micros());
        let wanted = ConfigurationRequest {
            configuration: request.configuration,
            prune: request.prune,
        };
        // What could not be applied is not planned.
        let (present, _) = self.compare(actor, &wanted).await?;
        let proposed = merged(&present.configuration, wanted);
        self.replayed(actor, &present, &proposed, most, from_us)
            .await
    }

    /// The last calls, as many as `most` since `from_us`, under both configurations.
    async fn replayed(
        &self,
        actor: &Actor,
        present: &Present,
        proposed: &Configuration,
        most: u32,
        from_us: i64,
    ) -> Result<TrafficPlan, ConfigurationError> {
        let filter = UsageFilter::calls(actor.organization_id, from_us, i64::MAX);
        let (rows, is_partial) = self.last_calls(&filter, most).await?;
        let now_us = self.now().timestamp_micros();
        let both = [&present.configuration, proposed];
        let used = Used::read(self, actor.organization_id, both, present, &rows).await?;
        let [mut before, mut after] = both.map(|own| Model::new(own, present, &used, now_us));
        let mut plan = replay(&mut before, &mut after, &rows);
        plan.is_partial = is_partial;
        plan.unknown = after.unknown();
        Ok(plan)
    }

    /// The last calls, oldest first, and whether there are more.
    async fn last_calls(
        &self,
        filter: &UsageFilter,
        most: u32,
    ) -> Result<(Vec<CallRow>, bool), StoreError> {
        let mut rows: Vec<CallRow> = Vec::new();
        loop {
            let last = rows.last().map(|row| &row.usage);
            let before: Option<(i64, UsageEventId)> = last.map(|row| (row.started_at_us, row.id));
            let left = most - u32::try_from(rows.len()).unwrap_or(most);
            // One more, to know whether there is one.
            let wanted = left.saturating_add(1).min(PAGE);
            let page = self.store().usage_calls(filter, before, wanted).await?;
            let is_last = page.len() < wanted as usize;
            rows.extend(page);
            let is_partial = rows.len() > most as usize;
            if is_last || is_partial {
                rows.truncate(most as usize);
                rows.reverse();
                return Ok((rows, is_partial));
            }
        }
    }
}

/// Whether a call came as far as to what is configured here, and whose it was.
fn judged(row: &UsageRow) -> Option<(KeyId, ApiId)> {
    const OURS: [ErrorCode; 8] = [
        ErrorCode::RateLimited,
        ErrorCode::QuotaExceeded,
        ErrorCode::ConcurrencyLimited,
        ErrorCode::ApiDisabled,
        ErrorCode::VersionNotFound,
        ErrorCode::VersionRetired,
        ErrorCode::RequestInvalid,
        ErrorCode::RequestTransformFailed,
    ];
    let code = row.error_code.as_deref();
    let is_ours =
        !row.refused || code.is_some_and(|code| OURS.iter().any(|ours| ours.as_str() == code));
    match (row.key_id, row.api_id) {
        (Some(key), Some(api)) if is_ours => Some((key, api)),
        _ => None,
    }
}

type Group = (KeyId, ApiId, PlanVerdict, PlanVerdict);

fn replay(before: &mut Model<'_>, after: &mut Model<'_>, rows: &[CallRow]) -> TrafficPlan {
    let mut groups: HashMap<Group, PlanGroup> = HashMap::new();
    let mut plan = TrafficPlan {
        calls: 0,
        left_out: 0,
        first_at: None,
        last_at: None,
        is_partial: false,
        before: PlanCounts::default(),
        after: PlanCounts::default(),
        repeated: 0,
        changed: Vec::new(),
        unknown: Vec::new(),
    };
    // When a key last asked for a path.
    let mut asked: HashMap<(KeyId, ApiId, &str), i64> = HashMap::new();
    for row in rows {
        let usage = &row.usage;
        let Some((key, api)) = judged(usage) else {
            plan.left_out += 1;
            continue;
        };
        let at = DateTime::from_timestamp_micros(usage.started_at_us).unwrap_or_default();
        plan.calls += 1;
        plan.first_at.get_or_insert(at);
        plan.last_at = Some(at);
        let (was, _) = before.judge(usage, key, api);
        let (is, fresh_us) = after.judge(usage, key, api);
        plan.before.add(was.outcome);
        plan.after.add(is.outcome);
        if is.outcome == PlanOutcome::Cached {
            let earlier = asked.insert((key, api, usage.path.as_str()), usage.started_at_us);
            let is_repeated =
                earlier.is_some_and(|earlier| usage.started_at_us - earlier < fresh_us);
            plan.repeated += u64::from(is_repeated);
        }
        if was == is {
            continue;
        }
        let group = groups.entry((key, api, was, is));
        let group = group.or_insert_with_key(|(_, _, was, is)| PlanGroup {
            key_id: key,
            key_name: row.key_name.clone(),
            api_id: api,
            api_name: row.api_name.clone(),
            before: was.clone(),
            after: is.clone(),
            calls: 0,
            example: String::new(),
            first_at: at,
            last_at: at,
        });
        group.calls += 1;
        group.example = format!("{} {}", usage.method, usage.path);
        group.last_at = at;
    }
    plan.changed = groups.into_values().collect();
    // The same calls give the same plan.
    plan.changed.sort_by(|one, other| {
        let order = |group: &PlanGroup| (Reverse(group.calls), group.key_id, group.api_id);
        let by = |group: &PlanGroup| (group.before.by.clone(), group.after.by.clone());
        order(one)
            .cmp(&order(other))
            .then_with(|| by(one).cmp(&by(other)))
    });
    plan.changed.truncate(MAX_PLAN_GROUPS);
    plan
}
