//! An API's versions as a panel of its page.

use apiverse_contract::ApiId;
use apiverse_contract::versions::{VersionIn, VersionView, Versioning};
use leptos::prelude::*;

use crate::forms::{Fields, version as version_form};
use crate::page_context::Page;
use crate::rpc::apis::ApiRef;
use crate::rpc::versions::{ChooseFn, ListFn, SaveVersioning, Versions};
use crate::rpc::{Loaded, load_with, send};
use crate::ui::badge::pill;
use crate::ui::dynamic::when;
use crate::ui::field::{Input, radios, select};
use crate::ui::form::{FormState, Sent};
use crate::ui::icon::icon;
use crate::ui::load::load;
use crate::ui::skeleton;
use crate::ui::toast::Toasts;

pub fn versions(api: ApiId, slug: String) -> AnyView {
    let data = load_with(move || {
        let input = ApiRef { id: api };
        Some(ListFn { input })
    });
    view! {
        <section class="panel overflow-hidden" id="versions" aria-label="Versions">
            <div class="panel-head">
                <h2>"Versions"</h2>
                <a class="btn btn-outline btn-sm" href=format!("/console/apis/{api}/versions/new")>
                    {icon(icondata_lu::LuPlus.data)}
                    "Add version"
                </a>
            </div>
            {load(data, skeleton::rows, move |found| content(api, &slug, found, data))}
        </section>
    }
    .into_any()
}

fn content(api: ApiId, slug: &str, found: Versions, data: Loaded<Versions>) -> AnyView {
    let Versions {
        versions,
        versioning,
    } = found;
    let is_alone = versions.len() < 2;
    let names: Vec<(String, String)> = versions
        .iter()
        .map(|version| (version.name.clone(), version.name.clone()))
        .collect();
    let rows = versions
        .into_iter()
        .map(|version| row(slug, &versioning, version))
        .collect_view();
    view! {
        <div class="table-scroll" tabindex="0">
            <table class="data-table">
                <thead>
                    <tr>
                        <th scope="col">"Name"</th>
                        <th scope="col">"Chosen by"</th>
                        <th scope="col">"Base URL"</th>
                        <th scope="col">"State"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        {when(!is_alone, || choice(api, versioning, names, data))}
    }
    .into_any()
}

fn row(slug: &str, versioning: &Versioning, version: VersionView) -> AnyView {
    let href = format!("/console/apis/{}/versions/{}", version.api_id, version.id);
    let chosen = if version.is_default {
        view! { <span class="text-muted">"calls that name none"</span> }.into_any()
    } else {
        let example = version_form::example(versioning, slug, &version.name);
        view! { <span class="mono">{example}</span> }.into_any()
    };
    let now = Page::get().now.get_untracked();
    let state = match version_form::state(&version, now) {
        None => pill("pill pill-ok", "Served"),
        Some("Retired") => pill("pill pill-bad", "Retired"),
        Some(state) => pill("pill pill-warn", state),
    };
    view! {
        <tr>
            <td>
                <a class="link-quiet font-medium" href=href>
                    {version.name}
                </a>
            </td>
            <td class="whitespace-normal">{chosen}</td>
            <td class="mono whitespace-normal wrap-anywhere">{version.base_url}</td>
            <td>{state}</td>
        </tr>
    }
    .into_any()
}

/// How callers choose.
fn choice(
    api: ApiId,
    versioning: Versioning,
    names: Vec<(String, String)>,
    data: Loaded<Versions>,
) -> AnyView {
    let form = FormState::new("versioning");
    let toasts = use_context::<Toasts>();
    let save = move |fields: Fields| -> Sent {
        Box::pin(async move {
            let input = SaveVersioning {
                api_id: api,
                versioning: version_form::versioning(&fields),
            };
            send(ChooseFn { input }).await?;
            if let Some(toasts) = toasts {
                toasts.show("Saved. The gateway follows at once");
            }
            data.refetch();
            Ok(())
        })
    };
    let place = match versioning.r#in {
        VersionIn::Path => "path",
        VersionIn::Header => "header",
        VersionIn::Query => "query",
    };
    let name = versioning.name.unwrap_or_default();
    view! {
        <form
            method="post"
            action=format!("/console/apis/{api}")
            novalidate
            class="group border-t border-line"
            aria-label="How callers choose"
            on:submit=form.on_submit(save)
        >
            <div class="panel-body flex flex-col gap-4">
                {form.head()} <div class="grid items-start gap-4 sm:grid-cols-2 lg:grid-cols-3">
                    {radios(
                        form,
                        "in",
                        "Callers name the version in",
                        &[("path", "The path"), ("header", "A header"), ("query", "The query")],
                        place,
                    )} <div class="group-has-[[value=path]:checked]:hidden">
                        {Input::mono("parameter", "Called")
                            .placeholder("X-API-Version")
                            .help("Empty: X-API-Version, or version in the query.")
                            .show(form, &name)}
                    </div>
                    {select(
                        form,
                        "default",
                        "Calls that name none get",
                        "",
                        names,
                        &versioning.default,
                    )}
                </div>
            </div>
            <div class="flex items-center justify-end border-t border-line px-4 py-3">
                {form.button("Save choice")}
            </div>
        </form>
    }
    .into_any()
}
