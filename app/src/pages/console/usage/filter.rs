//! The address' query: which calls, of which time, and how they are broken down.

use apiverse_contract::usage::{
    CacheState, StatusClass, UsageDimension, UsageQuery, UsageSort, UsageValue,
};
use apiverse_contract::{RouteId, VersionId};
use chrono::{DateTime, Duration, Utc};
use leptos_router::params::ParamsMap;

use crate::format;
use crate::rpc::usage::Span;
use crate::urlencoded;

pub const PATH: &str = "/console/usage";

/// The page as it is without any choice; [`PATH`] alone opens the reader's default view.
pub const PLAIN: &str = "/console/usage?span=24h";

/// What can be broken down by, in the order of the page: the name in the address, the filter's own
/// name there, and what it is called.
pub const DIMENSIONS: [(UsageDimension, &str, &str, &str); 8] = [
    (UsageDimension::Api, "api", "api", "API"),
    (UsageDimension::Route, "route", "route", "Route"),
    (UsageDimension::Key, "key", "key", "Key"),
    (UsageDimension::Version, "version", "version", "Version"),
    (UsageDimension::Method, "method", "method", "Method"),
    (UsageDimension::Status, "status", "code", "Status"),
    (UsageDimension::ErrorCode, "error", "error", "Refused as"),
    (UsageDimension::Cache, "cache", "cache", "Cache"),
];

/// What comes first in a breakdown: the name in the address, and what it is called.
pub const SORTS: [(UsageSort, &str, &str); 5] = [
    (UsageSort::Calls, "calls", "Calls"),
    (UsageSort::Errors, "errors", "Errors"),
    (UsageSort::ErrorRate, "error_rate", "Error rate"),
    (UsageSort::P95, "p95", "p95"),
    (UsageSort::Bytes, "bytes", "Transferred"),
];

/// Names in the address that say which calls are meant.
const NARROWING: [&str; 9] = [
    "api", "key", "status", "version", "route", "method", "code", "error", "cache",
];

#[derive(Clone, Default, PartialEq)]
pub struct Filter {
    /// A span up to now, unless there is a range of its own.
    pub span: Span,
    pub from: String,
    pub to: String,
    /// One for each of [`NARROWING`].
    narrow: [String; NARROWING.len()],
    by: String,
    sort: String,
    pub cursor: String,
}

impl Filter {
    pub fn read(map: &ParamsMap) -> Self {
        let text = |name: &str| map.get_str(name).unwrap_or_default().to_owned();
        // A form sends what the reader's clock shows; links and saved views mean the same to all.
        let minute = |name: &str| {
            let at = format::parse_minute(&text(name));
            at.map_or_else(String::new, format::address_minute)
        };
        Self {
            span: Span::parse(&text("span")).unwrap_or_default(),
            from: minute("from"),
            to: minute("to"),
            narrow: NARROWING.map(text),
            by: text("by"),
            sort: text("sort"),
            cursor: text("cursor"),
        }
    }

    /// What a query says, as one of a saved view.
    pub fn of(query: &str) -> Self {
        let mut map = ParamsMap::new();
        for (name, value) in urlencoded::decode(query) {
            map.insert(name, value);
        }
        Self::read(&map)
    }

    /// The same as a query, without where in the list of calls one is.
    pub fn text(&self) -> String {
        let query = urlencoded::query(&self.pairs());
        query.trim_start_matches('?').to_owned()
    }

    pub fn get(&self, name: &str) -> &str {
        let at = NARROWING.iter().position(|known| *known == name);
        at.map_or("", |at| self.narrow[at].as_str())
    }

    pub fn custom(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let from = format::parse_minute(&self.from)?;
        let to = format::parse_minute(&self.to)?;
        (from < to).then_some((from, to))
    }

    pub fn by(&self) -> UsageDimension {
        let known = DIMENSIONS
            .into_iter()
            .find(|(_, name, ..)| *name == self.by);
        known.map_or_else(
            || {
                // Of one API what matters is which part of it.
                if self.get("api").is_empty() {
                    UsageDimension::Api
                } else {
                    UsageDimension::Route
                }
            },
            |(dimension, ..)| dimension,
        )
    }

    pub fn sort(&self) -> UsageSort {
        let known = SORTS.into_iter().find(|(_, name, _)| *name == self.sort);
        known.map_or(UsageSort::Calls, |(sort, ..)| sort)
    }

