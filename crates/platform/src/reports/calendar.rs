//! Days, weeks and months of a time zone, and when their reports are due.

use apiverse_contract::reports::{CreateReportSchedule, ReportPeriod};
use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;

use crate::usage::moment;

/// A report is made so long after its time at the earliest: calls of the last seconds are on their
/// way from other nodes.
const SETTLED_US: i64 = 5 * 60 * 1_000_000;

/// Days from the first to the day after the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) from: NaiveDate,
    pub(super) to: NaiveDate,
}

/// When the reports of a schedule are due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calendar {
    period: ReportPeriod,
    zone: Tz,
    hour: u8,
}

impl Calendar {
    pub(super) const fn new(schedule: &CreateReportSchedule, zone: Tz) -> Self {
        Self {
            period: schedule.period,
            zone,
            hour: schedule.hour,
        }
    }

    /// The latest time whose report is due.
    pub(super) fn last(self, now: DateTime<Utc>) -> Range {
        let today = now.with_timezone(&self.zone).date_naive();
        let mut to = start(today, self.period);
        if self.due_us(to) > now.timestamp_micros() {
            to = before(to, self.period);
        }
        Range {
            from: before(to, self.period),
            to,
        }
    }

    /// When the next report is due after now.
    pub(super) fn next_us(self, now: DateTime<Utc>) -> i64 {
        self.due_us(after(self.last(now).to, self.period))
    }

    fn due_us(self, to: NaiveDate) -> i64 {
        let hour = NaiveTime::from_hms_opt(self.hour.into(), 0, 0).unwrap_or_default();
        moment(to.and_time(hour), self.zone).max(midnight_us(to, self.zone) + SETTLED_US)
    }
}

/// When a day begins.
pub(super) fn midnight_us(date: NaiveDate, zone: Tz) -> i64 {
    moment(date.and_time(NaiveTime::MIN), zone)
}

/// The first day of the time that a day is in.
fn start(date: NaiveDate, period: ReportPeriod) -> NaiveDate {
    match period {
        ReportPeriod::Day => date,
        ReportPeriod::Week => {
            let days = date.weekday().num_days_from_monday();
            date.checked_sub_days(Days::new(days.into()))
                .unwrap_or(date)
        }
        ReportPeriod::Month => date.with_day(1).unwrap_or(date),
    }
}

/// The first day of the time before the one that begins on a day.
pub(super) fn before(date: NaiveDate, period: ReportPeriod) -> NaiveDate {
    let found = match period {
        ReportPeriod::Day => date.checked_sub_days(Days::new(1)),
        ReportPeriod::Week => date.checked_sub_days(Days::new(7)),
        ReportPeriod::Month => date.checked_sub_months(Months::new(1)),
    };
    found.unwrap_or(date)
}

fn after(date: NaiveDate, period: ReportPeriod) -> NaiveDate {
    let found = match period {
        ReportPeriod::Day => date.checked_add_days(Days::new(1)),
        ReportPeriod::Week => date.checked_add_days(Days::new(7)),
        ReportPeriod::Month => date.checked_add_months(Months::new(1)),
    };
    found.unwrap_or(date)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(period: ReportPeriod, zone: &str, hour: u8) -> Calendar {
        Calendar {
            period,
            zone: zone.parse().expect("a zone"),
            hour,
        }
    }

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    fn range(from: &str, to: &str) -> Range {
        Range {
            from: from.parse().expect("a day"),
            to: to.parse().expect("a day"),
        }
    }

    fn text(us: i64) -> String {
        let at = DateTime::from_timestamp_micros(us).expect("a time");
        at.format("%F %H:%M").to_string()
    }

    #[test]
    fn each_time_is_due_once_it_is_over() {
        let daily = calendar(ReportPeriod::Day, "UTC", 8);
        let early = time("2026-03-02T07:59:59Z");
        assert_eq!(daily.last(early), range("2026-02-28", "2026-03-01"));
        assert_eq!(text(daily.next_us(early)), "2026-03-02 08:00");
        let due = time("2026-03-02T08:00:00Z");
        assert_eq!(daily.last(due), range("2026-03-01", "2026-03-02"));
        assert_eq!(text(daily.next_us(due)), "2026-03-03 08:00");

        // The second of March 2026 is a Monday.
        let weekly = calendar(ReportPeriod::Week, "UTC", 0);
        let monday = time("2026-03-02T00:04:00Z");
        assert_eq!(weekly.last(monday), range("2026-02-16", "2026-02-23"));
        assert_eq!(text(weekly.next_us(monday)), "2026-03-02 00:05");
        assert_eq!(
            weekly.last(time("2026-03-02T00:05:00Z")),
            range("2026-02-23", "2026-03-02")
        );

        let monthly = calendar(ReportPeriod::Month, "UTC", 6);
        let march = time("2026-03-15T00:00:00Z");
        assert_eq!(monthly.last(march), range("2026-02-01", "2026-03-01"));
        assert_eq!(text(monthly.next_us(march)), "2026-04-01 06:00");
        assert_eq!(
            monthly.last(time("2027-01-01T05:00:00Z")),
            range("2026-11-01", "2026-12-01")
        );
    }

    #[test]
    fn days_are_those_of_the_zone_however_long() {
        let hours = |day: &str, zone: &str| {
            let day: NaiveDate = day.parse().expect("a day");
            let zone = zone.parse().expect("a zone");
            let next = after(day, ReportPeriod::Day);
            (midnight_us(next, zone) - midnight_us(day, zone)) / 3_600_000_000
        };
        assert_eq!(hours("2026-03-29", "Europe/Berlin"), 23);
        assert_eq!(hours("2026-10-25", "Europe/Berlin"), 25);
        assert_eq!(hours("2026-10-25", "UTC"), 24);
        // Clocks are set forward at midnight: the day begins at one.
        assert_eq!(hours("2026-03-29", "Asia/Beirut"), 23);

        let daily = calendar(ReportPeriod::Day, "Europe/Berlin", 2);
        // There is no two o'clock on that day; three is the first hour after it.
        assert_eq!(
            text(daily.next_us(time("2026-03-28T12:00:00Z"))),
            "2026-03-29 01:00"
        );
        // There are two of them on this one.
        assert_eq!(
            text(daily.next_us(time("2026-10-24T12:00:00Z"))),
            "2026-10-25 00:00"
        );
        let eastern = calendar(ReportPeriod::Day, "Pacific/Auckland", 8);
        assert_eq!(
            eastern.last(time("2026-06-01T20:30:00Z")),
            range("2026-06-01", "2026-06-02")
        );
    }
}
