//! Reading forms. The same code reads a post without JavaScript on the server and the fields of a
//! hydrated form in the browser; names of fields are the paths the contract uses in its errors.

pub mod alert;
pub mod api;
pub mod cost;
pub mod key;
pub mod limit;
pub mod policy;
pub mod report;
pub mod route;
pub mod version;

use apiverse_contract::FieldError;

/// The fields of a form as they were sent.
#[derive(Clone, Default)]
pub struct Fields(pub Vec<(String, String)>);

impl Fields {
    /// The first value of a field, as typed; empty when absent.
    #[must_use]
    pub fn raw(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(other, _)| other == name)
            .map_or("", |(_, value)| value.as_str())
    }

    /// The same without white space around it.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        self.raw(name).trim().to_owned()
    }

    /// `None` when nothing was typed.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// A checkbox.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.0.iter().any(|(other, _)| other == name)
    }

    /// Every value of a field that may repeat.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    /// A whole number; absent when empty.
    ///
    /// # Errors
    /// When something else was typed.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, FieldError> {
        match self.optional(name) {
            None => Ok(None),
            Some(text) => match text.replace([',', ' '], "").parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(FieldError::new(name, "must be a whole number")),
            },
        }
    }
}

/// A path of the console itself: a `next` that leads elsewhere would make the login page a tool for
/// phishing. A browser reads `//host` and `/\host` as another site.
pub(crate) fn is_local_path(path: &str) -> bool {
    let of_console = path == "/console"
        || path.starts_with("/console/")
        || path.starts_with("/console?")
        || path.starts_with("/join?");
    of_console && !path.contains(['\\', '\r', '\n', '\t', '\0']) && !path.contains("//")
}

/// Words separated by commas, spaces or line breaks.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.split([',', ' ', '\n', '\r', '\t'])
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_stays_in_the_console() {
        for good in [
            "/join?token=a1",
            "/console",
            "/console/keys?q=a%20b",
            "/console?range=7d",
        ] {
            assert!(is_local_path(good), "{good}");
        }
        for bad in [
            "",
            "/",
            "/consoles",
            "/joint",
            "//evil.example/console",
            "/\\evil.example",
            "https://evil.example/console",
            "/console\r\nSet-Cookie: a",
            "/console//evil.example",
        ] {
            assert!(!is_local_path(bad), "{bad}");
        }
    }

    #[test]
    fn numbers_may_be_grouped() {
        let fields = Fields(vec![
            ("n".into(), " 10,000 ".into()),
            ("x".into(), "a".into()),
        ]);
        assert_eq!(fields.number::<u32>("n"), Ok(Some(10_000)));
        assert_eq!(fields.number::<u32>("absent"), Ok(None));
        assert!(fields.number::<u32>("x").is_err());
    }
}
