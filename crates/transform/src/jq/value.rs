//! The values that expressions work on: JSON, with everything counted.
//!
//! A value knows its weight (about its size as text, shared parts counted each time) and its
//! depth. Both are bounded whenever a value is made, so nothing that walks a value can take long or
//! run out of stack, however it was put together.

mod arithmetic;
mod jaq;
mod order;

use std::rc::Rc;

use indexmap::IndexMap;
use jaq_core::val::Range;
use jaq_core::{Error, ValR};

use super::budget::{Spent, charge, charge_bytes, give_back, room_for, step, stop, take};
use super::number::Number;

/// Deepest nesting of arrays and objects.
pub(crate) const DEPTH: u16 = 256;
/// What a value counts for beside its text.
const FIXED: usize = 16;

/// A JSON value.
#[derive(Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    Text(Rc<Text>),
    Array(Rc<Array>),
    Object(Rc<Object>),
}

/// Text, counted while it lives.
#[derive(Debug)]
pub(crate) struct Text(String);

/// Items, with what they weigh.
#[derive(Debug)]
pub(crate) struct Array {
    items: Vec<Value>,
    weight: usize,
    depth: u16,
    counted: usize,
}

pub(crate) type Members = IndexMap<Rc<str>, Value, foldhash::quality::RandomState>;

/// Members in the order in which they came, with what they weigh.
#[derive(Debug)]
pub(crate) struct Object {
    members: Members,
    weight: usize,
    depth: u16,
    counted: usize,
}

impl Text {
    fn new(text: String) -> Self {
        charge_bytes(text.len());
        take(text.len() + FIXED);
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        give_back(self.0.len() + FIXED);
    }
}

/// Adds up what is put into one value.
struct Scale {
    weight: usize,
    depth: u16,
}

impl Scale {
    const fn new() -> Self {
        Self {
            weight: FIXED,
            depth: 0,
        }
    }

    fn add(&mut self, key: usize, value: &Value) {
        self.weight = self.weight.saturating_add(key + value.weight());
        self.depth = self.depth.max(value.depth());
        if self.depth >= DEPTH {
            stop(Spent::Depth);
        }
        room_for(self.weight);
    }
}

impl Array {
    fn new(items: Vec<Value>) -> Self {
        let mut scale = Scale::new();
        for item in &items {
            scale.add(0, item);
        }
        Self::weighed(items, &scale)
    }

    fn weighed(items: Vec<Value>, scale: &Scale) -> Self {
        charge(1 + items.len() as u64 / 16);
        let counted = FIXED + items.len() * size_of::<Value>();
        take(counted);
        Self {
            items,
            weight: scale.weight,
            depth: scale.depth + 1,
            counted,
        }
    }

    pub(crate) fn items(&self) -> &[Value] {
        &self.items
    }
}

impl Clone for Array {
    fn clone(&self) -> Self {
        take(self.counted);
        Self {
            items: self.items.clone(),
            weight: self.weight,
            depth: self.depth,
            counted: self.counted,
        }
    }
}

impl Drop for Array {
    fn drop(&mut self) {
        give_back(self.counted);
    }
}

impl Object {
    fn new(members: Members) -> Self {
        let mut scale = Scale::new();
        for (key, value) in &members {
            scale.add(key.len() + FIXED, value);
        }
        charge(1 + members.len() as u64 / 4);
        let counted = members
            .keys()
            .map(|key| key.len() + size_of::<Value>() + 3 * FIXED)
            .sum::<usize>()
            + FIXED;
        take(counted);
        Self {
            members,
            weight: scale.weight,
            depth: scale.depth + 1,
            counted,
        }
    }

    pub(crate) const fn members(&self) -> &Members {
        &self.members
    }

    /// Puts a member in, in its place if it was there.
    fn insert(&mut self, key: Rc<str>, value: Value) {
        let mut scale = Scale {
            weight: self.weight,
            depth: self.depth - 1,
        };
        scale.add(key.len() + FIXED, &value);
        let counted = key.len() + size_of::<Value>() + 3 * FIXED;
        match self.members.insert(key.clone(), value) {
            Some(old) => scale.weight -= key.len() + FIXED + old.weight(),
            None => {
                take(counted);
                self.counted += counted;
            }
        }
        self.weight = scale.weight;
        self.depth = scale.depth + 1;
    }
}

impl Clone for Object {
    fn clone(&self) -> Self {
        take(self.counted);
        Self {
            members: self.members.clone(),
            weight: self.weight,
            depth: self.depth,
            counted: self.counted,
        }
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        give_back(self.counted);
    }
}

impl Clone for Value {
    fn clone(&self) -> Self {
        step();
        match self {
            Self::Null => Self::Null,
            Self::Bool(bool) => Self::Bool(*bool),
            Self::Number(number) => Self::Number(number.clone()),
            Self::Text(text) => Self::Text(Rc::clone(text)),
            Self::Array(array) => Self::Array(Rc::clone(array)),
            Self::Object(object) => Self::Object(Rc::clone(object)),
        }
    }
}

