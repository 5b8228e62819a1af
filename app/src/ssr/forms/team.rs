//! The forms of the pages about the organization: its settings, members, invitations, service
//! accounts, and what a user hears of.

use apiverse_contract::access_tokens::{CreateAccessToken, CreateServiceAccount};
use apiverse_contract::auth::Role;
use apiverse_contract::notifications::{PreferenceChoice, UpdatePreferences};
use apiverse_contract::organizations::{
    ChangeRole, CreateInvitation, CreateOrganization, DeleteOrganization, TransferOwnership,
    UpdateOrganization,
};
use apiverse_contract::two_factor::RequireTwoFactor;
use apiverse_contract::{ErrorCode, FieldError, InvitationId, Problem, UserId};
use apiverse_platform::{Actor, Platform};
use axum::extract::{Request, State};
use axum::response::Response;
use chrono::TimeDelta;

use super::security::{prove, step_up};
use super::{Posted, invalid, problem_of, to, unknown_form};
use crate::forms::Fields;
use crate::pages::console::layout::{GROUPS, needs};
use crate::ssr::ConsoleState;
use crate::ssr::gate::scopes_of;

/// Where a form leads when it did what it is for.
enum Done {
    To(String),
    /// Something that is shown once, on the form's own page.
    Shown(Vec<(String, String)>),
}

/// Takes a form of one of these pages.
pub async fn change(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    let form = posted.form();
    let outcome = async {
        readable?;
        let actor = posted.actor()?;
        let from = posted.came_from();
        let (platform, fields) = (&state.platform, &posted.fields);
        if form == "switch" || form.starts_with("organization") {
            return of_organization(platform, actor, &form, (fields, &from)).await;
        }
        of_members(platform, &actor, &form, fields).await
    }
    .await;
    match outcome {
        Ok(Done::To(path)) => to(&path),
        Ok(Done::Shown(values)) => posted.show(&state, &form, values).await,
        Err(problem) => posted.refuse(&state, &form, problem).await,
    }
}

/// The organization itself.
async fn of_organization(
    platform: &Platform,
    mut actor: Actor,
    form: &str,
    (fields, from): (&Fields, &str),
) -> Result<Done, Problem> {
    match form {
        "switch" => {
            let id = id(fields, "id")?;
            let switched = platform.organization_switch(&actor, id).await;
            let role = switched.map_err(problem_of)?.role;
            Ok(Done::To(open_to(role, from).to_owned()))
        }
        "organization-new" => {
            let input = CreateOrganization {
                name: fields.text("name"),
                slug: fields.optional("slug"),
            };
            let made = platform.organization_create(&actor, input).await;
            let made = made.map_err(problem_of)?;
            let switched = platform.organization_switch(&actor, made.id).await;
            switched.map_err(problem_of)?;
            Ok(Done::To("/console".to_owned()))
        }
        "organization" => {
            let input = UpdateOrganization {
                name: Some(fields.text("name")),
                slug: Some(fields.text("slug")),
            };
            let saved = platform.organization_update(&actor, input).await;
            saved.map_err(problem_of)?;
            done("organization", "saved")
        }
        "organization-two-factor" => {
            let input = RequireTwoFactor {
                required: fields.flag("required"),
            };
            let saved = platform.organization_two_factor(&actor, input).await;
            saved.map_err(problem_of)?;
            done("organization", "saved")
        }
        "organization-leave" => {
            let left = platform.organization_leave(&actor).await;
            left.map_err(problem_of)?;
            Ok(Done::To("/console".to_owned()))
        }
        "organization-transfer" => {
            let user_id: UserId = id(fields, "user_id")?;
            prove(platform, &mut actor, step_up(fields, "")).await?;
            let input = TransferOwnership { user_id };
            let moved = platform.ownership_transfer(&actor, input).await;
            moved.map_err(problem_of)?;
            done("organization", "transferred")
        }
        "organization-delete" => {
            let input = DeleteOrganization {
                slug: fields.text("delete_slug"),
            };
            let proven = prove(platform, &mut actor, step_up(fields, "delete_")).await;
            proven.map_err(of_deleting)?;
            let gone = platform.organization_delete(&actor, input).await;
            gone.map_err(problem_of).map_err(of_deleting)?;
            Ok(Done::To("/console".to_owned()))
        }
        _ => Err(unknown_form()),
    }
}