    /// What is no value of its kind is left out: the page shows more, never an error for a stale
    /// bookmark.
    pub fn query(&self, now: DateTime<Utc>) -> UsageQuery {
        let (from, to) = match self.custom() {
            Some((from, to)) => (from, Some(to)),
            None => {
                let from = now - Duration::seconds(self.span.seconds());
                // Sums begin at whole minutes: with one of those they answer alone.
                let minute = from.timestamp().div_euclid(60) * 60;
                (DateTime::from_timestamp(minute, 0).unwrap_or(from), None)
            }
        };
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let version = self.get("version");
        let route = self.get("route");
        UsageQuery {
            api_id: self.get("api").parse().ok(),
            key_id: self.get("key").parse().ok(),
            status: StatusClass::ALL
                .into_iter()
                .find(|class| class.as_str() == self.get("status")),
            version: (version == "default" || version.parse::<VersionId>().is_ok())
                .then(|| version.to_owned()),
            route: (route.starts_with(['/', '(']) || route.parse::<RouteId>().is_ok())
                .then(|| route.to_owned()),
            method: some(self.get("method")),
            status_code: self.get("code").parse().ok(),
            error_code: some(self.get("error")),
            cache: CacheState::ALL
                .into_iter()
                .find(|state| state.as_str() == self.get("cache")),
            by: Some(self.by()),
            sort: Some(self.sort()),
            from: Some(from),
            to,
            cursor: some(&self.cursor),
            ..UsageQuery::default()
        }
    }

    /// What of the address stays when the list is leafed through.
    pub fn pairs(&self) -> Vec<(&str, &str)> {
        let mut pairs = self.without_time();
        if self.custom().is_some() {
            pairs.push(("from", &self.from));
            pairs.push(("to", &self.to));
        } else {
            // Always: an address without a query is where the default view opens.
            pairs.push(("span", self.span.as_str()));
        }
        pairs
    }

    /// What of the address stays when another time is chosen.
    pub fn without_time(&self) -> Vec<(&str, &str)> {
        let mut pairs: Vec<(&str, &str)> = NARROWING
            .into_iter()
            .zip(self.narrow.iter().map(String::as_str))
            .collect();
        pairs.push(("by", &self.by));
        pairs.push(("sort", &self.sort));
        pairs
    }

    /// The page's address with these in the place of what it has now; an empty value takes away.
    pub fn with(&self, changes: &[(&str, &str)]) -> String {
        let mut pairs = self.pairs();
        pairs.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
        pairs.extend_from_slice(changes);
        match urlencoded::query(&pairs) {
            query if query.is_empty() => PLAIN.to_owned(),
            query => format!("{PATH}{query}"),
        }
    }

    /// The page's address narrowed to what a row stands for; `None` when no filter says that.
    pub fn narrowed_to(&self, value: &UsageValue) -> Option<String> {
        let id = value.id.as_deref()?;
        let (_, _, name, _) = DIMENSIONS
            .into_iter()
            .find(|(dimension, ..)| *dimension == value.dimension)?;
        let is_id = matches!(value.dimension, UsageDimension::Api | UsageDimension::Key);
        // The rest, which a step had no room to tell apart.
        if is_id && id.parse::<RouteId>().is_err() {
            return None;
        }
        let api = value.api_id.map(|api| api.to_string());
        let mut changes = vec![(name, id)];
        if let Some(api) = &api {
            changes.push(("api", api.as_str()));
        }
        // What was broken down by says nothing any more.
        changes.push(("by", ""));
        Some(self.with(&changes))
    }

    pub fn is_narrow(&self) -> bool {
        self.narrow.iter().any(|value| !value.is_empty())
    }

    /// What the REST API answers for the same calls. `path` is below `/api/v1/usage`.
    pub fn rest(&self, path: &str, usage: (DateTime<Utc>, DateTime<Utc>), csv: bool) -> String {
        let (from, to) = usage;
        let (from, to) = (format::iso(from), format::iso(to));
        let by = DIMENSIONS
            .into_iter()
            .find(|(dimension, ..)| *dimension == self.by())
            .map_or(
                "",
                |(_, name, ..)| if name == "error" { "error_code" } else { name },
            );
        let sort = SORTS
            .into_iter()
            .find(|(sort, ..)| *sort == self.sort())
            .map_or("", |(_, name, _)| name);
        let is_breakdown = path == "/breakdown";
        let pairs = [
            ("api_id", self.get("api")),
            ("key_id", self.get("key")),
            ("status", self.get("status")),
            ("version", self.get("version")),
            ("route", self.get("route")),
            ("method", self.get("method")),
            ("status_code", self.get("code")),
            ("error_code", self.get("error")),
            ("cache", self.get("cache")),
            ("from", &from),
            ("to", &to),
            ("by", if is_breakdown { by } else { "" }),
            ("sort", if is_breakdown { sort } else { "" }),
            ("limit", "200"),
            ("format", if csv { "csv" } else { "" }),
        ];
        format!("/api/v1/usage{path}{}", urlencoded::query(&pairs))
    }
}

