//! Alerts: rules, what fires, silences, addresses that are told; objectives.

use apiverse_contract::alerts::{
    AlertPreview, AlertRuleView, AlertWebhookView, CreateAlertWebhook, CreateSilence,
    CreatedAlertWebhook, IncidentView, IncidentsQuery, PutAlertRule, PutSlo, SilenceView,
    SloReport,
};
use apiverse_contract::{AlertRuleId, AlertWebhookId, Page, SilenceId, SloId};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};

use super::{Named, Rpc};

/// All about alerts, and a page of what fired.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct AlertsView {
    pub rules: Vec<AlertRuleView>,
    pub firing: Vec<IncidentView>,
    pub history: Page<IncidentView>,
    pub silences: Vec<SilenceView>,
    pub webhooks: Vec<AlertWebhookView>,
    /// Whether the one who asks may change any of it.
    pub may_change: bool,
}

/// What a rule or objective can be for, and whom it can tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct AlertChoices {
    pub apis: Vec<Named>,
    pub keys: Vec<Named>,
    pub slos: Vec<Named>,
    pub webhooks: Vec<Named>,
}

/// Objectives, with their budgets over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct SlosView {
    pub slos: Vec<SloReport>,
    pub may_change: bool,
}

/// Which alert rule is meant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AlertRuleRef {
    pub id: AlertRuleId,
}

/// A rule, with what it can be for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct AlertEdit {
    pub rule: AlertRuleView,
    pub choices: AlertChoices,
}

/// What a rule is to be from now on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReplaceAlert {
    pub id: AlertRuleId,
    pub rule: PutAlertRule,
}

/// Whether a rule is to watch.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SwitchAlert {
    pub id: AlertRuleId,
    pub enabled: bool,
}

/// Which silence is meant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SilenceRef {
    pub id: SilenceId,
}

/// Which address is meant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AlertWebhookRef {
    pub id: AlertWebhookId,
}

/// Which objective is meant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SloRef {
    pub id: SloId,
}

/// All about alerts.
#[server(ListFn, prefix = "/api/fn", endpoint = "alerts/list", input = Json)]
pub async fn list(input: IncidentsQuery) -> Rpc<AlertsView> {
    use apiverse_platform::Permission;

    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let (platform, actor) = (&member.platform, &member.actor);
    let firing = IncidentsQuery {
        firing: Some(true),
        limit: Some(100),
        ..IncidentsQuery::default()
    };
    Ok(AlertsView {
        rules: platform.alert_rules_list(actor).await.map_err(fail)?.data,
        firing: platform
            .incidents_list(actor, firing)
            .await
            .map_err(fail)?
            .data,
        history: platform.incidents_list(actor, input).await.map_err(fail)?,
        silences: platform.silences_list(actor).await.map_err(fail)?.data,
        webhooks: platform
            .alert_webhooks_list(actor)
            .await
            .map_err(fail)?
            .data,
        may_change: actor.require(Permission::UsageWrite).is_ok(),
    })
}

/// What a rule or objective can be for.
#[server(ChoicesFn, prefix = "/api/fn", endpoint = "alerts/choices", input = Json)]
pub async fn choices() -> Rpc<AlertChoices> {
    use crate::ssr::alerts;
    use crate::ssr::call::member;
    alerts::choices(&member().await?).await
}

/// A rule, to be changed.
#[server(RuleFn, prefix = "/api/fn", endpoint = "alerts/get", input = Json)]
pub async fn get(input: AlertRuleRef) -> Rpc<AlertEdit> {
    use crate::ssr::alerts;
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let rule = member.platform.alert_rule_get(&member.actor, input.id);
    Ok(AlertEdit {
        rule: rule.await.map_err(fail)?,
        choices: alerts::choices(&member).await?,
    })
}

/// Changes a rule, which begins anew.
#[server(ReplaceAlertFn, prefix = "/api/fn", endpoint = "alerts/replace", input = Json)]
pub async fn replace(input: ReplaceAlert) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let ReplaceAlert { id, rule } = input;
    let member = member().await?;
    let made = member.platform.alert_rule_replace(&member.actor, id, rule);
    made.await.map(|_| ()).map_err(fail)
}

