//! Reports, and when they are made.

use apiverse_contract::reports::{
    CreateReport, CreateReportSchedule, ReportScheduleView, ReportView, ReportsQuery,
    UpdateReportSchedule,
};
use apiverse_contract::{Page, ReportId, ReportScheduleId};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};

use super::{Named, Rpc};

/// A page of reports, and all schedules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct ReportsShown {
    pub reports: Page<ReportView>,
    pub schedules: Vec<ReportScheduleView>,
    /// What a report can be about.
    pub apis: Vec<Named>,
    /// The user who asks; `null`: a machine does.
    pub me: Option<String>,
    /// Whether the one who asks may change any of it.
    pub may_change: bool,
}

/// What a schedule can be about, and whom it can tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct ReportChoices {
    pub apis: Vec<Named>,
    pub members: Vec<Named>,
    /// The user who asks.
    pub me: Option<String>,
}

/// A schedule, and what it can be changed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct ReportScheduleShown {
    pub schedule: ReportScheduleView,
    pub choices: ReportChoices,
}

/// Which schedule is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReportScheduleRef {
    pub id: ReportScheduleId,
}

/// A schedule, and what shall be different.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReportScheduleChange {
    pub id: ReportScheduleId,
    pub change: UpdateReportSchedule,
}

/// Which report is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReportRef {
    pub id: ReportId,
}

/// Reports and schedules.
#[server(ListReportsFn, prefix = "/api/fn", endpoint = "reports/list", input = Json)]
pub async fn list(input: ReportsQuery) -> Rpc<ReportsShown> {
    use apiverse_platform::Permission;

    use crate::ssr::call::{fail, member};
    use crate::ssr::views;
    let member = member().await?;
    let (platform, actor) = (&member.platform, &member.actor);
    let schedules = platform.report_schedules_list(actor).await.map_err(fail)?;
    Ok(ReportsShown {
        reports: platform.reports_list(actor, input).await.map_err(fail)?,
        schedules: schedules.data,
        apis: views::api_names_seen(&member).await?,
        me: actor.user_id.map(|id| id.to_string()),
        may_change: actor.require(Permission::UsageWrite).is_ok(),
    })
}

/// What a schedule can be about.
#[server(ReportChoicesFn, prefix = "/api/fn", endpoint = "reports/choices", input = Json)]
pub async fn choices() -> Rpc<ReportChoices> {
    use crate::ssr::call::member;
    use crate::ssr::reports;
    reports::choices(&member().await?).await
}

/// One schedule.
#[server(OneReportScheduleFn, prefix = "/api/fn", endpoint = "reports/schedule", input = Json)]
pub async fn schedule(input: ReportScheduleRef) -> Rpc<ReportScheduleShown> {
    use crate::ssr::call::{fail, member};
    use crate::ssr::reports;
    let member = member().await?;
    let found = member.platform.report_schedule_get(&member.actor, input.id);
    Ok(ReportScheduleShown {
        schedule: found.await.map_err(fail)?,
        choices: reports::choices(&member).await?,
    })
}

/// Makes a schedule.
#[server(AddReportScheduleFn, prefix = "/api/fn", endpoint = "reports/schedules/add", input = Json)]
pub async fn add(input: CreateReportSchedule) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let made = member.platform.report_schedule_create(&member.actor, input);
    made.await.map(|_| ()).map_err(fail)
}

/// Changes a schedule.
#[server(ChangeReportScheduleFn, prefix = "/api/fn", endpoint = "reports/schedules/change", input = Json)]
pub async fn change(input: ReportScheduleChange) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let changed = member
        .platform
        .report_schedule_update(&member.actor, input.id, input.change);
    changed.await.map(|_| ()).map_err(fail)
}

/// Deletes a schedule.
#[server(RemoveReportScheduleFn, prefix = "/api/fn", endpoint = "reports/schedules/remove", input = Json)]
pub async fn remove_schedule(input: ReportScheduleRef) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let gone = member
        .platform
        .report_schedule_delete(&member.actor, input.id);
    gone.await.map_err(fail)
}

/// Makes a report at once.
#[server(MakeReportFn, prefix = "/api/fn", endpoint = "reports/make", input = Json)]
pub async fn make(input: CreateReport) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let made = member.platform.report_create(&member.actor, input);
    made.await.map(|_| ()).map_err(fail)
}

/// Deletes a report.
#[server(RemoveReportFn, prefix = "/api/fn", endpoint = "reports/remove", input = Json)]
pub async fn remove(input: ReportRef) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let gone = member.platform.report_delete(&member.actor, input.id);
    gone.await.map_err(fail)
}
