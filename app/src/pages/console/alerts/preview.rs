//! How often a rule would have fired.

use apiverse_contract::alerts::AlertPreview;
use leptos::prelude::*;

use super::rule::RULE_FORM;
use crate::browser;
use crate::format;
use crate::forms::Fields;
use crate::forms::alert::read_rule;
use crate::rpc::alerts::PreviewFn;
use crate::rpc::call;
use crate::ui::dynamic::dynamic;
use crate::ui::form::{FormState, Sent, unreadable};

/// How often the rule above would have fired.
pub fn preview() -> AnyView {
    let form = FormState::new("alert-preview");
    let made = RwSignal::new(None::<AlertPreview>);
    let run = move |_: Fields| -> Sent {
        match read_rule(&Fields(browser::fields_of(RULE_FORM))) {
            Ok(mut input) => Box::pin(async move {
                // What it shall be called matters later.
                if input.name.is_empty() {
                    "preview".clone_into(&mut input.name);
                }
                made.try_set(Some(call(PreviewFn { input }).await?));
                Ok(())
            }),
            Err(errors) => Box::pin(std::future::ready(Err(unreadable(errors)))),
        }
    };
    view! {
        <form
            method="post"
            action=super::rule::NEW
            novalidate
            class="panel w-full max-w-3xl"
            aria-label="Preview"
            on:submit=form.on_submit(run)
        >
            <div class="panel-head">
                <h2>"The last seven days"</h2>
                {form.button_with_class("Preview", "btn btn-outline btn-sm")}
            </div>
            <div class="panel-body flex flex-col gap-3">
                {form.head()}
                <p class="text-sm text-muted">"How often the rule above would have fired. Nothing is saved or sent."</p>
                <noscript inner_html=r#"<p class="alert alert-info">The preview needs JavaScript. POST /api/v1/alerts/preview does the same.</p>"#></noscript>
                <div aria-live="polite">{dynamic(move || made.get().map_or_else(|| ().into_any(), previewed))}</div>
            </div>
        </form>
    }
    .into_any()
}

fn previewed(preview: AlertPreview) -> AnyView {
    let count = preview.incidents.len() as u64;
    let words = match count {
        0 => "It would not have fired.".to_owned(),
        _ => format!(
            "It would have fired {}.",
            format::plural(count, "time", "times")
        ),
    };
    let rows = preview
        .incidents
        .iter()
        .rev()
        .take(20)
        .map(|incident| {
            let end = incident.resolved_at.map_or_else(
                || "and fires still".to_owned(),
                |end| format!("until {}", format::stamp(end)),
            );
            let value = incident
                .value
                .map(|value| format!(" ({})", format::decimal(value, 2)));
            let words = format!(
                "{} {end}{}",
                format::stamp(incident.fired_at),
                value.unwrap_or_default()
            );
            view! { <li>{words}</li> }.into_any()
        })
        .collect_view();
    let svg = preview_chart(&preview);
    let how = format!(
        "{}. Looked at each {} min here, each minute later.",
        preview.summary, preview.step_minutes
    );
    view! {
        <div class="flex flex-col gap-3">
            <p class="font-medium">{words}</p>
            <div inner_html=svg></div>
            <p class="text-sm text-muted">{how}</p>
            <ul class="flex flex-col gap-1 text-sm">{rows}</ul>
        </div>
    }
    .into_any()
}

const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 90.0;

/// Places of so many points from left to right.
#[expect(clippy::cast_precision_loss, reason = "pixels")]
pub fn along(count: usize, width: f64) -> impl Iterator<Item = f64> {
    let last = count.saturating_sub(1).max(1) as f64;
    (0..count).map(move |n| n as f64 * width / last)
}

/// What was measured, and where it fires. The list below says the same in words.
fn preview_chart(preview: &AlertPreview) -> String {
    let values = preview.points.iter().filter_map(|point| point.value);
    let highest = values.chain(preview.threshold).fold(0.0_f64, f64::max) * 1.1;
    let highest = if highest > 0.0 { highest } else { 1.0 };
    let y = |value: f64| HEIGHT * (1.0 - value / highest);
    // A gap begins another line.
    let mut path = String::new();
    let mut is_down = false;
    for (x, point) in along(preview.points.len(), WIDTH).zip(&preview.points) {
        match point.value {
            Some(value) => {
                let letter = if is_down { 'L' } else { 'M' };
                path.push_str(&format!("{letter}{x:.1} {:.1}", y(value)));
                is_down = true;
            }
            None => is_down = false,
        }
    }
    let threshold = preview.threshold.map(|value| {
        let y = y(value);
        format!(
            "<line x1=\"0\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\" class=\"stroke-line\" \
             stroke-width=\"2\" vector-effect=\"non-scaling-stroke\" />"
        )
    });
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" class=\"w-full h-24\" preserveAspectRatio=\"none\" \
         role=\"img\" aria-label=\"What was measured\">{}<path d=\"{path}\" fill=\"none\" \
         class=\"stroke-chart-1\" stroke-width=\"1.5\" vector-effect=\"non-scaling-stroke\" /></svg>",
        threshold.unwrap_or_default()
    )
}
