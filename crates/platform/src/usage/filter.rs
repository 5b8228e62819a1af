//! Which calls a query means: for sums, and for single calls.

use apiverse_contract::usage::{StatusClass, UsageDimension, UsageKind, UsageQuery};
use apiverse_contract::{OrganizationId, RouteId, VersionId};
use apiverse_rollup::{Dimension, Filter, Method, Route};
use apiverse_store::{PathFilter, UsageFilter};
use uuid::Uuid;

use super::Span;
use crate::fault::Invalid;

/// For sums.
pub(super) fn of_sums(query: &UsageQuery) -> Result<Filter, Invalid> {
    Ok(Filter {
        verifications: query.kind == Some(UsageKind::Verification),
        api: query.api_id.map(|id| id.0),
        key: query.key_id.map(|id| id.0),
        version: version(query)?,
        route: route(query)?,
        method: query.method.as_deref().map(method),
        status_class: query.status.map(|class| class.first_status() / 100),
        status: query.status_code.map(i32::from),
        error: query.error_code.clone(),
        cache: query.cache,
        ..Filter::default()
    })
}

/// For single calls.
pub(super) fn of_calls(
    organization_id: OrganizationId,
    query: &UsageQuery,
    span: Span,
) -> Result<UsageFilter, Invalid> {
    let route = route(query)?;
    let (route_id, path) = match &route {
        Some(Route::Configured(id)) => (Some(RouteId(*id)), None),
        Some(Route::Learned(template)) if template.starts_with('/') => {
            (None, Some(PathFilter::like(template)))
        }
        _ => (None, None),
    };
    let class = |class: StatusClass| (class.first_status(), class.first_status() + 99);
    let exact = query.status_code.map(i32::from);
    Ok(UsageFilter {
        organization_id,
        api_id: query.api_id,
        key_id: query.key_id,
        version_id: version(query)?.map(|id| id.map(VersionId)),
        route_id,
        path,
        method: query.method.as_deref().map(str::to_ascii_uppercase),
        status: match (query.status.map(class), exact) {
            // Both: what they have in common, which may be nothing.
            (Some((first, last)), Some(exact)) => Some((first.max(exact), last.min(exact))),
            (Some(class), None) => Some(class),
            (None, exact) => exact.map(|exact| (exact, exact)),
        },
        error_code: query.error_code.clone(),
        cache: query.cache,
        kind: query.kind.unwrap_or_default(),
        from_us: span.from_us,
        to_us: span.to_us,
    })
}

fn version(query: &UsageQuery) -> Result<Option<Option<Uuid>>, Invalid> {
    match query.version.as_deref() {
        None => Ok(None),
        Some("default") => Ok(Some(None)),
        Some(id) => match id.parse() {
            Ok(id) => Ok(Some(Some(id))),
            Err(_) => Err(Invalid::one(
                "version",
                "must be the id of a version, or `default`",
            )),
        },
    }
}

/// The route that is asked for.
pub(super) fn route(query: &UsageQuery) -> Result<Option<Route>, Invalid> {
    match query.route.as_deref() {
        None => Ok(None),
        Some(text) if text.starts_with(['/', '(']) => Ok(Some(Route::Learned(text.into()))),
        Some(id) => match id.parse() {
            Ok(id) => Ok(Some(Route::Configured(id))),
            Err(_) => Err(Invalid::one(
                "route",
                "must be the id of a route, or a path as `/users/{id}`",
            )),
        },
    }
}

fn method(text: &str) -> Method {
    Method::of(&text.to_ascii_uppercase())
}

pub(super) const fn dimension(dimension: UsageDimension) -> Dimension {
    match dimension {
        UsageDimension::Api => Dimension::Api,
        UsageDimension::Key => Dimension::Key,
        UsageDimension::Version => Dimension::Version,
        UsageDimension::Route => Dimension::Route,
        UsageDimension::Method => Dimension::Method,
        UsageDimension::Status => Dimension::Status,
        UsageDimension::StatusClass => Dimension::StatusClass,
        UsageDimension::ErrorCode => Dimension::ErrorCode,
        UsageDimension::Cache => Dimension::Cache,
    }
}
