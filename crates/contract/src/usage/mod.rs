//! Usage: what went through the gateway.

mod cache;
mod live;
mod query;
mod report;

pub use cache::CacheState;
pub use live::{LiveCall, LiveCounters, LiveDropped, LiveQuery};
pub use query::{
    Granularity, MAX_SERIES, StatusClass, UsageDimension, UsageFormat, UsageKind, UsageQuery,
    UsageRange, UsageSort,
};
pub use report::{
    BreakdownRow, CallView, ErrorRow, LatencyBar, LatencyReport, Tokens, TopRow, UsageBreakdown,
    UsagePeriod, UsagePoint, UsageReport, UsageTotals, UsageValue,
};
