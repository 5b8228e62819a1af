//! What a new organization does first; each step ticks itself off from what is really there.

use leptos::prelude::*;

use crate::page_context::Page;
use crate::rpc::usage::Start;
use crate::ui::code::code_block;
use crate::ui::dynamic::when;
use crate::ui::form::FormState;
use crate::ui::icon::{icon, sized};

struct Step {
    done: bool,
    title: &'static str,
    text: &'static str,
    /// What is shown below it while it is not done; true: it is the next one.
    action: Box<dyn Fn(bool) -> AnyView>,
}

/// Whether there is something to show: to whom builds, until all is done or they dismiss it.
pub fn wanted(start: &Start) -> bool {
    start.builds && !start.dismissed && steps(start).iter().any(|step| !step.done)
}

/// The list of steps.
pub fn first_steps(start: &Start) -> AnyView {
    let steps = steps(start);
    let done = steps.iter().filter(|step| step.done).count();
    let progress = format!("{done} of {} done", steps.len());
    let class = if start.called {
        "panel"
    } else {
        "panel max-w-3xl"
    };
    let next = steps.iter().position(|step| !step.done);
    // Beside figures only what is left of them.
    let rows = steps
        .into_iter()
        .enumerate()
        .filter(|(_, step)| !start.called || !step.done)
        .map(|(at, step)| row(at, step, next == Some(at)))
        .collect_view();
    view! {
        <section class=class aria-label="First steps">
            <div class="panel-head">
                <h2>"First steps"</h2>
                <span class="text-sm text-muted num">{progress}</span>
                <form method="post" action="/console">
                    <input type="hidden" name="form" value="onboarding-dismiss" />
                    <button type="submit" class="btn btn-ghost btn-xs">
                        "Do not show this"
                    </button>
                </form>
            </div>
            <ol>{rows}</ol>
        </section>
    }
    .into_any()
}

fn steps(start: &Start) -> Vec<Step> {
    let mut steps = vec![Step {
        done: start.email_verified,
        title: "Confirm your e-mail address",
        text: "Follow the link that was sent to it. Without it a lost password is lost for good.",
        action: Box::new(verification),
    }];
    if let Some(named) = start.named {
        steps.push(Step {
            done: named,
            title: "Name your organization",
            text: "What you and whoever you invite see on every page.",
            action: link("/console/organization", "Name it"),
        });
    }
    if let Some(invited) = start.invited {
        steps.push(Step {
            done: invited,
            title: "Invite somebody",
            text: "With a role that allows no more than they need.",
            action: link("/console/members#invite", "Invite"),
        });
    }
    let has_both = start.api.is_some() && start.key;
    let slug = start.api.clone().unwrap_or_else(|| "your-api".to_owned());
    steps.push(Step {
        done: start.api.is_some(),
        title: "Register an API",
        text: "The address of something you run or buy, and how to sign in to it.",
        action: link("/console/apis/new", "Register an API"),
    });
    steps.push(Step {
        done: start.key,
        title: "Make a key",
        text: "What a consumer sends. It is shown once.",
        action: link("/console/keys/new", "Make a key"),
    });
    steps.push(Step {
        done: start.called,
        title: "Call it",
        text: "Put the key into APIVERSE_KEY and run this, or use the Explorer. The figures appear here.",
        action: Box::new(move |next| call(&slug, next || has_both)),
    });
    steps
}

fn row(at: usize, step: Step, next: bool) -> AnyView {
    let mark = if step.done {
        view! {
            <span class="flex size-6 shrink-0 items-center justify-center rounded-full bg-ok-soft text-ok">
                {icon(icondata_lu::LuCheck.data)} <span class="sr-only">"done"</span>
            </span>
        }
        .into_any()
    } else {
        view! {
            <span class="flex size-6 shrink-0 items-center justify-center rounded-full border border-line-strong text-xs font-medium text-muted num">
                {(at + 1).to_string()}
            </span>
        }
        .into_any()
    };
    let rest = when(!step.done, || {
        view! {
            <p class="text-muted">{step.text}</p>
            {(step.action)(next)}
        }
        .into_any()
    });
    view! {
        <li class="flex gap-3 border-t border-line px-4 py-3.5 first:border-t-0">
            {mark} <div class="flex min-w-0 grow flex-col gap-2">
                <p class="font-medium">{step.title}</p>
                {rest}
            </div>
        </li>
    }
    .into_any()
}

const fn button(next: bool) -> &'static str {
    if next {
        "btn btn-primary btn-sm self-start"
    } else {
        "btn btn-outline btn-sm self-start"
    }
}

fn link(href: &'static str, text: &'static str) -> Box<dyn Fn(bool) -> AnyView> {
    Box::new(move |next| {
        view! {
            <a class=button(next) href=href>
                {text}
            </a>
        }
        .into_any()
    })
}

fn verification(next: bool) -> AnyView {
    let form = FormState::new("verification");
    view! {
        <form method="post" action="/console" class="flex flex-col gap-2">
            {form.head()}
            <button type="submit" class=button(next)>
                "Send the link again"
            </button>
        </form>
    }
    .into_any()
}

fn call(slug: &str, next: bool) -> AnyView {
    let base = Page::get().gateway_base();
    let curl = format!("curl {base}/proxy/{slug}/ \\\n  -H \"X-API-Key: $APIVERSE_KEY\"");
    view! {
        {code_block(curl, "command")}
        <a class=button(next) href="/console/explorer">
            "Open the Explorer"
        </a>
        <p class="flex items-center gap-2 text-sm text-muted">
            {sized(icondata_lu::LuRadio.data, "size-4 shrink-0 motion-safe:animate-pulse")}
            "Waiting for the first call"
        </p>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_goes_when_all_is_done_or_it_is_dismissed() {
        let start = Start {
            api: Some("weather".to_owned()),
            key: true,
            called: true,
            builds: true,
            email_verified: true,
            named: None,
            invited: Some(true),
            dismissed: false,
        };
        assert!(!wanted(&start));
        let open = Start {
            invited: Some(false),
            ..start.clone()
        };
        assert!(wanted(&open));
        assert!(!wanted(&Start {
            dismissed: true,
            ..open.clone()
        }));
        assert!(!wanted(&Start {
            builds: false,
            ..open
        }));
        assert_eq!(steps(&start).len(), 5);
    }
}
