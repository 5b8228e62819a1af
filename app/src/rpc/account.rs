//! Signing in and out, and what belongs to the user.

use apiverse_contract::SessionId;
use apiverse_contract::access_tokens::AccessTokenView;
use apiverse_contract::auth::{
    ChangePassword, LoginRequest, MeView, RegisterRequest, SessionView, UpdateProfile, UserView,
};
use apiverse_contract::organizations::{InvitationOffer, InvitationToken};
use apiverse_contract::passkeys::PasskeyView;
use apiverse_contract::sign_in::{IdentityView, SignInOption};
use apiverse_contract::two_factor::{MfaRequest, TwoFactorView};
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

/// Creates an account with its own organization and signs in with a cookie. Null where accounts
/// begin with a link: it was sent to the address.
#[server(prefix = "/api/fn", endpoint = "account/register", input = Json)]
pub async fn register(input: Private<RegisterRequest>) -> Rpc<Option<UserView>> {
    use apiverse_platform::Registered;

    use crate::ssr::call::{fail, visitor};
    let visitor = visitor()?;
    let Private(input) = input;
    let login = LoginRequest {
        email: input.email.clone(),
        password: input.password.clone(),
    };
    let platform = &visitor.state.platform;
    let registered = platform
        .register(&visitor.request, input)
        .await
        .map_err(fail)?;
    match registered {
        Registered::LinkSent => Ok(None),
        Registered::Account(_) => platform
            .sign_in(&visitor.session, &visitor.request, login)
            .await
            .map(Some)
            .map_err(fail),
    }
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

/// The second half of a sign-in with a cookie.
#[server(SignInMfa, prefix = "/api/fn", endpoint = "account/sign-in-mfa", input = Json)]
pub async fn sign_in_mfa(input: Private<MfaRequest>) -> Rpc<UserView> {
    use crate::ssr::call::{fail, visitor};
    let visitor = visitor()?;
    visitor
        .state
        .platform
        .sign_in_mfa(&visitor.session, &visitor.request, input.0)
        .await
        .map_err(fail)
}

/// What an invitation offers, for whoever has its link.
#[server(prefix = "/api/fn", endpoint = "account/invitation", input = Json)]
pub async fn invitation(input: Private<InvitationToken>) -> Rpc<InvitationOffer> {
    use crate::ssr::call::{fail, visitor};
    let visitor = visitor()?;
    let offer = visitor.state.platform.invitation_offer(&input.0).await;
    offer.map_err(fail)
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

/// The time zones there are, and the one that was chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct Zones {
    /// As `Europe/Oslo`.
    pub names: Vec<String>,
    pub chosen: Option<String>,
}

/// The time zones there are.
#[server(ZonesFn, prefix = "/api/fn", endpoint = "account/time-zones", input = Json)]
pub async fn zones() -> Rpc<Zones> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let me = member.platform.me(&member.actor).await.map_err(fail)?;
    Ok(Zones {
        names: apiverse_platform::zone_names().map(str::to_owned).collect(),
        chosen: me.user.time_zone,
    })
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

/// How the user's second factor stands.
#[server(prefix = "/api/fn", endpoint = "account/two-factor", input = Json)]
pub async fn two_factor() -> Rpc<TwoFactorView> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    member
        .platform
        .two_factor(&member.actor)
        .await
        .map_err(fail)
}

/// Where the user signs in beside here, and where they could.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct SignIns {
    pub linked: Vec<IdentityView>,
    pub options: Vec<SignInOption>,
}

/// Where the user signs in beside here.
#[server(prefix = "/api/fn", endpoint = "account/identities", input = Json)]
pub async fn identities() -> Rpc<SignIns> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let linked = member.platform.identities(&member.actor).await;
    Ok(SignIns {
        linked: linked.map_err(fail)?,
        options: member.platform.sign_in_options(),
    })
}

/// The user's passkeys, and how their second factor stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct PasskeysShown {
    /// Oldest first.
    pub passkeys: Vec<PasskeyView>,
    pub stands: TwoFactorView,
}

/// The user's passkeys.
#[server(prefix = "/api/fn", endpoint = "account/passkeys", input = Json)]
pub async fn passkeys() -> Rpc<PasskeysShown> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let platform = &member.platform;
    Ok(PasskeysShown {
        passkeys: platform.passkeys(&member.actor).await.map_err(fail)?,
        stands: platform.two_factor(&member.actor).await.map_err(fail)?,
    })
}

/// The user's access tokens, and what a new one may be for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct TokensShown {
    /// Newest first, the latest 200.
    pub tokens: Vec<AccessTokenView>,
    pub scopes: Vec<String>,
}

/// The user's access tokens in this organization.
#[server(prefix = "/api/fn", endpoint = "account/access-tokens", input = Json)]
pub async fn access_tokens() -> Rpc<TokensShown> {
    use apiverse_contract::ListQuery;

    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let query = ListQuery {
        limit: Some(200),
        ..ListQuery::default()
    };
    let page = member
        .platform
        .access_tokens(&member.actor, query, false)
        .await
        .map_err(fail)?;
    Ok(TokensShown {
        tokens: page.data,
        scopes: member.actor.scopes(),
    })
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
