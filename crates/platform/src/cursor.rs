//! Cursors of lists: opaque to callers, so that what they hold may change.

use apiverse_contract::{FindingId, IncidentId, UsageEventId};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::fault::Invalid;

pub fn of_id(id: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(id.as_bytes())
}

pub fn to_id(cursor: Option<&str>) -> Result<Option<Uuid>, Invalid> {
    let Some(cursor) = cursor else {
        return Ok(None);
    };
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok();
    match bytes.and_then(|bytes| Uuid::from_slice(&bytes).ok()) {
        Some(id) => Ok(Some(id)),
        None => Err(garbled()),
    }
}

pub fn of_call(started_at_us: i64, id: UsageEventId) -> String {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&started_at_us.to_be_bytes());
    bytes[8..].copy_from_slice(id.0.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn to_call(cursor: Option<&str>) -> Result<Option<(i64, UsageEventId)>, Invalid> {
    let Some(cursor) = cursor else {
        return Ok(None);
    };
    let bytes: [u8; 24] = URL_SAFE_NO_PAD
        .decode(cursor)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(garbled)?;
    let (time, id) = bytes.split_at(8);
    let time = time
        .try_into()
        .map(i64::from_be_bytes)
        .map_err(|_| garbled())?;
    let id = Uuid::from_slice(id).map_err(|_| garbled())?;
    Ok(Some((time, UsageEventId(id))))
}

pub fn of_finding(started_us: i64, id: FindingId) -> String {
    of_call(started_us, UsageEventId(id.0))
}

pub fn to_finding(cursor: Option<&str>) -> Result<Option<(i64, FindingId)>, Invalid> {
    Ok(to_call(cursor)?.map(|(at, id)| (at, FindingId(id.0))))
}

pub fn of_incident(fired_us: i64, id: IncidentId) -> String {
    of_call(fired_us, UsageEventId(id.0))
}

pub fn to_incident(cursor: Option<&str>) -> Result<Option<(i64, IncidentId)>, Invalid> {
    Ok(to_call(cursor)?.map(|(at, id)| (at, IncidentId(id.0))))
}

/// Of a policy: what it is attached to, and its kind.
pub fn of_policy(target_id: Uuid, kind: &str) -> String {
    let mut bytes = target_id.as_bytes().to_vec();
    bytes.extend_from_slice(kind.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn to_policy(cursor: Option<&str>) -> Result<Option<(Uuid, String)>, Invalid> {
    let Some(cursor) = cursor else {
        return Ok(None);
    };
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| garbled())?;
    let (target_id, kind) = bytes.split_at_checked(16).ok_or_else(garbled)?;
    let target_id = Uuid::from_slice(target_id).map_err(|_| garbled())?;
    let kind = std::str::from_utf8(kind).map_err(|_| garbled())?;
    Ok(Some((target_id, kind.to_owned())))
}

/// Of two texts, the first without a zero byte.
pub fn of_pair(first: &str, second: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{first}\0{second}"))
}

pub fn to_pair(cursor: Option<&str>) -> Result<Option<(String, String)>, Invalid> {
    let Some(cursor) = cursor else {
        return Ok(None);
    };
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| garbled())?;
    let text = String::from_utf8(bytes).map_err(|_| garbled())?;
    let (first, second) = text.split_once('\0').ok_or_else(garbled)?;
    Ok(Some((first.to_owned(), second.to_owned())))
}

pub fn of_number(number: i32) -> String {
    URL_SAFE_NO_PAD.encode(number.to_be_bytes())
}

pub fn to_number(cursor: Option<&str>) -> Result<Option<i32>, Invalid> {
    let Some(cursor) = cursor else {
        return Ok(None);
    };
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok();
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    Ok(Some(i32::from_be_bytes(bytes.ok_or_else(garbled)?)))
}

fn garbled() -> Invalid {
    Invalid::one(
        "cursor",
        "is not a cursor of this list; leave it out to start from the top",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back() {
        let id = Uuid::from_u128(7);
        assert_eq!(to_id(Some(&of_id(id))), Ok(Some(id)));
        let call = (1_790_000_000_000_000, UsageEventId(id));
        assert_eq!(to_call(Some(&of_call(call.0, call.1))), Ok(Some(call)));
        assert_eq!(to_id(None), Ok(None));
    }

    #[test]
    fn garbled_cursors_are_a_field_error() {
        for text in [
            "",
            "x",
            "!!!!",
            &"A".repeat(1000),
            "AAAAAAAAAAAAAAAAAAAAAA==",
        ] {
            assert!(to_id(Some(text)).is_err(), "{text}");
            assert!(to_call(Some(text)).is_err(), "{text}");
        }
    }
}
