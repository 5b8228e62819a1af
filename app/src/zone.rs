//! The reader's time zone. The server knows the tz database and hands each page the few changes of
//! one zone around now, so that page and browser show the same times, and nobody downloads a
//! database for it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ambient;

/// A zone as a page knows it; UTC by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Zone {
    /// As `Europe/Oslo`; empty: none was chosen, and it is UTC.
    pub name: String,
    /// Ascending.
    pub offsets: Vec<ZoneOffset>,
    /// Seconds since 1970; from then on nothing is known.
    pub until: i64,
}

/// An offset that holds from a time on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneOffset {
    /// Seconds since 1970.
    pub from: i64,
    pub seconds: i64,
    /// As `CET`.
    pub name: String,
}

impl Zone {
    /// What holds at a time; `None` for what is UTC, and for times so far away that nothing is known.
    fn at(&self, at: i64) -> Option<&ZoneOffset> {
        if at >= self.until {
            return None;
        }
        self.offsets.iter().rev().find(|offset| offset.from <= at)
    }

    fn seconds_at(&self, at: i64) -> i64 {
        self.at(at).map_or(0, |offset| offset.seconds)
    }

    /// When the clocks show this. Of an hour that comes twice it is the first; of one that is left
    /// out, the time it would have been.
    fn when(&self, local: i64) -> i64 {
        let known = self.offsets.iter().map(|offset| offset.seconds);
        let fits = |seconds: &i64| self.seconds_at(local - seconds) == *seconds;
        let fitting = known.clone().chain([0]).filter(fits).max();
        let or_else = || known.min().unwrap_or(0);
        local - fitting.unwrap_or_else(or_else)
    }
}

/// The zone's name, for people.
pub fn name() -> String {
    ambient::with_zone(|zone| {
        if zone.name.is_empty() {
            "UTC".to_owned()
        } else {
            zone.name.clone()
        }
    })
}

/// What the clocks show, as if it were UTC.
pub fn local(at: DateTime<Utc>) -> DateTime<Utc> {
    let seconds = ambient::with_zone(|zone| zone.seconds_at(at.timestamp()));
    at + chrono::Duration::seconds(seconds)
}

/// The inverse of [`local`].
pub fn when(local: DateTime<Utc>) -> DateTime<Utc> {
    let seconds = local.timestamp();
    let at = ambient::with_zone(|zone| zone.when(seconds));
    local + chrono::Duration::seconds(at - seconds)
}

/// What the zone is called at a time: `CET`, `CEST`.
pub fn short_name(at: DateTime<Utc>) -> String {
    ambient::with_zone(|zone| {
        let offset = zone.at(at.timestamp());
        offset.map_or_else(|| "UTC".to_owned(), |offset| offset.name.clone())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oslo() -> Zone {
        let offset = |from: &str, seconds, name: &str| ZoneOffset {
            from: at(from),
            seconds,
            name: name.to_owned(),
        };
        Zone {
            name: "Europe/Oslo".to_owned(),
            offsets: vec![
                offset("2025-06-01T00:00:00Z", 7200, "CEST"),
                offset("2025-10-26T01:00:00Z", 3600, "CET"),
                offset("2026-03-29T01:00:00Z", 7200, "CEST"),
            ],
            until: at("2026-07-01T00:00:00Z"),
        }
    }

    fn at(text: &str) -> i64 {
        let time: DateTime<Utc> = text.parse().expect("a time");
        time.timestamp()
    }

    fn shown(at_: &str) -> String {
        let zone = oslo();
        let seconds = at(at_);
        let local = DateTime::from_timestamp(seconds + zone.seconds_at(seconds), 0);
        local.expect("a time").format("%d %H:%M").to_string()
    }

    #[test]
    fn clocks_change_when_they_do() {
        assert_eq!(shown("2026-03-29T00:59:00Z"), "29 01:59");
        assert_eq!(shown("2026-03-29T01:00:00Z"), "29 03:00");
        assert_eq!(shown("2025-10-26T00:59:00Z"), "26 02:59");
        assert_eq!(shown("2025-10-26T01:00:00Z"), "26 02:00");
        // Nothing is known of these: they are UTC, and say so.
        assert_eq!(shown("2020-01-01T00:00:00Z"), "01 00:00");
        assert_eq!(shown("2030-01-01T00:00:00Z"), "01 00:00");
        assert_eq!(oslo().at(at("2030-01-01T00:00:00Z")), None);
    }

    #[test]
    fn what_a_clock_shows_is_a_time_again() {
        let zone = oslo();
        for text in [
            "2026-01-15T12:00:00Z",
            "2026-06-15T12:00:00Z",
            "2026-03-29T00:59:00Z",
            "2026-03-29T01:00:00Z",
            "2025-10-26T00:30:00Z",
            "2020-01-01T00:00:00Z",
        ] {
            let time = at(text);
            assert_eq!(zone.when(time + zone.seconds_at(time)), time, "{text}");
        }
        // Half past two comes twice, and in spring not at all.
        assert_eq!(
            zone.when(at("2025-10-26T02:30:00Z")),
            at("2025-10-26T00:30:00Z")
        );
        assert_eq!(
            zone.when(at("2026-03-29T02:30:00Z")),
            at("2026-03-29T01:30:00Z")
        );
        assert_eq!(Zone::default().when(5), 5);
    }
}
