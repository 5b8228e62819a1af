//! What is asked about calls.

use apiverse_contract::usage::CacheState;
use uuid::Uuid;

use crate::codec::{Entry, RouteRef};
use crate::dims::{Method, Route};
use crate::view::View;

/// What calls can be grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dimension {
    Api,
    Version,
    /// With the API it belongs to.
    Route,
    Key,
    Method,
    Status,
    /// Hundreds of the status: 2 is 2xx.
    StatusClass,
    ErrorCode,
    Cache,
}

/// What a group's calls have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    Id(Option<Uuid>),
    Route(Option<Uuid>, Route),
    Method(Method),
    Number(i32),
    Error(Option<Box<str>>),
    Cache(Option<CacheState>),
}

/// Which calls are meant; `None`: any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub verifications: bool,
    pub api: Option<Uuid>,
    pub key: Option<Uuid>,
    /// Calls without a version are those of `default`, `Some(None)`.
    pub version: Option<Option<Uuid>>,
    pub route: Option<Route>,
    pub method: Option<Method>,
    pub status_class: Option<i32>,
    pub status: Option<i32>,
    pub error: Option<String>,
    pub cache: Option<CacheState>,
    /// Only answers of 400 and above.
    pub errors_only: bool,
    /// Only these classes, or these codes; both empty: all.
    pub status_classes: Vec<i32>,
    pub status_codes: Vec<i32>,
    /// Only calls that the upstream saw, or that the cache answered.
    pub served_only: bool,
    /// Only calls that the cache did not answer.
    pub uncached_only: bool,
}

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    pub filter: Filter,
    pub by: Vec<Dimension>,
    /// Where the steps of a series begin, microseconds since 1970, ascending; empty: no series.
    pub steps: Vec<i64>,
    /// Whether latencies are asked for.
    pub latency: bool,
    /// Only these groups; empty: all. A series of each of very many takes much memory.
    pub only: Vec<Vec<Value>>,
}

impl Question {
    /// The smallest view that knows the answer.
    #[must_use]
    pub fn view(&self) -> View {
        let by = |dimension| self.by.contains(&dimension);
        let filter = &self.filter;
        let asks_for_more = filter.version.is_some()
            || filter.route.is_some()
            || filter.method.is_some()
            || by(Dimension::Version)
            || by(Dimension::Route)
            || by(Dimension::Method);
        let asks_for_keys = filter.key.is_some() || by(Dimension::Key);
        match (asks_for_keys, asks_for_more) {
            (false, false) => View::Apis,
            (false, true) => View::Routes,
            (true, false) => View::Keys,
            (true, true) => View::Full,
        }
    }

    /// Whether routes matter, so that learned ones must be told as they are shown.
    pub(crate) fn asks_for_routes(&self) -> bool {
        self.filter.route.is_some() || self.by.contains(&Dimension::Route)
    }
}

impl Filter {
    pub(crate) fn admits(&self, entry: &Entry<'_>) -> bool {
        fn is<T: PartialEq>(wanted: &Option<T>, found: &T) -> bool {
            wanted.as_ref().is_none_or(|wanted| wanted == found)
        }
        fn has<T: PartialEq>(wanted: &Option<T>, found: &Option<T>) -> bool {
            wanted.is_none() || wanted == found
        }
        self.verifications == entry.is_verification
            && has(&self.api, &entry.api)
            && has(&self.key, &entry.key)
            && is(&self.version, &entry.version)
            && is(&self.method, &entry.method)
            && is(&self.status_class, &class(entry.status))
            && is(&self.status, &entry.status)
            && self
                .error
                .as_deref()
                .is_none_or(|code| entry.error == Some(code))
            && has(&self.cache, &entry.cache)
            && (!self.errors_only || entry.status >= 400)
            && self.admits_status(entry.status)
            && !(self.served_only && entry.refused)
            && !(self.uncached_only && entry.cache.is_some_and(CacheState::is_hit))
            && self.admits_route(entry.route)
    }

    fn admits_status(&self, status: i32) -> bool {
        (self.status_classes.is_empty() && self.status_codes.is_empty())
            || self.status_classes.contains(&class(status))
            || self.status_codes.contains(&status)
    }

    fn admits_route(&self, route: RouteRef<'_>) -> bool {
        match (&self.route, route) {
            (None, _) | (Some(Route::None), RouteRef::None) => true,
            (Some(Route::Configured(wanted)), RouteRef::Configured(found)) => *wanted == found,
            (Some(Route::Learned(wanted)), RouteRef::Learned(found)) => **wanted == *found,
            _ => false,
        }
    }
}

/// As counts by class go: what is below 300 is a success, what is 500 and above an error of the server.
pub(crate) fn class(status: i32) -> i32 {
    (status / 100).clamp(2, 5)
}

impl Dimension {
    pub(crate) fn of(self, entry: &Entry<'_>) -> Value {
        match self {
            Self::Api => Value::Id(entry.api),
            Self::Version => Value::Id(entry.version),
            Self::Key => Value::Id(entry.key),
            Self::Route => Value::Route(
                entry.api,
                match entry.route {
                    RouteRef::None => Route::None,
                    RouteRef::Configured(id) => Route::Configured(id),
                    RouteRef::Learned(text) => Route::Learned(text.into()),
                },
            ),
            Self::Method => Value::Method(entry.method),
            Self::Status => Value::Number(entry.status),
            Self::StatusClass => Value::Number(class(entry.status)),
            Self::ErrorCode => Value::Error(entry.error.map(Into::into)),
            Self::Cache => Value::Cache(entry.cache),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_view_that_knows_is_asked() {
        let key = Some(Uuid::nil());
        let question = |by: &[Dimension], filter: Filter| Question {
            by: by.to_vec(),
            filter,
            ..Question::default()
        };
        let none = Filter::default;
        assert_eq!(question(&[], none()).view(), View::Apis);
        assert_eq!(
            question(&[Dimension::Api, Dimension::ErrorCode], none()).view(),
            View::Apis
        );
        assert_eq!(question(&[Dimension::Route], none()).view(), View::Routes);
        assert_eq!(question(&[Dimension::Key], none()).view(), View::Keys);
        let of_key = Filter { key, ..none() };
        assert_eq!(
            question(&[Dimension::Status], of_key.clone()).view(),
            View::Keys
        );
        assert_eq!(question(&[Dimension::Route], of_key).view(), View::Full);
    }
}
