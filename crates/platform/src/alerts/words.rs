//! Rules in sentences.

use apiverse_contract::OrganizationId;
use apiverse_contract::alerts::{
    AlertCondition, AlertFilter, AlertMetric, ComparedTo, Direction, PutAlertRule,
};
use apiverse_contract::usage::UsageDimension;

use super::AlertError;
use crate::platform::Platform;
use crate::usage::Names;

/// Tells conditions, with the names of what they are about.
pub(super) struct Named<'a> {
    platform: &'a Platform,
    organization_id: OrganizationId,
    names: Names<'a>,
}

impl<'a> Named<'a> {
    pub(super) fn new(platform: &'a Platform, organization_id: OrganizationId) -> Self {
        Self {
            platform,
            organization_id,
            names: Names::new(platform, organization_id),
        }
    }

    /// A rule's condition: `p95 latency of Payments above 300 ms over 5 minutes`.
    pub(super) async fn condition(&mut self, rule: &PutAlertRule) -> Result<String, AlertError> {
        let of = self.of(&rule.filter).await?;
        Ok(match &rule.condition {
            AlertCondition::Threshold(one) => {
                let bound = number(one.metric, one.value, one.currency.as_deref());
                let side = side(one.direction);
                let metric = one.metric.title();
                if one.metric == AlertMetric::Cost {
                    format!("{metric}{of} {side} {bound}")
                } else {
                    let time = time(one.window_minutes);
                    format!("{metric}{of} {side} {bound} over {time}")
                }
            }
            AlertCondition::Ratio(one) => {
                let than = match one.compared_to {
                    ComparedTo::Before => "of the time before",
                    ComparedTo::DayBefore => "of the day before",
                    ComparedTo::WeekBefore => "of the week before",
                };
                format!(
                    "{}{of} {} {} times that {than}, over {}",
                    one.metric.title(),
                    side(one.direction),
                    plain(one.factor),
                    time(one.window_minutes)
                )
            }
            AlertCondition::Absence(one) => format!("no calls{of} for {}", time(one.minutes)),
            AlertCondition::BurnRate(one) => {
                let found = self
                    .platform
                    .store()
                    .slo_get(self.organization_id, one.slo_id)
                    .await?;
                match found {
                    Some(row) => format!("the error budget of {} burns too fast", row.slo.name),
                    None => "the error budget of an objective that was deleted".to_owned(),
                }
            }
        })
    }

    /// Which calls are meant: ` of Payments, route /users/{id}`; empty: all.
    async fn of(&mut self, filter: &AlertFilter) -> Result<String, AlertError> {
        let mut parts = Vec::new();
        if let Some(id) = filter.api_id {
            let name = self.names.name(UsageDimension::Api, id.0).await?;
            parts.push(name.unwrap_or_else(|| "an API that was deleted".to_owned()));
        }
        if let Some(route) = &filter.route {
            let name = match route.parse() {
                Ok(id) => self.names.name(UsageDimension::Route, id).await?,
                Err(_) => Some(route.clone()),
            };
            let name = name.unwrap_or_else(|| "that was deleted".to_owned());
            parts.push(format!("route {name}"));
        }
        if let Some(id) = filter.key_id {
            let name = self.names.name(UsageDimension::Key, id.0).await?;
            let name = name.unwrap_or_else(|| "that was deleted".to_owned());
            parts.push(format!("key {name}"));
        }
        if let Some(method) = &filter.method {
            parts.push(method.to_uppercase());
        }
        if let Some(status) = filter.status {
            parts.push(format!("answered {}", status.as_str()));
        }
        if let Some(code) = &filter.error_code {
            parts.push(format!("with {code}"));
        }
        Ok(if parts.is_empty() {
            String::new()
        } else {
            format!(" of {}", parts.join(", "))
        })
    }
}

/// What was found: the condition, and what was measured.
pub(super) fn found(condition: &AlertCondition, summary: &str, value: Option<f64>) -> String {
    let Some(value) = value else {
        return summary.to_owned();
    };
    match condition {
        AlertCondition::Threshold(one) => {
            let value = number(one.metric, value, one.currency.as_deref());
            format!("{summary}: it is {value}")
        }
        AlertCondition::Ratio(_) => format!("{summary}: it is {} times that", plain(value)),
        AlertCondition::Absence(_) => summary.to_owned(),
        AlertCondition::BurnRate(_) => {
            let value = plain(value);
            format!("{summary}: {value} times as fast as it lasts")
        }
    }
}

const fn side(direction: Direction) -> &'static str {
    match direction {
        Direction::Above => "above",
        Direction::Below => "below",
    }
}

fn number(metric: AlertMetric, value: f64, currency: Option<&str>) -> String {
    let unit = match metric {
        AlertMetric::Cost => currency.unwrap_or_default(),
        _ => metric.unit(),
    };
    match unit {
        "" => plain(value),
        unit => format!("{} {unit}", plain(value)),
    }
}

/// At most two decimals, and none that say nothing.
pub(super) fn plain(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

fn time(minutes: u32) -> String {
    match minutes {
        1 => "a minute".to_owned(),
        60 => "an hour".to_owned(),
        1440 => "a day".to_owned(),
        _ if minutes.is_multiple_of(1440) => format!("{} days", minutes / 1440),
        _ if minutes.is_multiple_of(60) => format!("{} hours", minutes / 60),
        _ => format!("{minutes} minutes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_short() {
        assert_eq!(plain(300.0), "300");
        assert_eq!(plain(0.5), "0.5");
        assert_eq!(plain(99.999), "100");
        assert_eq!(plain(0.0), "0");
        assert_eq!(time(5), "5 minutes");
        assert_eq!(time(120), "2 hours");
        assert_eq!(time(2880), "2 days");
    }
}
