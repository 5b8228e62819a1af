//! The button "Plan" of a form: the form is not carried out, but leads to the page that tells what
//! it would do. What was typed goes there in the address, so nothing is kept on the server.

use axum::response::Response;

use super::{Posted, to};
use crate::urlencoded::query;

/// Bytes of a form that fit an address.
const MOST: usize = 8 * 1024;
/// The button's name.
const PLAN: &str = "plan";

impl Posted {
    /// The answer to a form that was sent by the button.
    pub(super) fn planned(&self) -> Option<Response> {
        if !self.fields.flag(PLAN) {
            return None;
        }
        let pairs: Vec<(&str, &str)> = self
            .fields
            .0
            .iter()
            .filter(|(name, _)| name != PLAN)
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let typed = query(&pairs);
        let at = self.parts.uri.path_and_query();
        let at = at.map_or("", |at| at.as_str());
        let typed = match typed.len() {
            0..=MOST => typed.trim_start_matches('?'),
            // The page says that it has nothing.
            _ => "",
        };
        let pairs = [("at", at), ("fields", typed)];
        Some(to(&format!("/console/plan{}", query(&pairs))))
    }
}
