//! What the scripts take and answer.
//!
//! All keys of an API have the same hash tag, so that a script may use them together.

use std::sync::LazyLock;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Script, ScriptInvocation};

use super::{Count, New, Place};

/// Longest that an answer is kept.
pub(super) const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Marks are kept for longer than any answer.
const MARKS_KEPT_MS: u64 = 25 * 3600 * 1000;
/// Marks of an API; when there are more, all of its answers are void and it begins anew.
const MOST_MARKS: u32 = 10_000;
/// Variants at one place; one more, and all of them go.
const MOST_VARIANTS: u32 = 32;

static FIND: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("find.lua")));
static STORE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("store.lua")));
static VOID: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("void.lua")));

/// What one look found.
pub(super) struct Look {
    pub(super) count: u64,
    /// The place, from 0, and the answer.
    pub(super) answer: Option<(usize, Vec<u8>)>,
    /// By place: lists of fields, each with a line end.
    pub(super) lists: Vec<Vec<u8>>,
}

/// `variants`: those of each place.
pub(super) async fn find(
    connection: &mut MultiplexedConnection,
    space: &str,
    api: u128,
    places: &[Place],
    variants: &[Vec<[u8; 16]>],
) -> Result<Option<Look>, RedisError> {
    let mut call = FIND.key(marks(space, api));
    for place in places {
        call.key(answers(space, api, place));
    }
    call.arg(MARKS_KEPT_MS);
    for wanted in variants {
        call.arg(wanted.len());
        for variant in wanted {
            call.arg(name(variant));
        }
    }
    let said: Vec<Vec<u8>> = call.invoke_async(connection).await?;
    Ok(read(said))
}

fn read(said: Vec<Vec<u8>>) -> Option<Look> {
    let mut said = said.into_iter();
    let number = |bytes: Vec<u8>| std::str::from_utf8(&bytes).ok()?.parse::<u64>().ok();
    let count = number(said.next()?)?;
    let place = usize::try_from(number(said.next()?)?).ok()?;
    let answer = said.next()?;
    Some(Look {
        count,
        answer: place.checked_sub(1).map(|place| (place, answer)),
        lists: said.collect(),
    })
}

/// Whether it was stored.
pub(super) async fn store(
    connection: &mut MultiplexedConnection,
    new: &New,
    bytes: &[u8],
) -> Result<bool, RedisError> {
    let Count { space, count } = &new.begun;
    let mut call = STORE.key(marks(space, new.api));
    let keep = u64::try_from(new.keep.min(LONGEST).as_millis()).unwrap_or(u64::MAX);
    call.key(answers(space, new.api, &new.place))
        .arg(MARKS_KEPT_MS)
        .arg(keep)
        .arg(MOST_VARIANTS)
        .arg(*count)
        .arg(name(&new.variant))
        .arg(new.names.as_str())
        .arg(bytes);
    add_marks(&mut call, &new.marks);
    let stored: u8 = call.invoke_async(connection).await?;
    Ok(stored == 1)
}

pub(super) async fn void(
    connection: &mut MultiplexedConnection,
    space: &str,
    api: u128,
    raised: &[u64],
) -> Result<(), RedisError> {
    let mut call = VOID.key(marks(space, api));
    call.arg(MARKS_KEPT_MS).arg(MOST_MARKS);
    add_marks(&mut call, raised);
    let _: u8 = call.invoke_async(connection).await?;
    Ok(())
}

/// The line that a stored answer begins with.
pub(super) fn head(new: &New) -> String {
    let mut line = new.begun.count.to_string();
    for mark in &new.marks {
        line.push(' ');
        line.push_str(&mark_name(*mark));
    }
    line.push('\n');
    line
}

fn add_marks(call: &mut ScriptInvocation<'_>, all: &[u64]) {
    for mark in all {
        call.arg(mark_name(*mark));
    }
}

fn mark_name(mark: u64) -> String {
    format!("{mark:x}")
}

fn name(variant: &[u8; 16]) -> String {
    format!("v{:x}", u128::from_be_bytes(*variant))
}

fn marks(space: &str, api: u128) -> String {
    format!("apiverse:cache:{{{api:x}}}:{space}:marks")
}

fn answers(space: &str, api: u128, place: &Place) -> Vec<u8> {
    let mut key = format!("apiverse:cache:{{{api:x}}}:{space}:").into_bytes();
    key.extend_from_slice(&place.0);
    key
}
