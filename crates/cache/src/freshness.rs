//! How long an answer is fresh, and how old it is (RFC 9111, 4.2).

use http::HeaderMap;

use crate::date;
use crate::directives::{Qualified, ResponseDirectives, seconds};
use crate::fields::members;
use crate::rules::Rules;

/// Statuses that may be stored without being told so (RFC 9110, 15.1).
const HEURISTIC: [u16; 11] = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501];
/// Share of the time since the last change that an answer is taken to be fresh for.
const TENTH: i64 = 10;
/// Longest time that is guessed, in seconds.
const MOST_GUESSED: i64 = 24 * 3600;

/// When an answer was asked for and came, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    pub asked_ms: i64,
    pub came_ms: i64,
}

/// How long an answer may be used. Times are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    pub came_ms: i64,
    /// Its age when it came.
    pub initial_age_ms: i64,
    pub lifetime_ms: i64,
    /// It says itself how long it is fresh.
    pub is_explicit: bool,
    /// It must be validated at each use.
    pub no_cache: bool,
    /// Stale, it must not be used unless it says when.
    pub must_revalidate: bool,
    /// How long after that it may be used while it is fetched anew.
    pub while_revalidate_ms: i64,
    /// How long after that it may stand in for one that cannot be had.
    pub if_error_ms: i64,
}

impl Freshness {
    /// Of an answer with a status and fields, under the directives that count.
    #[must_use]
    pub(crate) fn new(
        status: u16,
        headers: &HeaderMap,
        directives: &ResponseDirectives,
        is_targeted: bool,
        times: Times,
        rules: &Rules,
    ) -> Self {
        let said = headers
            .get("date")
            .and_then(|value| date::parse(value.as_bytes()));
        let came_s = times.came_ms.div_euclid(1000);
        let date_s = said.unwrap_or(came_s);
        let apparent_ms = (times.came_ms - date_s * 1000).max(0);
        // A date has whole seconds: what is within its second is no age.
        let apparent_ms = if apparent_ms < 1000 { 0 } else { apparent_ms };
        let delay_ms = (times.came_ms - times.asked_ms).max(0);
        let corrected_ms = age_value(headers).saturating_mul(1000) + delay_ms;

        let explicit = explicit(headers, directives, is_targeted, date_s);
        let lifetime_s = explicit
            .or_else(|| default_ttl(status, rules))
            .or_else(|| guessed(status, headers, directives, date_s, rules))
            .unwrap_or(0);
        let lifetime_s = rules
            .max_ttl
            .map_or(lifetime_s, |most| lifetime_s.min(signed(most)));
        let is_strict = directives.must_revalidate || directives.proxy_revalidate;
        let window = |said: Option<u64>, default: u64| match said {
            _ if is_strict => 0,
            Some(said) => signed(said),
            // `s-maxage` forbids what nobody else allows (RFC 9111, 5.2.2.10).
            None if directives.s_maxage.is_some() => 0,
            None => signed(default),
        };
        Self {
            came_ms: times.came_ms,
            initial_age_ms: apparent_ms.max(corrected_ms),
            lifetime_ms: lifetime_s.saturating_mul(1000),
            is_explicit: explicit.is_some(),
            no_cache: directives.no_cache == Qualified::All,
            must_revalidate: is_strict || directives.s_maxage.is_some(),
            while_revalidate_ms: window(
                directives.stale_while_revalidate,
                rules.stale_while_revalidate,
            )
            .saturating_mul(1000),
            if_error_ms: window(directives.stale_if_error, rules.stale_if_error)
                .saturating_mul(1000),
        }
    }

    /// The age at a moment.
    #[must_use]
    pub fn age_ms(&self, now_ms: i64) -> i64 {
        self.initial_age_ms + (now_ms - self.came_ms).max(0)
    }

    /// How long it is fresh still; negative: for how long it has been stale.
    #[must_use]
    pub fn left_ms(&self, now_ms: i64) -> i64 {
        self.lifetime_ms.saturating_sub(self.age_ms(now_ms))
    }

    /// How long it may be of any use, were it never validated.
    #[must_use]
    pub fn useful_ms(&self, now_ms: i64) -> i64 {
        self.left_ms(now_ms)
            .saturating_add(self.while_revalidate_ms.max(self.if_error_ms))
    }
}

/// The first member of `Age` if it is a number, else 0: RFC 9111, 5.1 wants other values ignored.
fn age_value(headers: &HeaderMap) -> i64 {
    let Some(first) = headers.get("age") else {
        return 0;
    };
    let first = members(first.as_bytes()).next().unwrap_or_default();
    seconds(first).map_or(0, signed)
}

/// The lifetime in seconds that the answer states.
fn explicit(
    headers: &HeaderMap,
    directives: &ResponseDirectives,
    is_targeted: bool,
    date_s: i64,
) -> Option<i64> {
    if let Some(stated) = directives.s_maxage.or(directives.max_age) {
        return Some(signed(stated));
    }
    if is_targeted {
        return None;
    }
    let expires = headers.get("expires")?;
    // What is no date is in the past (RFC 9111, 5.3).
    let at = date::parse(expires.as_bytes()).unwrap_or(0);
    Some((at - date_s).max(0))
}

fn default_ttl(status: u16, rules: &Rules) -> Option<i64> {
    let of_status = rules
        .negative_ttl
        .iter()
        .find(|(known, _)| *known == status);
    match of_status {
        Some((_, seconds)) => Some(signed(*seconds)),
        None if status == 200 => rules.default_ttl.map(signed),
        None => None,
    }
}

