//! Ready-made calls of an API.

use leptos::ev::MouseEvent;
use leptos::prelude::*;

use crate::ui::code::code_block_live;
use crate::ui::dynamic::{changing, on};

/// The path a snippet calls; every upstream has its root.
const EXAMPLE_PATH: &str = "/";

pub fn snippets(base: &str, slug: &str) -> AnyView {
    let url = format!("{base}/proxy/{slug}{EXAMPLE_PATH}");
    let language = RwSignal::new(0_usize);
    let texts = StoredValue::new([curl(&url), javascript(&url), python(&url)]);
    let tab = move |index: usize, name: &'static str| {
        view! {
            <button
                type="button"
                role="tab"
                class="tab h-8"
                aria-selected=changing(move || Some((language.get() == index).to_string()))
                on:click=on(move |_: MouseEvent| language.set(index))
            >
                {name}
            </button>
        }
    };
    let text = Signal::derive(move || {
        texts.with_value(|texts| texts.get(language.get()).cloned().unwrap_or_default())
    });
    view! {
        <div class="flex flex-col gap-2">
            <div role="tablist" aria-label="Language" class="tabs tabs-border">
                {tab(0, "curl")} {tab(1, "JavaScript")} {tab(2, "Python")}
            </div>
            {code_block_live(text, "snippet")}
            <p class="help">
                "Put a key of yours into the environment variable APIVERSE_KEY first."
            </p>
        </div>
    }
    .into_any()
}

fn curl(url: &str) -> String {
    format!(
        "curl {} \\\n  -H \"X-API-Key: $APIVERSE_KEY\"",
        curl_quote(url)
    )
}

fn javascript(url: &str) -> String {
    format!(
        "const response = await fetch(\"{url}\", {{\n  headers: {{ \"X-API-Key\": process.env.APIVERSE_KEY }},\n}});\n\
         if (!response.ok) throw new Error(`${{response.status}} ${{response.headers.get(\"x-request-id\")}}`);\n\
         console.log(await response.text());"
    )
}

fn python(url: &str) -> String {
    format!(
        "import os\nfrom urllib.request import Request, urlopen\n\nrequest = Request(\n    \"{url}\",\n    \
         headers={{\"X-API-Key\": os.environ[\"APIVERSE_KEY\"]}},\n)\nwith urlopen(request) as response:\n    \
         print(response.status, response.read().decode())"
    )
}

/// A word for a POSIX shell, in single quotes where it needs them.
pub fn curl_quote(text: &str) -> String {
    let plain = !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~:/%=,@+".contains(&b));
    if plain {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_read_is_quoted() {
        assert_eq!(curl_quote("http://h/p"), "http://h/p");
        assert_eq!(curl_quote("http://h/p?a=b&c"), "'http://h/p?a=b&c'");
        assert_eq!(curl_quote("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(curl_quote(""), "''");
    }
}
