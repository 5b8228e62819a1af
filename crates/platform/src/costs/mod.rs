//! What calls cost, by rules that people set, from the sums of usage; and budgets.

mod budgets;
mod price;
mod report;
mod rules;
mod watch;

use chrono::{Datelike, NaiveDate, NaiveTime};

use crate::fault::operation_error;
use crate::usage::UsageError;

operation_error! {
    /// Why prices, costs or budgets were not read or changed.
    CostError { Forbidden, Invalid, PriceRuleGone, BudgetGone, TooMany, AskedTooMuch }
}

impl From<UsageError> for CostError {
    fn from(error: UsageError) -> Self {
        match error {
            UsageError::Forbidden(error) => Self::Forbidden(error),
            UsageError::Invalid(error) => Self::Invalid(error),
            UsageError::AskedTooMuch(error) => Self::AskedTooMuch(error),
            UsageError::Store(error) => Self::Store(error),
        }
    }
}

/// Rules and budgets of an organization, each.
const MOST: usize = 200;

fn first_of_month(day: NaiveDate) -> NaiveDate {
    day.with_day(1).unwrap_or(day)
}

fn midnight(day: NaiveDate) -> i64 {
    day.and_time(NaiveTime::MIN).and_utc().timestamp_micros()
}
