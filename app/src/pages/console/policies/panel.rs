//! The policies that hold at one place, as cards in running order.

use apiverse_contract::policies::PolicyLevel;
use leptos::prelude::*;

use crate::forms::policy::{address, title};
use crate::rpc::load_with;
use crate::rpc::policies::{CardState, CardsFn, PlaceRef, PolicyCard, PolicyCards, PolicyRef};
use crate::ui::icon::icon;
use crate::ui::load::load;
use crate::ui::skeleton;

pub fn panel(place: PlaceRef) -> AnyView {
    let heading = match place.level {
        PolicyLevel::Organization => "For every call",
        _ => "Policies",
    };
    let asked = place.clone();
    let data = load_with(move || {
        let input = asked.clone();
        Some(CardsFn { input })
    });
    view! {
        <section class="panel overflow-hidden" id="policies" aria-label="Policies">
            <div class="panel-head">
                <h2>{heading}</h2>
                <span class="text-sm text-muted">"In the order in which calls meet them"</span>
            </div>
            {load(data, skeleton::rows, move |found: PolicyCards| {
                let cards = found.cards.into_iter().map(|card| row(&place, card)).collect_view();
                view! { <ol class="divide-y divide-line">{cards}</ol> }.into_any()
            })}
        </section>
    }
    .into_any()
}

fn row(place: &PlaceRef, card: PolicyCard) -> AnyView {
    let PolicyCard {
        kind,
        words,
        state,
        from,
        effect,
    } = card;
    let href = address(&PolicyRef {
        place: place.clone(),
        kind,
    });
    let words_class = match state {
        CardState::Own | CardState::Inherited => "text-sm",
        CardState::Off | CardState::Absent => "text-sm text-muted",
    };
    let action = match state {
        CardState::Own => "Edit",
        CardState::Inherited | CardState::Off => "Change",
        CardState::Absent => "Set up",
    };
    view! {
        <li class="flex items-center gap-3 px-4 py-2.5">
            <div class="flex min-w-0 grow flex-col gap-0.5">
                <div class="flex flex-wrap items-center gap-2">
                    <h3 class="font-medium">{title(kind)}</h3>
                    {badge(state, from)}
                </div>
                <p class=words_class>{words}</p>
                {effect.map(|effect| view! { <p class="help num">{effect}</p> }.into_any())}
            </div>
            <a class="btn btn-ghost btn-xs shrink-0" href=href aria-label=format!("{action}: {}", title(kind))>
                {action}
                {icon(icondata_lu::LuChevronRight.data)}
            </a>
        </li>
    }
    .into_any()
}

/// Whether it is on, in words, and where from.
pub(super) fn badge(state: CardState, from: Option<String>) -> AnyView {
    let (class, text) = match (state, from) {
        (CardState::Own, _) => ("pill pill-ok", "on".to_owned()),
        (CardState::Inherited, Some(from)) => ("pill pill-ok", format!("on, from {from}")),
        (CardState::Inherited, None) => ("pill pill-ok", "on".to_owned()),
        (CardState::Off, Some(from)) => ("pill", format!("off, by {from}")),
        (CardState::Off, None) => ("pill", "off".to_owned()),
        (CardState::Absent, _) => return ().into_any(),
    };
    view! { <span class=class>{text}</span> }.into_any()
}
