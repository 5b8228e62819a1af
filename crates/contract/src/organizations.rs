//! Organizations, their members, and invitations.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::auth::Role;
use crate::redacted::redacted_debug;
use crate::validation::{is_email, is_name, is_slug};
use crate::{FieldError, InvitationId, OrganizationId, UserId, Validation};

redacted_debug! {
    InvitationToken {}
}

/// An organization of the caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MembershipView {
    pub id: OrganizationId,
    pub name: String,
    pub slug: String,
    /// The caller's role in it.
    pub role: Role,
    /// Whether this request acts in it.
    pub current: bool,
    pub joined_at: DateTime<Utc>,
}

/// `POST /organizations`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateOrganization {
    pub name: String,
    /// Made from the name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
}

impl CreateOrganization {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        check_name(&mut v, &self.name);
        check_slug(&mut v, self.slug.as_deref());
        v.finish()
    }
}

/// `PATCH /organization`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateOrganization {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
}

impl UpdateOrganization {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        if let Some(name) = &self.name {
            check_name(&mut v, name);
        }
        check_slug(&mut v, self.slug.as_deref());
        v.finish()
    }
}

fn check_name(v: &mut Validation, name: &str) {
    v.check(is_name(name, 120), "name", "must have 1 to 120 characters");
}

fn check_slug(v: &mut Validation, slug: Option<&str>) {
    v.check(
        slug.is_none_or(is_slug),
        "slug",
        "must be lower-case letters, digits and single dashes, at most 63",
    );
}

/// `DELETE /organization`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DeleteOrganization {
    /// The organization's slug, so that none is deleted by mistake.
    pub slug: String,
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemberView {
    pub user_id: UserId,
    pub email: String,
    pub full_name: Option<String>,
    pub role: Role,
    pub joined_at: DateTime<Utc>,
    /// The caller themself.
    pub is_self: bool,
    /// Whether a second factor is in force; `null` for who may not change members.
    #[serde(default)]
    pub two_factor: Option<bool>,
    /// When a session of theirs was used last, wherever it acted; `null` when none is left, and for
    /// who may not change members.
    #[serde(default)]
    pub last_seen_at: Option<DateTime<Utc>>,
}

/// `PATCH /members/{id}`
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangeRole {
    pub role: Role,
}

/// `POST /organization/transfer`
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TransferOwnership {
    /// The member who becomes owner; the caller becomes admin.
    pub user_id: UserId,
}

/// Where an invitation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum InvitationStatus {
    Pending,
    Accepted,
    Expired,
    Revoked,
}

/// An invitation to the organization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InvitationView {
    pub id: InvitationId,
    pub email: String,
    pub role: Role,
    pub status: InvitationStatus,
    pub invited_by: Option<UserId>,
    pub created_at: DateTime<Utc>,
    /// When the latest mail was written.
    pub sent_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub accepted_at: Option<DateTime<Utc>>,
}

/// `POST /invitations`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateInvitation {
    pub email: String,
    /// Any but `owner`.
    pub role: Role,
}

impl CreateInvitation {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        v.check(is_email(&self.email), "email", "must be an e-mail address");
        v.check(
            self.role != Role::Owner,
            "role",
            "must not be owner: make a member an owner once they joined",
        );
        v.finish()
    }
}

/// The `token` of an invitation's link.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct InvitationToken {
    pub token: String,
}

/// What whoever has an invitation's link may know of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InvitationOffer {
    pub organization_name: String,
    pub email: String,
    pub role: Role,
    pub expires_at: DateTime<Utc>,
}
