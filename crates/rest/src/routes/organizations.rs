//! Organizations, their members, and invitations to them.

use apiverse_contract::organizations::{
    ChangeRole, CreateInvitation, CreateOrganization, DeleteOrganization, InvitationOffer,
    InvitationToken, InvitationView, MemberView, MembershipView, TransferOwnership,
    UpdateOrganization,
};
use apiverse_contract::{ErrorCode, InvitationId, ListQuery, OrganizationId, Page, UserId};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::created;
use crate::openapi::problems::{BODY, CHANGE, QUERY, RECENT, ROLE, SIGNED_IN, problems};
use crate::{ApiJson, ApiPath, ApiProblem, ApiQuery, Authenticated, RestState};

type Answer<T> = Result<T, ApiProblem>;

problems!(ListProblems: SIGNED_IN);

/// List the own organizations
///
/// The one that was joined first at the top; `current` tells which one this request acts in.
#[utoipa::path(
    get, path = "/organizations", operation_id = "list_organizations", tag = "organizations",
    responses((status = 200, description = "All of them", body = Page<MembershipView>), ListProblems),
)]
pub async fn list(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
) -> Answer<Json<Page<MembershipView>>> {
    let data = state.platform.organizations(&actor).await?;
    Ok(Json(Page {
        data,
        next_cursor: None,
    }))
}

problems!(CreateProblems: SIGNED_IN, CHANGE, BODY, &[
    ErrorCode::SlugTaken, ErrorCode::TooManyAttempts,
]);

/// Create an organization
///
/// The caller owns it. The session goes on acting where it does; switch to act in the new one.
#[utoipa::path(
    post, path = "/organizations", operation_id = "create_organization", tag = "organizations",
    request_body = CreateOrganization,
    responses((status = 201, description = "The organization", body = MembershipView), CreateProblems),
)]
pub async fn create(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(input): ApiJson<CreateOrganization>,
) -> Answer<Response> {
    let view = state.platform.organization_create(&actor, input).await?;
    Ok(created("/organizations", view.id, view))
}

problems!(SwitchProblems: SIGNED_IN, CHANGE, &[ErrorCode::OrganizationNotFound]);

/// Act in another organization
///
/// From the next request on, for this session: its cookie, its access and refresh tokens.
#[utoipa::path(
    post, path = "/organizations/{id}/switch", operation_id = "switch_organization",
    tag = "organizations",
    params(("id" = String, Path, format = Uuid, description = "Id of the organization")),
    responses((status = 200, description = "The organization", body = MembershipView), SwitchProblems),
)]
pub async fn switch(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<OrganizationId>,
) -> Answer<Json<MembershipView>> {
    Ok(Json(state.platform.organization_switch(&actor, id).await?))
}

problems!(UpdateProblems: SIGNED_IN, CHANGE, BODY, &[
    ErrorCode::OrganizationNotFound, ErrorCode::SlugTaken,
]);

/// Change the organization
///
/// Its name or slug; what is not named stays.
#[utoipa::path(
    patch, path = "/organization", operation_id = "update_organization", tag = "organizations",
    request_body = UpdateOrganization,
    responses((status = 200, description = "The organization", body = MembershipView), UpdateProblems),
)]
pub async fn update(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(input): ApiJson<UpdateOrganization>,
) -> Answer<Json<MembershipView>> {
    Ok(Json(
        state.platform.organization_update(&actor, input).await?,
    ))
}

problems!(DeleteProblems: SIGNED_IN, CHANGE, RECENT, BODY, &[ErrorCode::OrganizationNotFound]);

/// Delete the organization
///
/// With all it has: APIs, keys, members, its audit log. Owners only; the body repeats its slug.
#[utoipa::path(
    delete, path = "/organization", operation_id = "delete_organization", tag = "organizations",
    request_body = DeleteOrganization,
    responses((status = 204, description = "Deleted"), DeleteProblems),
)]
pub async fn delete(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(input): ApiJson<DeleteOrganization>,
) -> Answer<StatusCode> {
    state.platform.organization_delete(&actor, input).await?;
    Ok(StatusCode::NO_CONTENT)
}

problems!(LeaveProblems: SIGNED_IN, CHANGE, &[ErrorCode::MemberNotFound, ErrorCode::LastOwner]);

/// Leave the organization
///
/// The only owner cannot.
#[utoipa::path(
    post, path = "/organization/leave", operation_id = "leave_organization", tag = "organizations",
    responses((status = 204, description = "Left"), LeaveProblems),
)]
pub async fn leave(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
) -> Answer<StatusCode> {
    state.platform.organization_leave(&actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

problems!(TransferProblems: SIGNED_IN, CHANGE, RECENT, BODY, &[ErrorCode::MemberNotFound]);

/// Hand the organization over
///
/// Another member becomes owner, the caller admin. Owners only.
#[utoipa::path(
    post, path = "/organization/transfer", operation_id = "transfer_organization",
    tag = "organizations", request_body = TransferOwnership,
    responses((status = 204, description = "Handed over"), TransferProblems),
)]
pub async fn transfer(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(input): ApiJson<TransferOwnership>,
) -> Answer<StatusCode> {
    state.platform.ownership_transfer(&actor, input).await?;
    Ok(StatusCode::NO_CONTENT)
}

problems!(MembersProblems: SIGNED_IN, ROLE, QUERY);

