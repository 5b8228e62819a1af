//! What is to be called, with the same call as a command.

use apiverse_contract::KeyId;
use leptos::ev::SubmitEvent;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::web_sys;
use wasm_bindgen::JsCast;

use super::send::{Call, State, send};
use crate::browser;
use crate::forms::Fields;
use crate::page_context::Page;
use crate::pages::console::apis::curl_quote;
use crate::rpc::usage::{ExplorerApi, ExplorerKey, ExplorerView};
use crate::ui::code::code_block_live;
use crate::ui::dynamic::{changing, dynamic, on};
use crate::ui::form::spinner;
use crate::ui::icon::icon;

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
/// Headers a browser sets itself, or that the ticket is sent in.
const NOT_OURS: [&str; 4] = ["host", "content-length", "cookie", "x-api-key"];

/// The form as it is filled in now.
#[derive(Clone, Default, PartialEq)]
struct Draft {
    slug: String,
    key: Option<KeyId>,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Draft {
    fn read(fields: &Fields, apis: &[ExplorerApi]) -> Self {
        let method = fields.text("method");
        let takes_body = !matches!(method.as_str(), "GET" | "HEAD");
        let body = if takes_body { fields.raw("body") } else { "" };
        let mut headers = header_lines(fields.raw("headers"));
        let has_type = headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if !body.trim().is_empty() && !has_type && super::pretty::json(body).is_some() {
            headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        }
        Self {
            slug: slug_of(apis, fields.raw("api")),
            key: fields.text("key").parse().ok(),
            method,
            path: fields.text("path").trim_start_matches('/').to_owned(),
            headers,
            body: body.trim().to_owned(),
        }
    }

    fn url(&self, base: &str) -> String {
        format!("{base}/proxy/{}/{}", self.slug, self.path)
    }

    fn curl(&self, base: &str) -> String {
        let mut out = String::from("curl ");
        match self.method.as_str() {
            "GET" => {}
            "HEAD" => out.push_str("--head "),
            method => {
                out.push_str("-X ");
                out.push_str(&curl_quote(method));
                out.push(' ');
            }
        }
        out.push_str(&curl_quote(&self.url(base)));
        out.push_str(" \\\n  -H \"X-API-Key: $APIVERSE_KEY\"");
        for (name, value) in &self.headers {
            out.push_str(" \\\n  -H ");
            out.push_str(&curl_quote(&format!("{name}: {value}")));
        }
        if !self.body.is_empty() {
            out.push_str(" \\\n  --data-raw ");
            out.push_str(&curl_quote(&self.body));
        }
        out
    }
}

fn slug_of(apis: &[ExplorerApi], id: &str) -> String {
    apis.iter()
        .find(|api| api.id == id)
        .map_or_else(String::new, |api| api.slug.clone())
}

/// `Name: value` a line; lines that are no header are left out.
fn header_lines(text: &str) -> Vec<(String, String)> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .filter(|(name, _)| {
            apiverse_contract::validation::is_token(name)
                && !NOT_OURS.contains(&name.to_ascii_lowercase().as_str())
        })
        .collect()
}

