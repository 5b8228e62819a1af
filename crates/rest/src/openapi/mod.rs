//! The OpenAPI 3.1 document, made from the handlers.

mod console;
mod gateway;
pub mod problems;

use apiverse_contract::{FieldError, Problem};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::tag::Tag;
use utoipa::openapi::{Components, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;

pub use console::{ServerFunction, ServerFunctions};

use crate::layers::session::COOKIE_NAME;
use crate::{RestState, router};

const DESCRIPTION: &str = "The REST API of APIverse, a self-hosted API platform.\n\n\
    Every operation below `/api/v1` is also served without that prefix. Ids are UUIDs, times are \
    RFC 3339 in UTC. Lists answer `data` and `next_cursor`; give the latter back as `cursor`. \
    Errors are problem documents (RFC 9457) with a stable `code`; `x-request-id` on every answer \
    finds it in the log.\n\n\
    Authenticate with `Authorization: Bearer` and an access token from `POST /auth/login`, or the \
    operator's `UNIFIED_API_KEY`; browsers may use the console's session cookie.";

const TAGS: [(&str, &str); 20] = [
    (
        "accounts",
        "Registering, signing in, the own account and its sessions",
    ),
    (
        "organizations",
        "Organizations, their members, roles and invitations",
    ),
    (
        "access tokens",
        "Tokens for the REST API, of people and of service accounts",
    ),
    ("apis", "Registered upstreams"),
    ("keys", "The keys that consumers send to the gateway"),
    (
        "limits",
        "How often APIs may be called, by whom, and how many calls at once",
    ),
    (
        "versions",
        "Versions of an API: how callers choose one, when one ends, who still calls it",
    ),
    (
        "policies",
        "What happens to calls beside forwarding: caching, transforms, targets and more",
    ),
    (
        "configuration",
        "The whole configuration as one document, for git and for copying",
    ),
    ("usage", "What went through the gateway"),
    ("insights", "What was unusual in it"),
    ("costs", "What it cost: prices, costs, budgets"),
    (
        "alerts",
        "When somebody should look: alert rules, silences, objectives and their error budgets",
    ),
    (
        "reports",
        "Summaries of usage by day, week or month, kept and mailed",
    ),
    ("audit", "Who changed what"),
    (
        "notifications",
        "Messages to people, and what each wants to hear of",
    ),
    ("webhooks", "What other services report"),
    ("gateway", "Calls to registered APIs, with an API key"),
    ("operations", "Health of a node"),
    ("console", "The console's server functions"),
];

/// The whole document.
#[must_use]
pub fn openapi(console: &ServerFunctions) -> OpenApi {
    let mut document = OpenApiRouter::<RestState>::with_openapi(base())
        .nest(router::PREFIX, router::operations())
        .merge(router::outside())
        .into_openapi();
    gateway::add(&mut document);
    console::add(&mut document, console);
    document
}

fn base() -> OpenApi {
    let info = InfoBuilder::new()
        .title("APIverse")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .license(Some(
            LicenseBuilder::new()
                .name("Apache-2.0")
                .identifier(Some("Apache-2.0"))
                .build(),
        ))
        .build();
    let tags = TAGS.map(|(name, description)| {
        let mut tag = Tag::new(name);
        tag.description = Some(description.to_owned());
        tag
    });
    OpenApiBuilder::new()
        .info(info)
        .tags(Some(tags))
        .components(Some(components()))
        .security(Some([requirement("bearer"), requirement("cookie")]))
        .build()
}

fn requirement(scheme: &str) -> SecurityRequirement {
    SecurityRequirement::new(scheme, Vec::<String>::new())
}

fn components() -> Components {
    let mut components = Components::new();
    for (name, schema) in [
        (Problem::name(), Problem::schema()),
        (FieldError::name(), FieldError::schema()),
    ] {
        components.schemas.insert(name.into_owned(), schema);
    }
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some(
            "An access token, or the operator's UNIFIED_API_KEY (RFC 6750)",
        ))
        .build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    components.add_security_scheme(
        "cookie",
        SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
            COOKIE_NAME,
            "The console's session; changes must come from the same origin",
        ))),
    );
    components.add_security_scheme(
        "consumer_key",
        SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
            "X-API-Key",
            "An API key `apv_…`; also accepted as `Authorization: Bearer`",
        ))),
    );
    components
}
