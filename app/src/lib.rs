//! The console: server-rendered on first load, hydrated in the browser, one source for both.
//!
//! `rpc` are the server functions, `pages` what is seen, `ui` the design system, `forms` the reading
//! of forms (the same code for a post without JavaScript and for the hydrated page), `ssr` all that
//! only the server has. What differs between server and browser is behind `ambient`, and `cfg`
//! stands on module declarations only.
#![recursion_limit = "256"]

#[cfg(not(feature = "ssr"))]
#[path = "ambient/browser.rs"]
mod ambient;
#[cfg(feature = "ssr")]
#[path = "ambient/server.rs"]
mod ambient;

pub mod app;
pub mod areas;
mod browser;
mod format;
mod forms;
mod page_context;
mod pages;
pub mod rpc;
#[cfg(feature = "ssr")]
pub mod ssr;
mod ui;
mod urlencoded;
mod zone;

pub use app::App;
