//! The form of a limit: one rate limit, quota or concurrency limit of a policy.

use apiverse_contract::FieldError;
use apiverse_contract::limits::{
    Algorithm, CONCURRENCY_NAME, Limit, LimitPolicy, Per, Period, Quota, QuotaPer, RateLimit,
};

use super::Fields;
use crate::format;

/// What the form offers a window in: seconds, the unit's name, how a single one is said.
pub const UNITS: [(u32, &str, &str); 4] = [
    (1, "seconds", "a second"),
    (60, "minutes", "a minute"),
    (3600, "hours", "an hour"),
    (86_400, "days", "a day"),
];

/// Reads the limit that is typed.
///
/// # Errors
/// Fields that hold no value of their kind, named as they are in the form.
pub fn read(fields: &Fields) -> Result<Limit, Vec<FieldError>> {
    let mut errors = Vec::new();
    let name = fields.text("limit_name");
    let calls = required::<u64>(fields, "limit", &mut errors);
    let small = |errors: &mut Vec<FieldError>| {
        u32::try_from(calls).unwrap_or_else(|_| {
            errors.push(FieldError::new("limit", "is too large"));
            0
        })
    };
    let limit = match fields.raw("kind") {
        "concurrency" => Limit::Concurrency {
            limit: small(&mut errors),
        },
        "quota" => Limit::Quota(Quota {
            name,
            limit: calls,
            period: if fields.raw("period") == "day" {
                Period::Day
            } else {
                Period::Month
            },
            per: if fields.raw("quota_per") == "key" {
                QuotaPer::Key
            } else {
                QuotaPer::Scope
            },
            replaces_organization: fields.flag("replaces_organization"),
        }),
        _ => {
            let number = required::<u32>(fields, "window", &mut errors);
            let unit = fields.raw("unit").parse().unwrap_or(1);
            let slides = fields.raw("algorithm") == "sliding_window";
            let burst = match fields.number("burst") {
                Ok(burst) => burst,
                Err(error) => {
                    errors.push(error);
                    None
                }
            };
            Limit::RateLimit(RateLimit {
                name,
                limit: small(&mut errors),
                window_seconds: number.saturating_mul(unit),
                algorithm: if slides {
                    Algorithm::SlidingWindow
                } else {
                    Algorithm::Gcra
                },
                // The field is out of sight where it means nothing.
                burst: burst.filter(|_| !slides),
                per: match fields.raw("per") {
                    "key" => Per::Key,
                    "address" => Per::Address,
                    _ => Per::Scope,
                },
                count_denied: fields.flag("count_denied"),
                replaces_organization: fields.flag("replaces_organization"),
            })
        }
    };
    if errors.is_empty() {
        Ok(limit)
    } else {
        Err(errors)
    }
}

fn required<T: std::str::FromStr + Default>(
    fields: &Fields,
    name: &str,
    errors: &mut Vec<FieldError>,
) -> T {
    match fields.number(name) {
        Ok(Some(number)) => number,
        Ok(None) => {
            errors.push(FieldError::new(name, "is required"));
            T::default()
        }
        Err(error) => {
            errors.push(error);
            T::default()
        }
    }
}

/// The policy with the form's limit in the place of the one called `old`, or added to it.
///
/// # Errors
/// As for [`read`], and what the policy would not accept of this limit.
pub fn put(
    policy: &LimitPolicy,
    old: &str,
    fields: &Fields,
) -> Result<LimitPolicy, Vec<FieldError>> {
    let limit = read(fields)?;
    let mut policy = policy.clone();
    let place = match limit {
        Limit::Concurrency { limit } => {
            policy.concurrency = Some(limit);
            "concurrency".to_owned()
        }
        Limit::RateLimit(limit) => {
            let at = policy.rate_limits.iter().position(|l| l.name == old);
            let at = at.unwrap_or(policy.rate_limits.len());
            put_at(&mut policy.rate_limits, at, limit);
            format!("rate_limits.{at}.")
        }
        Limit::Quota(quota) => {
            let at = policy.quotas.iter().position(|q| q.name == old);
            let at = at.unwrap_or(policy.quotas.len());
            put_at(&mut policy.quotas, at, quota);
            format!("quotas.{at}.")
        }
    };
    match policy.validate() {
        Ok(()) => Ok(policy),
        Err(errors) => Err(of_form(errors, &place)),
    }
}

fn put_at<T>(list: &mut Vec<T>, at: usize, item: T) {
    match list.get_mut(at) {
        Some(old) => *old = item,
        None => list.push(item),
    }
}

/// The policy's words for its fields, in the form's.
fn of_form(errors: Vec<FieldError>, place: &str) -> Vec<FieldError> {
    errors
        .into_iter()
        .map(|error| {
            let field = match error.field.strip_prefix(place) {
                Some("window_seconds") => "window",
                Some("") => "limit",
                // Another limit of the same name, or one too many, is told here too.
                Some("name") | None => "limit_name",
                Some(field) => field,
            };
            FieldError::new(field, error.message)
        })
        .collect()
}

/// The policy without the limit of this name.
#[must_use]
pub fn without(policy: &LimitPolicy, name: &str) -> LimitPolicy {
    let mut policy = policy.clone();
    if name == CONCURRENCY_NAME {
        policy.concurrency = None;
    }
    policy.rate_limits.retain(|limit| limit.name != name);
    policy.quotas.retain(|quota| quota.name != name);
    policy
}

