//! APIs: the list, a new one, and one with its settings.

mod create;
mod danger;
mod detail;
mod fields;
mod list;
mod route;
mod routes;
mod snippets;
mod version;
mod versions;

pub use create::create;
pub use detail::detail;
pub use list::list;
pub use route::{create_route, route};
pub use snippets::curl_quote;
pub use version::{create_version, version};
