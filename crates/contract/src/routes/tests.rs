use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn template(text: &str) -> RouteTemplate {
    RouteTemplate::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn templates_match_whole_paths() {
    for (text, path, expected) in [
        ("/", "", true),
        ("/", "/", true),
        ("/", "/a", false),
        ("/users", "/users", true),
        ("/users", "/users/", true),
        ("/users/", "/users", true),
        ("/users", "/Users", false),
        ("/users", "/users/1", false),
        ("/users/{id}", "/users/1", true),
        ("/users/{id}", "/users", false),
        ("/users/{id}", "/users/1/2", false),
        ("/users/{id}", "/users/a%2Fb", true),
        ("/users/*", "/users", true),
        ("/users/*", "/users/1/2/3", true),
        ("/users/*", "/usersx", false),
        ("/users/{id}/*", "/users", false),
        ("/users/{id}/*", "/users/1", true),
        ("/*", "", true),
        ("/*", "/anything/at/all", true),
        ("/a%20b", "/a%20b", true),
        ("/caf%C3%A9", "/café", true),
        ("/caf\u{e9}", "/caf%c3%a9", true),
        ("/100%25", "/100%25", true),
        ("/100%25", "/100%", true),
    ] {
        assert_eq!(template(text).matches(path), expected, "{text} {path}");
    }
}

#[test]
fn other_spellings_of_a_path_do_not_slip_past() {
    let users = template("/users/{id}");
    for path in [
        "//users/1",
        "/users//1",
        "/./users/1",
        "/x/../users/1",
        "/x/%2e%2E/users/1",
        "/../users/1",
        "/%75sers/1",
        "/users/1/.",
        "/users/1/2/..",
    ] {
        assert!(users.matches(path), "{path}");
    }
    assert!(!users.matches("/users/1/.../"));
    // Deeper than any template, and back again.
    let up_and_down = format!("/users/1{}{}", "/x".repeat(100), "/..".repeat(100));
    assert!(users.matches(&up_and_down));
    assert!(!users.matches(&"/x".repeat(100)));
}

#[test]
fn what_is_no_template_is_refused() {
    use TemplateError::{Character, Escape, NoSlash, Rest, Segment, TooLong};
    let long = format!("/{}", "x".repeat(500));
    let deep = "/x".repeat(33);
    for (text, expected) in [
        ("", NoSlash),
        ("users", NoSlash),
        (long.as_str(), TooLong),
        (deep.as_str(), TooLong),
        ("/a//b", Character),
        ("/a/../b", Character),
        ("/a/%2e", Character),
        ("/a?b", Character),
        ("/a b", Character),
        ("/a\u{7}", Character),
        ("/a/*/b", Rest),
        ("/a*", Rest),
        ("/a/**", Rest),
        ("/{}", Segment),
        ("/{a-b}", Segment),
        ("/v{n}", Segment),
        ("/{a}{b}", Segment),
        ("/a%2", Escape),
        ("/a%zz", Escape),
    ] {
        assert_eq!(RouteTemplate::parse(text), Err(expected), "{text}");
    }
}

fn table(routes: &[(&str, &[&str])]) -> RouteTable<usize> {
    let mut table = RouteTable::default();
    for (at, (path, methods)) in routes.iter().enumerate() {
        let methods: Vec<String> = methods.iter().map(|&method| method.to_owned()).collect();
        let id = RouteId(Uuid::from_u128(at as u128));
        table.insert(id, &template(path), &methods, at);
    }
    table
}

#[test]
fn the_most_specific_route_is_the_calls() {
    let table = table(&[
        ("/*", &[]),
        ("/users/*", &[]),
        ("/users/{id}", &[]),
        ("/users/me", &[]),
        ("/users/{id}", &["post", "PUT"]),
        ("/{any}/me/x", &[]),
        ("/users/{id}", &[]),
        ("/users/me/{what}/y", &[]),
    ]);
    assert_eq!(table.len(), 8);
    for (method, path, expected) in [
        ("GET", "/users/me", 3),
        ("POST", "/users/me", 3),
        ("GET", "/users/7", 2),
        ("POST", "/users/7", 4),
        ("PUT", "/users/7", 4),
        ("GET", "/users", 1),
        ("GET", "/users/7/8", 1),
        // `/users/me/…` leads nowhere here, and `/users/*` is still more specific than `/{any}`.
        ("GET", "/users/me/x", 1),
        ("GET", "/users/me/x/y", 7),
        ("GET", "/others/me/x", 5),
        ("GET", "/others", 0),
        ("GET", "", 0),
    ] {
        assert_eq!(table.find(method, path), Some(&expected), "{method} {path}");
    }
}

#[test]
fn a_route_of_another_method_leaves_the_call_to_the_next() {
    let table = table(&[("/users/me", &["DELETE"]), ("/users/{id}", &["GET"])]);
    assert_eq!(table.find("GET", "/users/me"), Some(&1));
    assert_eq!(table.find("DELETE", "/users/me"), Some(&0));
    assert_eq!(table.find("POST", "/users/me"), None);
    assert_eq!(RouteTable::<()>::default().find("GET", "/"), None);
}

proptest! {
    #[test]
    fn the_table_finds_a_route_exactly_when_a_template_matches(
        templates in proptest::collection::vec("(/(a|b|\\{x\\})){0,4}(/\\*)?", 1..12),
        path in "(/(a|b|c|%61|\\.|\\.\\.)?){0,6}",
    ) {
        let templates: Vec<String> = templates
            .into_iter()
            .map(|text| if text.is_empty() { "/".to_owned() } else { text })
            .collect();
        let routes: Vec<(&str, &[&str])> =
            templates.iter().map(|text| (text.as_str(), &[][..])).collect();
        let found = table(&routes).find("GET", &path).copied();
        let matching: Vec<usize> = (0..templates.len())
            .filter(|&at| template(&templates[at]).matches(&path))
            .collect();
        match found {
            Some(at) => prop_assert!(matching.contains(&at), "{} {path}", templates[at]),
            None => prop_assert!(matching.is_empty(), "{path} {matching:?}"),
        }
    }

    #[test]
    fn no_text_is_a_surprise(text in "\\PC{0,60}", path in "[ -~]{0,60}") {
        if let Ok(template) = RouteTemplate::parse(&text) {
            let _ = template.matches(&path);
        }
    }
}

#[test]
fn places_hold_what_is_in_the_path() {
    for (template, path, expected) in [
        ("/users/{id}", "/users/a%20b", vec![("id", "a b")]),
        (
            "/{a}/x/{b}/*",
            "//1/x/2/3/4%2F5",
            vec![("a", "1"), ("b", "2"), ("*", "3/4/5")],
        ),
        ("/{a}/*", "/x/../1", vec![("a", "1"), ("*", "")]),
        ("/plain", "/plain", vec![]),
    ] {
        let held = captured(template, path);
        let held: Vec<(&str, &str)> = held.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(held, expected, "{template} {path}");
    }
}
