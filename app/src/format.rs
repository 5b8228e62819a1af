//! Numbers and times as people read them, the same on the server and in the browser.
//!
//! Times are those of the reader's zone and say which it is; what is sent, and what is in addresses,
//! is UTC.

use chrono::{DateTime, Datelike, Duration, Timelike, Utc};

use crate::zone;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// `12,345`
#[must_use]
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `999`, `12.3k`, `4.1M`: for axes and narrow places.
#[must_use]
pub fn compact(n: f64) -> String {
    for (limit, unit) in [(1e9, "B"), (1e6, "M"), (1e3, "k")] {
        if n >= limit {
            return format!("{}{unit}", short_decimal(n / limit));
        }
    }
    short_decimal(n)
}

/// At most three significant digits: `0.25`, `1.5`, `12`, `340`. By whole numbers: the formatting of
/// floats would be a part of every visitor's download.
fn short_decimal(n: f64) -> String {
    let decimals = if n >= 100.0 {
        0
    } else if n >= 10.0 {
        1
    } else {
        2
    };
    let text = decimal(n, decimals);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A number with a fixed count of decimals, at most 4; what is no number is 0.
#[must_use]
pub fn decimal(n: f64, decimals: u32) -> String {
    let unit = 10_u64.pow(decimals.min(4));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a float that does not fit becomes the nearest that does"
    )]
    let scaled = (n.abs() * unit as f64).round() as u64;
    let sign = if n < 0.0 && scaled > 0 { "-" } else { "" };
    let (whole, rest) = (scaled / unit, scaled % unit);
    if unit == 1 {
        return format!("{sign}{whole}");
    }
    let digits = rest.to_string();
    let zeros = "0000";
    let missing = (decimals as usize)
        .saturating_sub(digits.len())
        .min(zeros.len());
    format!("{sign}{whole}.{}{digits}", &zeros[..missing])
}

/// `0.42 ms`, `42 ms`, `1.2 s`, `2 min`
#[must_use]
pub fn millis(ms: f64) -> String {
    if ms < 1000.0 {
        format!("{} ms", short_decimal(ms.max(0.0)))
    } else if ms < 120_000.0 {
        format!("{} s", short_decimal(ms / 1000.0))
    } else {
        format!("{} min", short_decimal(ms / 60_000.0))
    }
}

/// A dash where there is nothing to measure.
#[must_use]
pub fn maybe_millis(ms: Option<f64>) -> String {
    ms.map_or_else(|| "–".to_owned(), millis)
}

/// `0 B`, `12.3 kB`, `4.1 MB`, in powers of 1000.
#[must_use]
pub fn bytes(n: u64) -> String {
    #[expect(
        clippy::cast_precision_loss,
        reason = "shown with three digits at most"
    )]
    let value = n as f64;
    for (limit, unit) in [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")] {
        if value >= limit {
            return format!("{} {unit}", short_decimal(value / limit));
        }
    }
    format!("{n} B")
}

/// `part` of `whole` as `1.2 %`; nothing of nothing is `0 %`.
#[must_use]
pub fn percent(part: u64, whole: u64) -> String {
    format!("{} %", short_decimal(ratio(part, whole) * 100.0))
}

/// `part / whole`, 0 when there is no whole.
#[must_use]
pub fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "shown with three digits at most"
    )]
    let ratio = part as f64 / whole as f64;
    ratio
}

/// How `now` differs from `before` as `+12 %` or `−3 %`; `None` when there is nothing to compare with.
#[must_use]
pub fn change(now: f64, before: f64) -> Option<String> {
    if before <= 0.0 {
        return None;
    }
    let percent = (now - before) / before * 100.0;
    if percent.abs() < 0.5 {
        return Some("±0 %".to_owned());
    }
    let sign = if percent > 0.0 { '+' } else { '−' };
    let size = percent.abs();
    if size >= 1000.0 {
        return Some(format!("×{}", short_decimal(now / before)));
    }
    Some(format!("{sign}{} %", decimal(size, 0)))
}