pub fn form(choices: ExplorerView, chosen: Option<&str>, state: RwSignal<State>) -> AnyView {
    let base = StoredValue::new(Page::get().gateway_base());
    let ExplorerView { apis, keys } = choices;
    let first_api = apis
        .iter()
        .find(|api| Some(api.id.as_str()) == chosen)
        .or_else(|| apis.first())
        .map_or_else(String::new, |api| api.id.clone());
    let draft = RwSignal::new(Draft {
        slug: slug_of(&apis, &first_api),
        key: keys.first().and_then(|key| key.id.parse().ok()),
        method: "GET".to_owned(),
        ..Draft::default()
    });
    let known = StoredValue::new(apis);
    let read = move |form: &web_sys::HtmlFormElement| {
        let fields = Fields(browser::form_fields(form));
        known.with_value(|apis| Draft::read(&fields, apis))
    };
    let on_input = move |ev: leptos::ev::Event| {
        let form = ev
            .current_target()
            .and_then(|target| target.dyn_into::<web_sys::HtmlFormElement>().ok());
        if let Some(form) = form {
            let now = read(&form);
            if draft.with_untracked(|before| *before != now) {
                draft.set(now);
            }
        }
    };
    let on_submit = move |ev: SubmitEvent| {
        ev.prevent_default();
        let form = ev
            .current_target()
            .and_then(|target| target.dyn_into::<web_sys::HtmlFormElement>().ok());
        let Some(form) = form else { return };
        let now = read(&form);
        draft.set(now.clone());
        let Some(key) = now.key else { return };
        if matches!(state.get_untracked(), State::Sending) {
            return;
        }
        state.set(State::Sending);
        let call = Call {
            key,
            url: now.url(""),
            method: now.method,
            headers: now.headers,
            body: now.body,
        };
        spawn_local(async move {
            let answered = send(call).await;
            state.try_set(answered);
        });
    };
    let option = |value: String, text: String, selected: bool| {
        view! {
            <option value=value selected=selected>
                {text}
            </option>
        }
        .into_any()
    };
    let apis = known.with_value(|apis| {
        apis.iter()
            .map(|api| option(api.id.clone(), api.name.clone(), api.id == first_api))
            .collect_view()
    });
    let keys = keys
        .into_iter()
        .map(|key| option(key.id.clone(), key_words(&key), false))
        .collect_view();
    let methods = METHODS
        .into_iter()
        .map(|method| option(method.to_owned(), method.to_owned(), false))
        .collect_view();
    let takes_body = move || draft.with(|draft| !matches!(draft.method.as_str(), "GET" | "HEAD"));
    let curl = Signal::derive(move || draft.with(|draft| base.with_value(|base| draft.curl(base))));
    let sending = move || matches!(state.get(), State::Sending);
    view! {
        <div class="flex min-w-0 flex-col gap-4">
            <form class="panel" on:input=on(on_input) on:submit=on(on_submit)>
                <div class="panel-body flex flex-col gap-4">
                    <noscript inner_html=r#"<p class="alert alert-info">The Explorer sends from your browser and needs JavaScript. The command below works without.</p>"#></noscript>
                    <div class="grid gap-4 sm:grid-cols-2">
                        {labelled(
                            "explorer-api",
                            "API",
                            view! {
                                <select id="explorer-api" name="api" class="select w-full truncate">
                                    {apis}
                                </select>
                            }
                                .into_any(),
                        )}
                        {labelled(
                            "explorer-key",
                            "API key",
                            view! {
                                <select id="explorer-key" name="key" class="select w-full truncate">
                                    {keys}
                                </select>
                            }
                                .into_any(),
                        )}
                    </div>
                    <div class="grid grid-cols-[7rem_1fr] gap-2">
                        {labelled(
                            "explorer-method",
                            "Method",
                            view! {
                                <select id="explorer-method" name="method" class="select w-full mono">
                                    {methods}
                                </select>
                            }
                                .into_any(),
                        )}
                        {labelled(
                            "explorer-path",
                            "Path",
                            view! {
                                <input
                                    id="explorer-path"
                                    name="path"
                                    class="input w-full mono"
                                    placeholder="/forecast?city=Oslo"
                                    autocomplete="off"
                                    spellcheck="false"
                                />
                            }
                                .into_any(),
                        )}
                    </div>
                    {labelled(
                        "explorer-headers",
                        "Headers",
                        view! {
                            <textarea
                                id="explorer-headers"
                                name="headers"
                                class="textarea w-full mono"
                                rows="2"
                                spellcheck="false"
                                placeholder="Accept: application/json"
                            ></textarea>
                        }
                            .into_any(),
                    )}
                    <div hidden=changing(move || (!takes_body()).then(String::new))>
                        {labelled(
                            "explorer-body",
                            "Body",
                            view! {
                                <textarea
                                    id="explorer-body"
                                    name="body"
                                    class="textarea w-full mono"
                                    rows="7"
                                    spellcheck="false"
                                    placeholder="{ }"
                                ></textarea>
                            }
                                .into_any(),
                        )}
                    </div>
                </div>
                <div class="flex items-center justify-between gap-3 border-t border-line px-4 py-3">
                    <p class="help">"Counts as a call of this key."</p>
                    <button
                        type="submit"
                        class="btn btn-primary btn-sm"
                        aria-disabled=changing(move || sending().then(|| "true".to_owned()))
                    >
                        {dynamic(move || {
                            if sending() { spinner(true) } else { icon(icondata_lu::LuSendHorizontal.data) }
                        })}
                        "Send"
                    </button>
                </div>
            </form>
            <section class="panel">
                <div class="panel-head">
                    <h2>"The same in a shell"</h2>
                </div>
                <div class="panel-body">{code_block_live(curl, "command")}</div>
            </section>
        </div>
    }
    .into_any()
}

fn key_words(key: &ExplorerKey) -> String {
    format!(
        "{} ({})",
        key.name,
        crate::format::middle(&key.key_prefix, 13, 0)
    )
}

fn labelled(id: &'static str, label: &'static str, input: AnyView) -> AnyView {
    view! {
        <div class="flex min-w-0 flex-col gap-1">
            <label class="label" for=id>
                {label}
            </label>
            {input}
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(pairs: &[(&str, &str)]) -> Draft {
        let fields = Fields(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        );
        let api = ExplorerApi {
            id: "id".to_owned(),
            name: "Weather".to_owned(),
            slug: "weather".to_owned(),
        };
        Draft::read(&fields, &[api])
    }

    #[test]
    fn the_command_is_the_call() {
        let draft = draft(&[
            ("api", "id"),
            ("method", "POST"),
            ("path", "/a?b=c&d"),
            ("headers", "Accept: text/plain\nnonsense\nHost: evil"),
            ("body", r#"{"it's": 1}"#),
        ]);
        assert_eq!(
            draft.curl("http://g"),
            "curl -X POST 'http://g/proxy/weather/a?b=c&d' \\\n  -H \"X-API-Key: $APIVERSE_KEY\" \\\n  \
             -H 'Accept: text/plain' \\\n  -H 'Content-Type: application/json' \\\n  --data-raw '{\"it'\\''s\": 1}'"
        );
    }

    #[test]
    fn a_get_has_no_body() {
        let draft = draft(&[("api", "id"), ("method", "GET"), ("body", "{}")]);
        assert!(draft.body.is_empty());
        assert_eq!(
            draft.curl("http://g"),
            "curl http://g/proxy/weather/ \\\n  -H \"X-API-Key: $APIVERSE_KEY\""
        );
    }
}