/// Switches a rule on or off.
#[server(SwitchAlertFn, prefix = "/api/fn", endpoint = "alerts/switch", input = Json)]
pub async fn switch(input: SwitchAlert) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let SwitchAlert { id, enabled } = input;
    let member = member().await?;
    let done = member
        .platform
        .alert_rule_switch(&member.actor, id, enabled);
    done.await.map_err(fail)
}

/// How often a rule would have fired.
#[server(PreviewFn, prefix = "/api/fn", endpoint = "alerts/preview", input = Json)]
pub async fn preview(input: PutAlertRule) -> Rpc<AlertPreview> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let made = member.platform.alert_preview(&member.actor, input);
    made.await.map_err(fail)
}

/// Makes a rule.
#[server(AddAlertFn, prefix = "/api/fn", endpoint = "alerts/add", input = Json)]
pub async fn add(input: PutAlertRule) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let made = member.platform.alert_rule_create(&member.actor, input);
    made.await.map(|_| ()).map_err(fail)
}

/// Deletes a rule.
#[server(RemoveAlertFn, prefix = "/api/fn", endpoint = "alerts/remove", input = Json)]
pub async fn remove(input: AlertRuleRef) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let gone = member.platform.alert_rule_delete(&member.actor, input.id);
    gone.await.map_err(fail)
}

/// Sends a test to whom a rule tells; how many messages that is.
#[server(TestAlertFn, prefix = "/api/fn", endpoint = "alerts/test", input = Json)]
pub async fn test(input: AlertRuleRef) -> Rpc<u32> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let sent = member.platform.alert_rule_test(&member.actor, input.id);
    sent.await.map_err(fail)
}

/// Tells nobody for a while.
#[server(SilenceFn, prefix = "/api/fn", endpoint = "alerts/silence", input = Json)]
pub async fn silence(input: CreateSilence) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let made = member.platform.silence_create(&member.actor, input);
    made.await.map(|_| ()).map_err(fail)
}

/// Ends a silence.
#[server(UnsilenceFn, prefix = "/api/fn", endpoint = "alerts/unsilence", input = Json)]
pub async fn unsilence(input: SilenceRef) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let gone = member.platform.silence_delete(&member.actor, input.id);
    gone.await.map_err(fail)
}

/// Adds an address; its secret is in the answer and nowhere else.
#[server(AddWebhookFn, prefix = "/api/fn", endpoint = "alerts/webhooks/add", input = Json)]
pub async fn add_webhook(input: CreateAlertWebhook) -> Rpc<CreatedAlertWebhook> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let made = member.platform.alert_webhook_create(&member.actor, input);
    made.await.map_err(fail)
}

/// Takes an address away.
#[server(RemoveWebhookFn, prefix = "/api/fn", endpoint = "alerts/webhooks/remove", input = Json)]
pub async fn remove_webhook(input: AlertWebhookRef) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let gone = member
        .platform
        .alert_webhook_delete(&member.actor, input.id);
    gone.await.map_err(fail)
}

/// Objectives, and how they are met.
#[server(SlosFn, prefix = "/api/fn", endpoint = "slos/list", input = Json)]
pub async fn slos() -> Rpc<SlosView> {
    use apiverse_platform::Permission;

    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let (platform, actor) = (&member.platform, &member.actor);
    let mut slos = Vec::new();
    for slo in platform.slos_list(actor).await.map_err(fail)?.data {
        slos.push(platform.slo_report(actor, slo.id).await.map_err(fail)?);
    }
    Ok(SlosView {
        slos,
        may_change: actor.require(Permission::UsageWrite).is_ok(),
    })
}

/// Makes an objective.
#[server(AddSloFn, prefix = "/api/fn", endpoint = "slos/add", input = Json)]
pub async fn add_slo(input: PutSlo) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let made = member.platform.slo_create(&member.actor, input);
    made.await.map(|_| ()).map_err(fail)
}

/// Deletes an objective.
#[server(RemoveSloFn, prefix = "/api/fn", endpoint = "slos/remove", input = Json)]
pub async fn remove_slo(input: SloRef) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let gone = member.platform.slo_delete(&member.actor, input.id);
    gone.await.map_err(fail)
}
