//! The forms of price rules and budgets.

use apiverse_contract::FieldError;
use apiverse_contract::costs::{PriceTier, PriceUnit, PricedStatus, PutBudget, PutPriceRule};
use apiverse_contract::usage::StatusClass;
use chrono::NaiveDate;

use super::{Fields, words};

/// Millionths in a whole.
const WHOLE: i64 = 1_000_000;

/// Reads an amount of money as it is typed: `12`, `0.0004`, `1,200.50`. At most six decimals.
#[must_use]
pub fn micros(text: &str) -> Option<i64> {
    let text = text.trim().replace([',', ' '], "");
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && part.is_empty()) || part.len() > 6 || !digits(whole) || !digits(part) {
        return None;
    }
    let whole: i64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let part: i64 = format!("{part:0<6}").parse().ok()?;
    whole.checked_mul(WHOLE)?.checked_add(part)
}

/// An amount as people read it: cents at least, further decimals only where there are any.
#[must_use]
pub fn money(micros: i64, currency: &str) -> String {
    let sign = if micros < 0 { "−" } else { "" };
    let micros = micros.unsigned_abs();
    let part = format!("{:06}", micros % 1_000_000);
    let part = part.trim_end_matches('0');
    let whole = crate::format::count(micros / 1_000_000);
    // Of what costs more than a few, nobody reads millionths.
    let part = if micros >= 10_000_000 {
        part.get(..2).unwrap_or(part)
    } else {
        part
    };
    format!("{sign}{whole}.{part:0<2} {currency}")
}

/// Reads tiers, one a line: the price, and up to how many units a month it holds.
///
/// # Errors
/// When a line is something else.
pub fn tiers(text: &str) -> Result<Vec<PriceTier>, FieldError> {
    let mut tiers = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let mut parts = line.split_whitespace();
        let price = parts.next().and_then(micros);
        let up_to = parts
            .next()
            .map(|count| count.replace(',', "").parse::<u64>());
        let (Some(price_micros), None | Some(Ok(_)), None) = (price, &up_to, parts.next()) else {
            return Err(FieldError::new(
                "tiers",
                "must be a price on each line, and after it how far it holds: `0 1000`",
            ));
        };
        tiers.push(PriceTier {
            up_to: up_to.and_then(Result::ok),
            price_micros,
        });
    }
    Ok(tiers)
}

/// What is paid for, in a word.
#[must_use]
pub const fn unit_name(unit: PriceUnit) -> &'static str {
    match unit {
        PriceUnit::Call => "call",
        PriceUnit::MegabyteIn => "megabyte of requests",
        PriceUnit::MegabyteOut => "megabyte of answers",
        PriceUnit::MillionTokensIn => "million tokens read",
        PriceUnit::MillionTokensOut => "million tokens written",
    }
}

/// Reads the form of a price rule; the platform says what of it is not acceptable.
///
/// # Errors
/// What cannot be read.
pub fn read_rule(fields: &Fields) -> Result<PutPriceRule, Vec<FieldError>> {
    let mut errors = Vec::new();
    let tiers = tiers(fields.raw("tiers")).unwrap_or_else(|error| {
        errors.push(error);
        Vec::new()
    });
    let from = date(fields, "from", &mut errors);
    let to = date(fields, "to", &mut errors);
    if from.is_none() && fields.optional("from").is_none() {
        errors.push(FieldError::new("from", "is needed"));
    }
    let mut statuses: Vec<PricedStatus> = StatusClass::ALL
        .into_iter()
        .filter(|class| fields.all("statuses").any(|text| text == class.as_str()))
        .map(PricedStatus::Class)
        .collect();
    for word in words(fields.raw("codes")) {
        match word.parse() {
            Ok(status) => statuses.push(status),
            Err(_) => {
                let message = "must be codes of answers, as 200, 429";
                errors.push(FieldError::new("codes", message));
            }
        }
    }
    let Some(from) = from.filter(|_| errors.is_empty()) else {
        return Err(errors);
    };
    Ok(PutPriceRule {
        name: fields.text("name"),
        api_id: fields.text("api_id").parse().ok(),
        route: fields.optional("route"),
        statuses,
        refused: fields.flag("refused"),
        cached: fields.flag("cached"),
        unit: match fields.raw("unit") {
            "megabyte_in" => PriceUnit::MegabyteIn,
            "megabyte_out" => PriceUnit::MegabyteOut,
            "million_tokens_in" => PriceUnit::MillionTokensIn,
            "million_tokens_out" => PriceUnit::MillionTokensOut,
            _ => PriceUnit::Call,
        },
        currency: fields.text("currency").to_uppercase(),
        tiers,
        from,
        to,
    })
}

