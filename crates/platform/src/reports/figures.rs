//! Numbers as people read them.

use serde::Serialize;

/// A number as it is shown, and as it is in a table for programs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Number {
    pub(super) text: String,
    /// Empty: there is none.
    pub(super) raw: String,
}

pub(super) fn count(n: u64) -> Number {
    Number {
        text: grouped(n),
        raw: n.to_string(),
    }
}

/// With a comma between thousands.
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn none() -> Number {
    Number {
        text: "–".to_owned(),
        raw: String::new(),
    }
}

pub(super) fn percent(value: Option<f64>) -> Number {
    value.map_or_else(none, |value| Number {
        text: format!("{value:.2} %"),
        raw: format!("{value:.4}"),
    })
}

pub(super) fn milliseconds(value: Option<f64>) -> Number {
    value.map_or_else(none, |ms| Number {
        text: if ms >= 100.0 {
            format!("{ms:.0} ms")
        } else {
            format!("{ms:.1} ms")
        },
        raw: format!("{ms:.3}"),
    })
}

#[expect(clippy::cast_precision_loss, reason = "shown, not counted")]
pub(super) fn bytes(n: u64) -> Number {
    let mut value = n as f64;
    let mut unit = "B";
    for larger in ["kB", "MB", "GB", "TB"] {
        if value < 1000.0 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    Number {
        text: if unit == "B" {
            format!("{n} B")
        } else {
            format!("{value:.1} {unit}")
        },
        raw: n.to_string(),
    }
}

/// An amount of money, to the hundredth.
pub(super) fn money(micros: i64, currency: &str) -> Number {
    let sign = if micros < 0 { "-" } else { "" };
    let cents = micros.unsigned_abs() / 10_000;
    let amount = format!("{sign}{}.{:02}", cents / 100, cents % 100);
    Number {
        text: format!("{amount} {currency}"),
        raw: amount,
    }
}

/// By how many percent something is more or less than before.
pub(super) fn change(now: Option<f64>, before: Option<f64>) -> String {
    let (Some(now), Some(before)) = (now, before) else {
        return String::new();
    };
    if before == 0.0 {
        return if now == 0.0 {
            "as before".to_owned()
        } else {
            "none before".to_owned()
        };
    }
    let percent = (now - before) * 100.0 / before;
    if percent.abs() < 0.05 {
        return "as before".to_owned();
    }
    let sign = if percent > 0.0 { '+' } else { '−' };
    format!("{sign}{:.1} %", percent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(bytes(999).text, "999 B");
        assert_eq!(bytes(1_260_000).text, "1.3 MB");
        assert_eq!(money(-1_239_999, "EUR").text, "-1.23 EUR");
        assert_eq!(milliseconds(Some(1234.5)).text, "1234 ms");
        assert_eq!(percent(None).text, "–");
    }

    #[test]
    fn changes_have_a_direction() {
        assert_eq!(change(Some(150.0), Some(100.0)), "+50.0 %");
        assert_eq!(change(Some(50.0), Some(100.0)), "−50.0 %");
        assert_eq!(change(Some(1.0), Some(0.0)), "none before");
        assert_eq!(change(Some(7.0), Some(7.0)), "as before");
        assert_eq!(change(None, Some(7.0)), "");
    }
}
