//! What a page shows, put together from the platform's services.

use apiverse_contract::limits::PolicyScope;
use apiverse_contract::usage::{Granularity, UsageDimension, UsageQuery};
use apiverse_contract::{ApiId, KeyId, ListQuery};
use apiverse_platform::Permission;
use chrono::{DateTime, Duration, Timelike, Utc};

use super::call::{Member, fail};
use super::limits;
use super::usage::top;
use crate::rpc::apis::ApiDetail;
use crate::rpc::keys::{KeyDetail, KeyImpact};
use crate::rpc::limits::LimitsRef;
use crate::rpc::usage::{ExplorerApi, ExplorerKey, ExplorerView, Pulse};
use crate::rpc::{Named, Rpc};

/// Rows of a list of latest calls on a page about something else.
const LATEST: u32 = 10;
/// Names a choice offers.
const CHOICES: u32 = 200;
/// How far back "ever" looks: usage is asked for in at most 1500 steps, and days are the widest.
const EVER_DAYS: i64 = 1400;

/// The latest call.
///
/// # Errors
/// What the platform refuses.
pub async fn pulse(member: &Member) -> Rpc<Pulse> {
    let query = UsageQuery {
        limit: Some(1),
        ..ever(member.platform.now())
    };
    let calls = member
        .platform
        .usage_calls(&member.actor, query)
        .await
        .map_err(fail)?;
    Ok(Pulse {
        last_call: calls.data.first().map(|call| call.id.to_string()),
    })
}

/// An API with its last 24 hours.
///
/// # Errors
/// 404 when it does not exist.
pub async fn api_detail(member: &Member, id: ApiId) -> Rpc<ApiDetail> {
    let Member { platform, actor } = member;
    let api = platform.api_get(actor, id).await.map_err(fail)?;
    let query = UsageQuery {
        api_id: Some(id),
        ..last_day(platform.now())
    };
    let usage = platform
        .usage_report(actor, query.clone())
        .await
        .map_err(fail)?;
    let keys = top(member, &query, UsageDimension::Key).await?;
    let calls = platform
        .usage_calls(
            actor,
            UsageQuery {
                api_id: Some(id),
                limit: Some(LATEST),
                ..ever(platform.now())
            },
        )
        .await
        .map_err(fail)?
        .data;
    let target = LimitsRef {
        scope: PolicyScope::Api,
        id: Some(id.to_string()),
        api_id: None,
    };
    Ok(ApiDetail {
        api,
        usage,
        keys,
        calls,
        limits: limits::view(member, &target).await?,
    })
}

/// A key with its last 24 hours.
///
/// # Errors
/// 404 when it does not exist.
pub async fn key_detail(member: &Member, id: KeyId) -> Rpc<KeyDetail> {
    let Member { platform, actor } = member;
    let key = platform.key_get(actor, id).await.map_err(fail)?;
    let calls = platform
        .usage_calls(
            actor,
            UsageQuery {
                key_id: Some(id),
                limit: Some(LATEST),
                ..ever(platform.now())
            },
        )
        .await
        .map_err(fail)?
        .data;
    let target = LimitsRef {
        scope: PolicyScope::Key,
        id: Some(id.to_string()),
        api_id: None,
    };
    Ok(KeyDetail {
        limits: limits::view(member, &target).await?,
        key,
        apis: api_names(member).await?,
        calls_24h: key_impact(member, id).await?.calls_24h,
        calls,
    })
}

/// How much a key is used.
///
/// # Errors
/// 404 when it does not exist.
pub async fn key_impact(member: &Member, id: KeyId) -> Rpc<KeyImpact> {
    let Member { platform, actor } = member;
    platform.key_get(actor, id).await.map_err(fail)?;
    Ok(KeyImpact {
        calls_24h: calls_within(member, id, 24).await?,
        calls_1h: calls_within(member, id, 1).await?,
    })
}

async fn calls_within(member: &Member, id: KeyId, hours: i64) -> Rpc<u64> {
    let now = member.platform.now();
    let query = UsageQuery {
        key_id: Some(id),
        granularity: Some(Granularity::Hour),
        ..between(ago(now, Duration::hours(hours)), now)
    };
    let report = member
        .platform
        .usage_report(&member.actor, query)
        .await
        .map_err(fail)?;
    Ok(report.totals.calls)
}

/// What can be tried out.
///
/// # Errors
/// What the platform refuses.
pub async fn explorer(member: &Member) -> Rpc<ExplorerView> {
    let Member { platform, actor } = member;
    let apis = platform
        .api_list(actor, first(CHOICES))
        .await
        .map_err(fail)?;
    let keys = platform
        .key_list(actor, first(CHOICES))
        .await
        .map_err(fail)?;
    Ok(ExplorerView {
        apis: apis
            .map(|api| ExplorerApi {
                id: api.id.to_string(),
                name: api.name,
                slug: api.slug,
            })
            .data,
        keys: keys
            .data
            .into_iter()
            .filter(|key| key.is_active)
            .map(|key| ExplorerKey {
                id: key.id.to_string(),
                name: key.name,
                key_prefix: key.key_prefix,
            })
            .collect(),
    })
}

/// APIs by name; none for a role that does not see them. To ask all the same and drop the refusal
/// would leave its status on the answer.
///
/// # Errors
/// What the platform refuses.
pub async fn api_names_seen(member: &Member) -> Rpc<Vec<Named>> {
    if member.actor.require(Permission::ApisRead).is_err() {
        return Ok(Vec::new());
    }
    api_names(member).await
}

/// The same of keys.
///
/// # Errors
/// What the platform refuses.
pub async fn key_names_seen(member: &Member) -> Rpc<Vec<Named>> {
    if member.actor.require(Permission::KeysRead).is_err() {
        return Ok(Vec::new());
    }
    key_names(member).await
}

/// APIs by name, newest first.
///
/// # Errors
/// What the platform refuses.
pub async fn api_names(member: &Member) -> Rpc<Vec<Named>> {
    let page = member
        .platform
        .api_list(&member.actor, first(CHOICES))
        .await
        .map_err(fail)?;
    Ok(page
        .map(|api| Named {
            id: api.id.to_string(),
            name: api.name,
        })
        .data)
}

pub async fn key_names(member: &Member) -> Rpc<Vec<Named>> {
    let page = member
        .platform
        .key_list(&member.actor, first(CHOICES))
        .await
        .map_err(fail)?;
    Ok(page
        .map(|key| Named {
            id: key.id.to_string(),
            name: key.name,
        })
        .data)
}

pub(super) fn first(limit: u32) -> ListQuery {
    ListQuery {
        limit: Some(limit),
        ..ListQuery::default()
    }
}

pub(super) fn between(from: DateTime<Utc>, to: DateTime<Utc>) -> UsageQuery {
    UsageQuery {
        from: Some(from),
        to: Some(to),
        ..UsageQuery::default()
    }
}

fn last_day(now: DateTime<Utc>) -> UsageQuery {
    between(ago(now, Duration::hours(24)), now)
}

/// At a whole minute: sums begin there, and answer at once.
pub(super) fn ago(now: DateTime<Utc>, length: Duration) -> DateTime<Utc> {
    let from = now - length;
    from.with_second(0)
        .and_then(|from| from.with_nanosecond(0))
        .unwrap_or(from)
}

pub(super) fn ever(now: DateTime<Utc>) -> UsageQuery {
    // A call that has just ended may have begun at this very moment, and the end does not count.
    between(now - Duration::days(EVER_DAYS), now + Duration::minutes(1))
}
