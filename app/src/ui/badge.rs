//! States in a word with a colour: never the colour alone.

use apiverse_contract::keys::{Environment, KeyStatus};
use leptos::prelude::*;

pub fn pill(class: &'static str, text: &'static str) -> AnyView {
    view! { <span class=class>{text}</span> }.into_any()
}

pub fn key_status(status: KeyStatus) -> AnyView {
    let (class, text) = match status {
        KeyStatus::Active => ("pill pill-ok", "Active"),
        KeyStatus::Expired => ("pill pill-warn", "Expired"),
        KeyStatus::Revoked => ("pill", "Revoked"),
    };
    pill(class, text)
}

pub fn environment(environment: Environment) -> AnyView {
    match environment {
        Environment::Live => pill("pill pill-accent", "live"),
        Environment::Test => pill("pill pill-info", "test"),
    }
}

pub fn api_state(is_active: bool) -> AnyView {
    if is_active {
        pill("pill pill-ok", "On")
    } else {
        pill("pill pill-warn", "Switched off")
    }
}

/// An HTTP status; 499 and the gateway's own answers say more in their tooltip.
pub fn http_status(status: u16, error_code: Option<&str>) -> AnyView {
    let class = match status {
        0..=299 => "pill pill-ok mono",
        300..=399 => "pill pill-info mono",
        400..=499 => "pill pill-warn mono",
        _ => "pill pill-bad mono",
    };
    let title = error_code.map(|code| format!("answered by the gateway: {code}"));
    view! { <span class=class title=title>{status.to_string()}</span> }.into_any()
}
