//! Signing in and out, and what belongs to the user.

use apiverse_contract::SessionId;
use apiverse_contract::auth::{
    ChangePassword, LoginRequest, MeView, RegisterRequest, SessionView, UpdateProfile, UserView,
};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};

use super::{Private, Rpc};

/// Which session is meant.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SessionRef {
    pub id: SessionId,
}

/// Creates an account with its own organization and signs in with a cookie.
#[server(prefix = "/api/fn", endpoint = "account/register", input = Json)]
pub async fn register(input: Private<RegisterRequest>) -> Rpc<UserView> {
    use crate::ssr::call::{fail, visitor};
    let visitor = visitor()?;
    let Private(input) = input;
    let login = LoginRequest {
        email: input.email.clone(),
        password: input.password.clone(),
    };
    let platform = &visitor.state.platform;
    platform
        .register(&visitor.request, input)
        .await
        .map_err(fail)?;
    platform
        .sign_in(&visitor.session, &visitor.request, login)
        .await
        .map_err(fail)
}

/// Signs in with a cookie.
#[server(prefix = "/api/fn", endpoint = "account/sign-in", input = Json)]
pub async fn sign_in(input: Private<LoginRequest>) -> Rpc<UserView> {
    use crate::ssr::call::{fail, visitor};
    let visitor = visitor()?;
    visitor
        .state
        .platform
        .sign_in(&visitor.session, &visitor.request, input.0)
        .await
        .map_err(fail)
}

/// Ends the session of the cookie, or the token's family.
#[server(prefix = "/api/fn", endpoint = "account/sign-out", input = Json)]
pub async fn sign_out() -> Rpc<()> {
    use crate::ssr::call::sign_out;
    sign_out().await
}

/// The user and the organization the call acts in.
#[server(prefix = "/api/fn", endpoint = "account/me", input = Json)]
pub async fn me() -> Rpc<MeView> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    member.platform.me(&member.actor).await.map_err(fail)
}

/// Changes the user's own particulars.
#[server(ProfileFn, prefix = "/api/fn", endpoint = "account/profile", input = Json)]
pub async fn update_profile(input: UpdateProfile) -> Rpc<MeView> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    member
        .platform
        .update_profile(&member.actor, input)
        .await
        .map_err(fail)
}

/// Changes the password; other sessions and tokens end.
#[server(PasswordFn, prefix = "/api/fn", endpoint = "account/password", input = Json)]
pub async fn change_password(input: Private<ChangePassword>) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    member
        .platform
        .change_password(&member.actor, input.0)
        .await
        .map_err(fail)
}

/// Where the user is signed in, newest use first.
#[server(prefix = "/api/fn", endpoint = "account/sessions", input = Json)]
pub async fn sessions() -> Rpc<Vec<SessionView>> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    member.platform.sessions(&member.actor).await.map_err(fail)
}

/// Ends another session of the user.
#[server(prefix = "/api/fn", endpoint = "account/session-revoke", input = Json)]
pub async fn session_revoke(input: SessionRef) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    member
        .platform
        .session_revoke(&member.actor, input.id)
        .await
        .map_err(fail)
}
