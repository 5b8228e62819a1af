//! Reading JSON with the browser's own parser.
//!
//! A parser written in Rust and made anew for each type was a tenth of the download. Here the browser
//! parses, and types are read from its values: members by their names only, errors without words.

use js_sys::{Array, JsString, Object};
use serde::de::value::StringDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use wasm_bindgen::{JsCast, JsValue};

/// Text that is not JSON, or JSON of another shape than the type.
#[derive(Debug)]
pub struct Unreadable;

impl Error for Unreadable {
    // Words of errors carry the formatting of every number type with them.
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self
    }
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not understood")
    }
}

impl std::error::Error for Unreadable {}

type Read<T> = Result<T, Unreadable>;

/// Reads a value from its JSON. Whole numbers are exact up to 2^53.
pub fn read<T: DeserializeOwned>(text: &str) -> Read<T> {
    T::deserialize(Tree(parse(text)?))
}

/// Whether a text is JSON.
pub fn is_json(text: &str) -> bool {
    parse(text).is_ok()
}

fn parse(text: &str) -> Read<JsValue> {
    js_sys::JSON::parse(text).map_err(|_| Unreadable)
}

struct Tree(JsValue);

impl Tree {
    fn text(&self) -> Read<String> {
        self.0.as_string().ok_or(Unreadable)
    }

    fn number(&self) -> Read<f64> {
        self.0.as_f64().ok_or(Unreadable)
    }

    #[expect(clippy::cast_possible_truncation, reason = "only whole numbers pass")]
    fn whole(&self) -> Read<i64> {
        let number = self.number()?;
        if number.trunc() == number {
            Ok(number as i64)
        } else {
            Err(Unreadable)
        }
    }

    fn natural(&self) -> Read<u64> {
        u64::try_from(self.whole()?).map_err(|_| Unreadable)
    }

    fn items(self) -> Read<Items> {
        let all: Array = self.0.dyn_into().map_err(|_| Unreadable)?;
        Ok(Items { all, next: 0 })
    }

    fn members(self) -> Read<Members> {
        let object: Object = self.0.dyn_into().map_err(|_| Unreadable)?;
        Ok(Members {
            all: Object::entries(&object),
            next: 0,
            value: JsValue::NULL,
        })
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $read:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
            visitor.$visit(self.$read()?)
        })*
    };
}

impl<'de> Deserializer<'de> for Tree {
    type Error = Unreadable;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        if self.0.is_null() {
            visitor.visit_unit()
        } else if let Some(value) = self.0.as_bool() {
            visitor.visit_bool(value)
        } else if self.0.is_string() {
            visitor.visit_string(self.text()?)
        } else if self.0.is_instance_of::<Array>() {
            visitor.visit_seq(self.items()?)
        } else if let Ok(value) = self.whole() {
            visitor.visit_i64(value)
        } else if let Ok(value) = self.number() {
            visitor.visit_f64(value)
        } else {
            visitor.visit_map(self.members()?)
        }
    }

    numbers! {
        deserialize_i8 visit_i64 whole
        deserialize_i16 visit_i64 whole
        deserialize_i32 visit_i64 whole
        deserialize_i64 visit_i64 whole
        deserialize_u8 visit_u64 natural
        deserialize_u16 visit_u64 natural
        deserialize_u32 visit_u64 natural
        deserialize_u64 visit_u64 natural
        deserialize_f32 visit_f64 number
        deserialize_f64 visit_f64 number
        deserialize_str visit_string text
        deserialize_string visit_string text
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        visitor.visit_bool(self.0.as_bool().ok_or(Unreadable)?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        if self.0.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Read<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        visitor.visit_seq(self.items()?)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Read<V::Value> {
        visitor.visit_seq(self.items()?)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        visitor.visit_map(self.members()?)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        visitor.visit_map(self.members()?)
    }

    /// Variants without content are their name, others an object of one member.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        if let Some(name) = self.0.as_string() {
            let content = Tree(JsValue::NULL);
            return visitor.visit_enum(Variant { name, content });
        }
        let (name, content) = self.members()?.step().ok_or(Unreadable)?;
        let content = Tree(content);
        visitor.visit_enum(Variant { name, content })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple_struct identifier
    }
}

struct Items {
    all: Array,
    next: u32,
}

impl Items {
    fn step(&mut self) -> Option<Tree> {
        if self.next >= self.all.length() {
            return None;
        }
        let item = self.all.get(self.next);
        self.next += 1;
        Some(Tree(item))
    }
}

impl<'de> SeqAccess<'de> for Items {
    type Error = Unreadable;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Read<Option<T::Value>> {
        match self.step() {
            Some(item) => seed.deserialize(item).map(Some),
            None => Ok(None),
        }
    }
}

struct Members {
    all: Array,
    next: u32,
    value: JsValue,
}

impl Members {
    fn step(&mut self) -> Option<(String, JsValue)> {
        if self.next >= self.all.length() {
            return None;
        }
        let pair: Array = self.all.get(self.next).unchecked_into();
        self.next += 1;
        let name: JsString = pair.get(0).unchecked_into();
        Some((String::from(name), pair.get(1)))
    }
}

impl<'de> MapAccess<'de> for Members {
    type Error = Unreadable;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Read<Option<K::Value>> {
        let Some((name, value)) = self.step() else {
            return Ok(None);
        };
        self.value = value;
        seed.deserialize(StringDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Read<V::Value> {
        seed.deserialize(Tree(std::mem::replace(&mut self.value, JsValue::NULL)))
    }
}

struct Variant {
    name: String,
    content: Tree,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = Unreadable;
    type Variant = Tree;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Read<(V::Value, Tree)> {
        let name = seed.deserialize(StringDeserializer::new(self.name))?;
        Ok((name, self.content))
    }
}

impl<'de> VariantAccess<'de> for Tree {
    type Error = Unreadable;

    fn unit_variant(self) -> Read<()> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Read<T::Value> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Read<V::Value> {
        visitor.visit_seq(self.items()?)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        visitor.visit_map(self.members()?)
    }
}
