//! An explanation, drawn: verdict, phases, limits, tries.

use apiverse_contract::explain::{
    AttemptTrace, Explanation, LimitTrace, PhaseOutcome, PhaseTrace, UpstreamTrace,
};
use apiverse_contract::limits::PolicyScope;
use apiverse_contract::policies::upstream::{CircuitState, TargetHealth, TargetState};
use leptos::prelude::*;

use crate::format;
use crate::rpc::calls::Explained;
use crate::ui::badge::{http_status, pill};
use crate::ui::dynamic::when;
use crate::ui::icon::icon;

/// Steps of the drawing's width.
const WIDTH: u64 = 1000;
/// What a bar has at least, to be seen.
const LEAST: u64 = 6;

pub fn timeline(found: Explained) -> AnyView {
    let Explained {
        explanation,
        mend,
        mend_at,
    } = found;
    let Some(explanation) = explanation else {
        return ().into_any();
    };
    let verdict = verdict(&explanation, mend, mend_at);
    let Explanation {
        phases,
        limits,
        attempts,
        upstream,
        ..
    } = explanation;
    view! {
        {verdict} {phase_panel(phases)} {limit_panel(limits)} {upstream.map(target_panel)}
        {when(!attempts.is_empty(), || attempt_panel(attempts))}
    }
    .into_any()
}

fn verdict(explanation: &Explanation, mend: Option<String>, mend_at: Option<String>) -> AnyView {
    let line = |term: &'static str, value: AnyView| {
        view! {
            <div class="flex min-w-0 flex-col">
                <dt class="text-xs text-muted">{term}</dt>
                <dd class="min-w-0 wrap-anywhere">{value}</dd>
            </div>
        }
        .into_any()
    };
    let is_asked = explanation.request_id.is_none();
    let status = match (explanation.status, is_asked) {
        (Some(status), _) => http_status(status, explanation.code.map(|code| code.as_str())),
        (None, true) => pill("pill pill-ok", "Passed on"),
        (None, false) => "none".into_any(),
    };
    let said = match explanation.code {
        Some(code) => format!("{}.", code.title()),
        None if is_asked => {
            "The gateway would pass this call on; the answer would be the upstream's.".to_owned()
        }
        None => "The gateway passed this call on; the answer is the upstream's.".to_owned(),
    };
    let api = explanation.api.as_ref().map_or_else(
        || "none".into_any(),
        |api| link(format!("/console/apis/{}", api.id), api.name.clone()),
    );
    let key = explanation.key.as_ref().map_or_else(
        || "none".into_any(),
        |key| {
            link(
                format!("/console/keys/{}", key.id),
                format!("{}…", key.name),
            )
        },
    );
    let route = match (&explanation.route, &explanation.api) {
        (Some(route), Some(api)) => link(
            format!("/console/apis/{}/routes/{}", api.id, route.id),
            route.name.clone(),
        ),
        _ => "none matches".into_any(),
    };
    let code = explanation
        .code
        .map(|code| view! { <span class="mono text-muted">{code.as_str()}</span> }.into_any());
    view! {
        <section class="panel" aria-label="Verdict">
            <div class="panel-head">
                <h2 class="mono min-w-0 wrap-anywhere">
                    {format!("{} {}", explanation.method, explanation.path)}
                </h2>
                <span class="flex items-center gap-2">{code} {status}</span>
            </div>
            <div class="panel-body flex flex-col gap-3">
                <p>{said}</p>
                {mend
                    .map(|mend| {
                        view! {
                            <div class="alert alert-warning items-start">
                                {icon(icondata_lu::LuWrench.data)}
                                <p>
                                    {mend} " "
                                    {mend_at
                                        .map(|href| {
                                            view! {
                                                <a class="underline" href=href>
                                                    "Go there"
                                                </a>
                                            }
                                                .into_any()
                                        })}
                                </p>
                            </div>
                        }
                            .into_any()
                    })}
                <dl class="flex flex-wrap gap-x-8 gap-y-2 text-sm">
                    {line("Time", format::stamp(explanation.started_at).into_any())} {line("API", api)}
                    {line("Route", route)} {line("Key", key)}
                </dl>
            </div>
        </section>
    }
    .into_any()
}

