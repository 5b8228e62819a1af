//! The forms of alert rules and objectives.

use apiverse_contract::FieldError;
use apiverse_contract::alerts::{
    AbsenceCondition, AlertCondition, AlertFilter, AlertMetric, AlertNotify, AlertSeverity,
    BurnCondition, BurnWindow, ComparedTo, CreateSilence, Direction, Objective, PutAlertRule,
    PutSlo, RatioCondition, ThresholdCondition,
};
use apiverse_contract::auth::Role;
use apiverse_contract::usage::StatusClass;

use super::Fields;
use crate::format::parse_minute;

/// A number as it is typed: `12`, `0.5`, `1,200`.
fn decimal(fields: &Fields, name: &'static str, errors: &mut Vec<FieldError>) -> Option<f64> {
    let text = fields.optional(name)?;
    let number = text.replace([',', ' '], "").parse::<f64>().ok();
    let number = number.filter(|number| number.is_finite());
    if number.is_none() {
        errors.push(FieldError::new(name, "must be a number, as 12 or 0.5"));
    }
    number
}

fn whole<T: std::str::FromStr>(
    fields: &Fields,
    name: &'static str,
    or: T,
    errors: &mut Vec<FieldError>,
) -> T {
    match fields.number(name) {
        Ok(number) => number.unwrap_or(or),
        Err(error) => {
            errors.push(error);
            or
        }
    }
}

fn needed<T>(found: Option<T>, name: &'static str, errors: &mut Vec<FieldError>) -> Option<T> {
    if found.is_none() && errors.iter().all(|error| error.field != name) {
        errors.push(FieldError::new(name, "is needed"));
    }
    found
}

/// Reads the form of an alert rule; the platform says what of it is not acceptable.
///
/// # Errors
/// What cannot be read.
pub fn read_rule(fields: &Fields) -> Result<PutAlertRule, Vec<FieldError>> {
    let mut errors = Vec::new();
    let condition = condition(fields, &mut errors);
    let status = fields.text("filter.status");
    let method = fields.optional("filter.method");
    let rule = PutAlertRule {
        name: fields.text("name"),
        // Its own form switches it; a form to make one has no such field.
        enabled: fields.raw("enabled") != "false",
        severity: AlertSeverity::parse(fields.raw("severity")),
        condition: condition.unwrap_or(AlertCondition::Absence(AbsenceCondition { minutes: 0 })),
        filter: AlertFilter {
            api_id: fields.text("filter.api_id").parse().ok(),
            key_id: fields.text("filter.key_id").parse().ok(),
            route: fields.optional("filter.route"),
            method: method.map(|method| method.to_uppercase()),
            status: StatusClass::ALL
                .into_iter()
                .find(|class| class.as_str() == status),
            error_code: fields.optional("filter.error_code"),
        },
        for_minutes: whole(fields, "for_minutes", 0, &mut errors),
        resolve_after_minutes: whole(fields, "resolve_after_minutes", 5, &mut errors),
        notify: AlertNotify {
            roles: Role::ALL
                .into_iter()
                .filter(|role| fields.all("notify.roles").any(|text| text == role.as_str()))
                .collect(),
            webhook_ids: fields
                .all("notify.webhook_ids")
                .filter_map(|id| id.parse().ok())
                .collect(),
        },
    };
    if errors.is_empty() {
        Ok(rule)
    } else {
        Err(errors)
    }
}

fn condition(fields: &Fields, errors: &mut Vec<FieldError>) -> Option<AlertCondition> {
    let metric = AlertMetric::parse(fields.raw("condition.metric")).unwrap_or_default();
    let direction = match fields.raw("condition.direction") {
        "below" => Direction::Below,
        _ => Direction::Above,
    };
    Some(match fields.raw("kind") {
        "ratio" => {
            let factor = decimal(fields, "condition.factor", errors);
            AlertCondition::Ratio(RatioCondition {
                metric,
                direction,
                factor: needed(factor, "condition.factor", errors)?,
                compared_to: match fields.raw("condition.compared_to") {
                    "day_before" => ComparedTo::DayBefore,
                    "week_before" => ComparedTo::WeekBefore,
                    _ => ComparedTo::Before,
                },
                window_minutes: whole(fields, "condition.window_minutes", 60, errors),
                min_calls: whole(fields, "condition.min_calls", 0, errors),
            })
        }
        "absence" => AlertCondition::Absence(AbsenceCondition {
            minutes: whole(fields, "condition.minutes", 0, errors),
        }),
        "burn_rate" => {
            let slo_id = fields.text("condition.slo_id").parse().ok();
            AlertCondition::BurnRate(BurnCondition {
                slo_id: needed(slo_id, "condition.slo_id", errors)?,
                windows: windows(fields.raw("condition.windows")),
            })
        }
        _ => {
            let value = decimal(fields, "condition.value", errors);
            AlertCondition::Threshold(ThresholdCondition {
                metric,
                direction,
                value: needed(value, "condition.value", errors)?,
                clear_value: decimal(fields, "condition.clear_value", errors),
                window_minutes: whole(fields, "condition.window_minutes", 5, errors),
                min_calls: whole(fields, "condition.min_calls", 0, errors),
                currency: fields
                    .optional("condition.currency")
                    .map(|text| text.to_uppercase())
                    .filter(|_| metric == AlertMetric::Cost),
            })
        }
    })
}