/// A limit in a sentence: `10 calls a second, up to 20 at once, for each key`.
#[must_use]
pub fn words(limit: &Limit) -> String {
    match limit {
        Limit::Concurrency { limit } => {
            format!(
                "{} at the same time",
                format::plural(u64::from(*limit), "call", "calls")
            )
        }
        Limit::Quota(quota) => {
            let period = match quota.period {
                Period::Day => "a calendar day",
                Period::Month => "a calendar month",
            };
            let per = match quota.per {
                QuotaPer::Scope => "",
                QuotaPer::Key => ", for each key",
            };
            format!(
                "{} {period}{per}",
                format::plural(quota.limit, "call", "calls")
            )
        }
        Limit::RateLimit(limit) => {
            let calls = format::plural(u64::from(limit.limit), "call", "calls");
            let window = window(limit.window_seconds);
            let how = match limit.algorithm {
                Algorithm::SlidingWindow => ", counted over a sliding window".to_owned(),
                Algorithm::Gcra if limit.burst() == limit.limit => String::new(),
                Algorithm::Gcra => {
                    format!(
                        ", up to {} at once",
                        format::count(u64::from(limit.burst()))
                    )
                }
            };
            let per = match limit.per {
                Per::Scope => "",
                Per::Key => ", for each key",
                Per::Address => ", for each address",
            };
            let denied = if limit.count_denied {
                "; refused calls count too"
            } else {
                ""
            };
            format!("{calls} {window}{how}{per}{denied}")
        }
    }
}

/// `a minute`, `in 90 seconds`
fn window(seconds: u32) -> String {
    let (number, (_, many, one)) = in_units(seconds);
    if number == 1 {
        one.to_owned()
    } else {
        format!("in {} {many}", format::count(u64::from(number)))
    }
}

/// A window in the largest unit that it is a whole number of.
#[must_use]
pub fn in_units(seconds: u32) -> (u32, (u32, &'static str, &'static str)) {
    for unit in UNITS.into_iter().rev() {
        if seconds > 0 && seconds.is_multiple_of(unit.0) {
            return (seconds / unit.0, unit);
        }
    }
    (seconds, UNITS[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Fields(pairs.iter().map(own).collect())
    }

    const RATE: [(&str, &str); 6] = [
        ("kind", "rate_limit"),
        ("limit_name", "burst"),
        ("limit", "10"),
        ("window", "2"),
        ("unit", "60"),
        ("per", "key"),
    ];

    #[test]
    fn limits_are_added_changed_and_removed() {
        let empty = LimitPolicy::default();
        let one = put(&empty, "", &fields(&RATE)).expect("a policy");
        assert_eq!(one.rate_limits[0].window_seconds, 120);
        let mut renamed = RATE;
        renamed[1].1 = "steady";
        let two = put(&one, "burst", &fields(&renamed)).expect("a policy");
        assert_eq!(two.rate_limits.len(), 1);
        assert_eq!(two.rate_limits[0].name, "steady");
        assert!(without(&two, "steady").is_empty());
        let at_once = [("kind", "concurrency"), ("limit", "5")];
        let three = put(&two, "", &fields(&at_once)).expect("a policy");
        assert_eq!(three.concurrency, Some(5));
        assert_eq!(without(&three, CONCURRENCY_NAME), two);
    }

    #[test]
    fn what_is_wrong_is_told_at_the_forms_fields() {
        let policy = put(&LimitPolicy::default(), "", &fields(&RATE)).expect("a policy");
        let wrong = |pairs: &[(&str, &str)]| -> Vec<String> {
            let errors = put(&policy, "", &fields(pairs)).expect_err("not acceptable");
            errors.into_iter().map(|error| error.field).collect()
        };
        assert_eq!(wrong(&RATE), ["limit_name"]);
        assert_eq!(wrong(&[("kind", "quota"), ("limit_name", "a")]), ["limit"]);
        assert_eq!(wrong(&[("kind", "concurrency"), ("limit", "0")]), ["limit"]);
        let mut endless = RATE;
        endless[1].1 = "other";
        endless[3].1 = "99999999";
        assert_eq!(wrong(&endless), ["window"]);
    }

    #[test]
    fn limits_in_words() {
        let said = |pairs: &[(&str, &str)]| words(&read(&fields(pairs)).expect("a limit"));
        assert_eq!(said(&RATE), "10 calls in 2 minutes, for each key");
        let mut burst = RATE.to_vec();
        burst[3].1 = "1";
        burst[5].1 = "scope";
        burst.push(("burst", "20"));
        assert_eq!(said(&burst), "10 calls a minute, up to 20 at once");
        assert_eq!(
            said(&[("kind", "quota"), ("limit", "1000000"), ("period", "month")]),
            "1,000,000 calls a calendar month"
        );
        assert_eq!(
            said(&[("kind", "concurrency"), ("limit", "1")]),
            "1 call at the same time"
        );
    }

    #[test]
    fn windows_in_their_largest_unit() {
        assert_eq!(in_units(60).0, 1);
        assert_eq!(in_units(90), (90, UNITS[0]));
        assert_eq!(in_units(0), (0, UNITS[0]));
        assert_eq!(in_units(172_800), (2, UNITS[3]));
    }
}
