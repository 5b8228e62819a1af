//! Saved views: a page's state under a name, one's own or shared with the organization.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{FieldError, SavedViewId, Validation};

/// Bytes of a view's query at most.
const MAX_QUERY: usize = 2048;

/// A page that views can be saved of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ViewPage {
    #[default]
    Usage,
}

impl ViewPage {
    pub const ALL: [Self; 1] = [Self::Usage];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "usage",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|page| page.as_str() == text)
    }

    /// What the page's address may hold. Where in a list somebody was is not among it.
    #[must_use]
    pub const fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Usage => &[
                "span", "from", "to", "api", "key", "status", "version", "route", "method", "code",
                "error", "cache", "by", "sort",
            ],
        }
    }

    /// Whether a query is one of the page: known parameters, each once, in characters a query has.
    fn accepts(self, query: &str) -> bool {
        let mut seen = Vec::new();
        query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .all(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                let is_new = !seen.contains(&name);
                seen.push(name);
                let is_plain =
                    |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%+:/".contains(&byte);
                is_new && self.parameters().contains(&name) && value.bytes().all(is_plain)
            })
    }
}

/// What is asked to save a view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateSavedView {
    #[serde(default)]
    pub page: ViewPage,
    /// 1 to 100 characters; no other view of yours has it.
    pub name: String,
    /// What stands behind the `?` of the page's address, at most 2048 bytes. A range like `span=7d`
    /// means the last seven days whenever the view is opened.
    pub query: String,
    /// Whether everybody in the organization sees it.
    #[serde(default)]
    pub shared: bool,
}

impl CreateSavedView {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        check(self.page, Some(&self.name), Some(&self.query), &mut v);
        v.finish()
    }
}

/// What is asked to change a view; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateSavedView {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<bool>,
    /// Whether the page opens with it, for the one who asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_default: Option<bool>,
}

impl UpdateSavedView {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self, page: ViewPage) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        check(page, self.name.as_deref(), self.query.as_deref(), &mut v);
        v.finish()
    }

    /// Whether the view itself is to change, and not only what the one who asks sees first.
    #[must_use]
    pub const fn changes_view(&self) -> bool {
        self.name.is_some() || self.query.is_some() || self.shared.is_some()
    }
}

fn check(page: ViewPage, name: Option<&str>, query: Option<&str>, v: &mut Validation) {
    if let Some(name) = name {
        let length = name.trim().chars().count();
        let is_name = (1..=100).contains(&length) && !name.chars().any(char::is_control);
        v.check(is_name, "name", "must have 1 to 100 characters");
    }
    if let Some(query) = query {
        v.check(
            query.len() <= MAX_QUERY,
            "query",
            "must have at most 2048 bytes",
        );
        v.check(
            query.len() > MAX_QUERY || page.accepts(query),
            "query",
            &format!("must have only: {}", page.parameters().join(", ")),
        );
    }
}

/// A saved view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SavedView {
    pub id: SavedViewId,
    pub page: ViewPage,
    pub name: String,
    pub query: String,
    pub shared: bool,
    /// Whether the page opens with it, for the one who asks.
    pub is_default: bool,
    /// Whether the one who asks may change it.
    pub may_change: bool,
    /// The address of whom it belongs to; `null`: the one who asks.
    pub owner: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// Which views are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams, utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct SavedViewsQuery {
    /// Of every page when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub page: Option<ViewPage>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(name: &str, query: &str) -> CreateSavedView {
        CreateSavedView {
            page: ViewPage::Usage,
            name: name.to_owned(),
            query: query.to_owned(),
            shared: false,
        }
    }

    #[test]
    fn a_query_has_what_the_page_knows_and_nothing_else() {
        for good in [
            "",
            "span=7d",
            "route=%2Fusers%2F%7Bid%7D&method=GET&by=key&sort=p95",
            "from=2026-03-05T14%3A03Z&to=2026-03-05T15:03Z",
        ] {
            assert_eq!(view("Mine", good).validate(), Ok(()), "{good}");
        }
        for bad in [
            "span=7d&span=1h",
            "cursor=x",
            "SPAN=7d",
            "span=7d#top",
            "api=\"><script>",
            "api=a b",
            "%73pan=7d",
            "//evil.example",
        ] {
            let errors = view("Mine", bad).validate().expect_err(bad);
            assert_eq!(errors[0].field, "query", "{bad}");
        }
        let long = format!("route={}", "a".repeat(MAX_QUERY));
        assert_eq!(
            view("Mine", &long).validate().expect_err("is long").len(),
            1
        );
    }

    #[test]
    fn a_name_is_there_and_no_longer_than_it_can_be_shown() {
        for bad in ["", "  ", "a\nb", &"a".repeat(101)] {
            let errors = view(bad, "").validate().expect_err("is refused");
            assert_eq!(errors[0].field, "name");
        }
        let update = UpdateSavedView {
            is_default: Some(true),
            ..UpdateSavedView::default()
        };
        assert_eq!(update.validate(ViewPage::Usage), Ok(()));
        assert!(!update.changes_view());
    }
}