impl Value {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(Rc::new(Text::new(text.into())))
    }

    pub(crate) fn array(items: Vec<Self>) -> Self {
        Self::Array(Rc::new(Array::new(items)))
    }

    pub(crate) fn object(members: Members) -> Self {
        Self::Object(Rc::new(Object::new(members)))
    }

    /// About the size as text.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) => FIXED,
            Self::Number(Number::Written(text, _)) => text.len() + FIXED,
            Self::Number(_) => FIXED,
            Self::Text(text) => text.as_str().len() + FIXED,
            Self::Array(array) => array.weight,
            Self::Object(object) => object.weight,
        }
    }

    fn depth(&self) -> u16 {
        match self {
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) => 0,
            Self::Array(array) => array.depth,
            Self::Object(object) => object.depth,
        }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.as_str()),
            _ => None,
        }
    }

    pub(crate) fn as_int(&self) -> Option<i64> {
        match self {
            Self::Number(number) => number.as_int(),
            _ => None,
        }
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(false) => 1,
            Self::Bool(true) => 2,
            Self::Number(_) => 3,
            Self::Text(_) => 4,
            Self::Array(_) => 5,
            Self::Object(_) => 6,
        }
    }

    /// What stands at `key`; `None` when nothing does.
    pub(crate) fn at(&self, key: &Self) -> ValR<Option<Self>, Self> {
        Ok(match (self, key) {
            (Self::Null, _) => None,
            (Self::Object(object), Self::Text(key)) => object.members.get(key.as_str()).cloned(),
            (Self::Array(array), Self::Number(number)) => {
                let position = number
                    .as_int()
                    .and_then(|at| absolute(at, array.items.len()));
                position.and_then(|at| array.items.get(at)).cloned()
            }
            (Self::Array(array), Self::Array(part)) => {
                let found = self::positions(array, part);
                Some(Self::array(found))
            }
            (Self::Array(_) | Self::Text(_), Self::Object(bounds)) => {
                let part = |name: &str| bounds.members.get(name);
                return self.slice(part("start")..part("end")).map(Some);
            }
            _ => return Err(Error::index(self.clone(), key.clone())),
        })
    }

    fn slice(&self, range: Range<&Self>) -> ValR<Self> {
        match self {
            Self::Null => Ok(Self::Null),
            Self::Array(array) => {
                let (from, to) = bounds(&range, array.items.len())?;
                Ok(Self::array(array.items[from..to].to_vec()))
            }
            Self::Text(text) => {
                let text = text.as_str();
                charge_bytes(text.len());
                let (from, to) = bounds(&range, text.chars().count())?;
                let part: String = text.chars().skip(from).take(to - from).collect();
                Ok(Self::text(part))
            }
            _ => Err(Error::typ(self.clone(), "rangeable (array or string)")),
        }
    }
}

/// Where `part` begins in `array`.
pub(crate) fn positions(array: &Array, part: &Array) -> Vec<Value> {
    if part.items.is_empty() {
        return Vec::new();
    }
    let windows = array.items.windows(part.items.len()).enumerate();
    windows
        .filter(|(_, window)| *window == &*part.items)
        .map(|(at, _)| Value::from(at))
        .collect()
}

/// A position counted from the end when negative.
fn absolute(at: i64, len: usize) -> Option<usize> {
    if at < 0 {
        len.checked_sub(usize::try_from(at.unsigned_abs()).ok()?)
    } else {
        usize::try_from(at).ok()
    }
}

fn bounds(range: &Range<&Value>, len: usize) -> Result<(usize, usize), Error<Value>> {
    let bound = |value: Option<&Value>, default: usize| match value {
        None | Some(Value::Null) => Ok(default),
        Some(Value::Number(number)) if !number.as_f64().is_nan() => {
            let at = match number.as_int() {
                Some(at) => at,
                None => number.as_f64().floor() as i64,
            };
            Ok(absolute(at, len).unwrap_or(0).min(len))
        }
        Some(other) => Err(Error::typ(other.clone(), "integer")),
    };
    let from = bound(range.start, 0)?;
    let to = bound(range.end, len)?;
    Ok((from, to.max(from)))
}

fn unshared<T: Clone>(shared: Rc<T>) -> Rc<T> {
    let mut shared = shared;
    Rc::make_mut(&mut shared);
    shared
}

fn items_of(array: &mut Rc<Array>) -> Vec<Value> {
    match Rc::get_mut(array) {
        Some(array) => std::mem::take(&mut array.items),
        None => array.items.clone(),
    }
}

fn members_of(object: &mut Rc<Object>) -> Members {
    match Rc::get_mut(object) {
        Some(object) => std::mem::take(&mut object.members),
        None => object.members.clone(),
    }
}
