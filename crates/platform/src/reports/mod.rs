//! Reports: summaries of usage of a day, a week or a month, made when such a time is over, kept in
//! the report store, and mailed to members who are to have them.

mod calendar;
mod content;
mod figures;
mod kept;
mod make;
mod page;
mod schedules;
mod sections;
mod table;
mod watch;

use std::time::Duration;

use apiverse_connectors::objects::Objects;
use chrono_tz::Tz;

use crate::alerts::AlertError;
use crate::costs::CostError;
use crate::fault::{Broken, Invalid, operation_error};
use crate::insights::InsightsError;
use crate::usage::UsageError;

pub use kept::ReportFile;

operation_error! {
    /// Why reports or their schedules were not read, made or changed.
    ReportsError {
        Forbidden, Invalid, Broken, TooMany, AskedTooMuch, ReportScheduleGone, ReportGone,
        ReportStoreAway
    }
}

/// Where reports are kept, and how long.
#[derive(Clone, Debug)]
pub struct ReportsConfig {
    pub objects: Objects,
    pub kept: Duration,
}

/// Schedules of an organization.
const MOST: usize = 200;

// What a report is made of is asked for as anybody may ask, and nothing of it can be gone.

impl From<UsageError> for ReportsError {
    fn from(error: UsageError) -> Self {
        match error {
            UsageError::Forbidden(error) => Self::Forbidden(error),
            UsageError::Invalid(error) => Self::Invalid(error),
            UsageError::AskedTooMuch(error) => Self::AskedTooMuch(error),
            UsageError::Store(error) => Self::Store(error),
        }
    }
}

impl From<CostError> for ReportsError {
    fn from(error: CostError) -> Self {
        match error {
            CostError::Forbidden(error) => Self::Forbidden(error),
            CostError::Invalid(error) => Self::Invalid(error),
            CostError::AskedTooMuch(error) => Self::AskedTooMuch(error),
            CostError::Store(error) => Self::Store(error),
            CostError::TooMany(_) | CostError::PriceRuleGone(_) | CostError::BudgetGone(_) => {
                Self::Broken(Broken)
            }
        }
    }
}

impl From<InsightsError> for ReportsError {
    fn from(error: InsightsError) -> Self {
        match error {
            InsightsError::Forbidden(error) => Self::Forbidden(error),
            InsightsError::Invalid(error) => Self::Invalid(error),
            InsightsError::Store(error) => Self::Store(error),
            InsightsError::FindingGone(_) | InsightsError::MuteGone(_) => Self::Broken(Broken),
        }
    }
}

impl From<AlertError> for ReportsError {
    fn from(error: AlertError) -> Self {
        match error {
            AlertError::Forbidden(error) => Self::Forbidden(error),
            AlertError::Invalid(error) => Self::Invalid(error),
            AlertError::AskedTooMuch(error) => Self::AskedTooMuch(error),
            AlertError::Store(error) => Self::Store(error),
            AlertError::Broken(_)
            | AlertError::TooMany(_)
            | AlertError::AlertRuleGone(_)
            | AlertError::SilenceGone(_)
            | AlertError::AlertWebhookGone(_)
            | AlertError::SloGone(_) => Self::Broken(Broken),
        }
    }
}

/// The time zone of a schedule or report.
fn zone(name: &str) -> Result<Tz, Invalid> {
    name.parse()
        .map_err(|_| Invalid::one("time_zone", "is no time zone, as `Europe/Berlin` is one"))
}

fn at(us: i64) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp_micros(us).unwrap_or_default()
}
