//! The organization, who is in it, what was changed, and the messages that were sent.

use apiverse_contract::access_tokens::{AccessTokenView, ServiceAccountView};
use apiverse_contract::audit::AuditQuery;
use apiverse_contract::auth::{OrganizationView, Role};
use apiverse_contract::notifications::{
    NotificationContent, NotificationEvent, NotificationView, PreferenceView,
};
use apiverse_contract::organizations::{InvitationView, MemberView};
use apiverse_contract::{ListQuery, NotificationId, Page};
use chrono::{DateTime, Utc};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};

use super::{Named, Rpc};

/// Members, who is invited, and what each role may do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct MembersShown {
    pub members: Page<MemberView>,
    /// The latest invitations that nobody accepted yet, newest first; none for who may not invite.
    pub invitations: Vec<InvitationView>,
    pub rights: Vec<RoleRight>,
    /// Whether the one who asks may invite, change roles and take members out.
    pub may_change: bool,
    /// Whether they are an owner: only owners make owners, or change one.
    pub is_owner: bool,
}

/// One line of the table of permissions.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct RoleRight {
    /// `apis:write`
    pub scope: String,
    /// For people.
    pub words: String,
    pub roles: Vec<Role>,
}

/// The organization, for its settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct OrganizationShown {
    pub organization: OrganizationView,
    /// Members need a second factor.
    pub two_factor_required: bool,
    /// The one who asks has one.
    pub has_two_factor: bool,
    /// Who it can be handed over to; empty for who may not.
    pub heirs: Vec<Named>,
    pub apis: usize,
    pub keys: usize,
    /// Whether the one who asks may change the settings.
    pub may_change: bool,
    /// Whether they may delete it and hand it over.
    pub may_delete: bool,
}

/// Service accounts and their tokens.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct ServiceAccountsShown {
    /// Newest first, the latest 200.
    pub accounts: Vec<ServiceAccountView>,
    /// Newest first, the latest 200; none for who may not change them.
    pub tokens: Vec<AccessTokenView>,
    /// What a new token may be for.
    pub scopes: Vec<String>,
    pub may_change: bool,
}

/// A page of the audit log, in the words a person reads.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct AuditPage {
    pub entries: Vec<AuditEntry>,
    pub next_cursor: Option<String>,
}

/// One line of the audit log.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct AuditEntry {
    pub at: DateTime<Utc>,
    pub actor: String,
    pub action: String,
    pub target_type: String,
    pub target_id: Option<String>,
    pub ip: Option<String>,
    pub request_id: Option<String>,
    /// What was changed, field by field.
    pub changes: Vec<AuditChange>,
    /// What else is known.
    pub facts: Vec<AuditFact>,
}

/// A field that was changed; `null` where there was nothing, or is nothing any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct AuditChange {
    pub field: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// Something a line of the audit log says beside what was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct AuditFact {
    pub name: String,
    pub value: String,
}

/// Whether the chain is to be checked.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChainQuery {
    /// Without it nothing is read.
    #[serde(default)]
    pub check: bool,
}

/// Whether the organization's chain is whole.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct ChainShown {
    pub checked_at: DateTime<Utc>,
    /// Lines that were checked.
    pub lines: i64,
    /// Lines from before there were chains, which nothing protects.
    pub unchained: i64,
    /// The hash of the last line, in hex.
    pub head: String,
    /// What does not fit; `null` when everything does.
    pub fault: Option<String>,
}

/// Which message is meant.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MessageRef {
    pub id: NotificationId,
}

/// Which template is meant.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TemplateRef {
    pub event: NotificationEvent,
}

/// What a message of an event looks like.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct TemplateShown {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// The organization and what the caller may change of it.
#[server(OrganizationFn, prefix = "/api/fn", endpoint = "team/organization", input = Json)]
pub async fn organization() -> Rpc<OrganizationShown> {
    use crate::ssr::call::member;
    use crate::ssr::team;
    team::organization(&member().await?).await
}

/// Members, invitations, and what roles may do.
#[server(MembersFn, prefix = "/api/fn", endpoint = "team/members", input = Json)]
pub async fn members(input: ListQuery) -> Rpc<MembersShown> {
    use crate::ssr::call::member;
    use crate::ssr::team;
    team::members(&member().await?, input).await
}

/// Service accounts and their tokens.
#[server(ServiceAccountsFn, prefix = "/api/fn", endpoint = "team/service-accounts", input = Json)]
pub async fn service_accounts() -> Rpc<ServiceAccountsShown> {
    use crate::ssr::call::member;
    use crate::ssr::team;
    team::service_accounts(&member().await?).await
}

/// Lines of the audit log, newest first.
#[server(AuditFn, prefix = "/api/fn", endpoint = "audit/search", input = Json)]
pub async fn audit(input: AuditQuery) -> Rpc<AuditPage> {
    use crate::ssr::audit;
    use crate::ssr::call::member;
    audit::search(&member().await?, input).await
}

/// Reads every line of the audit log again and checks that nobody tampered with it; null when that
/// is not asked for.
#[server(ChainFn, prefix = "/api/fn", endpoint = "audit/verify", input = Json)]
pub async fn verify(input: ChainQuery) -> Rpc<Option<ChainShown>> {
    use crate::ssr::audit;
    use crate::ssr::call::member;
    audit::verify(&member().await?, input.check).await
}

/// Messages, newest first.
#[server(OutboxFn, prefix = "/api/fn", endpoint = "outbox/list", input = Json)]
pub async fn outbox(input: ListQuery) -> Rpc<Page<NotificationView>> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let found = member.platform.outbox_list(&member.actor, input).await;
    found.map_err(fail)
}

/// One message; its text in development only.
#[server(MessageFn, prefix = "/api/fn", endpoint = "outbox/one", input = Json)]
pub async fn message(input: MessageRef) -> Rpc<NotificationContent> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let found = member.platform.outbox_get(&member.actor, input.id).await;
    found.map_err(fail)
}

/// What a message of an event looks like, with made-up values.
#[server(TemplateFn, prefix = "/api/fn", endpoint = "outbox/template", input = Json)]
pub async fn template(input: TemplateRef) -> Rpc<TemplateShown> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let written = member
        .platform
        .template_preview(&member.actor, input.event)
        .map_err(fail)?;
    Ok(TemplateShown {
        subject: written.subject,
        text: written.text,
        html: written.html,
    })
}

/// What the user hears of, event by event.
#[server(PreferencesFn, prefix = "/api/fn", endpoint = "account/preferences", input = Json)]
pub async fn preferences() -> Rpc<Vec<PreferenceView>> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let found = member.platform.preferences(&member.actor).await;
    found.map_err(fail)
}
