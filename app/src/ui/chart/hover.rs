//! The crosshair: all series of the step under the pointer.

use std::fmt::Write as _;

use leptos::ev::{MouseEvent, PointerEvent};
use leptos::prelude::*;
use leptos::web_sys;
use wasm_bindgen::JsCast;

use super::{Chart, ChartState, escape};
use crate::ui::dynamic::{dynamic, on};

/// A layer over the plot that shows the step it is pointed at. The table below a chart says the
/// same without a pointer.
pub fn layer(chart: StoredValue<Chart>, state: ChartState) -> AnyView {
    let ChartState {
        hidden,
        hovered,
        drawn,
        zoom,
        ..
    } = state;
    let steps = chart.with_value(|chart| chart.starts.len());
    let on_move = move |ev: PointerEvent| {
        let Some(step) = step_at(&ev, steps) else {
            return;
        };
        if hovered.get_untracked() != Some(step) {
            hovered.set(Some(step));
        }
    };
    let on_down = move |ev: PointerEvent| {
        // A finger scrolls the page.
        if zoom.is_some() && ev.pointer_type() == "mouse" && ev.button() == 0 {
            drawn.set(step_at(&ev, steps));
        }
    };
    let on_up = move |ev: PointerEvent| {
        let Some(begun) = drawn.get_untracked() else {
            return;
        };
        drawn.set(None);
        let Some((zoom, ended)) = zoom.zip(step_at(&ev, steps)) else {
            return;
        };
        if begun != ended {
            let range = chart.with_value(|chart| chart.range(begun.min(ended), begun.max(ended)));
            zoom.run(range);
        }
    };
    let on_leave = move |_: PointerEvent| {
        hovered.set(None);
        drawn.set(None);
    };
    let on_double = move |_: MouseEvent| {
        if let Some(zoom) = zoom {
            zoom.run(None);
        }
    };
    view! {
        <div
            class="absolute inset-y-0 right-0 left-12 select-none"
            aria-hidden="true"
            on:pointermove=on(on_move)
            on:pointerdown=on(on_down)
            on:pointerup=on(on_up)
            on:pointerleave=on(on_leave)
            on:dblclick=on(on_double)
        >
            {dynamic(move || match drawn.get().zip(hovered.get()) {
                Some((begun, now)) => band(begun.min(now), begun.max(now), steps),
                None => ().into_any(),
            })}
            {dynamic(move || match hovered.get() {
                Some(step) if step < steps => crosshair(chart, hidden, step, steps),
                _ => ().into_any(),
            })}
        </div>
    }
    .into_any()
}

/// The step under the pointer.
fn step_at(ev: &PointerEvent, steps: usize) -> Option<usize> {
    let element = ev
        .current_target()
        .and_then(|target| target.dyn_into::<web_sys::Element>().ok())?;
    let place = element.get_bounding_client_rect();
    if place.width() <= 0.0 || steps == 0 {
        return None;
    }
    let share = (f64::from(ev.client_x()) - place.left()) / place.width();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a position among a few hundred steps"
    )]
    let step = (share * steps as f64).clamp(0.0, steps as f64 - 1.0) as usize;
    Some(step)
}

/// What is drawn over.
fn band(from: usize, to: usize, steps: usize) -> AnyView {
    #[expect(clippy::cast_precision_loss, reason = "a few hundred steps")]
    let percent = |step: usize| step as f64 / steps.max(1) as f64 * 100.0;
    view! {
        <div
            class="pointer-events-none absolute inset-y-0 bg-accent opacity-15"
            style:left=format!("{}%", crate::format::decimal(percent(from), 3))
            style:width=format!("{}%", crate::format::decimal(percent(to + 1 - from), 3))
        ></div>
    }
    .into_any()
}

fn crosshair(
    chart: StoredValue<Chart>,
    hidden: RwSignal<Vec<bool>>,
    step: usize,
    steps: usize,
) -> AnyView {
    #[expect(clippy::cast_precision_loss, reason = "a few hundred steps")]
    let x = (step as f64 + 0.5) / steps.max(1) as f64 * 100.0;
    let text = hidden.with_untracked(|hidden| chart.with_value(|c| rows(c, hidden, step)));
    // The box stands on the side that has room. Set by script, never in the page's source: the
    // content security policy allows no inline styles.
    let place = if x < 50.0 {
        "left-full ml-2"
    } else {
        "right-full mr-2"
    };
    let class = format!(
        "pointer-events-none absolute top-6 z-20 w-max min-w-40 rounded-box bg-surface p-2.5 text-xs shadow-float {place}"
    );
    view! {
        <div
            class="pointer-events-none absolute inset-y-0 w-px bg-chart-axis opacity-60"
            style:left=format!("{}%", crate::format::decimal(x, 3))
        >
            <div class="relative h-full">
                <div class=class inner_html=text></div>
            </div>
        </div>
    }
    .into_any()
}

fn rows(chart: &Chart, hidden: &[bool], step: usize) -> String {
    let mut out = format!(
        r#"<div class="mb-1.5 font-medium num">{}{}</div>"#,
        escape(&chart.step_name(step)),
        if chart.last_is_partial && step + 1 == chart.starts.len() {
            r#" <span class="text-muted">so far</span>"#
        } else {
            ""
        }
    );
    let mut at = 0;
    for pane in &chart.panes {
        for series in &pane.series {
            let off = hidden.get(at).copied().unwrap_or(false);
            at += 1;
            if off {
                continue;
            }
            let value = series.values.get(step).copied().flatten();
            let _ = write!(
                out,
                r#"<div class="flex items-center gap-2"><span class="size-2 rounded-sm {}"></span><span class="text-muted">{}</span><span class="ml-auto pl-4 num">{}</span></div>"#,
                series.dot,
                escape(series.label),
                value.map_or_else(|| "–".to_owned(), |value| escape(&pane.unit.exact(value)))
            );
        }
        if let Some(compared) = &pane.compared {
            let value = compared.values.get(step).copied().flatten();
            let _ = write!(
                out,
                r#"<div class="flex items-center gap-2"><span class="h-0.5 w-2 rounded-sm bg-chart-compare"></span><span class="text-muted">{}</span><span class="ml-auto pl-4 num">{}</span></div>"#,
                escape(compared.label),
                value.map_or_else(|| "–".to_owned(), |value| escape(&pane.unit.exact(value)))
            );
        }
    }
    out
}
