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
            Some("zone") => Some("Times are shown in your time zone from now on."),
            Some("password") => Some("Your password was changed. Other sessions have ended."),
            Some("session") => Some("The session has ended."),
            Some("sessions") => Some("You are signed out everywhere else."),
            Some("two-factor-off") => Some("The second factor is off."),
            Some("passkey-added") => Some("The passkey was added. You can sign in with it."),
            Some("passkey-renamed") => Some("The passkey has its new name."),
            Some("passkey-removed") => Some("The passkey was removed: nobody can sign in with it."),
            Some("proved") => {
                Some("Thank you. For ten minutes you can change what protects your account.")
            }
            Some("phone-added") => Some("The telephone is set up."),
            Some("phone-removed") => Some("No more codes are sent to the telephone."),
            Some("token-revoked") => Some("The token was revoked: it is refused from now on."),
            Some("sent") => Some("Look into your mail: a message with a link is on its way."),
            Some("verified") => Some("The address is confirmed. You can sign in."),
            Some("reset") => Some("The password is set. Sign in with it."),
            Some("linked") => Some("The sign-in is linked: you can use it from now on."),
            Some("unlinked") => Some("The sign-in was unlinked."),
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