/// Pairs of times as [`rule_fields`] writes them: the form has no fields for them, and keeps them.
fn windows(text: &str) -> Vec<BurnWindow> {
    let window = |text: &str| {
        let mut parts = text.split('/');
        Some(BurnWindow {
            long_minutes: parts.next()?.parse().ok()?,
            short_minutes: parts.next()?.parse().ok()?,
            factor: parts.next()?.parse().ok()?,
        })
    };
    text.split(' ').filter_map(window).collect()
}

/// A rule as its form holds it: what [`read_rule`] makes the same rule of.
#[must_use]
pub fn rule_fields(rule: &PutAlertRule) -> Fields {
    let mut pairs = Vec::new();
    let mut put = |name: &str, value: String| pairs.push((name.to_owned(), value));
    put("name", rule.name.clone());
    put("enabled", rule.enabled.to_string());
    put("severity", rule.severity.as_str().to_owned());
    let side = |direction| match direction {
        Direction::Above => "above".to_owned(),
        Direction::Below => "below".to_owned(),
    };
    match &rule.condition {
        AlertCondition::Threshold(one) => {
            put("kind", "threshold".to_owned());
            put("condition.metric", one.metric.as_str().to_owned());
            put("condition.direction", side(one.direction));
            put("condition.value", one.value.to_string());
            let clear = one.clear_value.map(|value| value.to_string());
            put("condition.clear_value", clear.unwrap_or_default());
            put("condition.window_minutes", one.window_minutes.to_string());
            put("condition.min_calls", one.min_calls.to_string());
            if let Some(currency) = &one.currency {
                put("condition.currency", currency.clone());
            }
        }
        AlertCondition::Ratio(one) => {
            put("kind", "ratio".to_owned());
            put("condition.metric", one.metric.as_str().to_owned());
            put("condition.direction", side(one.direction));
            put("condition.factor", one.factor.to_string());
            let than = match one.compared_to {
                ComparedTo::Before => "before",
                ComparedTo::DayBefore => "day_before",
                ComparedTo::WeekBefore => "week_before",
            };
            put("condition.compared_to", than.to_owned());
            put("condition.window_minutes", one.window_minutes.to_string());
            put("condition.min_calls", one.min_calls.to_string());
        }
        AlertCondition::Absence(one) => {
            put("kind", "absence".to_owned());
            put("condition.minutes", one.minutes.to_string());
        }
        AlertCondition::BurnRate(one) => {
            put("kind", "burn_rate".to_owned());
            put("condition.slo_id", one.slo_id.to_string());
            let windows = one.windows.iter().map(|window| {
                let (long, short) = (window.long_minutes, window.short_minutes);
                format!("{long}/{short}/{}", window.factor)
            });
            put("condition.windows", windows.collect::<Vec<_>>().join(" "));
        }
    }
    let filter = &rule.filter;
    let or_empty = |text: Option<String>| text.unwrap_or_default();
    put(
        "filter.api_id",
        or_empty(filter.api_id.map(|id| id.to_string())),
    );
    put(
        "filter.key_id",
        or_empty(filter.key_id.map(|id| id.to_string())),
    );
    put("filter.route", or_empty(filter.route.clone()));
    put("filter.method", or_empty(filter.method.clone()));
    let status = filter.status.map(|class| class.as_str().to_owned());
    put("filter.status", or_empty(status));
    put("filter.error_code", or_empty(filter.error_code.clone()));
    put("for_minutes", rule.for_minutes.to_string());
    put(
        "resolve_after_minutes",
        rule.resolve_after_minutes.to_string(),
    );
    for role in &rule.notify.roles {
        put("notify.roles", role.as_str().to_owned());
    }
    for id in &rule.notify.webhook_ids {
        put("notify.webhook_ids", id.to_string());
    }
    Fields(pairs)
}

