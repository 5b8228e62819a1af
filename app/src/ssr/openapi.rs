//! The server functions for the OpenAPI document.

use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::rpc::{
    alerts, apis, calls, costs, insights, keys, limits, plan, policies, reports, routes, targets,
    team, usage, versions,
};

/// One server function: `POST` with JSON in and out.
#[derive(Clone, Copy, Debug)]
pub struct ServerFunction {
    /// The whole path: `/api/fn/apis/create`.
    pub path: &'static str,
    /// What it does, in a few words.
    pub summary: &'static str,
    /// Name of the body's schema; `None` without a body.
    pub input: Option<&'static str>,
    /// Name of the answer's schema; `None` when it answers nothing.
    pub output: Option<&'static str>,
}

const fn function(
    path: &'static str,
    summary: &'static str,
    input: Option<&'static str>,
    output: Option<&'static str>,
) -> ServerFunction {
    ServerFunction {
        path,
        summary,
        input,
        output,
    }
}

const FUNCTIONS: &[ServerFunction] = &[
    function(
        "/api/fn/account/register",
        "Create an account and sign in with a cookie; null when a link was sent instead",
        Some("RegisterRequest"),
        Some("UserView"),
    ),
    function(
        "/api/fn/account/sign-in",
        "Sign in with a cookie",
        Some("LoginRequest"),
        Some("UserView"),
    ),
    function(
        "/api/fn/account/sign-in-mfa",
        "The second half of a sign-in with a cookie",
        Some("MfaRequest"),
        Some("UserView"),
    ),
    function(
        "/api/fn/account/invitation",
        "What an invitation offers",
        Some("InvitationToken"),
        Some("InvitationOffer"),
    ),
    function("/api/fn/account/sign-out", "End the session", None, None),
    function(
        "/api/fn/account/me",
        "The user and the organization",
        None,
        Some("MeView"),
    ),
    function(
        "/api/fn/account/profile",
        "Change the user's particulars",
        Some("UpdateProfile"),
        Some("MeView"),
    ),
    function(
        "/api/fn/account/time-zones",
        "The time zones there are",
        None,
        Some("Zones"),
    ),
    function(
        "/api/fn/account/password",
        "Change the password",
        Some("ChangePassword"),
        None,
    ),
    function(
        "/api/fn/account/sessions",
        "Where the user is signed in, as a list",
        None,
        None,
    ),
    function(
        "/api/fn/account/two-factor",
        "How the second factor stands",
        None,
        Some("TwoFactorView"),
    ),
    function(
        "/api/fn/account/identities",
        "Where the user signs in beside here",
        None,
        Some("SignIns"),
    ),
    function(
        "/api/fn/account/passkeys",
        "The user's passkeys, and how their second factor stands",
        None,
        Some("PasskeysShown"),
    ),
    function(
        "/api/fn/account/access-tokens",
        "The user's access tokens",
        None,
        Some("TokensShown"),
    ),
    function(
        "/api/fn/account/session-revoke",
        "End another session",
        Some("SessionRef"),
        None,
    ),
    function(
        "/api/fn/account/preferences",
        "What the user hears of, as a list",
        None,
        None,
    ),
    function(
        "/api/fn/team/organization",
        "The organization and what the caller may change of it",
        None,
        Some("OrganizationShown"),
    ),
    function(
        "/api/fn/team/members",
        "Members, invitations, and what roles may do",
        Some("ListQuery"),
        Some("MembersShown"),
    ),
    function(
        "/api/fn/team/service-accounts",
        "Service accounts and their tokens",
        None,
        Some("ServiceAccountsShown"),
    ),
    function(
        "/api/fn/audit/search",
        "A page of the audit log, field by field",
        Some("AuditQuery"),
        Some("AuditPage"),
    ),
    function(
        "/api/fn/audit/verify",
        "Check that nobody tampered with the audit log; null when not asked to",
        Some("ChainQuery"),
        Some("ChainShown"),
    ),
    function(
        "/api/fn/outbox/list",
        "A page of messages",
        Some("ListQuery"),
        Some("Page_NotificationView"),
    ),
    function(
        "/api/fn/outbox/one",
        "A message; its text in development only",
        Some("MessageRef"),
        Some("NotificationContent"),
    ),
    function(
        "/api/fn/outbox/template",
        "What a message of an event looks like",
        Some("TemplateRef"),
        Some("TemplateShown"),
    ),
    function(
        "/api/fn/apis/list",
        "A page of APIs",
        Some("ListQuery"),
        Some("Page_ApiView"),
    ),
    function(
        "/api/fn/apis/create",
        "Register an API",
        Some("CreateApi"),
        Some("ApiView"),
    ),
    function(
        "/api/fn/apis/detail",
        "An API with its figures and latest calls",
        Some("ApiRef"),
        Some("ApiDetail"),
    ),
    function(
        "/api/fn/apis/update",
        "Change an API",
        Some("UpdateApi"),
        Some("ApiView"),
    ),
    function("/api/fn/apis/delete", "Delete an API", Some("ApiRef"), None),
    function(
        "/api/fn/calls/one",
        "How a call went",
        Some("CallRef"),
        Some("Explained"),
    ),
    function(
        "/api/fn/calls/explain",
        "What would happen to a call",
        Some("ExplainRequest"),
        Some("Explained"),
    ),
    function(
        "/api/fn/calls/choices",
        "The APIs and keys that calls can be of",
        None,
        Some("CallChoices"),
    ),
    function(
        "/api/fn/routes/list",
        "The routes of an API",
        Some("ApiRef"),
        Some("Routes"),
    ),
    function(
        "/api/fn/routes/one",
        "A route and what holds there",
        Some("RouteRef"),
        Some("RouteDetail"),
    ),
    function(
        "/api/fn/routes/save",
        "Make or change a route",
        Some("SaveRoute"),
        Some("RouteRef"),
    ),
    function(
        "/api/fn/routes/delete",
        "Delete a route",
        Some("RouteRef"),
        None,
    ),
    function(
        "/api/fn/versions/list",
        "The versions of an API, and how callers choose one",
        Some("ApiRef"),
        Some("Versions"),
    ),
    function(
        "/api/fn/versions/one",
        "A version and who calls it",
        Some("VersionRef"),
        Some("VersionDetail"),
    ),
    function(
        "/api/fn/versions/save",
        "Make or change a version",
        Some("SaveVersion"),
        Some("VersionRef"),
    ),
    function(
        "/api/fn/versions/delete",
        "Delete a version",
        Some("VersionRef"),
        None,
    ),
    function(
        "/api/fn/versions/choose",
        "Set how callers choose a version",
        Some("SaveVersioning"),
        None,
    ),
    function(
        "/api/fn/keys/list",
        "A page of API keys",
        Some("ListQuery"),
        Some("Page_ApiKeyView"),
    ),
    function(
        "/api/fn/keys/choices",
        "What a new key can be limited to",
        None,
        Some("KeyChoices"),
    ),
    function(
        "/api/fn/keys/create",
        "Make an API key; its text is in the answer only",
        Some("CreateApiKey"),
        Some("ApiKeyCreated"),
    ),
    function(
        "/api/fn/keys/detail",
        "An API key with its latest calls",
        Some("KeyRef"),
        Some("KeyDetail"),
    ),
    function(
        "/api/fn/keys/impact",
        "How much a key is used",
        Some("KeyRef"),
        Some("KeyImpact"),
    ),
    function(
        "/api/fn/keys/update",
        "Change an API key",
        Some("UpdateKey"),
        Some("ApiKeyView"),
    ),
    function(
        "/api/fn/keys/revoke",
        "End an API key",
        Some("KeyRef"),
        None,
    ),
    function(
        "/api/fn/keys/rotate",
        "Give an API key a new secret",
        Some("RotateKey"),
        Some("ApiKeyCreated"),
    ),
    function(
        "/api/fn/keys/ticket",
        "A ticket that acts as the key for a minute",
        Some("KeyRef"),
        Some("KeyTicket"),
    ),
    function(
        "/api/fn/limits/view",
        "The limits of one thing, its own and those from above",
        Some("LimitsRef"),
        Some("LimitsView"),
    ),
    function(
        "/api/fn/limits/save",
        "Replace the limits of one thing",
        Some("SaveLimits"),
        None,
    ),
    function(
        "/api/fn/limits/call",
        "What holds for a call",
        Some("EffectiveQuery"),
        Some("CallLimits"),
    ),
    function(
        "/api/fn/policies/cards",
        "The policies that hold at one place, in words",
        Some("PlaceRef"),
        Some("PolicyCards"),
    ),
    function(
        "/api/fn/policies/one",
        "A policy with its form and history",
        Some("PolicyRef"),
        Some("OnePolicy"),
    ),
    function(
        "/api/fn/policies/save",
        "Set a policy by its form",
        Some("SavePolicy"),
        None,
    ),
    function(
        "/api/fn/policies/try",
        "What a transform would make of a call",
        Some("TryPolicy"),
        Some("Preview"),
    ),
    function(
        "/api/fn/policies/remove",
        "Remove a policy",
        Some("PolicyRef"),
        None,
    ),
    function(
        "/api/fn/policies/roll-back",
        "Make an earlier state of a policy the present one",
        Some("RollBackPolicy"),
        None,
    ),
    function(
        "/api/fn/costs/report",
        "What calls cost, with price rules and budgets",
        Some("CostQuery"),
        Some("CostsView"),
    ),
    function(
        "/api/fn/costs/rules/add",
        "Make a price rule",
        Some("PutPriceRule"),
        None,
    ),
    function(
        "/api/fn/costs/rules/remove",
        "Delete a price rule",
        Some("RuleRef"),
        None,
    ),
    function(
        "/api/fn/costs/budgets/add",
        "Make a budget",
        Some("PutBudget"),
        None,
    ),
    function(
        "/api/fn/costs/budgets/remove",
        "Delete a budget",
        Some("BudgetRef"),
        None,
    ),
    function(
        "/api/fn/alerts/list",
        "Alert rules, what fires and fired, silences, webhooks",
        Some("IncidentsQuery"),
        Some("AlertsView"),
    ),
    function(
        "/api/fn/alerts/choices",
        "What an alert rule or objective can be for",
        None,
        Some("AlertChoices"),
    ),
    function(
        "/api/fn/alerts/preview",
        "How often an alert rule would have fired",
        Some("PutAlertRule"),
        Some("AlertPreview"),
    ),
    function(
        "/api/fn/alerts/add",
        "Make an alert rule",
        Some("PutAlertRule"),
        None,
    ),
    function(
        "/api/fn/alerts/get",
        "Show an alert rule, with what it can be for",
        Some("AlertRuleRef"),
        Some("AlertEdit"),
    ),
    function(
        "/api/fn/alerts/replace",
        "Change an alert rule",
        Some("ReplaceAlert"),
        None,
    ),
    function(
        "/api/fn/alerts/switch",
        "Switch an alert rule on or off",
        Some("SwitchAlert"),
        None,
    ),
    function(
        "/api/fn/alerts/remove",
        "Delete an alert rule",
        Some("AlertRuleRef"),
        None,
    ),
    function(
        "/api/fn/alerts/test",
        "Send a test of an alert rule",
        Some("AlertRuleRef"),
        None,
    ),
    function(
        "/api/fn/alerts/silence",
        "Silence an alert rule, or all",
        Some("CreateSilence"),
        None,
    ),
    function(
        "/api/fn/alerts/unsilence",
        "End a silence",
        Some("SilenceRef"),
        None,
    ),
    function(
        "/api/fn/alerts/webhooks/add",
        "Add a webhook for alerts",
        Some("CreateAlertWebhook"),
        Some("CreatedAlertWebhook"),
    ),
    function(
        "/api/fn/alerts/webhooks/remove",
        "Delete a webhook of alerts",
        Some("AlertWebhookRef"),
        None,
    ),
    function(
        "/api/fn/reports/list",
        "Reports, and schedules of them",
        Some("ReportsQuery"),
        Some("ReportsShown"),
    ),
    function(
        "/api/fn/reports/choices",
        "What a schedule of reports can be about, and whom it can tell",
        None,
        Some("ReportChoices"),
    ),
    function(
        "/api/fn/reports/schedule",
        "One schedule of reports",
        Some("ReportScheduleRef"),
        Some("ReportScheduleShown"),
    ),
    function(
        "/api/fn/reports/schedules/add",
        "Make a schedule of reports",
        Some("CreateReportSchedule"),
        None,
    ),
    function(
        "/api/fn/reports/schedules/change",
        "Change a schedule of reports",
        Some("ReportScheduleChange"),
        None,
    ),
    function(
        "/api/fn/reports/schedules/remove",
        "Delete a schedule of reports",
        Some("ReportScheduleRef"),
        None,
    ),
    function(
        "/api/fn/reports/make",
        "Make a report now",
        Some("CreateReport"),
        None,
    ),
    function(
        "/api/fn/reports/remove",
        "Delete a report",
        Some("ReportRef"),
        None,
    ),
    function(
        "/api/fn/slos/list",
        "Objectives, and their error budgets over time",
        None,
        Some("SlosView"),
    ),
    function(
        "/api/fn/slos/add",
        "Make an objective",
        Some("PutSlo"),
        None,
    ),
    function(
        "/api/fn/slos/remove",
        "Delete an objective",
        Some("SloRef"),
        None,
    ),
    function(
        "/api/fn/insights/list",
        "What was unusual, the latest first, and what is muted",
        Some("FindingsQuery"),
        Some("InsightsView"),
    ),
    function(
        "/api/fn/insights/acknowledge",
        "Take note of a finding",
        Some("TakeNote"),
        None,
    ),
    function(
        "/api/fn/insights/reopen",
        "Take that back",
        Some("FindingRef"),
        None,
    ),
    function(
        "/api/fn/insights/mute",
        "Mute findings",
        Some("CreateMute"),
        None,
    ),
    function(
        "/api/fn/insights/unmute",
        "End a mute",
        Some("MuteRef"),
        None,
    ),
    function(
        "/api/fn/plan",
        "What a change that is not saved would do to the calls of late",
        Some("DraftRef"),
        Some("DraftPlan"),
    ),
    function(
        "/api/fn/targets",
        "How the targets of an API are",
        Some("ApiRef"),
        Some("TargetsView"),
    ),
    function(
        "/api/fn/usage/overview",
        "What happened in a span, compared with the one before",
        Some("OverviewQuery"),
        Some("Overview"),
    ),
    function(
        "/api/fn/usage/report",
        "Usage over a range with its calls",
        Some("UsageQuery"),
        Some("UsageView"),
    ),
    function(
        "/api/fn/usage/views",
        "The saved views of the page Usage",
        None,
        Some("Views"),
    ),
    function(
        "/api/fn/usage/views/add",
        "Save a view",
        Some("CreateSavedView"),
        None,
    ),
    function(
        "/api/fn/usage/views/change",
        "Change a saved view, or whether the page opens with it",
        Some("ChangeView"),
        None,
    ),
    function(
        "/api/fn/usage/views/remove",
        "Delete a saved view",
        Some("ViewRef"),
        None,
    ),
    function(
        "/api/fn/usage/pulse",
        "The latest call",
        None,
        Some("Pulse"),
    ),
    function(
        "/api/fn/explorer/choices",
        "APIs and keys to try out",
        None,
        Some("ExplorerView"),
    ),
];