/// List the members
#[utoipa::path(
    get, path = "/members", operation_id = "list_members", tag = "organizations",
    params(ListQuery),
    responses((status = 200, description = "A page of members", body = Page<MemberView>), MembersProblems),
)]
pub async fn members(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Answer<Json<Page<MemberView>>> {
    Ok(Json(state.platform.members(&actor, query).await?))
}

problems!(RoleProblems: SIGNED_IN, CHANGE, BODY, &[
    ErrorCode::MemberNotFound, ErrorCode::LastOwner,
]);

/// Change a member's role
///
/// Only owners make owners, or change one. There is always an owner.
#[utoipa::path(
    patch, path = "/members/{id}", operation_id = "change_member_role", tag = "organizations",
    params(("id" = String, Path, format = Uuid, description = "Id of the user")),
    request_body = ChangeRole,
    responses((status = 200, description = "The member", body = MemberView), RoleProblems),
)]
pub async fn change_role(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<UserId>,
    ApiJson(input): ApiJson<ChangeRole>,
) -> Answer<Json<MemberView>> {
    Ok(Json(state.platform.member_role(&actor, id, input).await?))
}

problems!(RemoveProblems: SIGNED_IN, CHANGE, &[ErrorCode::MemberNotFound, ErrorCode::LastOwner]);

/// Take a member out
///
/// Only owners take owners out. There is always an owner.
#[utoipa::path(
    delete, path = "/members/{id}", operation_id = "remove_member", tag = "organizations",
    params(("id" = String, Path, format = Uuid, description = "Id of the user")),
    responses((status = 204, description = "Taken out"), RemoveProblems),
)]
pub async fn remove(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<UserId>,
) -> Answer<StatusCode> {
    state.platform.member_remove(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List the invitations
///
/// Open, accepted, expired and taken back ones, newest first.
#[utoipa::path(
    get, path = "/invitations", operation_id = "list_invitations", tag = "organizations",
    params(ListQuery),
    responses(
        (status = 200, description = "A page of invitations", body = Page<InvitationView>),
        MembersProblems,
    ),
)]
pub async fn invitations(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Answer<Json<Page<InvitationView>>> {
    Ok(Json(state.platform.invitations(&actor, query).await?))
}

problems!(InviteProblems: SIGNED_IN, CHANGE, BODY, &[ErrorCode::TooManyAttempts]);

/// Invite somebody
///
/// A link goes to the address, good for seven days; an earlier open invitation to it ends. The
/// answer is the same whether there is an account with that address or not.
#[utoipa::path(
    post, path = "/invitations", operation_id = "create_invitation", tag = "organizations",
    request_body = CreateInvitation,
    responses((status = 201, description = "The invitation", body = InvitationView), InviteProblems),
)]
pub async fn invite(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(input): ApiJson<CreateInvitation>,
) -> Answer<Response> {
    let view = state.platform.invitation_create(&actor, input).await?;
    Ok(created("/invitations", view.id, view))
}

problems!(ResendProblems: SIGNED_IN, CHANGE, &[
    ErrorCode::InvitationNotFound, ErrorCode::TooManyAttempts,
]);

/// Send an invitation again
///
/// With another link and another seven days; also one that has expired.
#[utoipa::path(
    post, path = "/invitations/{id}/resend", operation_id = "resend_invitation",
    tag = "organizations",
    params(("id" = String, Path, format = Uuid, description = "Id of the invitation")),
    responses((status = 200, description = "The invitation", body = InvitationView), ResendProblems),
)]
pub async fn resend(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<InvitationId>,
) -> Answer<Json<InvitationView>> {
    Ok(Json(state.platform.invitation_resend(&actor, id).await?))
}

problems!(RevokeProblems: SIGNED_IN, CHANGE, &[ErrorCode::InvitationNotFound]);

/// Take an invitation back
#[utoipa::path(
    delete, path = "/invitations/{id}", operation_id = "revoke_invitation", tag = "organizations",
    params(("id" = String, Path, format = Uuid, description = "Id of the invitation")),
    responses((status = 204, description = "Taken back"), RevokeProblems),
)]
pub async fn revoke(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<InvitationId>,
) -> Answer<StatusCode> {
    state.platform.invitation_revoke(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

problems!(OfferProblems: BODY, &[ErrorCode::InvalidLink]);

/// Show an invitation by its link
///
/// For the page the link leads to, before anybody is signed in.
#[utoipa::path(
    post, path = "/invitations/offer", operation_id = "show_invitation", tag = "organizations",
    request_body = InvitationToken,
    responses((status = 200, description = "What it offers", body = InvitationOffer), OfferProblems),
    security(()),
)]
pub async fn offer(
    State(state): State<RestState>,
    ApiJson(input): ApiJson<InvitationToken>,
) -> Answer<Json<InvitationOffer>> {
    Ok(Json(state.platform.invitation_offer(&input).await?))
}

problems!(AcceptProblems: SIGNED_IN, CHANGE, BODY, &[ErrorCode::InvalidLink]);

/// Accept an invitation
///
/// The caller's address must be the one that was invited. Their session acts in the organization
/// from now on.
#[utoipa::path(
    post, path = "/invitations/accept", operation_id = "accept_invitation", tag = "organizations",
    request_body = InvitationToken,
    responses((status = 200, description = "The organization", body = MembershipView), AcceptProblems),
)]
pub async fn accept(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(input): ApiJson<InvitationToken>,
) -> Answer<Json<MembershipView>> {
    Ok(Json(
        state.platform.invitation_accept(&actor, &input).await?,
    ))
}