fn link(href: String, text: String) -> AnyView {
    view! {
        <a class="link-quiet mono" href=href>
            {text}
        </a>
    }
    .into_any()
}

/// What a phase does, in words.
fn phase_name(name: &str) -> &str {
    match name {
        "identify" => "Who calls",
        "authorize" => "What the key may",
        "limit" => "Limits",
        "validation" => "Does it fit",
        "request_transform" => "Request made anew",
        "mock" => "Mock",
        "cache" => "Cache",
        "direct" => "Where it goes",
        "forward" => "The upstream",
        "inbound" => "The answer",
        "response_transform" => "Answer made anew",
        "compression" => "Compression",
        "cors" => "Other sites (CORS)",
        other => other,
    }
}

fn phase_panel(phases: Vec<PhaseTrace>) -> AnyView {
    let whole = phases.iter().map(|phase| phase.began_us + phase.took_us);
    let whole = whole.max().unwrap_or_default();
    let rows = phases
        .into_iter()
        .map(|phase| phase_row(phase, whole))
        .collect_view();
    view! {
        <section class="panel overflow-hidden" aria-label="Phases">
            <div class="panel-head">
                <h2>"Phases"</h2>
                <span class="num text-sm text-muted">{format!("{} in all", micros(whole))}</span>
            </div>
            <div class="table-scroll" tabindex="0">
                <table class="data-table">
                    <thead>
                        <tr>
                            <th scope="col">"Phase"</th>
                            <th scope="col">"Ended"</th>
                            <th scope="col" class="num">
                                "Took"
                            </th>
                            <th scope="col" class="max-md:hidden">
                                "When"
                            </th>
                            <th scope="col">"Found"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </section>
    }
    .into_any()
}

fn phase_row(phase: PhaseTrace, whole: u64) -> AnyView {
    let (ended, bar) = match phase.outcome {
        PhaseOutcome::Passed => (pill("pill pill-ok", "passed"), "fill-accent"),
        PhaseOutcome::Refused => (pill("pill pill-bad", "refused"), "fill-bad"),
        PhaseOutcome::Skipped => (pill("pill", "skipped"), "fill-none"),
    };
    let is_skipped = phase.outcome == PhaseOutcome::Skipped;
    let took = if is_skipped {
        String::new()
    } else {
        micros(phase.took_us)
    };
    let (at, width) = bar_of(phase.began_us, phase.took_us, whole);
    let drawn = format!(
        r#"<svg width="100%" height="8" class="block" aria-hidden="true"><rect width="100%" height="8" rx="2" class="fill-sunken"/><rect x="{}%" width="{}%" height="8" rx="2" class="{bar}"/></svg>"#,
        format::decimal(percent(at), 1),
        format::decimal(percent(width), 1),
    );
    let code = phase.code.map(|code| {
        view! { <span class="mono text-bad">{format!("{} ", code.as_str())}</span> }.into_any()
    });
    view! {
        <tr>
            <td class="whitespace-nowrap">{phase_name(&phase.name).to_owned()}</td>
            <td>{ended}</td>
            <td class="num">{took}</td>
            <td class="w-2/5 max-md:hidden" inner_html=drawn></td>
            <td class="whitespace-normal wrap-anywhere">{code} {phase.detail.unwrap_or_default()}</td>
        </tr>
    }
    .into_any()
}

/// Where a bar begins and how wide it is.
fn bar_of(began: u64, took: u64, whole: u64) -> (u64, u64) {
    let whole = whole.max(1);
    let width = (took.saturating_mul(WIDTH) / whole).clamp(LEAST, WIDTH);
    let at = began.saturating_mul(WIDTH) / whole;
    (at.min(WIDTH - width), width)
}

