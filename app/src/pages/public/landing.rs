//! The front page: what this is, and the way in.

use leptos::prelude::*;
use leptos_meta::Title;

use super::brand;
use crate::page_context::Page;
use crate::ui::icon::{icon, sized};
use crate::ui::theme::theme_toggle;

pub fn landing() -> AnyView {
    let page = Page::get();
    let signed_in = page.me.with_untracked(Option::is_some);
    let base = page.gateway_base();
    view! {
        <Title text="API gateway and console" />
        <div class="flex min-h-dvh flex-col">
            <header class="border-b border-line bg-surface">
                <div class="mx-auto flex h-14 w-full max-w-6xl items-center gap-1 px-4 md:px-6">
                    <div class="mr-auto">{brand()}</div>
                    <a class="btn btn-ghost btn-sm hidden sm:inline-flex" href="/api/docs" rel="external">
                        "API reference"
                    </a>
                    {theme_toggle()}
                    {entry(signed_in)}
                </div>
            </header>
            <main id="main" class="mx-auto flex w-full max-w-6xl grow flex-col gap-14 px-4 py-14 md:px-6 md:py-20">
                <section class="grid items-center gap-10 lg:grid-cols-[1.05fr_1fr]">
                    <div class="flex flex-col items-start gap-5">
                        <h1 class="text-3xl! leading-tight! font-semibold tracking-tight text-balance">
                            "Put every API you run or buy behind one gateway"
                        </h1>
                        <p class="max-w-lg text-lg text-muted">
                            "Register an upstream, hand out keys, and each call is checked, forwarded and "
                            "measured. One binary on your own machine; nothing leaves it."
                        </p>
                        <div class="flex flex-wrap gap-2">
                            {if signed_in {
                                view! {
                                    <a class="btn btn-primary" href="/console" rel="external">
                                        "Open the console"
                                    </a>
                                }
                                    .into_any()
                            } else {
                                view! {
                                    <a class="btn btn-primary" href="/register">
                                        "Create account"
                                    </a>
                                    <a class="btn btn-outline" href="/login">
                                        "Sign in"
                                    </a>
                                }
                                    .into_any()
                            }}
                        </div>
                    </div>
                    {example(&base)}
                </section>
                <section aria-label="What it does" class="grid gap-px overflow-hidden rounded-box border border-line bg-line md:grid-cols-3">
                    {feature(
                        icondata_lu::LuRoute.data,
                        "A gateway that stays out of the way",
                        "Bodies stream both ways, byte for byte. Upstream credentials are added on the way out, \
                         the consumer's key is taken off.",
                    )}
                    {feature(
                        icondata_lu::LuKeyRound.data,
                        "Keys with a life of their own",
                        "Limit a key to APIs, methods and networks. Rotate it with a grace period, revoke it and \
                         it stops within a second.",
                    )}
                    {feature(
                        icondata_lu::LuChartColumn.data,
                        "Every call on record",
                        "Calls, errors and latency percentiles by API and key, seconds after they happened. A restart loses \
                         none.",
                    )}
                </section>
            </main>
            <footer class="border-t border-line">
                <div class="mx-auto flex w-full max-w-6xl flex-wrap gap-x-5 gap-y-1 px-4 py-4 text-sm text-muted md:px-6">
                    <span class="mr-auto">"APIverse, self-hosted"</span>
                    <a class="hover:text-ink" href="/api/docs" rel="external">
                        "API reference"
                    </a>
                    <a class="hover:text-ink" href="/health/ready" rel="external">
                        "Health"
                    </a>
                </div>
            </footer>
        </div>
    }
    .into_any()
}

fn entry(signed_in: bool) -> AnyView {
    if signed_in {
        view! {
            <a class="btn btn-primary btn-sm" href="/console" rel="external">
                "Console"
            </a>
        }
        .into_any()
    } else {
        view! {
            <a class="btn btn-ghost btn-sm" href="/login">
                "Sign in"
            </a>
        }
        .into_any()
    }
}

fn feature(data: &'static str, title: &'static str, text: &'static str) -> AnyView {
    view! {
        <div class="flex flex-col gap-2 bg-surface p-5">
            <span class="text-accent-ink">{sized(data, "size-5")}</span>
            <h2>{title}</h2>
            <p class="text-muted">{text}</p>
        </div>
    }
    .into_any()
}

fn example(base: &str) -> AnyView {
    let command = format!(
        "curl {base}/proxy/weather/forecast?city=Oslo \\\n  -H \"X-API-Key: $APIVERSE_KEY\""
    );
    view! {
        <div class="panel min-w-0 overflow-hidden">
            <div class="flex h-9 items-center gap-2 border-b border-line px-4 text-xs text-muted">
                {icon(icondata_lu::LuTerminal.data)} "A call through the gateway"
            </div>
            <pre class="overflow-x-auto px-4 py-3 font-mono text-sm" tabindex="0">{command}</pre>
            <dl class="grid grid-cols-[auto_1fr] gap-x-6 gap-y-1 border-t border-line bg-sunken px-4 py-3 text-sm">
                <dt class="text-muted">"Key"</dt>
                <dd>"checked, then removed"</dd>
                <dt class="text-muted">"Credentials"</dt>
                <dd>"the upstream's own, added"</dd>
                <dt class="text-muted">"Body"</dt>
                <dd>"streamed, unchanged"</dd>
                <dt class="text-muted">"Recorded"</dt>
                <dd>"status, latency, bytes"</dd>
            </dl>
        </div>
    }
    .into_any()
}
