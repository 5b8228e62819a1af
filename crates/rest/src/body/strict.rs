//! JSON text to a value, refusing what two readers could understand differently.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why a text is not a value.
#[derive(Debug)]
pub enum StrictError {
    /// Not JSON.
    Syntax(serde_json::Error),
    /// A name stands twice in one object; the path of it. Which of the two counts is up to the
    /// reader (RFC 8259, 4), so neither does.
    Duplicate(String),
}

/// Nesting is bounded by the parser's own limit of 128 levels.
pub fn value(text: &str) -> Result<Value, StrictError> {
    let mut walk = Walk::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let result = Reader(&mut walk)
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    match (result, walk.duplicate) {
        (Ok(value), _) => Ok(value),
        (Err(_), Some(path)) => Err(StrictError::Duplicate(path)),
        (Err(error), None) => Err(StrictError::Syntax(error)),
    }
}

#[derive(Default)]
struct Walk {
    path: Vec<String>,
    duplicate: Option<String>,
}

struct Reader<'a>(&'a mut Walk);

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        self.0.path.push(String::new());
        loop {
            if let Some(place) = self.0.path.last_mut() {
                *place = list.len().to_string();
            }
            match access.next_element_seed(Reader(self.0))? {
                Some(value) => list.push(value),
                None => break,
            }
        }
        self.0.path.pop();
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            self.0.path.push(name);
            let name = self.0.path.last().map(String::as_str).unwrap_or_default();
            if map.contains_key(name) {
                self.0.duplicate = Some(self.0.path.join("."));
                return Err(A::Error::custom("given twice"));
            }
            let value = access.next_value_seed(Reader(self.0))?;
            if let Some(name) = self.0.path.pop() {
                map.insert(name, value);
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_what_serde_json_reads() {
        let text =
            r#" {"a": [1, -2, 3.5, "x\n", null, true, {}], "b": {"c": 18446744073709551615}} "#;
        assert_eq!(value(text).ok(), serde_json::from_str(text).ok());
    }

    #[test]
    fn a_duplicate_is_named_by_its_path() {
        for (text, path) in [
            (r#"{"a":1,"a":1}"#, "a"),
            (r#"{"a":{"b":[{},{"c":1,"c":2}]}}"#, "a.b.1.c"),
            (r#"{"a":1,"\u0061":2}"#, "a"),
        ] {
            match value(text) {
                Err(StrictError::Duplicate(found)) => assert_eq!(found, path),
                other => panic!("{text}: {other:?}"),
            }
        }
        // The same name in two objects is nothing special.
        assert_eq!(
            value(r#"[{"a":1},{"a":1}]"#).ok(),
            Some(json!([{"a":1},{"a":1}]))
        );
    }

    #[test]
    fn deep_nesting_ends_in_an_error() {
        let deep = "[".repeat(100_000);
        assert!(matches!(value(&deep), Err(StrictError::Syntax(_))));
        let deep = format!(
            "{}{}",
            r#"{"a":"#.repeat(200),
            "1".to_owned() + &"}".repeat(200)
        );
        assert!(matches!(value(&deep), Err(StrictError::Syntax(_))));
    }

    #[test]
    fn what_follows_the_value_is_refused() {
        assert!(matches!(value("{} {}"), Err(StrictError::Syntax(_))));
        assert!(matches!(value(""), Err(StrictError::Syntax(_))));
    }
}
