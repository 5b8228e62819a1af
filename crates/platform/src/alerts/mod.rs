//! Alerts: rules over usage, what they found, when they are not to be told, and whom they tell.

mod measure;
mod preview;
mod rules;
mod silences;
mod slos;
mod state;
mod watch;
mod webhooks;
mod words;

use crate::costs::CostError;
use crate::fault::operation_error;
use crate::usage::UsageError;

operation_error! {
    /// Why alerts, objectives or what belongs to them were not read or changed.
    AlertError {
        Forbidden, Invalid, Broken, AlertRuleGone, SilenceGone, AlertWebhookGone, SloGone, TooMany,
        AskedTooMuch
    }
}

impl From<UsageError> for AlertError {
    fn from(error: UsageError) -> Self {
        match error {
            UsageError::Forbidden(error) => Self::Forbidden(error),
            UsageError::Invalid(error) => Self::Invalid(error),
            UsageError::AskedTooMuch(error) => Self::AskedTooMuch(error),
            UsageError::Store(error) => Self::Store(error),
        }
    }
}

impl From<CostError> for AlertError {
    fn from(error: CostError) -> Self {
        match error {
            CostError::Forbidden(error) => Self::Forbidden(error),
            CostError::Invalid(error) => Self::Invalid(error),
            CostError::Store(error) => Self::Store(error),
            CostError::TooMany(error) => Self::TooMany(error),
            CostError::AskedTooMuch(error) => Self::AskedTooMuch(error),
            CostError::PriceRuleGone(_) | CostError::BudgetGone(_) => {
                Self::Broken(crate::fault::Broken)
            }
        }
    }
}

const MINUTE_US: i64 = 60_000_000;
/// Rules, objectives, addresses and silences of an organization, each.
const MOST: usize = 200;

/// The end of the last minute whose calls are all there, by five seconds for those on their way.
const fn last_minute(now_us: i64) -> i64 {
    (now_us - 5_000_000).div_euclid(MINUTE_US) * MINUTE_US
}

fn at(us: i64) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp_micros(us).unwrap_or_default()
}
