//! Small wrappers over what the browser offers. They compile everywhere and are called from event
//! handlers and effects only, which the server never runs.

use leptos::prelude::*;
use leptos::web_sys;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;

/// The form's fields as the browser would send them.
pub fn form_fields(form: &web_sys::HtmlFormElement) -> Vec<(String, String)> {
    let Ok(data) = web_sys::FormData::new_with_form(form) else {
        return Vec::new();
    };
    let Ok(params) = web_sys::UrlSearchParams::new_with_str_sequence_sequence(&data) else {
        return Vec::new();
    };
    crate::urlencoded::decode(&params.to_string().as_string().unwrap_or_default())
}

/// The same of the form with this id; none when there is no such form.
pub fn fields_of(id: &str) -> Vec<(String, String)> {
    document()
        .get_element_by_id(id)
        .and_then(|element| element.dyn_into::<web_sys::HtmlFormElement>().ok())
        .map_or_else(Vec::new, |form| form_fields(&form))
}

/// Lets a form show what the page says again: a field that was typed in keeps its own value else.
pub fn reset_form(id: &str) {
    let form = document()
        .get_element_by_id(id)
        .and_then(|element| element.dyn_into::<web_sys::HtmlFormElement>().ok());
    if let Some(form) = form {
        form.reset();
    }
}

/// Puts the keyboard where the first error of a form is, after it has been drawn.
pub fn focus_first_error(form: web_sys::HtmlFormElement) {
    request_animation_frame(move || {
        let target = form
            .query_selector("[aria-invalid=true], [data-form-error]")
            .ok()
            .flatten();
        if let Some(element) = target.and_then(|e| e.dyn_into::<web_sys::HtmlElement>().ok()) {
            let _ = element.focus();
        }
    });
}

/// Copies `text`; `false` when the browser does not allow it.
pub async fn copy(text: &str) -> bool {
    let clipboard = window().navigator().clipboard();
    // Without a secure context there is no clipboard, whatever the type says.
    if clipboard.is_undefined() {
        return false;
    }
    JsFuture::from(clipboard.write_text(text)).await.is_ok()
}

/// Leaves the single-page application: the session or its user changed.
pub fn go(path: &str) {
    let _ = window().location().set_href(path);
}

/// The zone of the reader's clock, as `Europe/Oslo`.
pub fn time_zone() -> Option<String> {
    let none = js_sys::Array::new();
    let format = js_sys::Intl::DateTimeFormat::new(&none, &js_sys::Object::new());
    let name = js_sys::Reflect::get(&format.resolved_options(), &"timeZone".into());
    name.ok()?.as_string()
}

/// Path and query of the address bar.
pub fn here() -> String {
    let location = window().location();
    let path = location.pathname().unwrap_or_default();
    path + &location.search().unwrap_or_default()
}

/// Whether anybody can see the page.
pub fn is_visible() -> bool {
    !document().hidden()
}

/// Chooses a theme and remembers it for a year; `None` goes back to the system's.
pub fn set_theme(theme: Option<&str>) {
    if let Some(root) = document().document_element() {
        let _ = match theme {
            Some(theme) => root.set_attribute("data-theme", theme),
            None => root.remove_attribute("data-theme"),
        };
    }
    let cookie = match theme {
        Some(theme) => format!("apiverse_theme={theme}; Path=/; Max-Age=31536000; SameSite=Lax"),
        None => "apiverse_theme=; Path=/; Max-Age=0; SameSite=Lax".to_owned(),
    };
    if let Ok(page) = document().dyn_into::<web_sys::HtmlDocument>() {
        let _ = page.set_cookie(&cookie);
    }
}

/// Closes the `<details>` menus that the event did not happen in.
pub fn close_menus_except(target: Option<web_sys::EventTarget>) {
    let Ok(menus) = document().query_selector_all("details[data-menu][open]") else {
        return;
    };
    let target = target.and_then(|target| target.dyn_into::<web_sys::Node>().ok());
    for i in 0..menus.length() {
        let Some(menu) = menus.get(i) else { continue };
        if menu.contains(target.as_ref()) {
            continue;
        }
        if let Ok(menu) = menu.dyn_into::<web_sys::Element>() {
            let _ = menu.remove_attribute("open");
        }
    }
}

/// Milliseconds since the page began, finer than a clock.
pub fn stopwatch() -> f64 {
    window()
        .performance()
        .map_or(0.0, |performance| performance.now())
}

/// Closes a popover by its id.
pub fn close_popover(id: &str) {
    let element = document().get_element_by_id(id);
    if let Some(element) = element.and_then(|e| e.dyn_into::<web_sys::HtmlElement>().ok()) {
        let _ = element.hide_popover();
    }
}

/// Where the link that an event happened in leads to, as written.
pub fn link_at(target: Option<web_sys::EventTarget>) -> Option<String> {
    let element = target?.dyn_into::<web_sys::Element>().ok()?;
    let link = element.closest("a[href]").ok().flatten()?;
    link.get_attribute("href")
}
