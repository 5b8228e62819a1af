//! Saved views: the page's state under a name.

use apiverse_contract::saved_views::{CreateSavedView, SavedView, UpdateSavedView, ViewPage};
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate};

use super::filter::{Filter, PATH, PLAIN};
use crate::forms::Fields;
use crate::page_context::Page;
use crate::rpc::views::{
    AddViewFn, ChangeView, ChangeViewFn, RemoveViewFn, ViewRef, Views, ViewsFn,
};
use crate::rpc::{Loaded, load_with, send};
use crate::ui::dynamic::{changing, dynamic, when};
use crate::ui::field::{Input, check};
use crate::ui::form::{FormState, Sent, done};
use crate::ui::icon::icon;
use crate::ui::load::load;

type Data = Loaded<Views>;

/// The query of the default view while the address has none. The address follows: what is shown can
/// be passed on.
pub fn opens_with() -> Memo<Option<String>> {
    let search = use_location().search;
    let me = Page::get().me;
    let query = Memo::new(move |_| {
        let own = || me.with_untracked(|me| me.as_ref().and_then(|me| me.usage_view.clone()));
        if search.with(String::is_empty) {
            own()
        } else {
            None
        }
    });
    let navigate = use_navigate();
    Effect::new(move |_| {
        if let Some(query) = query.get() {
            let options = NavigateOptions {
                replace: true,
                ..NavigateOptions::default()
            };
            navigate(&format!("{PATH}?{query}"), options);
        }
    });
    query
}

pub fn menu(filter: Memo<Filter>) -> AnyView {
    let data = load_with(|| Some(ViewsFn {}));
    load(
        data,
        || ().into_any(),
        move |views| {
            // What is shown is compared without the place in the list of calls.
            let shown = Memo::new(move |_| filter.with(Filter::text));
            dynamic(move || drawn(&views, &shown.get(), data))
        },
    )
}

/// Whether a form was posted without a script, and what it led to is to be seen.
fn answered(form: &str) -> bool {
    Page::get().flash(form).is_some()
}

fn drawn(views: &Views, shown: &str, data: Data) -> AnyView {
    let is_shown = |view: &&SavedView| Filter::of(&view.query).text() == shown;
    let current = views.views.iter().find(is_shown);
    let words = current.map_or_else(|| "Views".to_owned(), |view| view.name.clone());
    let id = current.map(|view| view.id);
    let rows = views
        .views
        .iter()
        .map(|view| row(view, id == Some(view.id), shown, views.may_share, data))
        .collect_view();
    let is_open = ["view-save", "view-rename", "view-share"]
        .into_iter()
        .any(answered);
    view! {
        <div class="flex flex-wrap items-center gap-3">
            <details class="dropdown" data-menu="" open=is_open>
                <summary class="btn btn-outline btn-sm font-normal">
                    {icon(icondata_lu::LuBookmark.data)} <span class="sr-only">"Saved views: "</span>
                    <span class="max-w-60 truncate">{words}</span>
                </summary>
                <div class="dropdown-content z-20 mt-1 flex w-80 flex-col gap-3 p-3">
                    <ul class="flex max-h-80 flex-col gap-1 overflow-y-auto" aria-label="Saved views">
                        {rows}
                    </ul>
                    {when(
                        views.views.is_empty(),
                        || {
                            view! { <p class="text-sm text-muted">"A view keeps filters, range and order under a name."</p> }
                                .into_any()
                        },
                    )} {save(shown, views.may_share, data)}
                </div>
            </details>
            {when(
                id.is_some(),
                || {
                    view! {
                        <a class="link-quiet text-sm" href=PLAIN>
                            "Without the view"
                        </a>
                    }
                        .into_any()
                },
            )}
        </div>
    }
    .into_any()
}

fn action(shown: &str) -> String {
    format!("{PATH}?{shown}")
}

fn row(view: &SavedView, is_shown: bool, shown: &str, may_share: bool, data: Data) -> AnyView {
    let pill = |show: bool, words: &'static str| {
        when(show, || {
            view! { <span class="pill">{words}</span> }.into_any()
        })
    };
    let title = match &view.owner {
        Some(owner) => format!("{}, of {owner}", view.name),
        None => view.name.clone(),
    };
    let is_answered = Page::get().flash("view-rename").is_some_and(|flash| {
        flash
            .values
            .contains(&("id".to_owned(), view.id.to_string()))
    });
    let words = if view.is_default {
        ("Not my default", "Usage opens without a view")
    } else {
        ("Make it my default", "Usage opens with this view")
    };
    let is_default = !view.is_default;
    let query = view.query.clone();
    let me = Page::get().me;
    let note_default = move || {
        me.update(|me| {
            if let Some(me) = me {
                me.usage_view = is_default.then(|| query.clone());
            }
        });
    };
    let change = |changed: fn(bool) -> UpdateSavedView, to: bool| ChangeView {
        id: view.id,
        change: changed(to),
    };
    let to_default = change(
        |to| UpdateSavedView {
            is_default: Some(to),
            ..UpdateSavedView::default()
        },
        is_default,
    );
    let to_shared = change(
        |to| UpdateSavedView {
            shared: Some(to),
            ..UpdateSavedView::default()
        },
        !view.shared,
    );
    let share_words = if view.shared {
        ("Keep to myself", "Nobody else sees it")
    } else {
        ("Share", "Everybody in the organization sees it")
    };
    let may_change = view.may_change;
    view! {
        <li class="flex flex-col gap-1">
            <div class="flex items-center gap-2">
                <a
                    class="link-quiet min-w-0 grow truncate aria-[current=true]:font-medium"
                    href=action(&view.query)
                    title=title
                    aria-current=is_shown.then_some("true")
                >
                    {view.name.clone()}
                </a>
                {pill(view.shared, "shared")} {pill(view.is_default, "default")}
            </div>
            <details class="text-sm" open=is_answered>
                <summary class="cursor-pointer text-xs text-muted" aria-label=format!("Change {}", view.name)>
                    "Change"
                </summary>
                <div class="flex flex-wrap items-center gap-1 py-1">
                    {switch("view-default", to_default, is_default, words, shown, data, note_default)}
                    {when(
                        may_change,
                        || {
                            view! {
                                {when(
                                    may_share,
                                    || switch("view-share", to_shared, !view.shared, share_words, shown, data, || ()),
                                )}
                                {delete(view, shown, data)}
                                {rename(view, is_answered, shown, data)}
                            }
                                .into_any()
                        },
                    )}
                </div>
            </details>
        </li>
    }
    .into_any()
}