/// A lifetime guessed from the last change (RFC 9111, 4.2.2).
fn guessed(
    status: u16,
    headers: &HeaderMap,
    directives: &ResponseDirectives,
    date_s: i64,
    rules: &Rules,
) -> Option<i64> {
    let may_guess = rules.heuristic && (HEURISTIC.contains(&status) || directives.public);
    if !may_guess {
        return None;
    }
    let changed_s = date::parse(headers.get("last-modified")?.as_bytes())?;
    let since_s = date_s - changed_s;
    (since_s > 0).then(|| (since_s / TENTH).min(MOST_GUESSED))
}

fn signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX / 2000)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::targeted::directives;

    const NOW_MS: i64 = 1_700_000_000_000;

    fn of(status: u16, pairs: &[(&'static str, String)], rules: &Rules) -> Freshness {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let (found, is_targeted) = directives(&headers, &rules.targeted);
        let times = Times {
            asked_ms: NOW_MS,
            came_ms: NOW_MS,
        };
        Freshness::new(status, &headers, &found, is_targeted, times, rules)
    }

    fn at(offset_s: i64) -> String {
        let at = std::time::UNIX_EPOCH
            + std::time::Duration::from_secs(u64::try_from(NOW_MS / 1000 + offset_s).unwrap());
        httpdate::fmt_http_date(at)
    }

    fn left_s(pairs: &[(&'static str, String)]) -> i64 {
        of(200, pairs, &Rules::default()).left_ms(NOW_MS) / 1000
    }

    #[test]
    fn the_nearest_statement_counts() {
        let cc = |text: &str| ("cache-control", text.to_owned());
        assert_eq!(
            left_s(&[cc("max-age=60, s-maxage=5"), ("expires", at(900))]),
            5
        );
        assert_eq!(left_s(&[cc("max-age=60"), ("expires", at(-900))]), 60);
        assert_eq!(left_s(&[("expires", at(900)), ("date", at(0))]), 900);
        // By the upstream's own clock, not by ours.
        assert_eq!(left_s(&[("expires", at(900)), ("date", at(600))]), 300);
        assert_eq!(left_s(&[("expires", "0".into())]), 0);
        let cdn = ("cdn-cache-control", "max-age=7".to_owned());
        assert_eq!(left_s(&[cdn, cc("max-age=60"), ("expires", at(900))]), 7);
    }

    #[test]
    fn age_is_what_is_said_or_seen() {
        let cc = ("cache-control", "max-age=3600".to_owned());
        let left = |age: &str| left_s(&[cc.clone(), ("age", age.to_owned())]);
        assert_eq!(left("600"), 3000);
        assert_eq!(left("0, 7200"), 3600);
        assert_eq!(left("7200, 0"), -3600);
        for ignored in ["abc", "-7200", "7200.0", "7200;a=b", ""] {
            assert_eq!(left(ignored), 3600, "{ignored}");
        }
        assert_eq!(left_s(&[cc.clone(), ("date", at(-7200))]), -3600);
        assert_eq!(left_s(&[cc, ("date", at(7200))]), 3600);
    }

    #[test]
    fn guesses_are_for_some_statuses() {
        let changed = [("last-modified", at(-86_400)), ("date", at(0))];
        let left = |status| of(status, &changed, &Rules::default()).left_ms(NOW_MS);
        assert_eq!(left(200), 8_640_000);
        assert_eq!(left(404), 8_640_000);
        for never in [201, 302, 403, 500, 502, 599] {
            assert_eq!(left(never), 0, "{never}");
        }
        let mut public = changed.to_vec();
        public.push(("cache-control", "public".into()));
        assert_eq!(of(599, &public, &Rules::default()).lifetime_ms, 8_640_000);
    }

    #[test]
    fn policy_speaks_where_the_answer_does_not() {
        let rules = Rules {
            default_ttl: Some(10),
            negative_ttl: vec![(404, 3)],
            max_ttl: Some(100),
            ..Rules::default()
        };
        let lifetime =
            |status, pairs: &[(&'static str, String)]| of(status, pairs, &rules).lifetime_ms;
        assert_eq!(lifetime(200, &[]), 10_000);
        assert_eq!(lifetime(404, &[]), 3000);
        assert_eq!(lifetime(500, &[]), 0);
        assert_eq!(
            lifetime(200, &[("cache-control", "max-age=7".into())]),
            7000
        );
        assert_eq!(
            lifetime(200, &[("cache-control", "max-age=700".into())]),
            100_000
        );
    }

    #[test]
    fn stale_answers_have_windows() {
        let windows = |text: &str| {
            let found = of(
                200,
                &[("cache-control", text.to_owned())],
                &Rules::default(),
            );
            (found.while_revalidate_ms, found.if_error_ms)
        };
        assert_eq!(windows("max-age=1"), (0, 60_000));
        assert_eq!(
            windows("max-age=1, stale-while-revalidate=5, stale-if-error=7"),
            (5000, 7000)
        );
        assert_eq!(windows("max-age=1, s-maxage=1"), (0, 0));
        assert_eq!(windows("s-maxage=1, stale-while-revalidate=5"), (5000, 0));
        assert_eq!(
            windows("max-age=1, must-revalidate, stale-if-error=7"),
            (0, 0)
        );
        assert_eq!(windows("max-age=1, proxy-revalidate"), (0, 0));
    }

    proptest! {
        #[test]
        fn freshness_only_falls(control in "[ -~]{0,40}", age in "[ -~]{0,12}", expires in "[ -~]{0,30}", later in 0i64..1_000_000) {
            let found = of(200, &[("cache-control", control), ("age", age), ("expires", expires)], &Rules::default());
            prop_assert!(found.left_ms(NOW_MS + later) <= found.left_ms(NOW_MS));
            prop_assert!(found.age_ms(NOW_MS) >= 0);
        }
    }
}
