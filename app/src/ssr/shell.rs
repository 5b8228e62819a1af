//! The document around the application.

use http::header::{CONTENT_SECURITY_POLICY, COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use leptos::nonce::use_nonce;
use leptos::prelude::*;
use leptos_axum::ResponseOptions;
use leptos_meta::MetaTags;

use super::ConsoleState;
use crate::{App, areas};

/// The page. Its policy allows no script but the site's own and those with this answer's nonce, no
/// inline styles, nothing from elsewhere. `data:` is for the small drawings inside the style sheet.
pub fn shell(state: &ConsoleState) -> AnyView {
    let nonce = use_nonce();
    if let (Some(response), Some(nonce)) = (use_context::<ResponseOptions>(), nonce.as_ref()) {
        let policy = format!(
            "default-src 'self'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self'; \
             img-src 'self' data:; font-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; \
             form-action 'self'; frame-ancestors 'none'"
        );
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            response.insert_header(CONTENT_SECURITY_POLICY, policy);
        }
    }
    let parts = use_context::<Parts>();
    let theme = parts.as_ref().and_then(|parts| theme_of(&parts.headers));
    let assets = &state.assets;
    let area = parts.as_ref().and_then(|parts| areas::of(parts.uri.path()));
    let preload = |file: &String| {
        view! { <link rel="preload" href=file.clone() r#as="fetch" type="application/wasm" crossorigin="anonymous" /> }
            .into_any()
    };
    let area = assets.of_area(area).iter().map(preload).collect_view();
    let start = format!(
        "addEventListener('click',e=>{{const b=e.target.closest?.('[data-passkey]');if(b)import('/passkeys.js').then(m=>m.run(b))}});\
         import({js:?}).then(m=>m.default({{module_or_path:{wasm:?}}}).then(()=>m.hydrate()));",
        js = assets.js,
        wasm = assets.wasm
    );
    view! {
        <!DOCTYPE html>
        <html lang="en" data-theme=theme>
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta
                    name="description"
                    content="A self-hosted API gateway: register upstreams, hand out keys, see every call."
                />
                <meta name="color-scheme" content="light dark" />
                <link rel="icon" href="/favicon.svg" type="image/svg+xml" />
                <link rel="preload" href="/fonts/inter-latin.woff2" r#as="font" type="font/woff2" crossorigin="anonymous" />
                <link rel="stylesheet" href=assets.css.clone() />
                <link rel="modulepreload" href=assets.js.clone() />
                <link rel="preload" href=assets.wasm.clone() r#as="fetch" type="application/wasm" crossorigin="anonymous" />
                <link rel="modulepreload" href=assets.split.clone() />
                {area}
                <MetaTags />
                <script type="module" nonce=nonce>
                    {start}
                </script>
            </head>
            <body class="bg-canvas text-ink">
                <App />
            </body>
        </html>
    }
    .into_any()
}

/// The theme a visitor chose; `None` leaves it to the system.
pub fn theme_of(headers: &HeaderMap) -> Option<&'static str> {
    let cookies = headers.get_all(COOKIE);
    for cookie in cookies.iter().filter_map(|value| value.to_str().ok()) {
        for pair in cookie.split(';') {
            match pair.trim() {
                "apiverse_theme=light" => return Some("light"),
                "apiverse_theme=dark" => return Some("dark"),
                _ => {}
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_themes_that_exist_are_taken_from_the_cookie() {
        let theme = |cookie: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_static(cookie));
            theme_of(&headers)
        };
        assert_eq!(theme("a=b; apiverse_theme=dark"), Some("dark"));
        assert_eq!(theme("apiverse_theme=\"><script>"), None);
        assert_eq!(theme("a=b"), None);
    }
}
