//! What `+`, `-`, `*`, `/` and `%` make of values.

use std::rc::Rc;

use jaq_core::{Error, ValR, ops};

use super::{FIXED, Object, Scale, Value, items_of, members_of, unshared};
use crate::jq::budget::{charge_bytes, room_for, step, take};

impl std::ops::Add for Value {
    type Output = ValR<Self>;

    fn add(self, other: Self) -> Self::Output {
        match (self, other) {
            (Self::Null, value) | (value, Self::Null) => Ok(value),
            (Self::Number(a), Self::Number(b)) => Ok(Self::Number(a.plus(&b))),
            (Self::Text(mut a), Self::Text(b)) => {
                room_for(a.as_str().len() + b.as_str().len());
                charge_bytes(b.as_str().len());
                if let Some(own) = Rc::get_mut(&mut a) {
                    take(b.as_str().len());
                    own.0.push_str(b.as_str());
                    return Ok(Self::Text(a));
                }
                let mut text = String::with_capacity(a.as_str().len() + b.as_str().len());
                text.push_str(a.as_str());
                text.push_str(b.as_str());
                Ok(Self::text(text))
            }
            (Self::Array(a), Self::Array(mut b)) => {
                let mut a = unshared(a);
                if let Some(own) = Rc::get_mut(&mut a) {
                    let mut scale = Scale {
                        weight: own.weight + b.weight,
                        depth: (own.depth - 1).max(b.depth - 1),
                    };
                    scale.weight -= FIXED;
                    room_for(scale.weight);
                    let more = items_of(&mut b);
                    let counted = more.len() * size_of::<Self>();
                    take(counted);
                    own.counted += counted;
                    own.items.extend(more);
                    own.weight = scale.weight;
                    own.depth = scale.depth + 1;
                }
                Ok(Self::Array(a))
            }
            (Self::Object(a), Self::Object(mut b)) => {
                let mut a = unshared(a);
                if let Some(own) = Rc::get_mut(&mut a) {
                    for (key, value) in members_of(&mut b) {
                        step();
                        own.insert(key, value);
                    }
                }
                Ok(Self::Object(a))
            }
            (a, b) => Err(Error::math(a, ops::Math::Add, b)),
        }
    }
}

impl std::ops::Sub for Value {
    type Output = ValR<Self>;

    fn sub(self, other: Self) -> Self::Output {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => Ok(Self::Number(a.minus(&b))),
            (Self::Array(mut a), Self::Array(b)) => {
                let gone: std::collections::BTreeSet<&Self> = b.items.iter().collect();
                let items = items_of(&mut a);
                let left = items.into_iter().filter(|item| !gone.contains(item));
                Ok(left.collect())
            }
            (a, b) => Err(Error::math(a, ops::Math::Sub, b)),
        }
    }
}

impl std::ops::Mul for Value {
    type Output = ValR<Self>;

    fn mul(self, other: Self) -> Self::Output {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => Ok(Self::Number(a.times(&b))),
            (Self::Text(text), Self::Number(times)) | (Self::Number(times), Self::Text(text)) => {
                let times = times.as_f64();
                if times.is_nan() || times <= 0.0 {
                    return Ok(Self::Null);
                }
                let times = times.max(1.0) as usize;
                room_for(text.as_str().len().saturating_mul(times));
                Ok(Self::text(text.as_str().repeat(times)))
            }
            (Self::Object(a), Self::Object(b)) => Ok(merged(a, b)),
            (a, b) => Err(Error::math(a, ops::Math::Mul, b)),
        }
    }
}

/// Two objects, members that are objects in both put together in the same way.
fn merged(a: Rc<Object>, mut b: Rc<Object>) -> Value {
    let mut a = unshared(a);
    if let Some(own) = Rc::get_mut(&mut a) {
        for (key, new) in members_of(&mut b) {
            step();
            let old = match own.members.get(&key) {
                Some(Value::Object(old)) => Some(Rc::clone(old)),
                _ => None,
            };
            let value = match (old, new) {
                (Some(old), Value::Object(new)) => merged(old, new),
                (_, new) => new,
            };
            own.insert(key, value);
        }
    }
    Value::Object(a)
}

impl std::ops::Div for Value {
    type Output = ValR<Self>;

    fn div(self, other: Self) -> Self::Output {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => Ok(Self::Number(a.over(&b))),
            (Self::Text(text), Self::Text(separator)) => {
                charge_bytes(text.as_str().len());
                Ok(split(text.as_str(), separator.as_str()))
            }
            (a, b) => Err(Error::math(a, ops::Math::Div, b)),
        }
    }
}

fn split(text: &str, separator: &str) -> Value {
    if text.is_empty() {
        return Value::array(Vec::new());
    }
    if separator.is_empty() {
        return text.chars().map(|c| Value::text(c.to_string())).collect();
    }
    text.split(separator).map(Value::text).collect()
}

impl std::ops::Rem for Value {
    type Output = ValR<Self>;

    fn rem(self, other: Self) -> Self::Output {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => match a.modulo(&b) {
                Some(number) => Ok(Self::Number(number)),
                None => Err(Error::math(
                    Self::Number(a),
                    ops::Math::Rem,
                    Self::Number(b),
                )),
            },
            (a, b) => Err(Error::math(a, ops::Math::Rem, b)),
        }
    }
}

impl std::ops::Neg for Value {
    type Output = ValR<Self>;

    fn neg(self) -> Self::Output {
        match self {
            Self::Number(number) => Ok(Self::Number(number.negated())),
            other => Err(Error::typ(other, "number")),
        }
    }
}
