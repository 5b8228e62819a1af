//! Fields of forms: label above, help below, the error at the field.

use leptos::prelude::*;

use super::chart::escape;
use super::dynamic::{Changing, changing, dynamic, when};
use super::form::{FormState, field_id};

/// How an input is written; the rest of its attributes follow.
#[derive(Clone, Copy)]
pub struct Input {
    pub name: &'static str,
    pub label: &'static str,
    pub help: &'static str,
    pub kind: &'static str,
    pub placeholder: &'static str,
    pub autocomplete: &'static str,
    pub required: bool,
    pub class: &'static str,
    /// Id of a `datalist`; empty for none.
    pub list: &'static str,
}

impl Input {
    pub const fn text(name: &'static str, label: &'static str) -> Self {
        Self {
            name,
            label,
            help: "",
            kind: "text",
            placeholder: "",
            autocomplete: "off",
            required: false,
            class: "input w-full",
            list: "",
        }
    }

    /// A secret: hidden while typed, never filled in by us.
    pub const fn password(
        name: &'static str,
        label: &'static str,
        autocomplete: &'static str,
    ) -> Self {
        let mut input = Self::text(name, label);
        input.kind = "password";
        input.autocomplete = autocomplete;
        input
    }

    /// Something a machine reads: in mono.
    pub const fn mono(name: &'static str, label: &'static str) -> Self {
        let mut input = Self::text(name, label);
        input.class = "input w-full mono";
        input
    }

    pub const fn help(mut self, help: &'static str) -> Self {
        self.help = help;
        self
    }

    pub const fn kind(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }

    /// Offers what the `datalist` with this id holds.
    pub const fn list(mut self, list: &'static str) -> Self {
        self.list = list;
        self
    }

    pub const fn placeholder(mut self, placeholder: &'static str) -> Self {
        self.placeholder = placeholder;
        self
    }

    pub const fn autocomplete(mut self, autocomplete: &'static str) -> Self {
        self.autocomplete = autocomplete;
        self
    }

    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Draws the field with what it holds at first.
    pub fn show(self, form: FormState, value: &str) -> AnyView {
        let error = form.error_of(self.name);
        let id = field_id(self.name);
        let value = if self.kind == "password" {
            String::new()
        } else {
            form.value(self.name, value)
        };
        let input = view! {
            <input
                id=id.clone()
                name=self.name
                type=self.kind
                class=self.class
                value=value
                placeholder=self.placeholder
                autocomplete=self.autocomplete
                list=Some(self.list).filter(|list| !list.is_empty())
                spellcheck="false"
                aria-required=self.required.to_string()
                aria-describedby=described_by(&id)
                aria-invalid=invalid(error)
            />
        }
        .into_any();
        framed(
            id,
            self.label.to_owned(),
            self.help.to_owned(),
            error,
            input,
        )
    }
}

/// Several lines of text.
pub fn text_area(
    form: FormState,
    name: &'static str,
    label: &'static str,
    help: &'static str,
    value: &str,
    class: &'static str,
) -> AnyView {
    let error = form.error_of(name);
    let id = field_id(name);
    let input = view! {
        <textarea
            id=id.clone()
            name=name
            class=class
            rows="3"
            spellcheck="false"
            aria-describedby=described_by(&id)
            aria-invalid=invalid(error)
            // An empty text child would be sent as a space, to be found again at hydration.
            inner_html=escape(&form.value(name, value))
        ></textarea>
    }
    .into_any();
    framed(id, label.to_owned(), help.to_owned(), error, input)
}

/// One of a list.
pub fn select(
    form: FormState,
    name: &'static str,
    label: &'static str,
    help: &'static str,
    options: Vec<(String, String)>,
    value: &str,
) -> AnyView {
    let error = form.error_of(name);
    let id = field_id(name);
    let chosen = form.value(name, value);
    let options = options
        .into_iter()
        .map(|(value, text)| {
            let selected = value == chosen;
            view! {
                <option value=value selected=selected>
                    {text}
                </option>
            }
            .into_any()
        })
        .collect_view();
    let input = view! {
        <select
            id=id.clone()
            name=name
            class="select w-full"
            aria-describedby=described_by(&id)
            aria-invalid=invalid(error)
        >
            {options}
        </select>
    }
    .into_any();
    framed(id, label.to_owned(), help.to_owned(), error, input)
}

/// A box to tick, with its words beside it.
pub fn check(
    form: FormState,
    name: &'static str,
    value: &str,
    label: &str,
    help: &'static str,
    checked: bool,
) -> AnyView {
    let checked = form.chosen(name, value, checked);
    view! {
        <label class="flex items-start gap-2 text-sm">
            <input
                type="checkbox"
                class="checkbox checkbox-sm mt-0.5"
                name=name
                value=value.to_owned()
                checked=checked
            />
            <span>
                {label.to_owned()}
                {when(!help.is_empty(), || view! { <span class="help block">{help}</span> }.into_any())}
            </span>
        </label>
    }
    .into_any()
}

/// One of a few, all of them visible.
pub fn radios(
    form: FormState,
    name: &'static str,
    legend: &'static str,
    options: &[(&'static str, &'static str)],
    value: &str,
) -> AnyView {
    let error = form.error_of(name);
    let chosen = form.value(name, value);
    let options = options
        .iter()
        .map(|(value, text)| {
            view! {
                <label class="btn btn-outline btn-sm join-item font-normal has-checked:border-accent has-checked:bg-accent-soft has-checked:text-accent-ink has-focus-visible:outline-2 has-focus-visible:outline-accent-ink">
                    <input
                        type="radio"
                        class="sr-only"
                        name=name
                        value=*value
                        checked=*value == chosen
                    />
                    {*text}
                </label>
            }
            .into_any()
        })
        .collect_view();
    view! {
        <fieldset>
            <legend class="label mb-1">{legend}</legend>
            <div class="join flex-wrap">{options}</div>
            {error_line(field_id(name), error)}
        </fieldset>
    }
    .into_any()
}

/// What describes the input of this id.
pub fn described_by(id: &str) -> String {
    format!("{id}-help {id}-error")
}

/// An input with its label above, its help and its error below.
pub fn framed(
    id: String,
    label: String,
    help: String,
    error: Signal<Option<String>>,
    input: AnyView,
) -> AnyView {
    view! {
        <div class="flex min-w-0 flex-col gap-1">
            <label class="label" for=id.clone()>
                {label}
            </label>
            {input}
            {when(
                !help.is_empty(),
                || {
                    view! {
                        <p class="help" id=format!("{id}-help")>
                            {help}
                        </p>
                    }
                        .into_any()
                },
            )}
            {error_line(id, error)}
        </div>
    }
    .into_any()
}

fn error_line(id: String, error: Signal<Option<String>>) -> AnyView {
    dynamic(move || match error.get() {
        Some(text) => view! {
            <p class="field-error" id=format!("{id}-error")>
                {text}
            </p>
        }
        .into_any(),
        None => ().into_any(),
    })
}

/// Marks the input while its error stands.
pub fn invalid(error: Signal<Option<String>>) -> Changing {
    changing(move || error.with(Option::is_some).then(|| "true".to_owned()))
}