fn date(fields: &Fields, name: &'static str, errors: &mut Vec<FieldError>) -> Option<NaiveDate> {
    let text = fields.optional(name)?;
    let date = text.parse().ok();
    if date.is_none() {
        errors.push(FieldError::new(name, "must be a day, as 2026-11-01"));
    }
    date
}

/// Reads the form of a budget.
///
/// # Errors
/// What cannot be read.
pub fn read_budget(fields: &Fields) -> Result<PutBudget, Vec<FieldError>> {
    let Some(amount_micros) = micros(fields.raw("amount_micros")) else {
        let message = "must be an amount, as 250 or 12.50";
        return Err(vec![FieldError::new("amount_micros", message)]);
    };
    let mut thresholds = Vec::new();
    for word in words(&fields.raw("thresholds").replace('%', " ")) {
        match word.parse() {
            Ok(percent) => thresholds.push(percent),
            Err(_) => {
                let message = "must be percents, as 50, 80, 100";
                return Err(vec![FieldError::new("thresholds", message)]);
            }
        }
    }
    Ok(PutBudget {
        name: fields.text("name"),
        api_id: fields.text("api_id").parse().ok(),
        key_id: fields.text("key_id").parse().ok(),
        amount_micros,
        currency: fields.text("currency").to_uppercase(),
        thresholds,
        block: fields.flag("block"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Fields(pairs.iter().map(pair).collect())
    }

    #[test]
    fn money_is_read_and_written_exactly() {
        for (text, expected) in [
            ("12", Some(12_000_000)),
            ("0.0004", Some(400)),
            (".5", Some(500_000)),
            ("1,200.50", Some(1_200_500_000)),
            ("0.0000001", None),
            ("-1", None),
            ("1e3", None),
            (".", None),
            ("", None),
            ("9223372036855", None),
        ] {
            assert_eq!(micros(text), expected, "{text}");
        }
        assert_eq!(money(400, "EUR"), "0.0004 EUR");
        assert_eq!(money(1_200_500_000, "EUR"), "1,200.50 EUR");
        assert_eq!(money(0, "EUR"), "0.00 EUR");
        assert_eq!(money(12_345_678, "USD"), "12.34 USD");
    }

    #[test]
    fn a_rule_is_read() {
        let rule = read_rule(&fields(&[
            ("name", "Geocoder"),
            ("statuses", "2xx"),
            ("codes", "304, 429"),
            ("currency", "eur"),
            ("tiers", "0 1,000\n0.0004\n"),
            ("from", "2026-11-01"),
            ("unit", "call"),
        ]))
        .expect("is a rule");
        assert_eq!(rule.validate(), Ok(()));
        assert_eq!(rule.currency, "EUR");
        let statuses: Vec<String> = rule.statuses.iter().map(ToString::to_string).collect();
        assert_eq!(statuses, ["2xx", "304", "429"]);
        assert_eq!(rule.tiers[0].up_to, Some(1000));
        assert_eq!(rule.tiers[1].price_micros, 400);
        let errors = read_rule(&fields(&[("tiers", "cheap"), ("from", "soon")]))
            .expect_err("is none")
            .into_iter()
            .map(|error| error.field)
            .collect::<Vec<_>>();
        assert_eq!(errors, ["tiers", "from"]);
    }

    #[test]
    fn a_budget_is_read() {
        let budget = read_budget(&fields(&[
            ("name", "All"),
            ("amount_micros", "250"),
            ("currency", "EUR"),
            ("thresholds", "50 %, 80, 100%"),
            ("block", "true"),
        ]))
        .expect("is a budget");
        assert_eq!(budget.validate(), Ok(()));
        assert_eq!(budget.thresholds, [50, 80, 100]);
        assert!(budget.block);
        assert!(read_budget(&fields(&[("amount_micros", "much")])).is_err());
    }
}