/// `2025-11-05T14:03:22Z`
#[must_use]
pub fn iso(at: DateTime<Utc>) -> String {
    format!("{}:{:02}Z", input_minute(at), at.second())
}

/// `5 Nov 2025, 14:03:22 CET`
#[must_use]
pub fn stamp(at: DateTime<Utc>) -> String {
    let local = zone::local(at);
    format!(
        "{} {}, {:02}:{:02}:{:02} {}",
        calendar_day(local),
        local.year(),
        local.hour(),
        local.minute(),
        local.second(),
        zone::short_name(at)
    )
}

/// `5 Nov, 14:03 CET`
#[must_use]
pub fn moment(at: DateTime<Utc>) -> String {
    format!("{}, {} {}", day(at), clock(at), zone::short_name(at))
}

/// `5 Nov 2025`
#[must_use]
pub fn date(at: DateTime<Utc>) -> String {
    calendar_date(zone::local(at))
}

/// `5 Nov 2025`, of a day of the calendar and no moment.
#[must_use]
pub fn calendar_date(day: DateTime<Utc>) -> String {
    format!("{} {}", calendar_day(day), day.year())
}

/// `5 Nov`
#[must_use]
pub fn day(at: DateTime<Utc>) -> String {
    calendar_day(zone::local(at))
}

/// `5 Nov`, of a day of the calendar and no moment.
#[must_use]
pub fn calendar_day(day: DateTime<Utc>) -> String {
    format!("{} {}", day.day(), MONTHS[day.month0() as usize % 12])
}

/// `14:03`
#[must_use]
pub fn clock(at: DateTime<Utc>) -> String {
    let local = zone::local(at);
    format!("{:02}:{:02}", local.hour(), local.minute())
}

/// `2025-11-05T14:03Z`, as addresses have it: it means the same for whoever opens them.
#[must_use]
pub fn address_minute(at: DateTime<Utc>) -> String {
    format!("{}Z", input_minute(at))
}

/// What `<input type="datetime-local">` holds, in the reader's zone.
#[must_use]
pub fn local_minute(at: DateTime<Utc>) -> String {
    input_minute(zone::local(at))
}

/// Reads what such an input held, and what stands in an address.
#[must_use]
pub fn parse_minute(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    match text.strip_suffix('Z') {
        Some(utc) => parse_input_minute(utc),
        None => parse_input_minute(text).map(zone::when),
    }
}

/// `2025-11-05T14:03`, UTC, for an `<input type="datetime-local">` that says so.
#[must_use]
pub fn input_minute(at: DateTime<Utc>) -> String {
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}",
        at.year(),
        at.month(),
        at.day(),
        at.hour(),
        at.minute()
    )
}

/// Reads `2025-11-05T14:03` (seconds allowed) as UTC.
#[must_use]
pub fn parse_input_minute(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let whole = match text.len() {
        16 => format!("{text}:00Z"),
        19 => format!("{text}Z"),
        _ => return None,
    };
    DateTime::parse_from_rfc3339(&whole)
        .ok()
        .map(|at| at.with_timezone(&Utc))
}

/// `just now`, `12 s ago`, `5 min ago`, `3 h ago`, `2 d ago`, `5 Nov 2025`
#[must_use]
pub fn ago(now: DateTime<Utc>, at: DateTime<Utc>) -> String {
    let seconds = (now - at).num_seconds();
    match seconds {
        i64::MIN..=4 => "just now".to_owned(),
        5..=59 => format!("{seconds} s ago"),
        60..=3599 => format!("{} min ago", seconds / 60),
        3600..=86_399 => format!("{} h ago", seconds / 3600),
        86_400..=2_591_999 => format!("{} d ago", seconds / 86_400),
        _ => date(at),
    }
}