#[expect(clippy::cast_precision_loss, reason = "at most a thousand")]
fn percent(steps: u64) -> f64 {
    steps as f64 * 100.0 / WIDTH as f64
}

/// A length of time as it is read best.
fn micros(us: u64) -> String {
    if us < 10_000 {
        return format!("{} µs", format::count(us));
    }
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let millis = us as f64 / 1000.0;
    format::millis(millis)
}

fn limit_panel(limits: Vec<LimitTrace>) -> AnyView {
    let body = if limits.is_empty() {
        view! { <p class="panel-body text-muted">"The call met no limits."</p> }.into_any()
    } else {
        let rows = limits.into_iter().map(limit_row).collect_view();
        view! {
            <div class="table-scroll" tabindex="0">
                <table class="data-table">
                    <thead>
                        <tr>
                            <th scope="col">"Limit"</th>
                            <th scope="col">"Ended"</th>
                            <th scope="col">"From"</th>
                            <th scope="col" class="num">
                                "Left before"
                            </th>
                            <th scope="col" class="num">
                                "Left after"
                            </th>
                            <th scope="col" class="num">
                                "Of"
                            </th>
                            <th scope="col" class="num">
                                "More in"
                            </th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    view! {
        <section class="panel overflow-hidden" aria-label="Limits">
            <div class="panel-head">
                <h2>"Limits"</h2>
            </div>
            {body}
        </section>
    }
    .into_any()
}

fn limit_row(limit: LimitTrace) -> AnyView {
    let ended = if limit.refused {
        pill("pill pill-bad", "used up")
    } else {
        pill("pill pill-ok", "passed")
    };
    let id = limit.from.target_id;
    let from = limit.from.target_name;
    let from = match limit.from.scope {
        PolicyScope::Organization => link("/console/limits".to_owned(), "organization".to_owned()),
        PolicyScope::Api => link(format!("/console/apis/{id}#limits"), from),
        PolicyScope::Key => link(format!("/console/keys/{id}#limits"), format!("key {from}…")),
        PolicyScope::Route => format!("route {from}").into_any(),
    };
    let more = match limit.reset_seconds {
        Some(seconds) => format!("{} s", format::count(seconds)),
        None => "unknown".to_owned(),
    };
    view! {
        <tr>
            <td class="mono">{limit.name}</td>
            <td>{ended}</td>
            <td>{from}</td>
            <td class="num">{format::count(limit.remaining_before)}</td>
            <td class="num">{format::count(limit.remaining_after)}</td>
            <td class="num">{format::count(limit.limit)}</td>
            <td class="num">{more}</td>
        </tr>
    }
    .into_any()
}

/// What the upstream policy has to say: the target, the circuit, and all targets where known.
fn target_panel(upstream: UpstreamTrace) -> AnyView {
    let circuit = match upstream.circuit {
        None => None,
        Some(CircuitState::Closed) => Some(pill("pill pill-ok", "circuit closed")),
        Some(CircuitState::HalfOpen) => Some(pill("pill pill-warn", "circuit half open")),
        Some(CircuitState::Open) => Some(pill("pill pill-bad", "circuit open")),
    };
    let target = upstream.target.unwrap_or_else(|| "none".to_owned());
    let detail = upstream
        .detail
        .map(|detail| view! { <span class="text-sm text-muted">{detail}</span> }.into_any());
    let rows: Vec<AnyView> = upstream.targets.into_iter().map(target_row).collect();
    view! {
        <section class="panel overflow-hidden" aria-label="Target">
            <div class="panel-head">
                <h2>"Target"</h2>
                <span class="flex items-center gap-2">
                    {when(upstream.is_canary, || pill("pill", "canary"))} {circuit}
                </span>
            </div>
            <p class="panel-body flex flex-col">
                <span class="mono wrap-anywhere">{target}</span>
                {detail}
            </p>
            {when(!rows.is_empty(), || target_table(rows))}
        </section>
    }
    .into_any()
}

fn target_table(rows: Vec<AnyView>) -> AnyView {
    view! {
        <div class="table-scroll" tabindex="0">
            <table class="data-table">
                <thead>
                    <tr>
                        <th scope="col">"Of these"</th>
                        <th scope="col">"Now"</th>
                        <th scope="col" class="num">
                            "Weight"
                        </th>
                        <th scope="col" class="num">
                            "Under way"
                        </th>
                        <th scope="col" class="num">
                            "Failed"
                        </th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn target_row(target: TargetState) -> AnyView {
    let health = match target.health {
        TargetHealth::Healthy => pill("pill pill-ok", "healthy"),
        TargetHealth::Unhealthy => pill("pill pill-bad", "unhealthy"),
        TargetHealth::Ejected => pill("pill pill-bad", "ejected"),
        TargetHealth::OnTrial => pill("pill pill-warn", "on trial"),
    };
    let all = target.succeeded + target.failed;
    view! {
        <tr>
            <td class="mono wrap-anywhere">{target.url}</td>
            <td>{health}</td>
            <td class="num">{target.weight}</td>
            <td class="num">{target.under_way}</td>
            <td class="num">
                {format!("{} of {}", format::count(target.failed), format::count(all))}
            </td>
        </tr>
    }
    .into_any()
}

fn attempt_panel(attempts: Vec<AttemptTrace>) -> AnyView {
    let rows = attempts.into_iter().map(attempt_row).collect_view();
    view! {
        <section class="panel overflow-hidden" aria-label="Upstream">
            <div class="panel-head">
                <h2>"Upstream"</h2>
                <span class="text-sm text-muted">"Every try to reach it"</span>
            </div>
            <div class="table-scroll" tabindex="0">
                <table class="data-table">
                    <thead>
                        <tr>
                            <th scope="col">"Address"</th>
                            <th scope="col">"Answer"</th>
                            <th scope="col">"Connection"</th>
                            <th scope="col" class="num">
                                "Began after"
                            </th>
                            <th scope="col" class="num">
                                "First byte"
                            </th>
                            <th scope="col" class="num">
                                "Whole"
                            </th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </section>
    }
    .into_any()
}

fn attempt_row(attempt: AttemptTrace) -> AnyView {
    let answer = match (attempt.status, attempt.error) {
        (Some(status), error) => http_status(status, error.map(|code| code.as_str())),
        (None, Some(code)) => {
            view! { <span class="mono text-bad">{code.as_str()}</span> }.into_any()
        }
        (None, None) => "none".into_any(),
    };
    let connection = match attempt.connect_us {
        _ if attempt.reused => "kept open from before".to_owned(),
        Some(us) => format!("new, {}", micros(us)),
        None => "new".to_owned(),
    };
    let time = |us: Option<u64>| us.map_or_else(|| "none".to_owned(), micros);
    let detail = attempt
        .detail
        .map(|detail| view! { <div class="text-sm text-muted">{detail}</div> }.into_any());
    view! {
        <tr>
            <td>
                <span class="mono">{attempt.origin}</span>
                {detail}
            </td>
            <td>{answer}</td>
            <td>{connection}</td>
            <td class="num">{micros(attempt.began_us)}</td>
            <td class="num">{time(attempt.first_byte_us)}</td>
            <td class="num">{time(attempt.total_us)}</td>
        </tr>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stay_in_the_drawing_and_can_be_seen() {
        assert_eq!(bar_of(0, 0, 0), (0, LEAST));
        assert_eq!(bar_of(500, 500, 1000), (500, 500));
        assert_eq!(bar_of(1000, 0, 1000), (WIDTH - LEAST, LEAST));
    }

    #[test]
    fn short_times_are_told_in_microseconds() {
        assert_eq!(micros(7), "7 µs");
        assert_eq!(micros(9999), "9,999 µs");
        assert!(micros(25_000).ends_with("ms"), "{}", micros(25_000));
    }
}
