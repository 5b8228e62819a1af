//! A call that is only asked about.

use apiverse_contract::explain::ExplainRequest;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use leptos_router::params::ParamsMap;

use super::timeline::timeline;
use crate::rpc::calls::{AskFn, CallChoices, ChoicesFn};
use crate::rpc::{Named, Private, load_with};
use crate::ui::chart::escape;
use crate::ui::dynamic::dynamic;
use crate::ui::load::load;
use crate::ui::page_head::page_head;
use crate::ui::skeleton;

const PATH: &str = "/console/explain";
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/// What is asked, as it stands in the address: an answer can be shown to somebody else.
#[derive(Clone, Default, PartialEq)]
struct Asked {
    method: String,
    api: String,
    path: String,
    key: String,
    address: String,
    headers: String,
}

impl Asked {
    fn read(map: &ParamsMap) -> Self {
        let text = |name: &str| map.get_str(name).unwrap_or_default().trim().to_owned();
        Self {
            method: text("method"),
            api: text("api"),
            path: text("path"),
            key: text("key"),
            address: text("address"),
            headers: text("headers"),
        }
    }

    /// `None` while nothing is asked.
    fn request(&self) -> Option<ExplainRequest> {
        if self.api.is_empty() {
            return None;
        }
        let path = self.path.trim_start_matches('/');
        Some(ExplainRequest {
            method: Some(self.method.to_uppercase()).filter(|method| !method.is_empty()),
            path: format!("/proxy/{}/{path}", self.api),
            key_id: self.key.parse().ok(),
            address: self.address.parse().ok(),
            headers: self.headers.lines().filter_map(header).collect(),
            ..ExplainRequest::default()
        })
    }
}

/// `name: value`
fn header(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    Some((name.trim().to_owned(), value.trim().to_owned()))
}

pub fn ask() -> AnyView {
    let map = use_query_map();
    let asked = Memo::new(move |_| map.with(Asked::read));
    let choices = load_with(|| Some(ChoicesFn {}));
    view! {
        <div class="page">
            {page_head("Explain", ().into_any())}
            <p class="max-w-3xl text-muted">
                "What would the gateway do with a call? Nothing is sent to the upstream, and nothing is counted."
            </p> {load(choices, skeleton::rows, move |found| form(found, &asked.get_untracked()))}
            {dynamic(move || {
                if asked.with(|asked| asked.api.is_empty()) {
                    ().into_any()
                } else {
                    // Made only when something is asked: without a question there is no answer, which is no error.
                    let answer = load_with(move || {
                        let input = asked.with(Asked::request)?;
                        let input = Private(input);
                        Some(AskFn { input })
                    });
                    load(answer, skeleton::table, timeline)
                }
            })}
        </div>
    }
    .into_any()
}

fn form(choices: CallChoices, asked: &Asked) -> AnyView {
    let CallChoices { apis, keys } = choices;
    if apis.is_empty() {
        return view! {
            <div class="panel">
                <div class="empty">
                    <p class="font-medium text-ink">"There is no API to call"</p>
                    <p>"Register one, then ask what would happen to a call."</p>
                    <a class="btn btn-primary btn-sm" href="/console/apis/new">
                        "Register an API"
                    </a>
                </div>
            </div>
        }
        .into_any();
    }
    let methods = METHODS.map(|name| Named {
        id: name.to_owned(),
        name: name.to_owned(),
    });
    let mut with_key = vec![Named {
        id: String::new(),
        name: "No key".to_owned(),
    }];
    // A question without an answer yet is asked with a key: most calls have one.
    let key = match keys.first() {
        Some(key) if asked.api.is_empty() && asked.key.is_empty() => key.id.clone(),
        _ => asked.key.clone(),
    };
    with_key.extend(keys);
    view! {
        <form method="get" action=PATH class="panel" aria-label="The call">
            <div class="panel-body flex flex-col gap-4">
                <div class="flex flex-wrap items-end gap-3">
                    {choice("method", "Method", methods.to_vec(), &asked.method, "select mono w-28")}
                    {choice("api", "API", apis, &asked.api, "select w-52 truncate")}
                    {text("path", "Path below the API, with its query", "today?city=Oslo", &asked.path, "input mono w-full")}
                </div>
                <div class="flex flex-wrap items-end gap-3">
                    {choice("key", "Key", with_key, &key, "select w-52 truncate")}
                    {text("address", "From the address (yours when empty)", "192.0.2.7", &asked.address, "input mono w-full")}
                </div>
                <label class="flex flex-col gap-1">
                    <span class="text-sm font-medium">"Header fields"</span>
                    <textarea
                        name="headers"
                        rows="2"
                        class="textarea mono w-full"
                        placeholder="accept: application/json"
                        spellcheck="false"
                        autocomplete="off"
                        // An empty text child would be sent as a space, to be found again at hydration.
                        inner_html=escape(&asked.headers)
                    ></textarea>
                    <span class="help">
                        "One a line. They become part of this page's address: choose the key above in the place of pasting one."
                    </span>
                </label>
            </div>
            <div class="flex items-center justify-end border-t border-line px-4 py-3">
                <button type="submit" class="btn btn-primary btn-sm">
                    "Explain"
                </button>
            </div>
        </form>
    }
    .into_any()
}

fn choice(
    name: &'static str,
    label: &'static str,
    options: Vec<Named>,
    chosen: &str,
    class: &'static str,
) -> AnyView {
    let options = options
        .into_iter()
        .map(|option| {
            let selected = option.id == chosen;
            view! {
                <option value=option.id selected=selected>
                    {option.name}
                </option>
            }
            .into_any()
        })
        .collect_view();
    view! {
        <label class="flex flex-col gap-1">
            <span class="text-sm font-medium">{label}</span>
            <select name=name class=class>
                {options}
            </select>
        </label>
    }
    .into_any()
}

fn text(
    name: &'static str,
    label: &'static str,
    placeholder: &'static str,
    value: &str,
    class: &'static str,
) -> AnyView {
    view! {
        <label class="flex min-w-48 grow flex-col gap-1">
            <span class="text-sm font-medium">{label}</span>
            <input
                name=name
                class=class
                placeholder=placeholder
                value=value.to_owned()
                spellcheck="false"
                autocomplete="off"
            />
        </label>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_made_of_the_form() {
        let asked = Asked {
            method: "post".into(),
            api: "weather".into(),
            path: "/today?city=Oslo".into(),
            headers: "accept: a/b\nnothing\nx-a:b".into(),
            ..Asked::default()
        };
        let request = asked.request().expect("something is asked");
        assert_eq!(request.path, "/proxy/weather/today?city=Oslo");
        assert_eq!(request.method.as_deref(), Some("POST"));
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            request.headers,
            [header("accept", "a/b"), header("x-a", "b")]
        );
        assert!(Asked::default().request().is_none());
    }
}
