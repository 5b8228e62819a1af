//! Reading single settings out of the stacked layers, collecting what is wrong.

use figment::Figment;

use crate::catalog::{self, Visibility};
use crate::layers::find;
use crate::parse::Parsed;
use crate::problem::SettingProblem;

/// Characters of a bad value that are repeated in its problem.
const QUOTED: usize = 80;

pub(crate) struct Reader<'a> {
    figment: &'a Figment,
    pub problems: Vec<SettingProblem>,
}

impl<'a> Reader<'a> {
    pub fn new(figment: &'a Figment, problems: Vec<SettingProblem>) -> Self {
        Self { figment, problems }
    }

    pub fn is_set(&self, variable: &str) -> bool {
        find(self.figment, variable).is_some()
    }

    /// The value, if there is one that can be read.
    pub fn optional<T>(
        &mut self,
        variable: &'static str,
        parse: impl Fn(&str) -> Parsed<T>,
    ) -> Option<T> {
        let (text, layer) = find(self.figment, variable)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(complaint) => {
                let message = if is_public(variable) {
                    let quoted: String = text.chars().take(QUOTED).collect();
                    format!("`{quoted}` {} ({layer})", complaint.message)
                } else {
                    format!("{} ({layer})", complaint.message)
                };
                self.problems
                    .push(SettingProblem::new(variable, message, complaint.mend));
                None
            }
        }
    }

    /// The value. `fallback` stands in for one that cannot be read, so that reading can go on and
    /// find the other problems; no such settings leave this crate.
    pub fn required<T>(
        &mut self,
        variable: &'static str,
        fallback: T,
        parse: impl Fn(&str) -> Parsed<T>,
    ) -> T {
        self.optional(variable, parse).unwrap_or(fallback)
    }
}

fn is_public(variable: &str) -> bool {
    catalog::by_variable(variable).is_some_and(|known| known.visibility == Visibility::Public)
}
