//! Values as jaq sees them.

use std::rc::Rc;

use jaq_core::box_iter::{BoxIter, box_once};
use jaq_core::path::Opt;
use jaq_core::val::Range;
use jaq_core::{Error, Exn, ValR, ValX};

use super::{
    Array, FIXED, Members, Scale, Value, absolute, bounds, items_of, members_of, unshared,
};
use crate::jq::budget::{charge, charge_bytes, step};
use crate::jq::number::Number;
use crate::jq::write;

const ITERABLE: &str = "iterable (array or object)";

impl jaq_core::ValT for Value {
    fn from_num(text: &str) -> ValR<Self> {
        Number::parse(text)
            .map(Self::Number)
            .ok_or_else(|| Error::str("not a number"))
    }

    fn from_map<I: IntoIterator<Item = (Self, Self)>>(members: I) -> ValR<Self> {
        let mut map = Members::default();
        for (key, value) in members {
            match key {
                Self::Text(key) => map.insert(key.as_str().into(), value),
                key => return Err(Error::typ(key, "string")),
            };
        }
        Ok(Self::object(map))
    }

    fn key_values(self) -> BoxIter<'static, ValR<(Self, Self), Self>> {
        match self {
            Self::Array(mut array) => {
                let items = items_of(&mut array).into_iter().enumerate();
                Box::new(items.map(|(at, item)| Ok((Self::from(at), item))))
            }
            Self::Object(mut object) => {
                let members = members_of(&mut object).into_iter();
                Box::new(members.map(|(key, value)| Ok((Self::text(&*key), value))))
            }
            other => box_once(Err(Error::typ(other, ITERABLE))),
        }
    }

    fn values(self) -> Box<dyn Iterator<Item = ValR<Self>>> {
        match self {
            Self::Array(mut array) => Box::new(items_of(&mut array).into_iter().map(Ok)),
            Self::Object(mut object) => Box::new(members_of(&mut object).into_values().map(Ok)),
            other => box_once(Err(Error::typ(other, ITERABLE))),
        }
    }

    fn index(self, key: &Self) -> ValR<Self> {
        self.at(key).map(|found| found.unwrap_or(Self::Null))
    }

    fn range(self, range: Range<&Self>) -> ValR<Self> {
        self.slice(range)
    }

    fn map_values<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        match self {
            Self::Array(mut array) => items_of(&mut array).into_iter().flat_map(f).collect(),
            Self::Object(mut object) => {
                let mut members = Members::default();
                for (key, value) in members_of(&mut object) {
                    if let Some(value) = f(value).next().transpose()? {
                        members.insert(key, value);
                    }
                }
                Ok(Self::object(members))
            }
            other => opt.fail(other, |other| Exn::from(Error::typ(other, ITERABLE))),
        }
    }

    fn map_index<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        index: &Self,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        if let (Self::Text(_) | Self::Array(_), Self::Object(part)) = (&self, index) {
            let part = Rc::clone(part);
            let bounds = part.members.get("start")..part.members.get("end");
            return self.map_range(bounds, opt, f);
        }
        match (self, index) {
            (Self::Null, Self::Text(key)) => {
                let mut members = Members::default();
                if let Some(value) = f(Self::Null).next().transpose()? {
                    members.insert(key.as_str().into(), value);
                }
                Ok(Self::object(members))
            }
            (Self::Object(object), Self::Text(key)) => {
                let mut object = unshared(object);
                // Alone since the line before; what stood there is handed to `f` unshared.
                if let Some(own) = Rc::get_mut(&mut object) {
                    let old = own.members.get_mut(key.as_str());
                    let weight = old.as_ref().map(|value| value.weight());
                    let old = old.map(|slot| std::mem::replace(slot, Self::Null));
                    own.weight -= weight.map_or(0, |weight| weight - FIXED);
                    match f(old.unwrap_or(Self::Null)).next().transpose()? {
                        Some(value) => own.insert(key.as_str().into(), value),
                        None => {
                            if own.members.shift_remove(key.as_str()).is_some() {
                                charge(own.members.len() as u64 / 16);
                                own.weight -= key.as_str().len() + 2 * FIXED;
                            }
                        }
                    }
                }
                Ok(Self::Object(object))
            }
            (Self::Array(array), Self::Number(number)) => {
                let position = number
                    .as_int()
                    .and_then(|at| absolute(at, array.items.len()))
                    .filter(|at| *at < array.items.len());
                let Some(at) = position else {
                    let error = Error::str(format_args!("index {number} is out of bounds"));
                    return opt.fail(Self::Array(array), |_| Exn::from(error));
                };
                let mut array = unshared(array);
                if let Some(own) = Rc::get_mut(&mut array) {
                    let old = std::mem::replace(&mut own.items[at], Self::Null);
                    own.weight -= old.weight() - FIXED;
                    match f(old).next().transpose()? {
                        Some(value) => {
                            let mut scale = Scale {
                                weight: own.weight - FIXED,
                                depth: own.depth - 1,
                            };
                            scale.add(0, &value);
                            own.weight = scale.weight;
                            own.depth = scale.depth + 1;
                            own.items[at] = value;
                        }
                        None => {
                            charge(own.items.len() as u64 / 16);
                            own.weight -= FIXED;
                            own.items.remove(at);
                        }
                    }
                }
                Ok(Self::Array(array))
            }
            (other, index) => {
                let index = index.clone();
                opt.fail(other, |other| Exn::from(Error::index(other, index)))
            }
        }
    }

    fn map_range<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        range: Range<&Self>,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        let Self::Array(mut array) = self else {
            return opt.fail(self, |other| Exn::from(Error::typ(other, "array")));
        };
        let (from, to) = match bounds(&range, array.items.len()) {
            Ok(bounds) => bounds,
            Err(error) => return opt.fail(Self::Array(array), |_| Exn::from(error)),
        };
        let part = Self::array(array.items[from..to].to_vec());
        let new = match f(part).next().transpose()? {
            None => Vec::new(),
            Some(Self::Array(mut new)) => items_of(&mut new),
            Some(other) => return Err(Exn::from(Error::typ(other, "array"))),
        };
        let mut items = items_of(&mut array);
        items.splice(from..to, new);
        Ok(Self::array(items))
    }

    fn as_bool(&self) -> bool {
        !matches!(self, Self::Null | Self::Bool(false))
    }

    fn into_string(self) -> Self {
        match self {
            Self::Text(_) => self,
            other => Self::text(write::to_text(&other)),
        }
    }
}