fn hidden(form: &'static str, view: &ViewRef) -> AnyView {
    view! {
        <input type="hidden" name="form" value=form />
        <input type="hidden" name="id" value=view.id.to_string() />
    }
    .into_any()
}

/// A button that changes one thing; `words` are on it, and what is said afterwards.
fn switch(
    name: &'static str,
    input: ChangeView,
    to: bool,
    words: (&'static str, &'static str),
    shown: &str,
    data: Data,
    then: impl Fn() + Clone + 'static,
) -> AnyView {
    let form = FormState::new(name);
    let view = ViewRef { id: input.id };
    let run = move |_: Fields| -> Sent {
        let (input, then) = (input.clone(), then.clone());
        let sent = async move {
            send(ChangeViewFn { input }).await?;
            then();
            Ok(())
        };
        done(data, words.1, Box::pin(sent))
    };
    view! {
        <form method="post" action=action(shown) on:submit=form.on_submit(run)>
            {hidden(name, &view)} <input type="hidden" name="to" value=to.to_string() />
            {form.button_with_class(words.0, "btn btn-ghost btn-xs")}
        </form>
    }
    .into_any()
}

fn delete(view: &SavedView, shown: &str, data: Data) -> AnyView {
    let form = FormState::new("view-delete");
    let input = ViewRef { id: view.id };
    let me = Page::get().me;
    let was_default = view.is_default;
    let run = move |_: Fields| -> Sent {
        let input = ViewRef { id: input.id };
        let sent = async move {
            send(RemoveViewFn { input }).await?;
            if was_default {
                me.update(|me| {
                    if let Some(me) = me {
                        me.usage_view = None;
                    }
                });
            }
            Ok(())
        };
        done(data, "Deleted", Box::pin(sent))
    };
    view! {
        <form method="post" action=action(shown) on:submit=form.on_submit(run)>
            {hidden("view-delete", &ViewRef { id: view.id })}
            {form.button_with_class("Delete", "btn btn-ghost btn-xs text-bad")}
        </form>
    }
    .into_any()
}

fn rename(view: &SavedView, is_answered: bool, shown: &str, data: Data) -> AnyView {
    // Of a form posted without a script the answer belongs to one of the rows.
    let form = FormState::new(if is_answered {
        "view-rename"
    } else {
        "view-other"
    });
    let id = view.id;
    let run = move |fields: Fields| -> Sent {
        let input = ChangeView {
            id,
            change: UpdateSavedView {
                name: Some(fields.text("name")),
                ..UpdateSavedView::default()
            },
        };
        done(data, "Renamed", Box::pin(send(ChangeViewFn { input })))
    };
    let problem = form.problem;
    let error = move || {
        let told = problem.with(|problem| {
            let problem = problem.as_ref()?;
            let of_field = problem.errors.first().map(|error| error.message.clone());
            Some(of_field.unwrap_or_else(|| problem.detail.clone()))
        });
        told.map_or_else(
            || ().into_any(),
            |told| view! { <p class="field-error w-full" role="alert">{told}</p> }.into_any(),
        )
    };
    let is_wrong = move || problem.with(Option::is_some).then(|| "true".to_owned());
    view! {
        <form
            method="post"
            action=action(shown)
            novalidate
            class="flex w-full flex-wrap items-center gap-1"
            on:submit=form.on_submit(run)
        >
            {hidden("view-rename", &ViewRef { id })}
            <input
                type="text"
                name="name"
                class="input input-xs min-w-0 grow"
                value=form.value("name", &view.name)
                aria-label=format!("New name of {}", view.name)
                aria-invalid=changing(is_wrong)
                autocomplete="off"
            />
            {form.button_with_class("Rename", "btn btn-ghost btn-xs")} {dynamic(error)}
        </form>
    }
    .into_any()
}

/// What is shown now, under a name.
fn save(shown: &str, may_share: bool, data: Data) -> AnyView {
    let form = FormState::new("view-save");
    let run = move |fields: Fields| -> Sent {
        let input = read(&fields);
        done(data, "Saved", Box::pin(send(AddViewFn { input })))
    };
    view! {
        <form
            method="post"
            action=action(shown)
            novalidate
            aria-label="Save this view"
            class="flex flex-col gap-2 border-t border-line pt-3"
            on:submit=form.on_submit(run)
        >
            {form.head()} <input type="hidden" name="query" value=shown.to_owned() />
            {Input::text("name", "Save what is shown as").required().show(form, "")}
            {when(may_share, || check(form, "shared", "true", "Everybody in the organization sees it", "", false))}
            <div>{form.button_with_class("Save view", "btn btn-primary btn-sm")}</div>
        </form>
    }
    .into_any()
}

/// Reads the form that saves a view.
pub fn read(fields: &Fields) -> CreateSavedView {
    CreateSavedView {
        page: ViewPage::Usage,
        name: fields.text("name"),
        query: fields.text("query"),
        shared: fields.flag("shared"),
    }
}
