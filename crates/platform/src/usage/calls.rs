//! Single calls.

use apiverse_contract::Page;
use apiverse_contract::page::check_limit;
use apiverse_contract::usage::{CallView, UsageQuery};
use apiverse_rollup::{Route, Templates, is_known, shape};
use apiverse_store::{CallRow, UsageFilter};

use super::{UsageError, at, filter, milliseconds};
use crate::actor::Actor;
use crate::cursor;
use crate::fault::Invalid;
use crate::permissions::Permission;
use crate::platform::Platform;

/// Calls that are looked through for those of a learned route, at most, for one page.
const LOOKED_THROUGH: u32 = 20_000;
const AT_ONCE: u32 = 1000;

impl Platform {
    /// Single calls, newest first.
    ///
    /// # Errors
    /// See [`UsageError`].
    pub async fn usage_calls(
        &self,
        actor: &Actor,
        query: UsageQuery,
    ) -> Result<Page<CallView>, UsageError> {
        let permit = actor.require(Permission::UsageRead)?;
        let limit = check_limit(query.limit).map_err(|error| Invalid(vec![error]))?;
        let before = cursor::to_call(query.cursor.as_deref())?;
        let span = self.span(&query)?;
        let wanted = filter::of_calls(permit.organization_id(), &query, span)?;
        let page = match filter::route(&query)? {
            Some(Route::Learned(route)) => {
                let _turn = self.turn(wanted.organization_id).await?;
                self.calls_of_route(&wanted, &route, before, limit).await?
            }
            _ => {
                let rows = self.store().usage_calls(&wanted, before, limit + 1).await?;
                Page::from_rows(rows, limit, place)
            }
        };
        Ok(page.map(view))
    }

    /// The database finds paths that are like the route's; which of them are its own is known by
    /// looking at each.
    async fn calls_of_route(
        &self,
        wanted: &UsageFilter,
        route: &str,
        mut before: Option<(i64, apiverse_contract::UsageEventId)>,
        limit: u32,
    ) -> Result<Page<CallRow>, UsageError> {
        let templates = self.store().usage_templates(wanted.organization_id).await?;
        let mut found: Vec<CallRow> = Vec::new();
        let mut next_cursor = None;
        let mut looked_through = 0;
        'all: loop {
            let rows = self.store().usage_calls(wanted, before, AT_ONCE).await?;
            let is_last = rows.len() < AT_ONCE as usize;
            for row in rows {
                looked_through += 1;
                if found.len() == limit as usize {
                    next_cursor = found.last().map(place);
                    break 'all;
                }
                before = Some((row.usage.started_at_us, row.usage.id));
                if belongs(&row, route, &templates) {
                    found.push(row);
                }
            }
            if is_last {
                break;
            }
            if looked_through >= LOOKED_THROUGH {
                // The next page goes on where this one ended, though it found no more.
                next_cursor = before.map(|(at, id)| cursor::of_call(at, id));
                break;
            }
        }
        Ok(Page {
            data: found,
            next_cursor,
        })
    }
}

fn belongs(row: &CallRow, route: &str, templates: &Templates) -> bool {
    let usage = &row.usage;
    let Some(api) = usage.api_id.filter(|_| usage.route_id.is_none()) else {
        return false;
    };
    let shape = shape(&usage.path);
    templates.show(Some(api.0), &shape, is_known(usage.status, usage.refused)) == route
}

fn place(row: &CallRow) -> String {
    cursor::of_call(row.usage.started_at_us, row.usage.id)
}

fn view(row: CallRow) -> CallView {
    let usage = row.usage;
    CallView {
        id: usage.id,
        request_id: usage.request_id,
        started_at: at(usage.started_at_us),
        api_id: usage.api_id,
        api_name: row.api_name,
        key_id: usage.key_id,
        key_name: row.key_name,
        version_id: usage.version_id,
        route_id: usage.route_id,
        cache: usage.cache,
        method: usage.method,
        path: usage.path,
        status: u16::try_from(usage.status).unwrap_or(0),
        latency_ms: milliseconds(usage.latency_us as f64),
        upstream_ms: usage.upstream_us.map(|us| milliseconds(us as f64)),
        bytes_in: count(usage.bytes_in),
        bytes_out: count(usage.bytes_out),
        tokens: usage.tokens.counted(),
        error_code: usage.error_code,
        cost: usage.verified.map(count),
    }
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
