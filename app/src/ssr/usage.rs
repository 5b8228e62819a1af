//! What the Overview and the Usage page show.

use apiverse_contract::alerts::IncidentsQuery;
use apiverse_contract::insights::{FindingState, FindingsQuery};
use apiverse_contract::usage::{
    CallView, ErrorRow, TopRow, UsageBreakdown, UsageDimension, UsageQuery, UsageSort,
};
use apiverse_platform::Permission;
use chrono::Duration;

use super::call::{Member, fail};
use super::views::{ago, api_names, between, ever, first, key_names};
use crate::rpc::Rpc;
use crate::rpc::usage::{Attention, Overview, Span, Start, StatusMap, StatusRow, UsageView};

/// Rows of the Overview's list of latest calls.
const LATEST: u32 = 10;
/// Rows of a ranking.
const TOP: u32 = 5;
/// Rows of the breakdown.
const ROWS: u32 = 20;
/// Statuses of the heat map.
const STATUSES: u32 = 10;
/// Columns of the heat map at most: more of them are narrower than can be pointed at.
const COLUMNS: usize = 120;
/// Kinds of errors that are listed.
const ERRORS: u32 = 20;

/// The Overview.
///
/// # Errors
/// What the platform refuses.
pub async fn overview(member: &Member, span: Span) -> Rpc<Overview> {
    let Member { platform, actor } = member;
    let now = platform.now();
    let query = UsageQuery {
        tz: zone(member).await?,
        ..between(ago(now, Duration::seconds(span.seconds())), now)
    };
    let usage = platform
        .usage_report(actor, compared(&query))
        .await
        .map_err(fail)?;
    let before = usage
        .previous
        .as_ref()
        .map(|previous| previous.totals)
        .unwrap_or_default();
    let apis = top(member, &query, UsageDimension::Api).await?;
    let keys = top(member, &query, UsageDimension::Key).await?;
    let routes = UsageQuery {
        by: Some(UsageDimension::Route),
        limit: Some(TOP),
        ..query.clone()
    };
    let routes = platform
        .usage_breakdown(actor, routes)
        .await
        .map_err(fail)?;
    let calls = latest(member).await?;
    let start = start(member, !calls.is_empty()).await?;
    Ok(Overview {
        attention: attention(member, &query, before.calls > 0).await?,
        usage,
        before,
        apis,
        keys,
        routes,
        calls,
        start,
    })
}

/// Where the days of charts begin: in the zone of whoever looks, whose times are beside them.
async fn zone(member: &Member) -> Rpc<Option<String>> {
    let chosen = member.platform.time_zone(&member.actor).await;
    chosen.map_err(fail)
}

async fn latest(member: &Member) -> Rpc<Vec<CallView>> {
    let query = UsageQuery {
        limit: Some(LATEST),
        ..ever(member.platform.now())
    };
    let page = member
        .platform
        .usage_calls(&member.actor, query)
        .await
        .map_err(fail)?;
    Ok(page.data)
}

async fn start(member: &Member, called: bool) -> Rpc<Start> {
    let Member { platform, actor } = member;
    let may = |permission| actor.require(permission).is_ok();
    let builds = may(Permission::ApisWrite) && may(Permission::KeysWrite);
    // There is nothing to begin for whoever only looks, nor for what is no person.
    if !builds || actor.user_id.is_none() {
        return Ok(Start {
            api: None,
            key: false,
            called,
            builds: false,
            email_verified: false,
            named: None,
            invited: None,
            dismissed: false,
        });
    }
    let so_far = platform.onboarding(actor).await.map_err(fail)?;
    let mut apis = platform.api_list(actor, first(1)).await.map_err(fail)?;
    let keys = platform.key_list(actor, first(1)).await.map_err(fail)?;
    Ok(Start {
        api: apis.data.pop().map(|api| api.slug),
        key: !keys.data.is_empty(),
        called,
        builds,
        email_verified: so_far.email_verified,
        named: may(Permission::OrganizationWrite).then_some(so_far.named),
        invited: may(Permission::MembersWrite).then_some(so_far.invited),
        dismissed: so_far.dismissed,
    })
}

async fn attention(member: &Member, query: &UsageQuery, compared: bool) -> Rpc<Attention> {
    let mut errors = errors(member, query, TOP, compared).await?;
    // With nothing to compare with, what the callers cannot help is worth a look.
    errors.retain(|row| row.is_new || (!compared && row.status >= 500));
    let keys = UsageQuery {
        by: Some(UsageDimension::Key),
        sort: Some(UsageSort::ErrorRate),
        limit: Some(TOP),
        ..query.clone()
    };
    let keys = member
        .platform
        .usage_top(&member.actor, keys)
        .await
        .map_err(fail)?;
    let open = FindingsQuery {
        state: Some(FindingState::Open),
        acknowledged: Some(false),
        limit: Some(TOP),
        ..FindingsQuery::default()
    };
    let findings = member
        .platform
        .findings_list(&member.actor, open)
        .await
        .map_err(fail)?;
    let firing = IncidentsQuery {
        firing: Some(true),
        limit: Some(TOP),
        ..IncidentsQuery::default()
    };
    let alerts = member.platform.incidents_list(&member.actor, firing).await;
    Ok(Attention {
        alerts: alerts.map_err(fail)?.data,
        findings: findings.data,
        errors,
        failing_keys: keys.into_iter().filter(is_failing).collect(),
    })
}

