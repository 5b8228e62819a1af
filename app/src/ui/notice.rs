//! What a plain post did, told on the page it led to.

use leptos::prelude::*;
use leptos_router::params::ParamsMap;

use super::dynamic::{dynamic, when};
use super::icon::icon;

/// Reads `?done=…`; only words known here are shown.
pub fn done_notice(query: Memo<ParamsMap>) -> AnyView {
    dynamic(move || {
        let text = query.with(|map| match map.get_str("done") {
            Some("saved") => Some("Saved. The gateway follows at once."),
            Some("revoked") => Some("The key was revoked. The gateway refuses it from now on."),
            Some("profile") => Some("Your particulars were saved."),
            Some("password") => Some("Your password was changed. Other sessions have ended."),
            Some("session") => Some("The session has ended."),
            Some("sessions") => Some("You are signed out everywhere else."),
            Some("two-factor-off") => Some("The second factor is off."),
            Some("token-revoked") => Some("The token was revoked: it is refused from now on."),
            Some("sent") => Some("Look into your mail: a message with a link is on its way."),
            Some("verified") => Some("The address is confirmed. You can sign in."),
            Some("reset") => Some("The password is set. Sign in with it."),
            Some("moved") => Some("Your account has the new address."),
            _ => None,
        });
        when(text.is_some(), || {
            view! {
                <div class="alert alert-success" role="status">
                    {icon(icondata_lu::LuCheck.data)}
                    <p>{text.unwrap_or_default()}</p>
                </div>
            }
            .into_any()
        })
    })
}
