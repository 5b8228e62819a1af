//! Time zones, by the tz database that is part of the binary.

use chrono::{DateTime, Duration, Offset, TimeZone, Utc};
use chrono_tz::{OffsetName, Tz};

use crate::fault::Invalid;

/// Since when a page knows a zone's offsets, in days before now: as long as sums are kept, and a
/// month more.
const DAYS_BEFORE: i64 = 425;
/// Until when, in days after now: as long as a silence can last, and a bit more.
const DAYS_AFTER: i64 = 100;

/// An offset that holds from a time on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneOffset {
    /// Seconds since 1970.
    pub from: i64,
    /// Seconds that clocks are ahead of UTC.
    pub seconds: i32,
    /// As `CET`; a zone without letters of its own has numbers.
    pub name: String,
}

/// A zone's offsets around a time: all a page needs to show local times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneOffsets {
    /// Ascending; never empty.
    pub offsets: Vec<ZoneOffset>,
    /// Seconds since 1970; from then on nothing is known.
    pub until: i64,
}

/// The zone of this name.
///
/// # Errors
/// When the tz database has none.
pub(crate) fn known(name: &str) -> Result<Tz, Invalid> {
    name.parse()
        .map_err(|_| Invalid::one("time_zone", "is no time zone, as `Europe/Oslo` is one"))
}

/// The names of all zones, in the order of the alphabet.
pub fn names() -> impl Iterator<Item = &'static str> {
    chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name())
}

/// The offsets of a zone around `now`; `None` for a name that is no zone.
#[must_use]
pub fn offsets(name: &str, now: DateTime<Utc>) -> Option<ZoneOffsets> {
    let zone: Tz = name.parse().ok()?;
    let from = (now - Duration::days(DAYS_BEFORE)).timestamp();
    let until = (now + Duration::days(DAYS_AFTER)).timestamp();
    let mut offsets = vec![offset_at(zone, from)];
    let mut known = from;
    // No zone changes its clocks twice within a day.
    while known < until {
        let next = (known + DAY).min(until);
        if differs(zone, known, next) {
            let change = change_between(zone, known, next);
            offsets.push(ZoneOffset {
                from: change,
                ..offset_at(zone, change)
            });
        }
        known = next;
    }
    Some(ZoneOffsets { offsets, until })
}

const DAY: i64 = 86_400;

fn offset_at(zone: Tz, at: i64) -> ZoneOffset {
    let time = DateTime::from_timestamp(at, 0).unwrap_or_default();
    let offset = zone.offset_from_utc_datetime(&time.naive_utc());
    let seconds = offset.fix().local_minus_utc();
    let name = offset
        .abbreviation()
        .map_or_else(String::new, str::to_owned);
    ZoneOffset {
        from: at,
        seconds,
        name: if name.starts_with(['+', '-']) || name.is_empty() {
            numbers(seconds)
        } else {
            name
        },
    }
}

fn numbers(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

fn differs(zone: Tz, one: i64, other: i64) -> bool {
    let at = |seconds| {
        let time = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
        zone.offset_from_utc_datetime(&time.naive_utc())
    };
    at(one) != at(other)
}

/// The first second that is as `after` is and not as `before`.
fn change_between(zone: Tz, mut before: i64, mut after: i64) -> i64 {
    let begin = before;
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        if differs(zone, begin, middle) {
            after = middle;
        } else {
            before = middle;
        }
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    fn told(name: &str, now: &str) -> Vec<(String, i32, String)> {
        let found = offsets(name, at(now)).expect("is a zone");
        let offsets = found.offsets.into_iter();
        offsets
            .map(|one| {
                let from = DateTime::from_timestamp(one.from, 0).expect("a time");
                (from.to_rfc3339(), one.seconds, one.name)
            })
            .collect()
    }

    #[test]
    fn a_zone_is_told_by_its_changes_around_now() {
        let oslo = told("Europe/Oslo", "2026-06-01T12:00:00Z");
        let shown: Vec<(&str, i32, &str)> = oslo
            .iter()
            .map(|(from, seconds, name)| (from.as_str(), *seconds, name.as_str()))
            .collect();
        assert_eq!(
            shown,
            [
                ("2025-04-02T12:00:00+00:00", 7200, "CEST"),
                ("2025-10-26T01:00:00+00:00", 3600, "CET"),
                ("2026-03-29T01:00:00+00:00", 7200, "CEST"),
            ]
        );
        let utc = told("UTC", "2026-06-01T12:00:00Z");
        assert_eq!((utc.len(), utc[0].1, utc[0].2.as_str()), (1, 0, "UTC"));
        assert_eq!(offsets("Mars/Olympus", at("2026-06-01T12:00:00Z")), None);
    }

    #[test]
    fn a_zone_without_letters_has_numbers() {
        let kathmandu = told("Asia/Kathmandu", "2026-06-01T12:00:00Z");
        assert_eq!(kathmandu[0].2, "UTC+05:45");
        // Clocks go by half an hour there, and stand behind UTC elsewhere.
        let howe = told("Australia/Lord_Howe", "2026-06-01T12:00:00Z");
        assert!(howe.iter().any(|one| one.2 == "UTC+10:30"), "{howe:?}");
        assert!(howe.iter().any(|one| one.2 == "UTC+11:00"), "{howe:?}");
        assert_eq!(
            told("America/Sao_Paulo", "2026-06-01T12:00:00Z")[0].2,
            "UTC-03:00"
        );
    }

    #[test]
    fn every_zone_can_be_told() {
        for name in names() {
            let found = offsets(name, at("2026-06-01T12:00:00Z")).expect(name);
            assert!(
                !found.offsets.is_empty() && found.offsets.len() < 12,
                "{name}"
            );
        }
        assert!(known("Europe/Oslo").is_ok());
        assert!(known("europe/oslo; drop table").is_err());
    }
}
