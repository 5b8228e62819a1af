//! The tables of a report.

use apiverse_contract::IncidentId;
use apiverse_contract::insights::{FindingState, FindingsQuery};
use apiverse_contract::reports::percent;
use apiverse_contract::usage::{UsageDimension, UsageQuery, UsageSort, UsageTotals};
use apiverse_store::IncidentFilter;
use uuid::Uuid;

use super::content::Wanted;
use super::figures::{self, Number, bytes, count, milliseconds};
use super::table::{Column, Row, Table, text};
use super::{ReportsError, at};
use crate::actor::Actor;
use crate::platform::Platform;
use crate::usage::Names;

/// Rows of a ranking.
const TOP: u32 = 10;
/// Rows of the tables that name all there is.
const ALL: u32 = 50;
/// Alerts that are looked through.
const INCIDENTS: u32 = 200;

/// A name for programs, one for people, what its rows are, by what, and what comes first.
type Ranking = (
    &'static str,
    &'static str,
    &'static str,
    UsageDimension,
    UsageSort,
);

#[rustfmt::skip]
const RANKINGS: [Ranking; 5] = [
    ("top_apis", "APIs with most calls", "API", UsageDimension::Api, UsageSort::Calls),
    ("top_routes", "Routes with most calls", "Route", UsageDimension::Route, UsageSort::Calls),
    ("slowest_routes", "Slowest routes", "Route", UsageDimension::Route, UsageSort::P95),
    ("top_keys", "Keys with most calls", "Key", UsageDimension::Key, UsageSort::Calls),
    ("statuses", "Statuses", "Status", UsageDimension::Status, UsageSort::Calls),
];

impl Platform {
    pub(super) async fn report_sections(
        &self,
        actor: &Actor,
        wanted: &Wanted,
    ) -> Result<Vec<Table>, ReportsError> {
        use UsageDimension as D;
        let mut tables = Vec::new();
        for (key, title, first, by, sort) in RANKINGS {
            if by == D::Api && wanted.api_id.is_some() {
                continue;
            }
            let query = UsageQuery {
                by: Some(by),
                sort: Some(sort),
                limit: Some(if by == D::Status { ALL } else { TOP }),
                granularity: None,
                ..wanted.query()
            };
            let found = self.usage_breakdown(actor, query).await?;
            let mut names = Names::new(self, wanted.organization_id);
            let mut rows = Vec::new();
            for row in found.data {
                let Some(value) = row.values.into_iter().next() else {
                    continue;
                };
                let mut name = value.name.or(value.id).unwrap_or_else(|| "none".to_owned());
                if let Some(api) = value.api_id
                    && let Some(api) = names.name(D::Api, api.0).await?
                {
                    name = format!("{api} {name}");
                }
                rows.push(Row {
                    name,
                    cells: cells(&row.totals),
                });
            }
            tables.push(Table {
                key,
                title,
                first,
                columns: vec![
                    Column::number("calls", "Calls"),
                    Column::number("errors", "Errors"),
                    Column::number("error_percent", "Error ratio"),
                    Column::number("p95_ms", "p95"),
                    Column::number("bytes", "Bytes"),
                ],
                rows,
                empty: "There were no calls.",
            });
        }
        tables.push(self.new_errors(actor, wanted).await?);
        tables.push(self.open_findings(actor, wanted).await?);
        tables.push(self.fired(wanted).await?);
        tables.push(self.objectives(wanted).await?);
        Ok(tables)
    }