fn is_failing(row: &TopRow) -> bool {
    // Calls that came without a key are somebody else's, and every scan of the internet is among them.
    row.id.is_some() && row.calls >= 10 && row.errors * 2 >= row.calls
}

/// The busiest, by one dimension.
///
/// # Errors
/// What the platform refuses.
pub async fn top(member: &Member, query: &UsageQuery, by: UsageDimension) -> Rpc<Vec<TopRow>> {
    let query = UsageQuery {
        by: Some(by),
        limit: Some(TOP),
        ..query.clone()
    };
    member
        .platform
        .usage_top(&member.actor, query)
        .await
        .map_err(fail)
}

/// A range of usage from every side, with the names the filters offer.
///
/// # Errors
/// What the platform refuses.
pub async fn usage(member: &Member, query: UsageQuery) -> Rpc<UsageView> {
    let Member { platform, actor } = member;
    let now = platform.now();
    // The end is fixed, so that all parts of the page are about the same calls.
    let query = UsageQuery {
        to: Some(query.to.unwrap_or(now)),
        tz: match query.tz {
            None => zone(member).await?,
            asked => asked,
        },
        ..query
    };
    let sums = UsageQuery {
        limit: None,
        cursor: None,
        ..query.clone()
    };
    let usage = platform
        .usage_report(actor, compared(&sums))
        .await
        .map_err(fail)?;
    let is_compared = usage
        .previous
        .as_ref()
        .is_some_and(|previous| previous.totals.calls > 0);
    let breakdown = UsageQuery {
        limit: Some(ROWS),
        compare: Some(is_compared),
        ..sums.clone()
    };
    let breakdown = platform
        .usage_breakdown(actor, breakdown)
        .await
        .map_err(fail)?;
    let statuses = UsageQuery {
        by: Some(UsageDimension::Status),
        and: None,
        sort: None,
        series: Some(true),
        limit: Some(STATUSES),
        ..sums.clone()
    };
    let statuses = platform
        .usage_breakdown(actor, statuses)
        .await
        .map_err(fail)?;
    let latency = platform
        .usage_latency(actor, sums.clone())
        .await
        .map_err(fail)?;
    let route = match query.route.as_deref() {
        Some(text) if !text.starts_with(['/', '(']) => {
            name(member, &sums, UsageDimension::Route).await?
        }
        _ => None,
    };
    let version = match query.version.as_deref() {
        Some(text) if text != "default" => name(member, &sums, UsageDimension::Version).await?,
        _ => None,
    };
    // A role that sees usage only has no names to filter by.
    let sees_apis = actor.require(Permission::ApisRead).is_ok();
    let sees_keys = actor.require(Permission::KeysRead).is_ok();
    Ok(UsageView {
        usage,
        breakdown,
        statuses: status_map(&statuses),
        latency,
        errors: errors(member, &sums, ERRORS, is_compared).await?,
        route,
        version,
        calls: platform.usage_calls(actor, query).await.map_err(fail)?,
        apis: if sees_apis {
            api_names(member).await?
        } else {
            Vec::new()
        },
        keys: if sees_keys {
            key_names(member).await?
        } else {
            Vec::new()
        },
    })
}

fn status_map(breakdown: &UsageBreakdown) -> StatusMap {
    let merged = breakdown.starts.len().div_ceil(COLUMNS).max(1);
    let mut rows: Vec<StatusRow> = breakdown
        .data
        .iter()
        .map(|row| StatusRow {
            status: row
                .values
                .first()
                .and_then(|value| value.id.clone())
                .unwrap_or_else(|| "other".to_owned()),
            calls: row.totals.calls,
            counts: row
                .series
                .chunks(merged)
                .map(|steps| steps.iter().map(|step| step.calls).sum())
                .collect(),
        })
        .collect();
    rows.sort_by(|a, b| a.status.cmp(&b.status));
    StatusMap {
        starts: breakdown.starts.iter().step_by(merged).copied().collect(),
        rows,
    }
}

/// What all calls of `query` have in common in a dimension it narrows.
async fn name(member: &Member, query: &UsageQuery, by: UsageDimension) -> Rpc<Option<String>> {
    let rows: UsageBreakdown = member
        .platform
        .usage_breakdown(
            &member.actor,
            UsageQuery {
                by: Some(by),
                limit: Some(1),
                ..query.clone()
            },
        )
        .await
        .map_err(fail)?;
    let first = rows.data.into_iter().next();
    let value = first.and_then(|row| row.values.into_iter().next());
    Ok(value.and_then(|value| value.name))
}

/// Errors, new ones first. Without calls before, all would be new, and none is.
async fn errors(
    member: &Member,
    query: &UsageQuery,
    limit: u32,
    compared: bool,
) -> Rpc<Vec<ErrorRow>> {
    let query = UsageQuery {
        limit: Some(limit),
        ..query.clone()
    };
    let page = member
        .platform
        .usage_errors(&member.actor, query)
        .await
        .map_err(fail)?;
    let mut rows = page.data;
    for row in &mut rows {
        row.is_new &= compared;
    }
    Ok(rows)
}

fn compared(query: &UsageQuery) -> UsageQuery {
    UsageQuery {
        compare: Some(true),
        ..query.clone()
    }
}
