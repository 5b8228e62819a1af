//! Field validation shared by the REST API, the server functions and the forms in the browser.

use serde::{Deserialize, Serialize};

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldError {
    /// Path of the field inside the request, dots between levels: `auth_config.token`.
    pub field: String,
    /// A sentence for people that says what would be accepted.
    pub message: String,
}

impl FieldError {
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// Collects every problem of a request, so that a caller sees all of them at once.
#[derive(Debug, Default)]
pub struct Validation {
    errors: Vec<FieldError>,
}

impl Validation {
    /// Adds an error for `field` unless `ok`.
    pub fn check(&mut self, ok: bool, field: &str, message: &str) -> &mut Self {
        if !ok {
            self.errors.push(FieldError::new(field, message));
        }
        self
    }

    pub fn push(&mut self, error: FieldError) {
        self.errors.push(error);
    }

    pub fn extend(&mut self, errors: impl IntoIterator<Item = FieldError>) {
        self.errors.extend(errors);
    }

    /// # Errors
    /// All the problems found, when there are any.
    pub fn finish(self) -> Result<(), Vec<FieldError>> {
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(self.errors)
        }
    }
}

/// Trimmed length in characters is within `range`, and no control characters are inside.
#[must_use]
pub fn is_name(text: &str, max: usize) -> bool {
    let count = text.trim().chars().count();
    count >= 1 && count <= max && !text.chars().any(char::is_control)
}

/// A conservative reading of RFC 5321: one `@`, dot-atom local part, a domain with a dot or
/// `localhost`. It keeps header injection and quoted local parts out; whether the mailbox exists
/// only mail can tell.
#[must_use]
pub fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let local_ok = !local.is_empty()
        && local.len() <= 64
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&b));
    let domain_ok = domain.len() <= 253
        && (domain == "localhost" || domain.contains('.'))
        && domain.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        });
    local_ok && domain_ok
}

/// Lower-case letters, digits and single dashes, 1 to 63 characters, and not the shape of an id:
/// the gateway accepts either in the same place of a path.
#[must_use]
pub fn is_slug(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.contains("--")
        && uuid::Uuid::try_parse(text).is_err()
}

/// A slug made from a name: what a person would have typed.
#[must_use]
pub fn slugify(name: &str) -> String {
    let mut slug = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(60);
    let slug = slug.trim_matches('-');
    if is_slug(slug) {
        slug.to_owned()
    } else {
        "api".to_owned()
    }
}

/// An HTTP token (RFC 9110, 5.6.2): header names and methods.
#[must_use]
pub fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 128
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Characters a header value may carry when we write it: visible ASCII and spaces inside.
#[must_use]
pub fn is_header_value(text: &str) -> bool {
    !text.is_empty() && text.len() <= 8192 && text.bytes().all(|b| (0x20..0x7f).contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emails() {
        for good in ["a@b.co", "first.last+tag@sub.example.org", "root@localhost"] {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "a@",
            "@b.co",
            "a@b",
            "a b@c.de",
            "a@b..co",
            "a@b.co\r\nBcc: x@y.zz",
        ] {
            assert!(!is_email(bad), "{bad}");
        }
    }

    #[test]
    fn slugs_come_from_names() {
        assert_eq!(slugify("Weather API (v2)"), "weather-api-v2");
        assert_eq!(slugify("  --  "), "api");
        assert_eq!(slugify("天気"), "api");
        assert!(!is_slug("0190163d-8694-739b-aea5-966c26f8ad91"));
        assert!(!is_slug("Upper"));
        assert!(!is_slug("a--b"));
    }
}
