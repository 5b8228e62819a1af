//! Fields that the server describes.

use leptos::prelude::*;

use crate::rpc::policies::{FieldInput, FormField, FormSection};
use crate::ui::chart::escape;
use crate::ui::dynamic::when;
use crate::ui::field::{self, described_by, invalid};
use crate::ui::form::{FormState, field_id};

/// A section. One with a switch shows its fields while that is ticked, by style sheet alone.
pub fn section(form: FormState, section: FormSection) -> AnyView {
    let FormSection {
        title,
        switch,
        fields,
    } = section;
    let is_area = |field: &FormField| field.input == FieldInput::Area;
    let areas_first = fields.first().is_some_and(is_area);
    let (areas, lines): (Vec<FormField>, Vec<FormField>) = fields.into_iter().partition(is_area);
    let shown = |fields: Vec<FormField>| {
        fields
            .into_iter()
            .map(|one| field(form, one))
            .collect_view()
    };
    let grid = |fields: Vec<FormField>, class: &'static str| {
        when(!fields.is_empty(), || {
            view! { <div class=class>{shown(fields)}</div> }.into_any()
        })
    };
    let areas = grid(areas, "grid gap-4 md:grid-cols-2");
    let lines = grid(lines, "grid gap-4 sm:grid-cols-2 lg:grid-cols-3");
    let body_class = if switch.is_some() {
        "hidden flex-col gap-4 group-has-[.section-switch:checked]/section:flex"
    } else {
        "flex flex-col gap-4"
    };
    view! {
        <fieldset class="group/section flex flex-col gap-3 border-t border-line pt-4 first:border-t-0 first:pt-0">
            <legend class="float-left w-full font-medium">{title}</legend>
            {switch.map(|one| flag(form, one, "section-switch checkbox checkbox-sm mt-0.5"))}
            <div class=body_class>
                {if areas_first {
                    view! {
                        {areas}
                        {lines}
                    }
                        .into_any()
                } else {
                    view! {
                        {lines}
                        {areas}
                    }
                        .into_any()
                }}
            </div>
        </fieldset>
    }
    .into_any()
}

fn field(form: FormState, field: FormField) -> AnyView {
    match field.input {
        FieldInput::Flag => flag(form, field, "checkbox checkbox-sm mt-0.5"),
        FieldInput::Line => framed(form, field, line),
        FieldInput::Area => framed(form, field, area),
        FieldInput::Choice => framed(form, field, choice),
    }
}

/// An input with what describes it: its id, and whether what it holds is wrong.
struct Drawn {
    id: String,
    described_by: String,
    value: String,
    error: Signal<Option<String>>,
}

fn line(field: &FormField, drawn: Drawn) -> AnyView {
    let invalid = invalid(drawn.error);
    view! {
        <input
            id=drawn.id
            name=field.name.clone()
            type="text"
            class="input w-full mono"
            value=drawn.value
            placeholder=field.placeholder.clone()
            autocomplete="off"
            spellcheck="false"
            aria-describedby=drawn.described_by
            aria-invalid=invalid
        />
    }
    .into_any()
}

fn area(field: &FormField, drawn: Drawn) -> AnyView {
    let invalid = invalid(drawn.error);
    let rows = drawn.value.lines().count().clamp(3, 16).to_string();
    view! {
        <textarea
            id=drawn.id
            name=field.name.clone()
            class="textarea mono w-full"
            rows=rows
            placeholder=field.placeholder.clone()
            spellcheck="false"
            aria-describedby=drawn.described_by
            aria-invalid=invalid
            inner_html=escape(&drawn.value)
        ></textarea>
    }
    .into_any()
}

fn choice(field: &FormField, drawn: Drawn) -> AnyView {
    let invalid = invalid(drawn.error);
    let options = field
        .options
        .iter()
        .map(|(value, text)| {
            let selected = *value == drawn.value;
            view! {
                <option value=value.clone() selected=selected>
                    {text.clone()}
                </option>
            }
            .into_any()
        })
        .collect_view();
    view! {
        <select
            id=drawn.id
            name=field.name.clone()
            class="select w-full"
            aria-describedby=drawn.described_by
            aria-invalid=invalid
        >
            {options}
        </select>
    }
    .into_any()
}

fn framed(form: FormState, field: FormField, draw: fn(&FormField, Drawn) -> AnyView) -> AnyView {
    let id = field_id(&field.name);
    let error = form.error_at(field.name.clone());
    let drawn = Drawn {
        id: id.clone(),
        described_by: described_by(&id),
        value: form.value(&field.name, &field.value),
        error,
    };
    let input = draw(&field, drawn);
    field::framed(id, field.label, field.help, error, input)
}

pub(super) fn flag(form: FormState, field: FormField, class: &'static str) -> AnyView {
    let checked = form.chosen(&field.name, "true", field.value == "true");
    let id = field_id(&field.name);
    let help_id = format!("{id}-help");
    let help = field.help;
    view! {
        <div class="flex flex-col gap-0.5">
            <label class="flex items-start gap-2 text-sm">
                <input
                    id=id
                    type="checkbox"
                    class=class
                    name=field.name
                    value="true"
                    checked=checked
                    aria-describedby=help_id.clone()
                />
                <span>{field.label}</span>
            </label>
            {when(
                !help.is_empty(),
                || {
                    view! {
                        <p class="help pl-7" id=help_id>
                            {help}
                        </p>
                    }
                        .into_any()
                },
            )}
        </div>
    }
    .into_any()
}
