//! Usage, in the shapes the pages show.

use apiverse_contract::Page;
use apiverse_contract::alerts::IncidentView;
use apiverse_contract::insights::FindingView;
use apiverse_contract::usage::{
    CallView, ErrorRow, LatencyReport, TopRow, UsageBreakdown, UsageQuery, UsageReport, UsageTotals,
};
use chrono::{DateTime, Utc};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};

use super::{Named, Rpc, charted};

/// The spans of time a page offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub enum Span {
    #[serde(rename = "1h")]
    Hour,
    #[default]
    #[serde(rename = "24h")]
    Day,
    #[serde(rename = "7d")]
    Week,
    #[serde(rename = "30d")]
    Month,
    #[serde(rename = "90d")]
    Quarter,
    /// As long as sums are kept: thirteen months.
    #[serde(rename = "13mo")]
    Year,
}

impl Span {
    pub const ALL: [Self; 6] = [
        Self::Hour,
        Self::Day,
        Self::Week,
        Self::Month,
        Self::Quarter,
        Self::Year,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
            Self::Quarter => "90d",
            Self::Year => "13mo",
        }
    }

    /// As a person says it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "24 hours",
            Self::Week => "7 days",
            Self::Month => "30 days",
            Self::Quarter => "90 days",
            Self::Year => "13 months",
        }
    }

    #[must_use]
    pub const fn seconds(self) -> i64 {
        match self {
            Self::Hour => 3600,
            Self::Day => 86_400,
            Self::Week => 604_800,
            Self::Month => 2_592_000,
            Self::Quarter => 7_776_000,
            Self::Year => 34_128_000,
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|span| span.as_str() == text)
    }
}

/// What the Overview is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OverviewQuery {
    #[serde(default)]
    pub span: Span,
}

/// The Overview.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct Overview {
    #[serde(with = "charted")]
    #[cfg_attr(feature = "ssr", schema(value_type = charted::ChartedReport))]
    pub usage: UsageReport,
    /// The span of the same length before.
    pub before: UsageTotals,
    /// The busiest APIs.
    pub apis: Vec<TopRow>,
    /// The busiest keys.
    pub keys: Vec<TopRow>,
    /// The busiest routes.
    pub routes: UsageBreakdown,
    pub attention: Attention,
    /// The latest calls.
    pub calls: Vec<CallView>,
    /// How far a new organization has come.
    pub start: Start,
}

/// What asks for somebody to look at it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct Attention {
    /// Alerts that fire.
    pub alerts: Vec<IncidentView>,
    /// What is unusual, and nobody has taken note of yet.
    pub findings: Vec<FindingView>,
    /// Errors that did not happen in the span before; without calls in that, those of servers.
    pub errors: Vec<ErrorRow>,
    /// Keys of which at least half the calls fail, of those with at least ten.
    pub failing_keys: Vec<TopRow>,
}

impl Attention {
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.alerts.is_empty()
            && self.findings.is_empty()
            && self.errors.is_empty()
            && self.failing_keys.is_empty()
    }
}

/// How far a new organization has come, from what is really there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct Start {
    /// Slug of the newest API.
    pub api: Option<String>,
    /// Whether there is a key.
    pub key: bool,
    /// Whether any call was ever made.
    pub called: bool,
    /// Whether the one who asks may register APIs and make keys: the steps are for them.
    pub builds: bool,
    /// Their address is known to be theirs.
    pub email_verified: bool,
    /// The organization has a name that was chosen; `null` for who may not change it.
    pub named: Option<bool>,
    /// Somebody else is in it, or was invited; `null` for who may not invite.
    pub invited: Option<bool>,
    /// They do not want to see the steps any more.
    pub dismissed: bool,
}

/// Usage over a range, with what the filters offer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct UsageView {
    /// With the time before.
    #[serde(with = "charted")]
    #[cfg_attr(feature = "ssr", schema(value_type = charted::ChartedReport))]
    pub usage: UsageReport,
    /// By the dimension that is asked for, each row with the time before.
    pub breakdown: UsageBreakdown,
    pub statuses: StatusMap,
    pub latency: LatencyReport,
    /// Errors by kind and place, new ones first.
    pub errors: Vec<ErrorRow>,
    /// What the route is called that is filtered by, when it is a configured one.
    pub route: Option<String>,
    /// What the version is called that is filtered by.
    pub version: Option<String>,
    pub calls: Page<CallView>,
    pub apis: Vec<Named>,
    pub keys: Vec<Named>,
}

/// Calls by status over time, busiest statuses: the heat map.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct StatusMap {
    /// When each column begins. A range with more steps than can be told apart has several in one.
    pub starts: Vec<DateTime<Utc>>,
    pub rows: Vec<StatusRow>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct StatusRow {
    /// `200`, or `other` for calls that got none.
    pub status: String,
    /// In all.
    pub calls: u64,
    /// One for each column.
    pub counts: Vec<u64>,
}

/// What the Explorer offers to call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct ExplorerView {
    pub apis: Vec<ExplorerApi>,
    /// Keys that work.
    pub keys: Vec<ExplorerKey>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct ExplorerApi {
    pub id: String,
    pub name: String,
    pub slug: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct ExplorerKey {
    pub id: String,
    pub name: String,
    pub key_prefix: String,
}

/// A moment of the organization: when it is the same, nothing has happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct Pulse {
    /// Id of the latest call.
    pub last_call: Option<String>,
}

/// What happened in a span, compared with the one before.
#[server(OverviewFn, prefix = "/api/fn", endpoint = "usage/overview", input = Json)]
pub async fn overview(input: OverviewQuery) -> Rpc<Overview> {
    use crate::ssr::call::member;
    use crate::ssr::usage;
    usage::overview(&member().await?, input.span).await
}

/// A range in detail. `limit` and `cursor` are those of the list of calls.
#[server(prefix = "/api/fn", endpoint = "usage/report", input = Json)]
pub async fn report(input: UsageQuery) -> Rpc<UsageView> {
    use crate::ssr::call::member;
    use crate::ssr::usage;
    usage::usage(&member().await?, input).await
}

/// The latest call, cheap to ask for again and again.
#[server(PulseFn, prefix = "/api/fn", endpoint = "usage/pulse", input = Json)]
pub async fn pulse() -> Rpc<Pulse> {
    use crate::ssr::call::member;
    use crate::ssr::views;
    views::pulse(&member().await?).await
}

/// The APIs and keys to try out.
#[server(prefix = "/api/fn", endpoint = "explorer/choices", input = Json)]
pub async fn explorer() -> Rpc<ExplorerView> {
    use crate::ssr::call::member;
    use crate::ssr::views;
    views::explorer(&member().await?).await
}
