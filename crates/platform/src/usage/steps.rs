//! The steps of a series, which begin at whole minutes, hours or days of a time zone.

use apiverse_contract::usage::Granularity;
use apiverse_rollup::Step;
use chrono::{Days, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use super::{Span, at};
use crate::fault::Invalid;

/// The time zone that is asked for; UTC when none is.
pub(super) fn zone(name: Option<&str>) -> Result<Tz, Invalid> {
    let Some(name) = name else {
        return Ok(Tz::UTC);
    };
    name.parse()
        .map_err(|_| Invalid::one("tz", "is no time zone, as `Europe/Berlin` is one"))
}

/// Where steps begin, ascending: the first at the span's beginning or before, the last before its
/// end. Never more than `most`.
pub(super) fn steps(span: Span, granularity: Granularity, zone: Tz, most: usize) -> Vec<i64> {
    let width_us = granularity.seconds() * 1_000_000;
    let mut starts = Vec::new();
    match granularity {
        Granularity::Minute | Granularity::Hour => {
            let from = at(span.from_us).with_timezone(&zone);
            let offset_us = i64::from(from.offset().fix().local_minus_utc()) * 1_000_000;
            let local = span.from_us.saturating_add(offset_us);
            let mut start = local.div_euclid(width_us).saturating_mul(width_us) - offset_us;
            while start < span.to_us && starts.len() < most {
                starts.push(start);
                start += width_us;
            }
        }
        Granularity::Day => {
            let mut date = at(span.from_us).with_timezone(&zone).date_naive();
            while starts.len() < most {
                let start = midnight(date, zone);
                if start >= span.to_us {
                    break;
                }
                starts.push(start);
                let Some(next) = date.checked_add_days(Days::new(1)) else {
                    break;
                };
                date = next;
            }
        }
    }
    starts
}

/// When a day begins. Where clocks are set forward at midnight, it begins later.
fn midnight(date: chrono::NaiveDate, zone: Tz) -> i64 {
    moment(date.and_time(NaiveTime::MIN), zone)
}

/// When it is a time of the zone for the first time, or is later than it, where clocks are set
/// forward over it.
pub(crate) fn moment(local: NaiveDateTime, zone: Tz) -> i64 {
    for quarters in 0..12 {
        let later = local + TimeDelta::minutes(15 * quarters);
        if let Some(start) = zone.from_local_datetime(&later).earliest() {
            return start.timestamp_micros();
        }
    }
    Utc.from_utc_datetime(&local).timestamp_micros()
}

/// The longest blocks that lie within one step each.
pub(super) fn coarsest(steps: &[i64]) -> Step {
    // The first step may begin before the range does, the others begin within it.
    let begin_with = |step: Step| steps.iter().all(|start| step.floor(*start) == *start);
    if steps.len() < 2 {
        Step::Long
    } else if begin_with(Step::Day) {
        Step::Day
    } else if begin_with(Step::Hour) {
        Step::Hour
    } else {
        Step::Minute
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    const MOST: usize = 1500;

    fn span(from: &str, to: &str) -> Span {
        let parse = |text: &str| {
            DateTime::parse_from_rfc3339(text)
                .expect("a time")
                .with_timezone(&Utc)
        };
        Span::of((parse(from), parse(to)))
    }

    fn texts(span: Span, granularity: Granularity, zone: &str) -> Vec<String> {
        let zone = super::zone(Some(zone)).expect("a zone");
        steps(span, granularity, zone, MOST)
            .into_iter()
            .map(|start| at(start).format("%d %H:%M").to_string())
            .collect()
    }

    #[test]
    fn days_are_those_of_the_zone() {
        let autumn = span("2026-10-24T10:00:00Z", "2026-10-27T00:00:00Z");
        assert_eq!(
            texts(autumn, Granularity::Day, "Europe/Berlin"),
            // The 25th has 25 hours there.
            ["23 22:00", "24 22:00", "25 23:00", "26 23:00"]
        );
        assert_eq!(
            texts(autumn, Granularity::Day, "UTC"),
            ["24 00:00", "25 00:00", "26 00:00"]
        );
        assert_eq!(
            texts(autumn, Granularity::Day, "Asia/Kolkata")[0],
            "23 18:30"
        );
        // Clocks are set forward at midnight: the day begins at one.
        let beirut = span("2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z");
        assert_eq!(
            texts(beirut, Granularity::Day, "Asia/Beirut"),
            ["27 22:00", "28 22:00"]
        );
    }

    #[test]
    fn hours_and_minutes_cover_the_range() {
        let short = span("2026-11-21T10:59:30Z", "2026-11-21T12:00:00.000001Z");
        assert_eq!(
            texts(short, Granularity::Hour, "UTC"),
            ["21 10:00", "21 11:00", "21 12:00"]
        );
        assert_eq!(
            texts(short, Granularity::Hour, "Asia/Kolkata")[0],
            "21 10:30"
        );
        assert_eq!(texts(short, Granularity::Minute, "UTC").len(), 62);
        assert_eq!(steps(short, Granularity::Minute, Tz::UTC, 5).len(), 5);
        assert!(zone(Some("Mars/Olympus")).is_err());
    }

    #[test]
    fn blocks_are_as_long_as_steps_allow() {
        let month = span("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z");
        let of = |granularity, name: &str| {
            coarsest(&steps(
                month,
                granularity,
                zone(Some(name)).expect("is one"),
                MOST,
            ))
        };
        assert_eq!(of(Granularity::Day, "UTC"), Step::Day);
        assert_eq!(of(Granularity::Day, "Europe/Berlin"), Step::Hour);
        assert_eq!(of(Granularity::Day, "Asia/Kolkata"), Step::Minute);
        assert_eq!(of(Granularity::Hour, "UTC"), Step::Hour);
        assert_eq!(of(Granularity::Minute, "UTC"), Step::Minute);
        assert_eq!(coarsest(&[]), Step::Long);
    }
}