/// Every server function there is, in the order of the pages.
#[must_use]
pub fn server_functions() -> &'static [ServerFunction] {
    FUNCTIONS
}

/// The schemas that only the console's functions have, with all they refer to, for the document's
/// components.
#[must_use]
pub fn schemas() -> Vec<(String, RefOr<Schema>)> {
    let mut all = Vec::new();
    add::<apiverse_contract::ListQuery>(&mut all);
    add::<apiverse_contract::usage::UsageQuery>(&mut all);
    add::<crate::rpc::account::SessionRef>(&mut all);
    add::<crate::rpc::account::PasskeysShown>(&mut all);
    add::<crate::rpc::account::SignIns>(&mut all);
    add::<crate::rpc::account::Zones>(&mut all);
    add::<crate::rpc::account::TokensShown>(&mut all);
    add::<apiverse_contract::audit::AuditQuery>(&mut all);
    add::<team::OrganizationShown>(&mut all);
    add::<team::MembersShown>(&mut all);
    add::<team::ServiceAccountsShown>(&mut all);
    add::<team::AuditPage>(&mut all);
    add::<team::ChainQuery>(&mut all);
    add::<team::ChainShown>(&mut all);
    add::<team::MessageRef>(&mut all);
    add::<team::TemplateRef>(&mut all);
    add::<team::TemplateShown>(&mut all);
    add::<apis::ApiRef>(&mut all);
    add::<apis::UpdateApi>(&mut all);
    add::<apis::ApiDetail>(&mut all);
    add::<keys::KeyRef>(&mut all);
    add::<keys::UpdateKey>(&mut all);
    add::<keys::RotateKey>(&mut all);
    add::<keys::KeyChoices>(&mut all);
    add::<keys::KeyDetail>(&mut all);
    add::<keys::KeyImpact>(&mut all);
    add::<limits::LimitsRef>(&mut all);
    add::<limits::LimitsView>(&mut all);
    add::<limits::SaveLimits>(&mut all);
    add::<limits::CallLimits>(&mut all);
    add::<apiverse_contract::limits::EffectiveQuery>(&mut all);
    add::<apiverse_contract::explain::ExplainRequest>(&mut all);
    add::<calls::CallRef>(&mut all);
    add::<calls::Explained>(&mut all);
    add::<calls::CallChoices>(&mut all);
    add::<policies::PlaceRef>(&mut all);
    add::<policies::PolicyRef>(&mut all);
    add::<policies::PolicyCards>(&mut all);
    add::<policies::OnePolicy>(&mut all);
    add::<policies::SavePolicy>(&mut all);
    add::<policies::TryPolicy>(&mut all);
    add::<policies::RollBackPolicy>(&mut all);
    add::<plan::DraftRef>(&mut all);
    add::<plan::DraftPlan>(&mut all);
    add::<targets::TargetsView>(&mut all);
    add::<routes::Routes>(&mut all);
    add::<routes::RouteRef>(&mut all);
    add::<routes::RouteDetail>(&mut all);
    add::<routes::SaveRoute>(&mut all);
    add::<versions::Versions>(&mut all);
    add::<versions::VersionRef>(&mut all);
    add::<versions::VersionDetail>(&mut all);
    add::<versions::SaveVersion>(&mut all);
    add::<versions::SaveVersioning>(&mut all);
    add::<apiverse_contract::insights::FindingsQuery>(&mut all);
    add::<apiverse_contract::insights::CreateMute>(&mut all);
    add::<apiverse_contract::costs::CostQuery>(&mut all);
    add::<apiverse_contract::costs::PutPriceRule>(&mut all);
    add::<apiverse_contract::costs::PutBudget>(&mut all);
    add::<apiverse_contract::saved_views::CreateSavedView>(&mut all);
    add::<crate::rpc::views::Views>(&mut all);
    add::<crate::rpc::views::ChangeView>(&mut all);
    add::<crate::rpc::views::ViewRef>(&mut all);
    add::<apiverse_contract::alerts::IncidentsQuery>(&mut all);
    add::<apiverse_contract::alerts::PutAlertRule>(&mut all);
    add::<apiverse_contract::alerts::AlertPreview>(&mut all);
    add::<apiverse_contract::alerts::CreateSilence>(&mut all);
    add::<apiverse_contract::alerts::CreateAlertWebhook>(&mut all);
    add::<apiverse_contract::alerts::CreatedAlertWebhook>(&mut all);
    add::<apiverse_contract::alerts::PutSlo>(&mut all);
    add::<apiverse_contract::reports::ReportsQuery>(&mut all);
    add::<apiverse_contract::reports::CreateReportSchedule>(&mut all);
    add::<apiverse_contract::reports::CreateReport>(&mut all);
    add::<reports::ReportsShown>(&mut all);
    add::<reports::ReportChoices>(&mut all);
    add::<reports::ReportScheduleShown>(&mut all);
    add::<reports::ReportScheduleRef>(&mut all);
    add::<reports::ReportScheduleChange>(&mut all);
    add::<reports::ReportRef>(&mut all);
    add::<alerts::AlertsView>(&mut all);
    add::<alerts::AlertChoices>(&mut all);
    add::<alerts::AlertEdit>(&mut all);
    add::<alerts::ReplaceAlert>(&mut all);
    add::<alerts::SwitchAlert>(&mut all);
    add::<alerts::SlosView>(&mut all);
    add::<alerts::AlertRuleRef>(&mut all);
    add::<alerts::SilenceRef>(&mut all);
    add::<alerts::AlertWebhookRef>(&mut all);
    add::<alerts::SloRef>(&mut all);
    add::<costs::CostsView>(&mut all);
    add::<costs::RuleRef>(&mut all);
    add::<costs::BudgetRef>(&mut all);
    add::<insights::InsightsView>(&mut all);
    add::<insights::FindingRef>(&mut all);
    add::<insights::TakeNote>(&mut all);
    add::<insights::MuteRef>(&mut all);
    add::<usage::OverviewQuery>(&mut all);
    add::<usage::Overview>(&mut all);
    add::<usage::UsageView>(&mut all);
    add::<usage::ExplorerView>(&mut all);
    add::<usage::Pulse>(&mut all);
    all
}

fn add<T: ToSchema + PartialSchema>(all: &mut Vec<(String, RefOr<Schema>)>) {
    all.push((T::name().into_owned(), T::schema()));
    T::schemas(all);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_registered_function_is_listed_and_no_other() {
        let registered: BTreeSet<String> = leptos::server_fn::axum::server_fn_paths()
            .map(|(path, _)| path.to_owned())
            .collect();
        let listed: BTreeSet<String> = server_functions()
            .iter()
            .map(|function| function.path.to_owned())
            .collect();
        assert_eq!(
            listed.len(),
            server_functions().len(),
            "a path stands twice"
        );
        assert_eq!(registered, listed);
    }

    #[test]
    fn the_consoles_own_schemas_are_there() {
        let names: BTreeSet<String> = schemas().into_iter().map(|(name, _)| name).collect();
        for name in [
            "Overview",
            "ApiDetail",
            "KeyDetail",
            "UsageView",
            "ApiView",
            "Start",
        ] {
            assert!(names.contains(name), "{name} is missing");
        }
    }
}
