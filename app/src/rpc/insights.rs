//! What was unusual, who knows about it, and what is not to be told.

use apiverse_contract::insights::{CreateMute, FindingView, FindingsQuery, MuteView};
use apiverse_contract::{FindingId, MuteId, Page};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};

use super::Rpc;

/// A page of findings, and all mutes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct InsightsView {
    pub findings: Page<FindingView>,
    pub mutes: Vec<MuteView>,
    /// Whether the one who asks may take note of findings and mute them.
    pub may_change: bool,
}

/// Which finding is meant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FindingRef {
    pub id: FindingId,
}

/// A finding that somebody takes note of.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TakeNote {
    pub id: FindingId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Which mute is meant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MuteRef {
    pub id: MuteId,
}

/// Findings, the latest first.
#[server(ListFn, prefix = "/api/fn", endpoint = "insights/list", input = Json)]
pub async fn list(input: FindingsQuery) -> Rpc<InsightsView> {
    use apiverse_platform::Permission;

    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let findings = member
        .platform
        .findings_list(&member.actor, input)
        .await
        .map_err(fail)?;
    let mutes = member
        .platform
        .mutes_list(&member.actor)
        .await
        .map_err(fail)?
        .data;
    Ok(InsightsView {
        findings,
        mutes,
        may_change: member.actor.require(Permission::UsageWrite).is_ok(),
    })
}

/// Says that somebody knows about a finding.
#[server(NoteFn, prefix = "/api/fn", endpoint = "insights/acknowledge", input = Json)]
pub async fn acknowledge(input: TakeNote) -> Rpc<()> {
    use apiverse_contract::insights::AcknowledgeFinding;

    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let note = AcknowledgeFinding { note: input.note };
    member
        .platform
        .finding_acknowledge(&member.actor, input.id, note)
        .await
        .map(|_| ())
        .map_err(fail)
}

/// Takes that back.
#[server(ReopenFn, prefix = "/api/fn", endpoint = "insights/reopen", input = Json)]
pub async fn reopen(input: FindingRef) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    member
        .platform
        .finding_reopen(&member.actor, input.id)
        .await
        .map(|_| ())
        .map_err(fail)
}

/// Mutes findings of an API, a route, a metric.
#[server(MuteFn, prefix = "/api/fn", endpoint = "insights/mute", input = Json)]
pub async fn mute(input: CreateMute) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    member
        .platform
        .mute_create(&member.actor, input)
        .await
        .map(|_| ())
        .map_err(fail)
}

/// Ends a mute.
#[server(UnmuteFn, prefix = "/api/fn", endpoint = "insights/unmute", input = Json)]
pub async fn unmute(input: MuteRef) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    member
        .platform
        .mute_delete(&member.actor, input.id)
        .await
        .map_err(fail)
}