/// Reads the form that silences everything.
///
/// # Errors
/// What cannot be read.
pub fn read_silence(fields: &Fields) -> Result<CreateSilence, Vec<FieldError>> {
    let Some(until) = parse_minute(fields.raw("until")) else {
        let message = "must be a day and a time";
        return Err(vec![FieldError::new("until", message)]);
    };
    Ok(CreateSilence {
        rule_id: None,
        until,
        reason: fields.text("reason"),
    })
}

/// Reads the form of an objective.
///
/// # Errors
/// What cannot be read.
pub fn read_slo(fields: &Fields) -> Result<PutSlo, Vec<FieldError>> {
    let mut errors = Vec::new();
    let target = decimal(fields, "target", &mut errors);
    let target = needed(target, "target", &mut errors);
    let api_id = needed(fields.text("api_id").parse().ok(), "api_id", &mut errors);
    let objective = match fields.raw("kind") {
        "latency" => Objective::Latency {
            milliseconds: whole(fields, "objective.milliseconds", 0, &mut errors),
        },
        _ => Objective::Availability,
    };
    let days = whole(fields, "days", 28, &mut errors);
    match (target, api_id) {
        (Some(target), Some(api_id)) if errors.is_empty() => Ok(PutSlo {
            name: fields.text("name"),
            api_id,
            route: fields.optional("route"),
            objective,
            target,
            days,
        }),
        _ => Err(errors),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        let pairs = pairs.iter();
        Fields(
            pairs
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn a_rule_is_read_as_it_is_typed() {
        let rule = read_rule(&fields(&[
            ("name", " Slow "),
            ("kind", "threshold"),
            ("condition.metric", "p95"),
            ("condition.value", "1,500.5"),
            ("for_minutes", ""),
            ("notify.roles", "owner"),
            ("notify.roles", "admin"),
        ]))
        .expect("reads");
        assert_eq!(rule.name, "Slow");
        let AlertCondition::Threshold(condition) = &rule.condition else {
            panic!("{rule:?}");
        };
        assert_eq!((condition.value, condition.window_minutes), (1500.5, 5));
        assert_eq!(rule.notify.roles, [Role::Owner, Role::Admin]);
        rule.validate().expect("is acceptable");
    }

    #[test]
    fn a_rule_in_its_form_is_the_same_rule() {
        let rules = [
            serde_json::json!({
                "name": "Slow", "enabled": false, "severity": "critical",
                "condition": {
                    "kind": "threshold", "metric": "cost", "direction": "below", "value": 0.25,
                    "clear_value": 1.5, "window_minutes": 7, "min_calls": 3, "currency": "NOK",
                },
                "filter": {
                    "api_id": "0193a000-0000-7000-8000-000000000001", "route": "/a/{id}",
                    "method": "POST", "status": "5xx", "error_code": "upstream_timeout",
                },
                "for_minutes": 2, "resolve_after_minutes": 0,
                "notify": {
                    "roles": ["viewer"],
                    "webhook_ids": ["0193a000-0000-7000-8000-000000000002"],
                },
            }),
            serde_json::json!({ "name": "More", "condition": {
                "kind": "ratio", "metric": "p95", "factor": 2.0, "compared_to": "week_before",
                "window_minutes": 30, "min_calls": 5,
            } }),
            serde_json::json!({ "name": "None", "condition": { "kind": "absence", "minutes": 9 } }),
            serde_json::json!({ "name": "Burns", "condition": {
                "kind": "burn_rate", "slo_id": "0193a000-0000-7000-8000-000000000003",
                "windows": [{ "long_minutes": 60, "short_minutes": 5, "factor": 14.4 }],
            } }),
        ];
        for rule in rules {
            let rule: PutAlertRule = serde_json::from_value(rule).expect("is a rule");
            assert_eq!(read_rule(&rule_fields(&rule)), Ok(rule));
        }
    }

    #[test]
    fn what_is_missing_is_told_at_its_field() {
        let missing = |pairs: &[(&str, &str)]| -> Vec<String> {
            let errors = read_rule(&fields(pairs)).expect_err("is refused");
            errors.into_iter().map(|error| error.field).collect()
        };
        assert_eq!(missing(&[("kind", "threshold")]), ["condition.value"]);
        let text = [("kind", "threshold"), ("condition.value", "much")];
        assert_eq!(missing(&text), ["condition.value"]);
        assert_eq!(missing(&[("kind", "burn_rate")]), ["condition.slo_id"]);
        let errors = read_slo(&fields(&[])).expect_err("is refused");
        assert_eq!(errors.len(), 2);
    }
}