    async fn new_errors(&self, actor: &Actor, wanted: &Wanted) -> Result<Table, ReportsError> {
        let query = UsageQuery {
            limit: Some(ALL),
            granularity: None,
            ..wanted.query()
        };
        let found = self.usage_errors(actor, query).await?.data;
        let rows = found.into_iter().filter(|row| row.is_new).map(|row| {
            let api = row.api_name.unwrap_or_else(|| "no API".to_owned());
            let route = row.route_name.or(row.route).unwrap_or_default();
            Row {
                name: format!("{api} {route}").trim_end().to_owned(),
                cells: vec![
                    count(row.status.into()),
                    text(row.error_code.unwrap_or_default()),
                    count(row.calls),
                ],
            }
        });
        Ok(Table {
            key: "new_errors",
            title: "Errors that were not there before",
            first: "Where",
            columns: vec![
                Column::number("status", "Status"),
                Column::text("code", "Code"),
                Column::number("calls", "Calls"),
            ],
            rows: rows.collect(),
            empty: "There were none.",
        })
    }

    async fn open_findings(&self, actor: &Actor, wanted: &Wanted) -> Result<Table, ReportsError> {
        let query = FindingsQuery {
            api_id: wanted.api_id,
            state: Some(FindingState::Open),
            limit: Some(ALL),
            ..FindingsQuery::default()
        };
        let found = self.findings_list(actor, query).await?.data;
        let rows = found.into_iter().map(|finding| Row {
            name: finding.summary,
            cells: vec![text(Self::moment(finding.started_at))],
        });
        Ok(Table {
            key: "open_findings",
            title: "Unusual, and not over when this report was made",
            first: "What",
            columns: vec![Column::text("since", "Since")],
            rows: rows.collect(),
            empty: "There was nothing.",
        })
    }

    async fn fired(&self, wanted: &Wanted) -> Result<Table, ReportsError> {
        let organization_id = wanted.organization_id;
        let filter = IncidentFilter {
            organization_id,
            rule_id: None,
            firing: None,
        };
        let end = (wanted.to_us, IncidentId(Uuid::nil()));
        let found = self
            .store()
            .incidents_list(filter, Some(end), INCIDENTS)
            .await?;
        let rules = self.store().alert_rules_list(organization_id).await?;
        let is_meant = |id| {
            wanted.api_id.is_none()
                || (rules.iter()).any(|row| row.id == id && row.rule.filter.api_id == wanted.api_id)
        };
        let rows = found
            .into_iter()
            .filter(|row| row.fired_us >= wanted.from_us && is_meant(row.rule_id))
            .map(|row| Row {
                name: row.rule_name,
                cells: vec![
                    text(row.summary),
                    text(Self::moment(at(row.fired_us))),
                    text(match row.resolved_us {
                        Some(us) => Self::moment(at(us)),
                        None => "fires still".to_owned(),
                    }),
                ],
            });
        Ok(Table {
            key: "alerts",
            title: "Alerts that fired",
            first: "Alert",
            columns: vec![
                Column::text("summary", "What"),
                Column::text("fired", "Fired"),
                Column::text("resolved", "Resolved"),
            ],
            rows: rows.collect(),
            empty: "None did.",
        })
    }

    async fn objectives(&self, wanted: &Wanted) -> Result<Table, ReportsError> {
        let found = self.slo_views(wanted.organization_id).await?;
        let rows = found
            .into_iter()
            .filter(|view| wanted.api_id.is_none_or(|id| view.slo.api_id == id))
            .map(|view| Row {
                cells: vec![
                    figures::percent(Some(view.slo.target)),
                    figures::percent(view.achieved),
                    figures::percent(Some(view.budget_left)),
                ],
                name: view.slo.name,
            });
        Ok(Table {
            key: "objectives",
            title: "Objectives, as they stood when this report was made",
            first: "Objective",
            columns: vec![
                Column::number("target_percent", "Target"),
                Column::number("achieved_percent", "Achieved"),
                Column::number("budget_left_percent", "Budget left"),
            ],
            rows: rows.collect(),
            empty: "There are none.",
        })
    }
}

fn cells(totals: &UsageTotals) -> Vec<Number> {
    vec![
        count(totals.calls),
        count(totals.errors),
        figures::percent(percent(totals.errors, totals.calls)),
        milliseconds(totals.p95_ms),
        bytes(totals.bytes_in.saturating_add(totals.bytes_out)),
    ]
}
