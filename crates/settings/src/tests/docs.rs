//! The documentation says what the catalog says.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::*;
use crate::catalog::{OTHER_VARIABLES, Preset, SETTINGS};

const DOCS: &str = include_str!("../../../../docs/configuration.md");

fn table() -> String {
    let mut table =
        "| variable | config file | default | meaning | secret |\n| --- | --- | --- | --- | --- |\n"
            .to_owned();
    for known in SETTINGS {
        let default = match known.default {
            Preset::None => String::new(),
            Preset::Value(value) => format!("`{value}`"),
            Preset::Derived(text) => text.to_owned(),
        };
        let secret = if known.is_secret() { "yes" } else { "" };
        writeln!(
            table,
            "| `{}` | `{}` | {default} | {} | {secret} |",
            known.variable, known.key, known.meaning
        )
        .unwrap();
    }
    table
}

#[test]
fn every_setting_is_documented() {
    let table = table();
    assert!(
        DOCS.contains(&table),
        "the table in docs/configuration.md should be:\n{table}"
    );
    for other in OTHER_VARIABLES {
        assert!(DOCS.contains(&format!("`{other}`")), "{other}");
    }
}

#[test]
fn the_example_in_the_docs_is_valid() {
    let (_, rest) = DOCS.split_once("```toml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let root = folder();
    fs::write(root.path().join("apiverse.toml"), example).unwrap();
    let settings = load(&root, &[]).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(
        settings.redacted().get("APIVERSE_ADDR").unwrap().layer,
        Layer::File
    );
}

#[test]
fn names_and_keys_are_unique_and_no_key_is_also_a_table() {
    let names: BTreeSet<&str> = SETTINGS.iter().map(|known| known.variable).collect();
    let keys: BTreeSet<&str> = SETTINGS.iter().map(|known| known.key).collect();
    assert_eq!((names.len(), keys.len()), (SETTINGS.len(), SETTINGS.len()));
    for key in &keys {
        let table = format!("{key}.");
        assert!(keys.iter().all(|other| !other.starts_with(&table)), "{key}");
    }
}