/// `in 5 min`, `in 3 d`, `on 5 Nov 2026`; what is over is told as `ago` tells it.
#[must_use]
pub fn until(now: DateTime<Utc>, at: DateTime<Utc>) -> String {
    let left: Duration = at - now;
    let seconds = left.num_seconds();
    match seconds {
        i64::MIN..=0 => ago(now, at),
        1..=59 => format!("in {seconds} s"),
        60..=3599 => format!("in {} min", seconds / 60),
        3600..=86_399 => format!("in {} h", seconds / 3600),
        86_400..=5_183_999 => format!("in {} d", seconds / 86_400),
        _ => format!("on {}", date(at)),
    }
}

/// What stands before and after the middle of a long id: `0190163d…ad91`.
#[must_use]
pub fn middle(text: &str, head: usize, tail: usize) -> String {
    let count = text.chars().count();
    if count <= head + tail + 1 {
        return text.to_owned();
    }
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(count - tail).collect();
    format!("{start}…{end}")
}

/// `1 key`, `2 keys`
#[must_use]
pub fn plural(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1000), "1,000");
        assert_eq!(count(12_345_678), "12,345,678");
    }

    #[test]
    fn small_and_large_numbers_stay_short() {
        assert_eq!(compact(0.0), "0");
        assert_eq!(compact(1500.0), "1.5k");
        assert_eq!(compact(2_000_000.0), "2M");
        assert_eq!(millis(0.004), "0 ms");
        assert_eq!(millis(0.42), "0.42 ms");
        assert_eq!(millis(42.0), "42 ms");
        assert_eq!(millis(1234.0), "1.23 s");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_500_000), "1.5 MB");
        assert_eq!(percent(1, 3), "33.3 %");
        assert_eq!(percent(0, 0), "0 %");
    }

    #[test]
    fn decimals_are_rounded() {
        assert_eq!(decimal(1.005, 2), "1.00");
        assert_eq!(decimal(1.05, 1), "1.1");
        assert_eq!(decimal(0.042, 3), "0.042");
        assert_eq!(decimal(-2.5, 1), "-2.5");
        assert_eq!(decimal(-0.001, 1), "0.0");
        assert_eq!(decimal(99.96, 1), "100.0");
        assert_eq!(decimal(f64::NAN, 1), "0.0");
    }

    #[test]
    fn changes_need_something_before() {
        assert_eq!(change(5.0, 0.0), None);
        assert_eq!(change(112.0, 100.0).as_deref(), Some("+12 %"));
        assert_eq!(change(97.0, 100.0).as_deref(), Some("−3 %"));
        assert_eq!(change(100.0, 100.0).as_deref(), Some("±0 %"));
        assert_eq!(change(5000.0, 100.0).as_deref(), Some("×50"));
    }

    #[test]
    fn times() {
        let now = at("2025-11-05T14:03:22Z");
        assert_eq!(stamp(now), "5 Nov 2025, 14:03:22 UTC");
        assert_eq!(ago(now, at("2025-11-05T14:03:21Z")), "just now");
        assert_eq!(ago(now, at("2025-11-05T13:03:22Z")), "1 h ago");
        assert_eq!(ago(now, at("2024-01-31T00:00:00Z")), "31 Jan 2024");
        assert_eq!(until(now, at("2025-11-08T14:03:22Z")), "in 3 d");
        assert_eq!(until(now, at("2025-11-05T14:03:00Z")), "22 s ago");
    }

    #[test]
    fn a_minute_in_a_field_comes_back() {
        let time = at("2025-11-05T14:03:00Z");
        assert_eq!(parse_minute(&address_minute(time)), Some(time));
        assert_eq!(parse_minute(&local_minute(time)), Some(time));
        assert_eq!(parse_minute("Z"), None);
        assert_eq!(parse_input_minute(&input_minute(time)), Some(time));
        assert_eq!(parse_input_minute("tomorrow"), None);
        assert_eq!(parse_input_minute("2025-13-05T14:03"), None);
    }

    #[test]
    fn middles_are_cut() {
        assert_eq!(middle("0190163d-8694-739b", 8, 4), "0190163d…739b");
        assert_eq!(middle("short", 8, 4), "short");
    }
}
