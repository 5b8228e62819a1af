//! A chart's numbers as a table.

use std::fmt::Write as _;

use leptos::prelude::*;
use leptos::web_sys;
use wasm_bindgen::JsCast;

use super::{Chart, escape};
use crate::ui::dynamic::on;

/// Closed at first; the rows are made when it is opened.
pub fn as_table(chart: StoredValue<Chart>, open: RwSignal<bool>) -> AnyView {
    let on_toggle = move |ev: leptos::ev::Event| {
        let element = ev
            .target()
            .and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        if let Some(element) = element {
            open.set(element.has_attribute("open"));
        }
    };
    view! {
        <details on:toggle=on(on_toggle)>
            <summary class="cursor-pointer text-xs text-muted hover:text-ink">"View as table"</summary>
            <div
                class="table-scroll mt-2 max-h-80 overflow-y-auto rounded-box border border-line"
                tabindex="0"
                role="region"
                aria-label="The chart's numbers"
                inner_html=move || if open.get() { chart.with_value(rows) } else { String::new() }
            ></div>
        </details>
    }
    .into_any()
}

/// Newest step first.
fn rows(chart: &Chart) -> String {
    let mut out = format!(
        r#"<table class="data-table"><thead><tr><th scope="col">Time ({})</th>"#,
        escape(&chart.zone())
    );
    for pane in &chart.panes {
        for series in &pane.series {
            let _ = write!(
                out,
                r#"<th scope="col" class="num">{}</th>"#,
                escape(series.label)
            );
        }
        if let Some(compared) = &pane.compared {
            let _ = write!(
                out,
                r#"<th scope="col" class="num">{}</th>"#,
                escape(compared.label)
            );
        }
    }
    out.push_str("</tr></thead><tbody>");
    for step in (0..chart.starts.len()).rev() {
        let _ = write!(
            out,
            r#"<tr><th scope="row">{}</th>"#,
            escape(&chart.step_name(step))
        );
        for pane in &chart.panes {
            let series = pane.series.iter().map(|series| &series.values);
            let compared = pane.compared.iter().map(|compared| &compared.values);
            for values in series.chain(compared) {
                let value = values.get(step).copied().flatten();
                let _ = write!(
                    out,
                    r#"<td class="num">{}</td>"#,
                    value.map_or_else(|| "–".to_owned(), |value| escape(&pane.unit.exact(value)))
                );
            }
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table>");
    out
}
