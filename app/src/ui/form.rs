//! Forms: an ordinary HTML form that the hydrated page sends itself.
//!
//! A form posts to its page's own address, where a plain handler takes it. Once the page is
//! hydrated, `submit` takes over: the button shows that something happens, errors appear at their
//! fields, typed values stay. Inputs are not controlled, so what was typed before hydration stays too.

use std::future::Future;
use std::pin::Pin;

use apiverse_contract::{ErrorCode, FieldError, Problem};
use leptos::ev::SubmitEvent;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::web_sys;
use serde::de::DeserializeOwned;
use wasm_bindgen::JsCast;

use super::dynamic::{changing, dynamic, when};
use super::error::{request_id, sentence};
use super::icon::icon;
use super::toast::Toasts;
use crate::browser;
use crate::forms::Fields;
use crate::page_context::Page;
use crate::rpc::{Loaded, RpcError};

type OnSubmit = Box<dyn FnMut(SubmitEvent)>;

/// What a form does with its fields.
pub type Sent = Pin<Box<dyn Future<Output = Result<(), RpcError>>>>;

#[derive(Clone, Copy)]
pub struct FormState {
    name: &'static str,
    pub pending: RwSignal<bool>,
    pub problem: RwSignal<Option<Problem>>,
    /// What was typed before, if this page answers a post.
    typed: StoredValue<Option<Fields>>,
}

impl FormState {
    /// `name` tells the forms of a page apart; it is sent along as `form`.
    pub fn new(name: &'static str) -> Self {
        let flash = Page::get().flash(name);
        let (typed, problem) = match flash {
            Some(flash) => (Some(Fields(flash.values)), flash.problem),
            None => (None, None),
        };
        Self {
            name,
            pending: RwSignal::new(false),
            problem: RwSignal::new(problem),
            typed: StoredValue::new(typed),
        }
    }

    /// What a field holds at first: what was typed, else `or`.
    pub fn value(self, field: &str, or: &str) -> String {
        self.typed.with_value(|typed| match typed {
            Some(fields) => fields.raw(field).to_owned(),
            None => or.to_owned(),
        })
    }

    /// Whether `value` is chosen among a field's choices.
    pub fn chosen(self, field: &str, value: &str, or: bool) -> bool {
        self.typed.with_value(|typed| match typed {
            Some(fields) => fields.all(field).any(|other| other == value),
            None => or,
        })
    }

    pub fn error_of(self, field: &'static str) -> Signal<Option<String>> {
        self.error_at(field.to_owned())
    }

    /// The same for a field whose name is not known when the console is built.
    pub fn error_at(self, field: String) -> Signal<Option<String>> {
        let problem = self.problem;
        Signal::derive(move || {
            problem.with(|problem| {
                problem
                    .as_ref()?
                    .errors
                    .iter()
                    .find(|error| error.field == field)
                    .map(|error| sentence(&error.message))
            })
        })
    }

    /// Sends the form through `run` in the place of the browser's own post.
    pub fn on_submit(self, mut run: impl FnMut(Fields) -> Sent + 'static) -> OnSubmit {
        Box::new(move |ev| self.submit(&ev, &mut run, false))
    }

    /// The same, and empties the fields when it worked.
    pub fn on_submit_then_empty(self, mut run: impl FnMut(Fields) -> Sent + 'static) -> OnSubmit {
        Box::new(move |ev| self.submit(&ev, &mut run, true))
    }

    fn submit(self, ev: &SubmitEvent, run: &mut dyn FnMut(Fields) -> Sent, empty: bool) {
        // A button with a name of its own asks for something else, which the server does.
        if ev
            .submitter()
            .is_some_and(|button| button.has_attribute("name"))
        {
            return;
        }
        ev.prevent_default();
        let form = ev
            .target()
            .and_then(|target| target.dyn_into::<web_sys::HtmlFormElement>().ok());
        let Some(form) = form else { return };
        if self.pending.get_untracked() {
            return;
        }
        self.pending.set(true);
        let sent = run(Fields(browser::form_fields(&form)));
        spawn_local(async move {
            let problem = sent.await.err().map(|RpcError(problem)| problem);
            let failed = problem.is_some();
            // The form may be gone: the answer can lead to another page.
            self.pending.try_set(false);
            self.problem.try_set(problem);
            if failed {
                browser::focus_first_error(form);
            } else if empty {
                form.reset();
            }
        });
    }

    /// The summary above the fields, and the form's name for the handler of plain posts.
    pub fn head(self) -> AnyView {
        let name = self.name;
        let problem = self.problem;
        view! {
            <input type="hidden" name="form" value=name />
            {dynamic(move || problem.get().map_or_else(|| ().into_any(), summary))}
        }
        .into_any()
    }

    /// The button that sends the form.
    pub fn button(self, text: &'static str) -> AnyView {
        self.button_with_class(text, "btn btn-primary btn-sm")
    }

    /// The button that leads to what the form would do to the calls of late. It is not the first of
    /// its form, so that the Enter key saves.
    pub fn plan_button() -> AnyView {
        view! {
            <button type="submit" name="plan" value="1" class="btn btn-outline btn-sm">
                "Plan"
            </button>
        }
        .into_any()
    }

    pub fn button_with_class(self, text: &'static str, class: &'static str) -> AnyView {
        let pending = self.pending;
        view! {
            <button type="submit" class=class aria-disabled=changing(move || pending.get().then(|| "true".to_owned()))>
                {dynamic(move || spinner(pending.get()))}
                {text}
            </button>
        }
        .into_any()
    }
}

/// What turns on a button while it is busy.
pub fn spinner(busy: bool) -> AnyView {
    when(busy, || {
        view! { <span class="loading loading-spinner loading-xs" aria-hidden="true"></span> }
            .into_any()
    })
}

/// Errors of fields the form does not show would be lost: the summary lists every one.
fn summary(problem: Problem) -> AnyView {
    let lines = problem
        .errors
        .into_iter()
        .map(|error| {
            let href = format!("#{}", field_id(&error.field));
            view! {
                <li>
                    <a class="underline" href=href rel="external">
                        {field_name(&error.field)}
                    </a>
                    ": "
                    {error.message}
                </li>
            }
            .into_any()
        })
        .collect_view();
    view! {
        <div class="alert alert-error items-start" role="alert" tabindex="-1" data-form-error="">
            {icon(icondata_lu::LuCircleAlert.data)}
            <div>
                <p class="font-medium">{problem.title}</p>
                <p>{sentence(&problem.detail)}</p>
                <ul class="list-disc pl-4">{lines}</ul>
                {request_id(problem.request_id)}
            </div>
        </div>
    }
    .into_any()
}

/// The id of a field's input: dots have a meaning in selectors.
pub fn field_id(field: &str) -> String {
    format!("field-{}", field.replace('.', "-"))
}

/// `auth_config.token_url` as `token url`.
fn field_name(field: &str) -> String {
    field.rsplit('.').next().unwrap_or(field).replace('_', " ")
}

/// Sends, tells what was done, and shows the page anew.
pub fn done<T: DeserializeOwned + 'static>(
    data: Loaded<T>,
    words: &'static str,
    sent: Sent,
) -> Sent {
    let toasts = use_context::<Toasts>();
    Box::pin(async move {
        sent.await?;
        if let Some(toasts) = toasts {
            toasts.show(words);
        }
        data.refetch();
        Ok(())
    })
}

/// A form that could not be read in the browser answers as the server would.
pub fn unreadable(errors: Vec<FieldError>) -> RpcError {
    RpcError(
        Problem::new(ErrorCode::ValidationFailed, "some fields are not valid").with_errors(errors),
    )
}
