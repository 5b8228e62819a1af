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
