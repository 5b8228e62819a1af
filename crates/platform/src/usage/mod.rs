//! Usage: what went through the gateway, answered from sums of calls and from the calls themselves.

mod breakdown;
mod calls;
mod errors;
mod filter;
mod report;
mod steps;
mod turns;

pub(crate) use breakdown::Names;
pub(crate) use steps::moment;
pub(crate) use turns::Turns;

use apiverse_contract::OrganizationId;
use apiverse_contract::usage::UsageQuery;
use apiverse_rollup::{Answer, Kept, Question, Scan, Step, plan};
use chrono::{DateTime, Utc};

use crate::fault::{AskedTooMuch, Invalid, operation_error};
use crate::platform::Platform;

operation_error! {
    /// Why a question about usage was not answered.
    UsageError { Forbidden, Invalid, AskedTooMuch }
}

/// A range that ends this shortly before now, or later, means all there is.
const NOW_US: i64 = 2_000_000;

/// A stretch of time, microseconds since 1970: `from` inclusive, `to` exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from_us: i64,
    pub(crate) to_us: i64,
}

impl Span {
    fn of((from, to): (DateTime<Utc>, DateTime<Utc>)) -> Self {
        Self {
            from_us: from.timestamp_micros(),
            to_us: to.timestamp_micros(),
        }
    }

    fn length_us(self) -> i64 {
        self.to_us.saturating_sub(self.from_us)
    }

    pub(crate) fn earlier(self, us: i64) -> Self {
        Self {
            from_us: self.from_us.saturating_sub(us),
            to_us: self.to_us.saturating_sub(us),
        }
    }
}

impl Platform {
    /// What the sums say about a stretch of time, when it is the organization's turn to ask.
    pub(crate) async fn ask(
        &self,
        organization_id: OrganizationId,
        question: Question,
        span: Span,
    ) -> Result<Answer, UsageError> {
        let _turn = self.turn(organization_id).await?;
        self.answer(organization_id, question, span).await
    }

    /// Waits for the organization's turn to ask much.
    pub(crate) async fn turn(
        &self,
        organization_id: OrganizationId,
    ) -> Result<turns::Turn, AskedTooMuch> {
        self.inner
            .turns
            .take(organization_id, &self.inner.meters)
            .await
    }

    /// What the sums say about a stretch of time, without waiting for a turn: for whoever has one,
    /// and for tasks of which there is one.
    pub(crate) async fn answer(
        &self,
        organization_id: OrganizationId,
        question: Question,
        span: Span,
    ) -> Result<Answer, UsageError> {
        let now_us = self.now().timestamp_micros();
        let mut to_us = span.to_us;
        if to_us > now_us.saturating_sub(NOW_US) {
            to_us = Step::Minute.ceil(to_us);
        }
        let config = &self.inner.config;
        let kept_us = |kept: std::time::Duration| {
            now_us.saturating_sub(i64::try_from(kept.as_micros()).unwrap_or(i64::MAX))
        };
        let coarsest = steps::coarsest(&question.steps);
        let is_long = to_us.saturating_sub(span.from_us) > Step::Long.width_us();
        let kept = Kept {
            calls_us: config.calls_kept.map_or(i64::MIN, kept_us),
            // Not those that go this very hour.
            minutes_us: Step::Hour.ceil(kept_us(config.minutes_kept)),
            long_us: if is_long && coarsest == Step::Long {
                self.store().usage_long(organization_id).await?
            } else {
                (0, 0)
            },
        };
        let pieces = plan(span.from_us, to_us, coarsest, kept);
        let mut scan = Scan::new(question);
        self.store()
            .usage_scan(organization_id, &pieces, &mut scan)
            .await?;
        Ok(scan.finish())
    }

    /// The range of a list, which may be of any length.
    fn span(&self, query: &UsageQuery) -> Result<Span, Invalid> {
        let span = query.span(self.now());
        Ok(Span::of(span.map_err(|error| Invalid(vec![error]))?))
    }
}

/// Milliseconds with three decimals: latencies are within 1 %, more digits would pretend.
fn milliseconds(us: f64) -> f64 {
    us.round() / 1000.0
}

fn at(us: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(us).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_have_three_decimals() {
        assert_eq!(milliseconds(1234.567), 1.235);
        assert_eq!(milliseconds(0.4), 0.0);
    }
}