/// Who is in it, people or not, and what a user sees of it.
async fn of_members(
    platform: &Platform,
    actor: &Actor,
    form: &str,
    fields: &Fields,
) -> Result<Done, Problem> {
    match form {
        "invite" => {
            let input = CreateInvitation {
                email: fields.text("email"),
                role: role(fields, "role")?,
            };
            let invited = platform.invitation_create(actor, input).await;
            invited.map_err(problem_of)?;
            done("members", "invited")
        }
        "invitation-resend" => {
            let id: InvitationId = id(fields, "id")?;
            let sent = platform.invitation_resend(actor, id).await;
            sent.map_err(problem_of)?;
            done("members", "invited")
        }
        "invitation-revoke" => {
            let id: InvitationId = id(fields, "id")?;
            let revoked = platform.invitation_revoke(actor, id).await;
            revoked.map_err(problem_of)?;
            done("members", "invitation-revoked")
        }
        "member-role" => {
            let id: UserId = id(fields, "id")?;
            let input = ChangeRole {
                role: role(fields, "new_role")?,
            };
            let changed = platform.member_role(actor, id, input).await;
            changed.map_err(problem_of)?;
            done("members", "role")
        }
        "member-remove" => {
            let id: UserId = id(fields, "id")?;
            let removed = platform.member_remove(actor, id).await;
            removed.map_err(problem_of)?;
            done("members", "removed")
        }
        "service-account" => {
            let input = CreateServiceAccount {
                name: fields.text("name"),
                role: role(fields, "role")?,
            };
            let made = platform.service_account_create(actor, input).await;
            made.map_err(problem_of)?;
            done("service-accounts", "account")
        }
        "service-account-delete" => {
            let id = id(fields, "id")?;
            let gone = platform.service_account_delete(actor, id).await;
            gone.map_err(problem_of)?;
            done("service-accounts", "account-deleted")
        }
        "service-token" => {
            let days = fields.number::<u16>("expires_days");
            let days = days.map_err(|error| invalid(vec![error]))?;
            let input = CreateAccessToken {
                name: fields.text("token_name"),
                scopes: fields.all("scopes").map(str::to_owned).collect(),
                expires_at: days.map(|days| platform.now() + TimeDelta::days(days.into())),
                service_account_id: Some(id(fields, "account")?),
            };
            let made = platform.access_token_create(actor, input).await;
            let made = made.map_err(problem_of)?;
            Ok(Done::Shown(vec![("token".to_owned(), made.token)]))
        }
        "service-token-revoke" => {
            let id = id(fields, "id")?;
            let revoked = platform.access_token_revoke(actor, id).await;
            revoked.map_err(problem_of)?;
            done("service-accounts", "token-revoked")
        }
        "preferences" => {
            let own = platform.preferences(actor).await.map_err(problem_of)?;
            let preferences = own
                .into_iter()
                .filter(|one| !one.required)
                .map(|one| PreferenceChoice {
                    enabled: fields
                        .all("events")
                        .any(|event| event == one.event.as_str()),
                    event: one.event,
                    channel: one.channel,
                })
                .collect();
            let input = UpdatePreferences { preferences };
            let saved = platform.preferences_put(actor, input).await;
            saved.map_err(problem_of)?;
            done("notifications", "saved")
        }
        "onboarding-dismiss" => {
            let dismissed = platform.onboarding_dismiss(actor).await;
            dismissed.map_err(problem_of)?;
            Ok(Done::To("/console".to_owned()))
        }
        "verification" => {
            let asked = platform.verification_resend(actor).await;
            asked.map_err(problem_of)?;
            Ok(Done::To("/console?done=sent".to_owned()))
        }
        _ => Err(unknown_form()),
    }
}

fn done(page: &str, word: &str) -> Result<Done, Problem> {
    Ok(Done::To(format!("/console/{page}?done={word}")))
}

fn role(fields: &Fields, name: &str) -> Result<Role, Problem> {
    Role::parse(&fields.text(name))
        .ok_or_else(|| invalid(vec![FieldError::new(name, "must be chosen")]))
}

/// Two forms of the page ask for the same: the fields of the second have names of their own.
fn of_deleting(mut problem: Problem) -> Problem {
    for error in &mut problem.errors {
        error.field = format!("delete_{}", error.field);
    }
    problem
}

fn id<T: std::str::FromStr>(fields: &Fields, name: &str) -> Result<T, Problem> {
    let id = fields.text(name).parse();
    id.map_err(|_| Problem::new(ErrorCode::InvalidRequest, "the form holds no id"))
}

/// The page to stay on after switching to an organization where one has this role: the section that
/// was open, since what was looked at in it belongs to the former one, or the front.
fn open_to(role: Role, path: &str) -> &'static str {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    if path.starts_with("/console/settings") {
        return "/console/settings";
    }
    let entries = GROUPS.iter().flat_map(|group| group.entries);
    for entry in entries.filter(|entry| entry.href != "/console") {
        let rest = path.strip_prefix(entry.href);
        if rest.is_none_or(|rest| !rest.is_empty() && !rest.starts_with('/')) {
            continue;
        }
        let needs = needs(entry.href);
        let may = needs.is_empty() || scopes_of(role).iter().any(|scope| scope == needs);
        return if may { entry.href } else { "/console" };
    }
    "/console"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_stays_in_the_section_that_was_open_if_the_role_may() {
        let to = |path: &str| open_to(Role::Owner, path);
        assert_eq!(to("/console/apis/0193-a?span=7d"), "/console/apis");
        assert_eq!(to("/console/usage?api=0193-a"), "/console/usage");
        assert_eq!(to("/console/settings/security"), "/console/settings");
        assert_eq!(to("/console/calls/x"), "/console");
        assert_eq!(to("/console/apismith"), "/console");
        assert_eq!(to("https://elsewhere.example/"), "/console");
        assert_eq!(open_to(Role::Billing, "/console/apis/new"), "/console");
        assert_eq!(open_to(Role::Billing, "/console/costs"), "/console/costs");
    }
}