impl jaq_std::ValT for Value {
    fn into_seq<S: FromIterator<Self>>(self) -> Result<S, Self> {
        match self {
            Self::Array(mut array) => Ok(items_of(&mut array).into_iter().collect()),
            other => Err(other),
        }
    }

    fn is_int(&self) -> bool {
        matches!(self, Self::Number(number) if number.is_int())
    }

    fn as_isize(&self) -> Option<isize> {
        self.as_int().and_then(|int| isize::try_from(int).ok())
    }

    fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(number.as_f64()),
            _ => None,
        }
    }

    fn is_utf8_str(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        let bytes = self.as_str()?.as_bytes();
        charge_bytes(bytes.len());
        Some(bytes)
    }

    fn as_sub_str(&self, sub: &[u8]) -> Self {
        Self::text(String::from_utf8_lossy(sub))
    }

    fn from_utf8_bytes(bytes: impl AsRef<[u8]> + Send + 'static) -> Self {
        Self::text(String::from_utf8_lossy(bytes.as_ref()))
    }
}

impl From<bool> for Value {
    fn from(bool: bool) -> Self {
        Self::Bool(bool)
    }
}

impl From<isize> for Value {
    fn from(int: isize) -> Self {
        step();
        Self::Number(Number::Int(int as i64))
    }
}

impl From<usize> for Value {
    fn from(int: usize) -> Self {
        step();
        Self::Number(i64::try_from(int).map_or(Number::Float(int as f64), Number::Int))
    }
}

impl From<f64> for Value {
    fn from(float: f64) -> Self {
        step();
        Self::Number(Number::Float(float))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<Range<Self>> for Value {
    fn from(range: Range<Self>) -> Self {
        let mut members = Members::default();
        for (name, bound) in [("start", range.start), ("end", range.end)] {
            if let Some(bound) = bound {
                members.insert(name.into(), bound);
            }
        }
        Self::object(members)
    }
}

impl FromIterator<Self> for Value {
    /// Weighed while it grows: an endless iterator ends here.
    fn from_iter<T: IntoIterator<Item = Self>>(iter: T) -> Self {
        let mut items = Vec::new();
        let mut scale = Scale::new();
        for item in iter {
            step();
            scale.add(0, &item);
            items.push(item);
        }
        Self::Array(Rc::new(Array::weighed(items, &scale)))
    }
}
