//! The form of a route.

use super::{Fields, words};

/// A route as it is typed; the platform says what of it is not acceptable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub name: String,
    /// In upper case; empty: all.
    pub methods: Vec<String>,
    pub path: String,
}

/// Reads the form.
#[must_use]
pub fn read(fields: &Fields) -> Route {
    let methods = words(fields.raw("methods"));
    Route {
        name: fields.text("name"),
        methods: methods.iter().map(|name| name.to_uppercase()).collect(),
        path: fields.text("path"),
    }
}

/// `GET or POST below /users, with anything after it`: which calls are of the route.
#[must_use]
pub fn words_of(methods: &[String], path: &str) -> String {
    let methods = if methods.is_empty() {
        "every call".to_owned()
    } else {
        format!("{} calls", methods.join(" or "))
    };
    let (path, below) = match path.strip_suffix("/*") {
        Some(path) => (path, " and everything below it"),
        None => (path, ""),
    };
    let path = if path.is_empty() { "/" } else { path };
    let open = path.matches('{').count();
    let open = match open {
        0 => "",
        1 => ", with any one segment in the place of the braces",
        _ => ", with any one segment in the place of each pair of braces",
    };
    format!("{methods} to {path}{below}{open}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_may_be_typed_as_one_likes() {
        let fields = Fields(vec![
            ("name".into(), " Search ".into()),
            ("methods".into(), "get, post".into()),
            ("path".into(), "/users/{id}/*".into()),
        ]);
        let route = read(&fields);
        assert_eq!(route.methods, ["GET", "POST"]);
        assert_eq!(route.name, "Search");
        assert_eq!(
            words_of(&route.methods, &route.path),
            "GET or POST calls to /users/{id} and everything below it, with any one segment in the place of the braces"
        );
        assert_eq!(
            words_of(&[], "/*"),
            "every call to / and everything below it"
        );
    }
}
