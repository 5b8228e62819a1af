//! jq's order of values.

use std::cmp::Ordering;
use std::fmt;
use std::rc::Rc;

use super::{Object, Value};
use crate::jq::budget::{charge, charge_bytes, step};
use crate::jq::write;

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        step();
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => {
                if a.as_str().len() == b.as_str().len() {
                    charge_bytes(a.as_str().len());
                }
                a.as_str().cmp(b.as_str())
            }
            (Self::Array(a), Self::Array(b)) => a.items.cmp(&b.items),
            (Self::Object(a), Self::Object(b)) => {
                let sorted = |object: &Rc<Object>| {
                    let mut keys: Vec<Rc<str>> = object.members.keys().cloned().collect();
                    charge(keys.len() as u64);
                    keys.sort_unstable();
                    keys
                };
                let (keys_a, keys_b) = (sorted(a), sorted(b));
                keys_a.cmp(&keys_b).then_with(|| {
                    let values = |object: &'_ Rc<Object>, key: &Rc<str>| {
                        object.members.get(key).cloned().unwrap_or(Self::Null)
                    };
                    for key in &keys_a {
                        let order = values(a, key).cmp(&values(b, key));
                        if order != Ordering::Equal {
                            return order;
                        }
                    }
                    Ordering::Equal
                })
            }
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&write::to_text(self))
    }
}