/// What a value is called; what has no name says why.
pub fn label(value: &UsageValue) -> String {
    let none = match value.dimension {
        UsageDimension::Api => "no API",
        UsageDimension::Key => "without a key",
        UsageDimension::Version => "default",
        UsageDimension::Route => "no route",
        UsageDimension::ErrorCode => "not refused",
        UsageDimension::Cache => "no cache",
        UsageDimension::Method | UsageDimension::Status | UsageDimension::StatusClass => "other",
    };
    match (&value.name, &value.id) {
        (Some(name), _) => name.clone(),
        (None, Some(id)) => format!("deleted ({})", format::middle(id, 8, 4)),
        (None, None) => none.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Filter {
        Filter::of(query)
    }

    fn now() -> DateTime<Utc> {
        "2026-03-05T14:03:22Z".parse().expect("a time")
    }

    #[test]
    fn a_stale_bookmark_shows_more_and_is_no_error() {
        let query = read("api=x&key=1&version=v2&route=users&code=abc&cache=maybe&by=moon&sort=up");
        let query = query.query(now());
        assert_eq!(query.api_id, None);
        assert_eq!(query.version, None);
        assert_eq!(query.route, None);
        assert_eq!(query.status_code, None);
        assert_eq!(query.cache, None);
        assert_eq!(query.sort, Some(UsageSort::Calls));
        assert_eq!(
            query.from.map(|from| from.to_rfc3339()).as_deref(),
            Some("2026-03-04T14:03:00+00:00")
        );
    }

    #[test]
    fn an_address_says_what_is_shown_and_comes_back() {
        let filter = read("route=%2Fusers%2F%7Bid%7D&method=GET&code=503&by=key&sort=p95&span=7d");
        let address = filter.with(&[("cursor", "x")]);
        let again = read(address.split_once('?').expect("a query").1);
        assert_eq!(again.query(now()).route.as_deref(), Some("/users/{id}"));
        assert_eq!(again.query(now()).by, Some(UsageDimension::Key));
        assert_eq!(again.cursor, "x");
        let wider = filter.with(&[("route", ""), ("method", "")]);
        assert_eq!(wider, "/console/usage?code=503&by=key&sort=p95&span=7d");
    }

    #[test]
    fn what_is_saved_is_what_is_shown() {
        for (query, saved) in [
            ("", "span=24h"),
            ("api=x&cursor=y&done=saved", "api=x&span=24h"),
            (
                "from=2026-03-05T14:03&to=2026-03-05T15:03Z&span=7d",
                "from=2026-03-05T14%3A03Z&to=2026-03-05T15%3A03Z",
            ),
        ] {
            assert_eq!(read(query).text(), saved);
            assert_eq!(read(saved).text(), saved);
            let view = apiverse_contract::saved_views::CreateSavedView {
                page: apiverse_contract::saved_views::ViewPage::Usage,
                name: "mine".to_owned(),
                query: saved.to_owned(),
                shared: false,
            };
            assert_eq!(view.validate(), Ok(()));
        }
    }

    #[test]
    fn a_row_narrows_to_what_it_stands_for() {
        let api = "0193a000-0000-7000-8000-000000000001";
        let value = UsageValue {
            dimension: UsageDimension::Route,
            id: Some("/users/{id}".to_owned()),
            name: Some("/users/{id}".to_owned()),
            api_id: api.parse().ok(),
        };
        let filter = read("by=route&span=30d");
        assert_eq!(
            filter.narrowed_to(&value).as_deref(),
            Some(format!("/console/usage?span=30d&route=%2Fusers%2F%7Bid%7D&api={api}").as_str())
        );
        let rest = UsageValue {
            dimension: UsageDimension::Key,
            id: Some("(other)".to_owned()),
            name: None,
            api_id: None,
        };
        assert_eq!(filter.narrowed_to(&rest), None);
    }
}
